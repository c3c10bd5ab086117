package batch

import "sync"

// ahead is how much may wait to be packed, and what counts how much: an item with rows is held with all its values, some megabytes.
const aheadLimit, aheadBlock, aheadSmall = 48, 16, 1

// ahead packs items in their order beside whoever hands them in: what is read next need not wait for it. Its goroutine lives for as long as
// there are items, so that a writer that is dropped leaves none.
type ahead struct {
	mu      sync.Mutex
	changed sync.Cond
	items   []pending
	weight  int // of the items, and of the one that is being packed
	runs    bool
	err     error // of the first that failed: the rest is not packed
}

type pending struct {
	weight int
	pack   func() error
}

// add hands in an item, and waits while too much waits. The error is that of an earlier one.
func (a *ahead) add(weight int, pack func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.weight > 0 && a.weight+weight > aheadLimit {
		a.changed.Wait()
	}
	if a.err != nil {
		return a.err
	}
	a.items = append(a.items, pending{weight, pack})
	a.weight += weight
	if !a.runs {
		a.runs = true
		go a.run()
	}
	return nil
}

// wait returns when all that was handed in is packed, with the error of the first that failed.
func (a *ahead) wait() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.runs {
		a.changed.Wait()
	}
	return a.err
}

func (a *ahead) run() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.items) > 0 {
		next := a.items[0]
		a.items = a.items[1:]
		if a.err == nil {
			a.mu.Unlock()
			err := next.pack()
			a.mu.Lock()
			a.err = err
		}
		a.weight -= next.weight
		a.changed.Broadcast()
	}
	a.items, a.runs = nil, false
	a.changed.Broadcast()
}
