package merge_test

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
)

// TestMendedNetworkHeals lets one site stamp what it sends as late as can be, to sites that take it, as the program did before there was a
// horizon. Then the site is gone, the others' programs are new, and each of them mends what it holds, parents first, while the
// exchange goes on. From then on it asks what is asked of honest networks: all end equal and silent, and an edit of any row at any site
// is what all of them have.
func TestMendedNetworkHeals(t *testing.T) {
	n := int64(4000)
	if testing.Short() {
		n = 400
	}
	late := 0
	for seed := range n {
		w, fault := mendedSchedule(seed, true)
		if fault != "" {
			t.Fatalf("schedule %d: %s", seed, fault)
		}
		if w.mended > 0 {
			late++
		}
	}
	if t.Logf("in %d of %d schedules there was something to mend", late, n); late < int(n)/3 {
		t.Error("that is too few")
	}
}

// Who mends and does not ask its peers to send again what they sent meanwhile, and what lost to the stamps that are mended now, may stay
// different for ever.
func TestMendingAsksAgain(t *testing.T) {
	for seed := range int64(4000) {
		if _, fault := mendedSchedule(seed, false); fault != "" {
			t.Logf("schedule %d: %s", seed, fault)
			return
		}
	}
	t.Error("it makes no difference")
}

func mendedSchedule(seed int64, asks bool) (*world, string) {
	r := rand.New(rand.NewSource(seed))
	tree, broken := trees[2], "z"
	if r.Intn(2) == 0 {
		tree, broken = trees[5], "a"
	}
	w := newWorld(tree, merge.Policy(r.Intn(3)), nil)
	w.broken, w.noHorizon = broken, true
	keys := []string{"p1", "p2", "c1", "c2"}
	w.insert(broken, "p1", 0)
	for range 120 {
		w.step(r, keys)
	}
	w.noHorizon, w.mending = false, true
	w.links = slices.DeleteFunc(w.links, func(l [2]string) bool { return l[0] == broken || l[1] == broken })
	w.names = slices.DeleteFunc(w.names, func(n string) bool { return n == broken })
	for _, n := range w.names { // people set the clocks first, more or less, and nothing that is not to be mended is later than they show
		w.skew[n] = []int64{0, -150, -50, 50, 150}[r.Intn(5)]
	}
	w.now += 2 * simHorizon / 10
	sites := w.downwards()
	limit := merge.Horizon(w.clock(sites[0]), w.sites[sites[0]].horizon(), false) // the same for all, as the first one's people say it
	for _, n := range sites {
		for range r.Intn(12) {
			w.step(r, keys)
		}
		w.sites[n].mend(limit, w.clock(n), asks)
		w.tell("-- %s mended%s", n, w.show(n))
	}
	if fault := w.settled(r); fault != "" {
		return w, "after mending: " + fault
	}
	return w, w.editsCount(r, limit)
}

// editsCount edits every row somewhere, and sees that the edit is everywhere in the end.
func (w *world) editsCount(r *rand.Rand, limit int64) string {
	for _, n := range w.downwards() { // people run the command once more: late files have brought such stamps
		w.sites[n].mend(limit, w.clock(n), true)
	}
	w.mending = false
	w.now += 100_000 // well after what was mended, by all clocks
	want := map[string]value{}
	for _, k := range w.sites[w.names[0]].keys() {
		n := w.names[r.Intn(len(w.names))]
		w.skew[n] = 0
		w.edit(n, k, merge.Bits(4), 0)
		if e := w.sites[n].rows[k]; e.here {
			want[k] = e.val[2]
		}
	}
	if fault := w.settled(r); fault != "" {
		return "after edits: " + fault
	}
	for k, v := range want {
		for _, n := range w.names {
			if got := w.sites[n].rows[k].val[2]; got != v {
				return fmt.Sprintf("the edit of %s does not count: %s has %d, want %d", k, n, got, v)
			}
		}
	}
	return ""
}

