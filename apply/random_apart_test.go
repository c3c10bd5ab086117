package apply_test

import (
	"math/rand/v2"
	"testing"
)

// TestRandomApart is TestRandom for three sites with OpenMRS that lived apart: a person decided which of their rows are one, or it is certain,
// and they have exchanged everything. The comparison goes by what the generator knows to be one thing, and not by what omsync made of it.
//
// OMSYNC_SEED, OMSYNC_ROUNDS and OMSYNC_SCHEDULES are as for TestRandomDiffer. OMSYNC_EDITS is how many statements that changed something there
// must have been at least; as many rounds are run.
func TestRandomApart(t *testing.T) {
	if testing.Short() {
		t.Skip("loads three databases")
	}
	seed, schedules := number(t, "OMSYNC_SEED", 1), number(t, "OMSYNC_SCHEDULES", 1)
	rounds, edits := number(t, "OMSYNC_ROUNDS", 1), int(number(t, "OMSYNC_EDITS", 100))
	for s := seed; s < seed+schedules; s++ {
		w := newApart(t, s)
		for w.edits < edits && !t.Failed() {
			w.run(int(rounds))
		}
		for _, n := range w.actors {
			w.things.once(t, n.Site)
		}
		t.Logf("%d edits", w.edits)
	}
}

// newApart makes a hub and two sites, in a chain or not, that lived apart and have met.
func newApart(t *testing.T, seed uint64) *chaos {
	w := &chaos{t: t, maker: &maker{rng: rand.New(rand.NewPCG(seed, 79)), unique: map[string]bool{}}, clock: 1_760_000_000_000_000,
		written: map[string]string{}, cleared: map[string]bool{}, disposable: map[string]bool{}, imported: map[string]int{}}
	all, a := livedApart(t, 6, "hub", "kisumu", "migori")
	w.things = a
	for i, s := range all {
		n := &actor{Site: s, w: w, base: int64(1+i) * 1_000_000, own: map[string]bool{}, dirty: map[string]bool{}}
		n.forget()
		w.actors = append(w.actors, n)
		n.Init()
		n.alone = a.named(n.Dump())
		n.Exec("SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'")
		n.setClock()
	}
	chain := w.chance(50)
	t.Logf("OMSYNC_SEED=%d (chain: %v)", seed, chain)
	hub, kisumu, migori := w.actors[0], w.actors[1], w.actors[2]
	w.connect(hub, kisumu)
	upper := hub
	if chain {
		upper = kisumu
	}
	w.connect(upper, migori)
	for _, n := range w.actors[1:] {
		if a.decide(t, n.parent.Site, n.Site) == 0 {
			t.Fatalf("%s and %s have nothing in common", n.parent.Name, n.Name)
		}
	}
	w.settle()
	w.check()
	return w
}
