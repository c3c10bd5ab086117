package merge_test

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
)

// endOfTime is the highest time that a batch may hold.
const endOfTime = 253402300799999999

// TestBrokenSiteHarmsItselfAlone lets one site stamp what it sends as late as can be, and asks of all others what is asked of honest
// ones: that they end equal and silent, that none of them refuses another's file, and that no stamp of theirs came near the end.
func TestBrokenSiteHarmsItselfAlone(t *testing.T) {
	n := int64(4000)
	if testing.Short() {
		n = 400
	}
	for seed := range n {
		if fault := brokenSchedule(seed); fault != "" {
			t.Fatalf("schedule %d: %s", seed, fault)
		}
	}
}

func brokenSchedule(seed int64) string {
	r := rand.New(rand.NewSource(seed))
	tree, broken := trees[2], "z"
	if r.Intn(2) == 0 {
		tree, broken = trees[5], "a"
	}
	w := newWorld(tree, merge.Policy(r.Intn(3)), nil)
	w.broken, w.strict = broken, r.Intn(2) == 0
	keys := []string{"p1", "p2", "c1", "c2"}
	w.insert(w.names[r.Intn(len(w.names))], "p1", 0)
	for range 60 {
		w.now++
		l := w.links[r.Intn(len(w.links))]
		switch x := r.Float64(); {
		case x < .35:
			w.application(r, w.names[r.Intn(len(w.names))], keys[r.Intn(len(keys))])
		case x < .65:
			w.send(r, l, merge.ExportRequest{}, true)
			if l[0] == broken {
				w.forge(r, w.files[l])
			}
		case x < .95:
			w.arrive(r, l)
		default:
			n := w.names[r.Intn(len(w.names))]
			w.skew[n] = []int64{-1000, -100, 100, 1000, emptyBattery}[r.Intn(5)]
		}
	}
	w.links = slices.DeleteFunc(w.links, func(l [2]string) bool { return l[0] == broken || l[1] == broken })
	w.names = slices.DeleteFunc(w.names, func(n string) bool { return n == broken })
	silent, _ := w.quiet(r, 60)
	switch {
	case w.fault != "":
		return w.fault
	case !silent:
		return "endless: still sending"
	}
	for _, n := range w.names {
		for k, e := range w.sites[n].rows {
			if s := latest(e.Row); s.Time > birth+int64(w.now)*10+1000+2*simHorizon+int64(w.now) {
				return fmt.Sprintf("%s at %s is stamped %d", k, n, s.Time-birth)
			}
		}
	}
	return w.checkEqual()
}

func latest(r merge.Row) merge.Stamp {
	s := r.Dead.Stamp
	for _, g := range r.Groups {
		if s.Before(g.Stamp) {
			s = g.Stamp
		}
	}
	return s
}

// forge stamps some of what is under way later: at the end, where room ends, and around what the receiver takes.
func (w *world) forge(r *rand.Rand, files []*file) {
	for _, f := range files {
		limit := w.clock(f.dst) + simHorizon
		for i := range f.rows {
			if r.Intn(2) == 0 {
				continue
			}
			late := []int64{endOfTime, endOfTime - 1, 221845392000000000, 221845392000000001, limit + 1, limit, limit - 1}[r.Intn(7)]
			f.rows[i].Dead.Time = late
			f.rows[i].Groups = slices.Clone(f.rows[i].Groups)
			for g := range f.rows[i].Groups {
				if r.Intn(2) == 0 {
					f.rows[i].Groups[g].Time = late
				}
			}
		}
	}
}

// horizon is how much later than the clock stamps of a child may be. A parent of sites that are parents too takes more than they do, since its clock may
// be behind theirs.
func (s *site) horizon() int64 {
	for _, child := range s.w.sites {
		if child.parent == s.name {
			for _, c := range s.w.sites {
				if c.parent == child.name {
					return 2 * simHorizon
				}
			}
		}
	}
	return simHorizon
}
