package batch

import "sync"

// maxReadAhead is how many bytes items that are read ahead hold, with the one that Next returned last, before no more are read: values, and
// cellCost for each.
const maxReadAhead = 4 << 20

// readAhead reads items beside whoever calls Next. Its goroutine lives as long as it has room, so that a reader that is dropped leaves none.
type readAhead struct {
	mu      sync.Mutex
	changed sync.Cond
	items   []readItem
	held    int // bytes of the items, and of the one that was returned last
	last    int // of the latter
	runs    bool
	closed  bool
}

type readItem struct {
	item any
	size int
	err  error
}

// ReadAhead has the next items read beside whoever calls Next from now on.
func (r *Reader) ReadAhead() {
	r.ahead = &readAhead{}
	r.ahead.changed.L = &r.ahead.mu
}

// LastSize returns about how many bytes the item holds that Next returned last: its values, and some for each. It is 0 if nothing is read
// ahead.
func (r *Reader) LastSize() int {
	if r.ahead == nil {
		return 0
	}
	return r.ahead.last
}

// next returns the next item, and has those after it read.
func (a *readAhead) next(r *Reader) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held, a.last = a.held-a.last, 0
	for len(a.items) == 0 {
		a.start(r)
		a.changed.Wait()
	}
	next := a.items[0]
	a.items[0] = readItem{}
	a.items, a.last = a.items[1:], next.size
	if next.err == nil && a.held < maxReadAhead {
		a.start(r)
	}
	return next.item, next.err
}

func (a *readAhead) start(r *Reader) {
	if !a.runs {
		a.runs = true
		go a.run(r)
	}
}

func (a *readAhead) run(r *Reader) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for again := true; again; again = !a.closed && a.held < maxReadAhead {
		a.mu.Unlock()
		item, err := r.next()
		size := r.in.size()
		a.mu.Lock()
		a.items = append(a.items, readItem{item, size, err})
		a.held += size
		a.changed.Broadcast()
		if err != nil {
			break
		}
	}
	a.runs = false
	a.changed.Broadcast()
}

// close returns when nothing reads any more.
func (a *readAhead) close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for a.runs {
		a.changed.Wait()
	}
	a.items = nil
}
