package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// What one of two nodes did not have is seen and heard once it has acknowledged what the other owed it, or asked for.
func TestLacks(t *testing.T) {
	l := merge.Lacks{Now: merge.Bits(2), Gained: merge.Bits(4), Until: 7, Here: merge.Bits(8), Asked: 5}
	for ack, want := range map[uint64][2]merge.Mask{4: {merge.Bits(6), merge.Bits(8)}, 5: {merge.Bits(6), {}}, 6: {merge.Bits(6), {}}, 7: {merge.Bits(2), {}}} {
		if got := [2]merge.Mask{l.Unseen(ack), l.Missed(ack)}; got != want {
			t.Errorf("acknowledged %d: unseen and missed %v, want %v", ack, got, want)
		}
	}
}

// Whatever the sender acknowledged, of columns that it did not have it has seen nothing but what came from it; and of those that were not here
// any version is news, as one that is sent again: under no policy does it win by more than its stamp.
func TestSettleLackedColumns(t *testing.T) {
	a, b := merge.Bit(1), merge.Bit(2)
	both := set(a, b)
	mine := merge.Group{Mask: both, Version: version(20, "h", 3, 0)}
	theirs := merge.Group{Mask: both, Version: version(20, "r", 3, 1)}
	created := merge.Group{Mask: existence, Version: version(10, "r", 2, 1)}
	news, old := sentVersion(30, "r", 5), sentVersion(30, "r", 4)
	earlier, oldEarlier := sentVersion(15, "r", 5), sentVersion(15, "r", 4)
	for _, c := range []struct {
		name           string
		local          merge.Group
		sent           merge.Sent
		dead           bool
		unseen, missed merge.Mask
		policy         merge.Policy
		lost, write    merge.Mask
	}{
		{name: "all was there", local: mine, sent: news, write: both},
		{name: "one was not", local: mine, sent: news, unseen: a, lost: a, write: both},
		{name: "one was not, and came from there", local: theirs, sent: news, unseen: a, write: both},
		{name: "a policy decides of it", local: mine, sent: earlier, unseen: a, policy: merge.Parent, lost: a, write: a},
		{name: "no news of it", local: mine, sent: old, unseen: a, write: both},
		{name: "a deletion", local: mine, sent: news, dead: true},
		{name: "a deletion where one was not", local: mine, sent: news, dead: true, unseen: a, lost: a},
		{name: "a deletion of what came from there", local: theirs, sent: news, dead: true, unseen: a},
		{name: "one was not here, and the sender saw what is", local: mine, sent: old, missed: b, write: both},
		{name: "neither had it", local: mine, sent: old, unseen: b, missed: b, lost: b, write: both},
		{name: "neither had it, and each another one", local: mine, sent: old, unseen: both, missed: b, lost: b, write: both},
		{name: "the parent's, of a column that is new here", local: mine, sent: oldEarlier, unseen: b, missed: b, policy: merge.Parent, lost: b},
	} {
		im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 4, Valid: true, FromParent: true}
		in := merge.Incoming{Ack: 3, Unseen: c.unseen, Missed: c.missed, Dead: c.sent}
		if !c.dead {
			in.Alive, in.Groups = true, []merge.SentGroup{{Mask: existence, Sent: sentVersion(10, "r", 2)}, {Mask: both, Sent: c.sent}}
		}
		out := im.Settle(live(created, c.local), in, merge.All(c.policy), merge.Compare{}, false)
		var lost merge.Mask
		for _, l := range out.Conflicts {
			lost = lost.Or(l.Mask)
		}
		if lost != c.lost || out.Write != c.write || c.dead != (out.Action == merge.Delete) {
			t.Errorf("%s: lost %v, writes %v, action %d, want %v, %v", c.name, lost, out.Write, out.Action, c.lost, c.write)
		}
	}
}
