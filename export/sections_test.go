package export

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/omsync/omsync/export/share"
)

// fixed returns a section of so many bytes.
func fixed(bytes int) *section {
	return &section{refers: make([]share.Row, (bytes-slotCost)/referCost)}
}

func (s *Sections) of(t *testing.T, n uint64, right bool, create func() (*section, error)) *section {
	t.Helper()
	got, err := s.get(t.Context(), sectionKey{Interval: share.Interval{From: n, To: n + 1}}, func(*section) bool { return right }, create)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// What is held stays below its bound, and what was not used for the longest time goes first.
func TestSectionsAreBounded(t *testing.T) {
	const size, most = 10_000, 45_000
	s := NewSections(most)
	made := map[uint64]int{}
	use := func(n uint64, right bool) {
		s.of(t, n, right, func() (*section, error) { made[n]++; return fixed(size), nil })
		if got := s.Bytes(); got > most || got != int64(len(s.slots))*fixed(size).size() {
			t.Fatalf("%d bytes are held, in %d", got, len(s.slots))
		}
	}
	for _, n := range []uint64{1, 2, 3, 4, 1, 5, 1, 2} { // 5 has 2 go, and 2 has 3
		use(n, true)
	}
	use(1, true)
	use(3, true)
	use(5, false) // it is not right any more
	if made[1] != 1 || made[2] != 2 || made[3] != 2 || made[4] != 1 || made[5] != 2 {
		t.Errorf("made %v", made)
	}
	s.of(t, 9, true, func() (*section, error) { return fixed(2 * most), nil })
	if s.Bytes() > most {
		t.Errorf("one that is too large has %d bytes held", s.Bytes())
	}
}

// Many exports at the same time make a section once; one that fails leaves it to the next.
func TestSectionsAreMadeOnce(t *testing.T) {
	s := NewSections(1 << 20)
	var made atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for n := range uint64(20) {
				key := sectionKey{Interval: share.Interval{From: n, To: n + 1}}
				s.get(t.Context(), key, func(*section) bool { return true }, func() (*section, error) {
					if made.Add(1)%5 == 0 {
						return nil, errors.New("the server is gone")
					}
					return fixed(1000), nil
				})
			}
		})
	}
	all.Wait()
	if n := made.Load(); n < 20 || n > 25 {
		t.Errorf("20 sections were made %d times", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	key := sectionKey{Interval: share.Interval{From: 99, To: 100}}
	_, err := s.get(t.Context(), key, nil, func() (*section, error) {
		cancel()
		_, err := s.get(ctx, key, nil, nil) // it waits for the one that is being made
		return nil, err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("who waits, and is told to stop: %v", err)
	}
}