// settled exchanges everything, and asks that all end equal, silent, and without a stamp that no clock gave.
func (w *world) settled(r *rand.Rand) string {
	silent, _ := w.quiet(r, 60)
	switch {
	case w.fault != "":
		return w.fault
	case !silent:
		return "endless: still sending"
	}
	for _, n := range w.names {
		for k, e := range w.sites[n].rows {
			if s := latest(e.Row); s.Time > w.clock(n)+100*simHorizon {
				return fmt.Sprintf("%s at %s is stamped %d", k, n, s.Time-birth)
			}
		}
	}
	return w.checkEqual()
}

// step is something that happens: work, a file that goes or comes, a clock that is set.
func (w *world) step(r *rand.Rand, keys []string) {
	w.now++
	l := w.links[r.Intn(len(w.links))]
	switch x := r.Float64(); {
	case x < .35:
		w.application(r, w.names[r.Intn(len(w.names))], keys[r.Intn(len(keys))])
	case x < .65:
		w.send(r, l, merge.ExportRequest{}, true)
		if l[0] == w.broken {
			w.forge(r, w.files[l])
		}
	case x < .95:
		w.arrive(r, l)
	case !w.mending:
		w.skew[w.names[r.Intn(len(w.names))]] = []int64{-1000, -100, 100, 1000}[r.Intn(4)]
	}
}

// downwards lists the sites, parents before children.
func (w *world) downwards() []string {
	var out []string
	for len(out) < len(w.names) {
		for _, n := range w.names {
			if s := w.sites[n]; !slices.Contains(out, n) && (s.parent == "" || slices.Contains(out, s.parent)) {
				out = append(out, n)
			}
		}
	}
	return out
}

// mend does what the command does: it mends all rows, throws away the files that it made before, and asks every peer to send everything
// again. (A file that is on its way is lost here: otherwise the command is needed once more where it comes from a parent.)
func (s *site) mend(limit, now int64, asks bool) {
	s.seal()
	m := merge.Stamper{Self: s.name, Epoch: s.next()}
	n := 0
	for k, e := range s.rows {
		row, mended := m.Mend(e.Row, limit, now)
		if mended {
			e.Row = row
			s.rows[k] = e
			n++
		}
	}
	waited := len(s.wait)
	maps.DeleteFunc(s.wait, func(_ waitKey, q waiting) bool { return late(q, limit) })
	if n == 0 && len(s.wait) == waited {
		return
	}
	s.commit()
	for l := range s.w.files {
		if l[0] == s.name {
			s.w.files[l] = nil
		}
	}
	s.w.mended += n
	if asks {
		s.asked = s.epoch()
	}
}

// late reports whether a row waits for a stamp that is mended.
func late(q waiting, limit int64) bool {
	return q.Dead.Time > limit || slices.ContainsFunc(q.Groups, func(g merge.SentGroup) bool { return g.Time > limit })
}

// answer owes everything to who asks for it, if that is asked for by a header that counts, and was not before.
func (s *site) answer(f *file, v merge.Verdict) {
	if f.asks <= s.answered[f.src] || v != merge.Apply && v != merge.Covered {
		return
	}
	s.answered = maps.Clone(s.answered)
	if s.answered == nil {
		s.answered = map[string]uint64{}
	}
	s.answered[f.src] = f.asks
	s.seal()
	s.resent, s.owes = maps.Clone(s.resent), maps.Clone(s.owes)
	if s.resent == nil {
		s.resent = map[uint64]bool{}
	}
	if s.owes == nil {
		s.owes = map[string]owed{}
	}
	s.resent[s.next()] = true
	s.commit()
	o := owed{epoch: s.epoch(), lost: f.lost, gained: f.gained}
	if before := s.owes[f.src]; s.links[f.src].Acked.Epoch < before.epoch {
		o.lost, o.gained = o.lost || before.lost, o.gained.Or(before.gained)
	}
	s.owes[f.src] = o
	if f.lost {
		s.loseWaiting(f.src)
	}
}

// sendAgain gives every version a new epoch.
func (s *site) sendAgain() {
	s.seal()
	s.resent = maps.Clone(s.resent)
	if s.resent == nil {
		s.resent = map[uint64]bool{}
	}
	s.resent[s.next()] = true
	for k, e := range s.rows {
		e.Row = e.Resend(s.next())
		s.rows[k] = e
	}
	for _, l := range s.links {
		l.RecordResend(s.next())
	}
	s.commit()
}
