package reserve

import (
	"context"
	"hash/maphash"
	"sync"
)

// Key stands for the key of a row, or for those of some rows: two rows with one Key count as one.
type Key uint64

var seed = maphash.MakeSeed()

// Table is the Key of all rows of a table of which nothing else is said.
func Table(name string) Key { return Key(maphash.String(seed, name)) }

// With is the Key of those rows of k that have a part in common as well.
func (k Key) With(part string) Key { return k.WithKey(Key(maphash.String(seed, part))) }

// WithKey is With where the part is the Key of another row.
func (k Key) WithKey(part Key) Key { return Key(maphash.Comparable(seed, [2]Key{k, part})) }

// maxReserved is how many keys are reserved at once, by those that run and those that ended and still count: some 50 MB of memory. A small file may
// have millions of keys, and one that is held up keeps what all others reserve meanwhile.
const maxReserved = 1 << 20

// Imports are those that may run at the same time. The zero value has none.
type Imports struct {
	mu      sync.Mutex
	running map[*Import]bool
	kept    int           // keys that are reserved
	alone   int           // how many run alone, or wait to
	changed chan struct{} // closed at each change; nil: nobody waits
}

// Import is one of them, from its beginning to its end. A nil one runs alone.
type Import struct {
	of       *Imports
	alone    bool
	reserved map[Key]bool     // true: to write
	beside   map[*Import]bool // those that it overlaps, ended ones too
	counts   int              // of one that ended: for how many that run
}

// Begin waits until an import may begin: one that is to run alone until no other runs, any other until none runs alone or waits for that.
// Of a nil Imports it returns nil at once. The error is the context's.
func (s *Imports) Begin(ctx context.Context, alone bool) (*Import, error) {
	if s == nil {
		return nil, nil
	}
	i := &Import{of: s, alone: alone, reserved: map[Key]bool{}, beside: map[*Import]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if alone {
		s.alone++
	}
	for alone && len(s.running) > 0 || !alone && s.alone > 0 {
		if err := s.wait(ctx); err != nil {
			if alone {
				s.alone--
				s.tell()
			}
			return nil, err
		}
	}
	for other := range s.running {
		other.beside[i], i.beside[other] = true, true
	}
	if s.running == nil {
		s.running = map[*Import]bool{}
	}
	s.running[i] = true
	return i, nil
}

// wait waits for a change.
func (s *Imports) wait(ctx context.Context) error {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	changed := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
		return nil
	}
}

func (s *Imports) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Alone reports whether no other import runs beside this one.
func (i *Import) Alone() bool { return i == nil || i.alone }

// Reserve reserves keys, before anything of their rows is read. False: another import that overlaps this one has reserved one otherwise, or there
// are too many, and this one must undo what it did and run alone.
func (i *Import) Reserve(keys []Key, write bool) bool {
	if i.Alone() {
		return true
	}
	i.of.mu.Lock()
	defer i.of.mu.Unlock()
	for _, k := range keys {
		had, mine := i.reserved[k]
		if mine && (had || !write) {
			continue
		}
		for other := range i.beside {
			if theirs, is := other.reserved[k]; is && (theirs || write) {
				return false
			}
		}
		if !mine {
			if i.of.kept == maxReserved {
				return false
			}
			i.of.kept++
		}
		i.reserved[k] = write
	}
	return true
}

// End ends the import, once its transaction has ended. What it reserved stays so for those that it overlapped.
func (i *Import) End() {
	if i == nil {
		return
	}
	s := i.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running[i] {
		return
	}
	delete(s.running, i)
	for other := range i.beside {
		if s.running[other] {
			i.counts++
		} else if other.counts--; other.counts == 0 {
			s.kept -= len(other.reserved)
		}
	}
	if i.counts == 0 {
		s.kept -= len(i.reserved)
	}
	i.beside = nil
	if i.alone {
		s.alone--
	}
	s.tell()
}
