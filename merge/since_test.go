package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// TestSeenSinceItIsInSight: what the sender may have since an epoch only it has not seen before, though it acknowledged the epoch of a version.
func TestSeenSinceItIsInSight(t *testing.T) {
	im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 1, Valid: true, MaxAck: 5, Acked: 5}
	local := live(merge.Group{Mask: merge.Bits(3), Version: version(10, "h", 2, 0)})
	theirs := live(merge.Group{Mask: merge.Bits(3), Version: version(10, "h", 2, 1)})
	in := merge.Incoming{Alive: true, Groups: []merge.SentGroup{{Mask: merge.Bits(3), Sent: sentVersion(20, "z", 4)}}, Ack: 5}
	for _, c := range []struct {
		since uint64
		local merge.Row
		seen  bool
	}{{0, local, true}, {5, local, true}, {6, local, false}, {merge.OutOfSight, local, false}, {merge.OutOfSight, theirs, true}} {
		in.Since = c.since
		if out := im.Settle(c.local, in, merge.Policies{}, merge.Compare{}, false); (len(out.Conflicts) == 0) != c.seen {
			t.Errorf("in sight since %d, acknowledged 5: conflicts %+v", c.since, out.Conflicts)
		}
		deletion := merge.Incoming{Dead: sentVersion(20, "z", 4), Ack: 5, Since: c.since}
		if out := im.Settle(c.local, deletion, merge.Policies{}, merge.Compare{}, false); (len(out.Conflicts) == 0) != c.seen {
			t.Errorf("deleted, in sight since %d, acknowledged 5: conflicts %+v", c.since, out.Conflicts)
		}
		dead := merge.Row{Known: true, Dead: c.local.Groups[0].Version}
		if out := im.Settle(dead, in, merge.Policies{}, merge.Compare{}, false); (len(out.Conflicts) == 0) != c.seen {
			t.Errorf("back, in sight since %d, acknowledged 5: conflicts %+v", c.since, out.Conflicts)
		}
	}
}
