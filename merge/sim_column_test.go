package merge_test

import (
	"math/rand"
	"testing"

	"github.com/omsync/omsync/merge"
)

// TestColumnThatASiteLacks has a site, or two, do without a column until it is made there, and asks everybody for it then. Rows are edited, deleted
// and come back meanwhile; in the end all sites are equal and silent, and no value is nowhere.
func TestColumnThatASiteLacks(t *testing.T) {
	n := int64(5000)
	if testing.Short() {
		n = 1000
	}
	for seed := range n {
		if fault := columnSchedule(seed, nil); fault != "" {
			t.Fatalf("schedule %d: %s", seed, fault)
		}
	}
}

func columnSchedule(seed int64, talk func(string, ...any)) (fault string) {
	r := rand.New(rand.NewSource(seed))
	w := newWorld(trees[r.Intn(len(trees))], merge.Policy(r.Intn(3)), talk)
	w.mixPolicies(r)
	keys := []string{"p1", "p2", "c1", "c2"}
	column := merge.Bit(2 + r.Intn(cols-2))
	for range 1 + r.Intn(2) {
		w.sites[w.names[r.Intn(len(w.names))]].lacks = column
	}
	restores := r.Intn(3) == 0
	steps := func(n int) {
		for range n {
			name := w.names[r.Intn(len(w.names))]
			switch {
			case !restores || r.Intn(25) > 0:
				w.step(r, keys)
			case r.Intn(3) > 0:
				w.backups[name] = w.sites[name].backup()
			default:
				w.restore(name)
			}
		}
	}
	w.insert(w.names[r.Intn(len(w.names))], "p1", 0)
	steps(20 + r.Intn(80))
	if r.Intn(2) == 0 {
		w.quiet(r, 25)
	}
	for _, i := range r.Perm(len(w.names)) {
		if s := w.sites[w.names[i]]; !s.lacks.IsEmpty() {
			s.gain()
			delete(w.backups, s.name) // they have the other schema
			steps(r.Intn(20))
		}
	}
	if fault := w.settled(r); fault != "" {
		return fault
	}
	final, recorded := w.kept()
	return w.checkLost(final, recorded)
}

// gain makes the columns that a site lacked, without values, and asks all peers to send everything.
func (s *site) gain() {
	s.seal()
	s.gained, s.lacks = s.gained.Or(s.lacks), merge.Mask{}
	s.commit()
	s.asked = s.epoch()
	for _, l := range s.links {
		l.HeaderDue = true
	}
}
