package merge_test

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
)

// TestLostTable has the values of one site go back to what they were, while its versions and links stay: its tables alone were loaded from
// a backup. From then on all sites end equal and silent, no value that another site had is rolled back to an older one, and what was
// inserted after the load, before anybody looked, is everywhere.
func TestLostTable(t *testing.T) {
	n := int64(8000)
	if testing.Short() {
		n = 800
	}
	stale := 0
	for seed := range n {
		older, fault := lostSchedule(seed)
		if fault != "" {
			t.Fatalf("schedule %d: %s", seed, fault)
		}
		if older {
			stale++
		}
	}
	if t.Logf("in %d of %d schedules others had newer values", stale, n); stale < int(n)/4 {
		t.Error("that is too few")
	}
}

func lostSchedule(seed int64) (stale bool, fault string) {
	r := rand.New(rand.NewSource(seed))
	w := newWorld(trees[r.Intn(len(trees))], merge.Newest, nil)
	w.mending = true // clocks stay as they are
	keys := []string{"p1", "p2", "c1", "c2"}
	for _, n := range w.names {
		w.skew[n] = []int64{0, 0, -100, 100}[r.Intn(4)]
	}
	w.insert(w.names[r.Intn(len(w.names))], "p1", 0)
	for range r.Intn(60) {
		w.step(r, keys)
	}
	n := w.names[r.Intn(len(w.names))]
	s := w.sites[n]
	before := maps.Clone(s.rows)
	for range 20 + r.Intn(60) {
		w.step(r, keys)
	}
	if r.Intn(2) == 0 {
		w.quiet(r, 25)
	}
	held := map[value]bool{}
	for _, other := range w.sites {
		for _, e := range other.rows {
			if other != s && e.here {
				for _, v := range e.val[1:] {
					held[v] = true
				}
			}
		}
	}
	for k, e := range before {
		if e.here && slices.ContainsFunc(e.val[1:], func(v value) bool { return w.replacedBy(v, held, map[value]bool{}) }) {
			stale = true
			w.tell("%s is older", k)
		}
	}
	w.tell("LOSS at %s", n)
	s.lose(before)
	w.insert(n, "p9", 0) // the table is there, and no trigger on it
	s.log = nil
	s.lookAgain()
	for range r.Intn(40) {
		w.step(r, keys)
	}
	if fault := w.settled(r); fault != "" {
		return stale, fault
	}
	for k, e := range s.rows {
		if slices.ContainsFunc(w.deletions, func(d act) bool { return d.key == k }) {
			continue // what was deleted elsewhere, and stays for what refers to it, stays as it is here
		}
		for bit, v := range e.val {
			if e.here && bit > 0 && w.replacedBy(v, held, map[value]bool{}) {
				return stale, fmt.Sprintf("%s.%d was rolled back to %d", k, bit, v)
			}
		}
	}
	if !s.here("p9") {
		return stale, "what was inserted after the load is gone"
	}
	return stale, ""
}

// replacedBy reports whether one of these values was written over v, or over what was.
func (w *world) replacedBy(v value, held, tried map[value]bool) bool {
	if tried[v] {
		return false
	}
	tried[v] = true
	return slices.ContainsFunc(w.over[v], func(o value) bool { return o != deleted && (held[o] || w.replacedBy(o, held, tried)) })
}

// lose puts values back, and nothing that is known of them.
func (s *site) lose(before map[string]entry) {
	s.log = nil
	s.rows = maps.Clone(s.rows)
	for k, e := range s.rows {
		e.here, e.val = before[k].here, before[k].val
		s.rows[k] = e
	}
}

// lookAgain does what a node does that finds its tables replaced.
func (s *site) lookAgain() {
	m := merge.Stamper{Self: s.name, Epoch: s.next()}
	for k, e := range s.rows {
		e.Row = m.FoundAgain(e.Row, e.here, merge.Bits(allColumns))
		s.rows[k] = e
	}
	s.resent = maps.Clone(s.resent)
	if s.resent == nil {
		s.resent = map[uint64]bool{}
	}
	s.resent[s.next()] = true
	s.commit()
	s.asked, s.lost = s.epoch(), s.epoch()
	for _, l := range s.links {
		l.HeaderDue = true
	}
}
