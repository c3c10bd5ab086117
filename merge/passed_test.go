package merge_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/omsync/omsync/merge"
)

// TestClaimIsPassedOn has a clinic claim rows, which its hub passes on to another clinic: what had changed there unseen is recorded when the claim
// takes its place, and what a clinic was told by an ordinary edit is not.
func TestClaimIsPassedOn(t *testing.T) {
	const one, two = merge.Peer(1), merge.Peer(2) // the clinics, at the hub
	var recorded, edits, above, back int
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 78))
		first := func(from merge.Peer) merge.Row {
			return live(merge.Group{Mask: merge.Bits(3), Version: merge.Version{Stamp: merge.Stamp{Time: 50, Author: "h"}, Epoch: 5, From: from}})
		}
		at := map[string]merge.Row{"one": first(1), "hub": first(0), "two": first(1)}
		values := map[string]string{"one": "same", "hub": "same", "two": "same"}
		for name := range values {
			if name != "one" && r.IntN(2) == 0 {
				values[name] = "unseen at " + name
			}
		}
		claims := r.IntN(3) > 0
		values["one"] = "claimed"
		m := merge.Stamper{Self: "one", Epoch: 11}
		if claims {
			at["one"] = m.Claim(at["one"], merge.Row{}, merge.Bits(3), 0)
		} else {
			at["one"] = m.Edit(at["one"], merge.Bits(2), 90)
		}
		switch what := r.IntN(4); {
		case what == 0 && claims: // the hub has had a later version of the clinic's, which the clinic has forgotten
			at["hub"] = live(merge.Group{Mask: merge.Bits(3), Version: merge.Version{Stamp: merge.Stamp{Time: 70, Author: "one"}, Epoch: 6, From: one}})
			at["two"] = live(merge.Group{Mask: merge.Bits(3), Version: merge.Version{Stamp: merge.Stamp{Time: 70, Author: "one"}, Epoch: 6, From: 1}})
			above++
		case what == 1 && claims: // or deleted it, and the other clinic has brought it back unseen
			at["hub"] = merge.Row{Known: true, Dead: merge.Version{Stamp: merge.Stamp{Time: 50, Author: "zoe"}, Epoch: 6, From: one}}
			at["one"] = live(merge.Group{Mask: merge.Bits(1), Version: merge.Version{Stamp: merge.Stamp{Time: 51, Author: "one"}, Epoch: 11}},
				merge.Group{Mask: merge.Bits(2), Version: merge.Version{Stamp: merge.Stamp{Time: 49, Author: "one"}, Epoch: 11}})
			delete(values, "hub")
			back++
		}
		take := func(sender, receiver string, to, from merge.Peer, mends func(uint64) bool) []merge.Conflict {
			groups, _ := at[sender].Outgoing(to)
			compare := merge.Compare{}
			if values[sender] == values[receiver] {
				compare.Equal = merge.Bits(2)
			}
			im := merge.Import{Self: receiver, Peer: from, Epoch: 22, Passed: 21, Applied: 10, Valid: true, FromParent: sender == "hub", PeerMends: mends, Acked: 10, MaxAck: 10}
			out := im.Settle(at[receiver], merge.Incoming{Alive: true, Groups: groups, Ack: 10, Columns: merge.Bits(2)}, merge.Policies{}, compare, false)
			if out.Action == merge.Insert || out.Write.Has(1) {
				values[receiver] = values[sender]
			}
			at[receiver] = out.Row
			return out.Conflicts
		}
		take("one", "hub", 1, one, func(e uint64) bool { return claims && e == 11 })
		before := values["two"]
		lost := take("hub", "two", two, 1, func(e uint64) bool { return e == 21 })
		if fmt.Sprint(values["two"]) != "claimed" || values["hub"] != "claimed" {
			t.Fatalf("seed %d: %v", seed, values)
		}
		switch {
		case claims && before != "claimed" && len(lost) == 0:
			t.Fatalf("seed %d: %q is lost without a record: %+v, %+v", seed, before, at["hub"], at["two"])
		case !claims && len(lost) > 0:
			t.Fatalf("seed %d: an edit counts as a claim: %+v", seed, lost)
		case claims:
			recorded++
		default:
			edits++
		}
	}
	if recorded == 0 || edits == 0 || above == 0 || back == 0 {
		t.Errorf("%d recorded, %d edits, %d stamped anew, %d come back", recorded, edits, above, back)
	}
}

// TestClaimOfTheSame has a clinic claim what is the same at its hub: it is passed on as an edit, unless it came by a claim before, which others may
// not have yet.
func TestClaimOfTheSame(t *testing.T) {
	const one = merge.Peer(1)
	group := func(m merge.Mask, at int64, epoch uint64) merge.Group {
		return merge.Group{Mask: m, Version: merge.Version{Stamp: merge.Stamp{Time: at, Author: "one"}, Epoch: epoch, From: one}}
	}
	claim := []merge.SentGroup{{Mask: merge.Bits(3), Sent: merge.Sent{Stamp: merge.Stamp{Time: 90, Author: "one"}, Epoch: 11}}}
	for name, c := range map[string]struct {
		local merge.Row
		equal bool
		want  uint64
	}{
		"edited before":          {live(group(merge.Bits(3), 70, 6)), true, 22},
		"claimed before":         {live(group(merge.Bits(3), 70, 7)), true, 21},
		"differs":                {live(group(merge.Bits(3), 70, 6)), false, 21},
		"without a version":      {live(group(merge.Bits(1), 70, 6)), true, 22},
		"without, and different": {live(group(merge.Bits(1), 70, 6)), false, 21},
	} {
		compare := merge.Compare{}
		if c.equal {
			compare.Equal = merge.Bits(2)
		}
		is := func(epoch uint64) func(uint64) bool { return func(e uint64) bool { return e == epoch } }
		im := merge.Import{Self: "hub", Peer: one, Epoch: 22, Passed: 21, Applied: 10, Valid: true, PeerMends: is(11), OwnMends: is(7), Acked: 10, MaxAck: 10}
		out := im.Settle(c.local, merge.Incoming{Alive: true, Groups: claim, Ack: 10, Columns: merge.Bits(2)}, merge.Policies{}, compare, false)
		for _, g := range out.Row.Groups {
			if g.Mask.Has(1) && (g.Epoch != c.want || g.Time != 90) {
				t.Errorf("%s: %+v, want the epoch %d", name, g, c.want)
			}
		}
		if got := len(out.Conflicts); (got > 0) == c.equal {
			t.Errorf("%s: %d conflicts", name, got)
		}
	}
}
