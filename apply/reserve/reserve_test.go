package reserve

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

func begin(t *testing.T, s *Imports, alone bool) *Import {
	t.Helper()
	i, err := s.Begin(t.Context(), alone)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestReserveOfTwo(t *testing.T) {
	row := Table("person").With("p-1")
	for name, c := range map[string]struct {
		first, second bool // writes
		key           Key
		may           bool
	}{
		"both refer":              {false, false, row, true},
		"one refers, one writes":  {false, true, row, false},
		"one writes, one refers":  {true, false, row, false},
		"both write":              {true, true, row, false},
		"the same, made anew":     {true, true, Table("person").With("p-1"), false},
		"they write two rows":     {true, true, Table("person").With("p-2"), true},
		"one of another table":    {true, true, Table("obs").With("p-1"), true},
		"one with a part more":    {true, true, row.With("lang"), true},
		"one made of another row": {true, true, Table("flag").WithKey(row), true},
	} {
		for _, ended := range []bool{false, true} {
			var s Imports
			a, b := begin(t, &s, false), begin(t, &s, false)
			if !a.Reserve([]Key{row}, c.first) {
				t.Fatalf("%s: the first may not", name)
			}
			if ended {
				a.End()
			}
			if got := b.Reserve([]Key{c.key}, c.second); got != c.may {
				t.Errorf("%s, ended %v: the second may: %v", name, ended, got)
			}
		}
	}
}

func TestReserveOfItsOwn(t *testing.T) {
	var s Imports
	row := Table("person").With("p-1")
	a, b := begin(t, &s, false), begin(t, &s, false)
	if !a.Reserve([]Key{row}, false) || !a.Reserve([]Key{row}, true) || !a.Reserve([]Key{row}, false) {
		t.Fatal("it may not write what it refers to")
	}
	if b.Reserve([]Key{row}, false) {
		t.Error("what one writes is free once it refers to it too")
	}
	b.End()
	c := begin(t, &s, false)
	if a.End(); c.Reserve([]Key{row}, true) {
		t.Error("what one wrote that ended meanwhile is free")
	}
	if d := begin(t, &s, false); !d.Reserve([]Key{row}, true) {
		t.Error("what one wrote that ended before is not free")
	}
}

func TestReserveOfWhatIsReferredTo(t *testing.T) {
	var s Imports
	row := Table("person").With("p-1")
	a, b := begin(t, &s, false), begin(t, &s, false)
	if !a.Reserve([]Key{row}, false) || !b.Reserve([]Key{row}, false) {
		t.Fatal("two may not refer to one row")
	}
	if a.Reserve([]Key{row}, true) {
		t.Error("it may write what another refers to")
	}
	a.End()
	if b.End(); len(s.running) != 0 || s.alone != 0 {
		t.Errorf("left: %v", s.running)
	}
}

func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Imports
		a := begin(t, &s, false)
		var order []string
		var all sync.WaitGroup
		all.Go(func() {
			i := begin(t, &s, true)
			order = append(order, "alone")
			if !i.Alone() || !i.Reserve([]Key{1}, true) {
				t.Error("what runs alone is refused a row")
			}
			i.End()
		})
		synctest.Wait()
		all.Go(func() {
			i := begin(t, &s, false)
			order = append(order, "beside")
			i.End()
		})
		synctest.Wait()
		if len(order) != 0 {
			t.Fatalf("while one runs: %v", order)
		}
		a.End()
		a.End() // nothing more ends
		all.Wait()
		if len(order) != 2 || order[0] != "alone" {
			t.Errorf("%v", order)
		}
		b := begin(t, &s, false)
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := s.Begin(ctx, true); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		c := begin(t, &s, false) // who waited no more keeps nobody out
		b.End()
		c.End()
	})
	var none *Imports
	i, err := none.Begin(t.Context(), false)
	if i.End(); err != nil || !i.Alone() || !i.Reserve([]Key{1}, true) {
		t.Error("without any beside it, an import is not alone")
	}
}

// Many at random: of two that are under way at the same time, none has a row that the other writes.
func TestReserveAtRandom(t *testing.T) {
	var s Imports
	var mu sync.Mutex
	writes, refers := map[Key]int{}, map[Key]int{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 300 {
				i, err := s.Begin(t.Context(), rand.IntN(10) == 0)
				if err != nil {
					t.Error(err)
					return
				}
				mine, write := map[Key]bool{}, rand.IntN(2) == 0
				of := refers
				if write {
					of = writes
				}
				for range 4 {
					k := Key(rand.IntN(12))
					if mine[k] {
						continue
					}
					if !i.Reserve([]Key{k}, write) {
						break
					}
					mine[k] = true
					mu.Lock()
					of[k]++
					if write && writes[k]+refers[k] > 1 || writes[k] > 0 && refers[k] > 0 {
						t.Errorf("key %d is another's too", k)
					}
					mu.Unlock()
				}
				mu.Lock()
				for k := range mine {
					of[k]--
				}
				mu.Unlock()
				i.End()
			}
		})
	}
	all.Wait()
}

// However many files come while one is held up, and however many keys they have, what is reserved has a bound; it is free again at the end.
func TestReserveTooMuch(t *testing.T) {
	var s Imports
	next := Key(0)
	reserve := func(i *Import, n int) (got int) {
		for range n {
			if next++; !i.Reserve([]Key{next}, true) {
				break
			}
			got++
		}
		return got
	}
	held := begin(t, &s, false)
	reserve(held, 10)
	total := 10
	for range 9 {
		i := begin(t, &s, false)
		total += reserve(i, maxReserved/8)
		i.End()
	}
	if total != maxReserved || s.kept != maxReserved || !held.Reserve([]Key{1}, true) || held.Reserve([]Key{next + 1}, true) {
		t.Errorf("%d keys are reserved beside one that is held up, %d count, and %d may", total, s.kept, maxReserved)
	}
	late := begin(t, &s, false)
	if held.End(); s.kept != 10 {
		t.Errorf("%d keys are reserved, of which one that runs overlapped 10", s.kept)
	}
	if late.End(); s.kept != 0 {
		t.Errorf("%d keys are reserved, and nothing runs", s.kept)
	}
}
