package merge_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/merge"
)

// Several nodes decide about one conflict and tell each other in any order, late and twice: all hold the same in the end, and nobody's
// decision yields to one that it was made over.
func TestResolutions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const nodes = 3
		im := &merge.Import{Horizon: 1000}
		var at [nodes]merge.Resolution
		type letter struct {
			to int
			r  merge.Resolution
		}
		var post []letter
		deliver := func(l letter) {
			if im.TakesResolution(at[l.to], l.r) {
				at[l.to] = l.r
			}
		}
		hows := []merge.How{merge.Open, merge.TookLost, merge.TookKept, merge.Dismissed, merge.Replaced}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			n := rapid.IntRange(0, nodes-1).Draw(t, "node")
			if len(post) > 0 && rapid.Bool().Draw(t, "deliver") {
				deliver(post[rapid.IntRange(0, len(post)-1).Draw(t, "letter")]) // it stays, and may come again
				continue
			}
			before := at[n]
			// Two nodes may have one name: one of them was restored. Clocks go as they like.
			self := []string{"hub", "kisumu"}[min(n, 1)]
			at[n] = before.Resolve(rapid.SampledFrom(hows).Draw(t, "how"), self, rapid.Int64Range(1, 5).Draw(t, "clock"))
			if before.How != "" && (!before.YieldsTo(at[n]) || at[n].YieldsTo(before)) {
				t.Fatalf("%+v stays over %+v, which was decided later at the same node", before, at[n])
			}
			for to := range nodes {
				post = append(post, letter{to, at[n]})
			}
		}
		if len(post) > 0 {
			for _, l := range rapid.Permutation(post).Draw(t, "the rest") {
				deliver(l)
			}
		}
		for n := range nodes {
			if at[n] != at[0] {
				t.Fatalf("node %d holds %+v, node 0 %+v", n, at[n], at[0])
			}
		}
	})
}

// Of two resolutions one takes the other's place, whichever came first: the later, and of two with one stamp the same everywhere.
func TestYieldsTo(t *testing.T) {
	var all []merge.Resolution
	for _, how := range []merge.How{merge.Open, merge.TookLost, merge.TookKept, merge.Dismissed, merge.Replaced} {
		for _, stamp := range []merge.Stamp{{Time: 1, Author: "hub"}, {Time: 1, Author: "kisumu"}, {Time: 2, Author: "hub"}} {
			all = append(all, merge.Resolution{How: how, Stamp: stamp})
		}
	}
	for _, a := range all {
		for _, b := range all {
			if a == b {
				if a.YieldsTo(b) {
					t.Errorf("%+v yields to itself", a)
				}
				continue
			}
			if a.YieldsTo(b) == b.YieldsTo(a) {
				t.Errorf("%+v and %+v: both or none yield", a, b)
			}
			if a.Time < b.Time && !a.YieldsTo(b) {
				t.Errorf("%+v stays over the later %+v", a, b)
			}
		}
	}
}

// What no clock could show, and what is no decision, is not taken: or nobody could decide otherwise any more.
func TestResolutionsThatAreNotTaken(t *testing.T) {
	im := &merge.Import{Horizon: 1000}
	for _, c := range []struct {
		in    merge.Resolution
		takes bool
	}{
		{merge.Resolution{How: merge.TookLost, Stamp: merge.Stamp{Time: 1000, Author: "hub"}}, true},
		{merge.Resolution{How: merge.TookLost, Stamp: merge.Stamp{Time: 1001, Author: "hub"}}, false},
		{merge.Resolution{How: "", Stamp: merge.Stamp{Time: 10, Author: "hub"}}, false},
		{merge.Resolution{How: "best", Stamp: merge.Stamp{Time: 10, Author: "hub"}}, false},
	} {
		if got := im.TakesResolution(merge.Resolution{}, c.in); got != c.takes {
			t.Errorf("%+v: taken %t", c.in, got)
		}
	}
	settles := map[merge.How]bool{"": false, merge.Open: false, merge.TookLost: true, merge.TookKept: true, merge.Dismissed: true, merge.Replaced: true}
	for how, want := range settles {
		if (merge.Resolution{How: how}).Settles() != want {
			t.Errorf("%q settles: not %t", how, want)
		}
	}
}
