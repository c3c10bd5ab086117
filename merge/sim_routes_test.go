package merge_test

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

// TestRoutes runs schedules with a table that goes up only, or of which no child gets what another added. Each site inserts rows of its own, and
// all edit what they have; backups are restored, clocks wrong, files lost and late. At all times no site has a row of one that is neither below
// nor above it, nor of one above it where rows go up only. In the end every site above has the row as its own site has it, once that has edited it.
func TestRoutes(t *testing.T) {
	if seed := os.Getenv("OMSYNC_SEED"); seed != "" {
		n, _ := strconv.ParseInt(seed, 10, 64)
		t.Fatal(routesSchedule(n, func(f string, a ...any) { fmt.Printf(f+"\n", a...) }))
	}
	n := int64(20_000)
	if testing.Short() {
		n = 1000
	}
	if s := schedules(t); s > 0 {
		n = s
	}
	failed := 0
	for seed := range n {
		if fault := routesSchedule(seed, nil); fault != "" {
			t.Errorf("schedule %d: %s", seed, fault)
			if failed++; failed > 10 {
				break
			}
		}
	}
	t.Logf("%d schedules", n)
}

func routesSchedule(seed int64, talk func(string, ...any)) string {
	r := rand.New(rand.NewSource(seed))
	w := newWorld(trees[r.Intn(len(trees))], merge.Newest, talk)
	w.direction = []access.Direction{access.Up, access.Own}[r.Intn(2)]
	w.newest = false
	node := func() string { return w.names[r.Intn(len(w.names))] }
	keyOf := func(site string) string { return fmt.Sprintf("p-%s-%d", site, r.Intn(3)) }
	restores, skews := r.Intn(2) == 0, r.Intn(2) == 0
	for i := 10 + r.Intn(50); i > 0; i-- {
		w.now++
		l := w.links[r.Intn(len(w.links))]
		switch x := r.Float64(); {
		case restores && x < .06:
			if n := node(); r.Intn(3) == 0 {
				w.restore(n)
			} else {
				w.backups[n] = w.sites[n].backup()
				w.tell("backup of %s", n)
			}
		case x < .30:
			n := node()
			w.insert(n, keyOf(n), 0)
		case x < .40:
			if s := w.sites[node()]; len(s.keys()) > 0 {
				w.edit(s.name, s.keys()[r.Intn(len(s.keys()))], merge.Bit(1+r.Intn(cols-1)), 0)
			}
		case x < .43:
			n := node()
			w.delete(n, keyOf(n))
		case x < .67:
			w.send(r, l, merge.ExportRequest{SinceSent: r.Intn(4) == 0, Full: r.Intn(12) == 0}, true)
		case x < .92:
			w.arrive(r, l)
		case x < .94:
			w.quiet(r, 25)
		case skews:
			w.skew[node()] = []int64{-1000, -100, -15, 15, 100, 1000}[r.Intn(6)]
		}
		if fault := w.checkRoutes(); fault != "" {
			return fault
		}
	}
	w.tell("-- quiet")
	if silent, _ := w.quiet(r, 120); !silent {
		return "endless: still sending"
	}
	for _, n := range w.names {
		for i := range 3 {
			w.now++
			w.edit(n, fmt.Sprintf("p-%s-%d", n, i), merge.Bits(allColumns), 0)
		}
	}
	w.tell("-- quiet again")
	if silent, _ := w.quiet(r, 120); !silent {
		return "endless: still sending"
	}
	if w.fault != "" {
		return w.fault
	}
	if fault := w.checkRoutes(); fault != "" {
		return fault
	}
	return w.checkArrived()
}

// checkRoutes: a site has no row of a site that it must not see.
func (w *world) checkRoutes() string {
	for _, n := range w.names {
		s := w.sites[n]
		for _, k := range s.keys() {
			owner := string(k[2])
			if e := s.rows[k]; e.here && !w.above(n, owner) && !(w.direction == access.Own && w.above(owner, n)) {
				return fmt.Sprintf("%s of %s is at %s", k, owner, n)
			}
		}
	}
	return ""
}

// above reports whether a site is another, or above it.
func (w *world) above(site, other string) bool {
	for at := other; at != ""; at = w.sites[at].parent {
		if at == site {
			return true
		}
	}
	return false
}

// checkArrived: whoever may have a row has it as its own site has it.
func (w *world) checkArrived() string {
	for _, owner := range w.names {
		for i := range 3 {
			k := fmt.Sprintf("p-%s-%d", owner, i)
			own := w.sites[owner].rows[k]
			for _, n := range w.names {
				if !w.above(n, owner) && !(w.direction == access.Own && w.above(owner, n)) {
					continue
				}
				if e := w.sites[n].rows[k]; e.here != own.here || e.val != own.val {
					return fmt.Sprintf("different: %s at %s and %s: %v and %v", k, owner, n, own.val, e.val)
				}
			}
		}
	}
	return ""
}
