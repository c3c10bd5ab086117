package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// What returns is an edit made here, above its deletion whatever the clock says, and takes back the row wherever that deletion went.
func TestReturn(t *testing.T) {
	columns := merge.Bits(7)
	for _, at := range []int64{0, 10, 50} {
		im := merge.Import{Self: "h", Peer: 3, Epoch: 7}
		dead := merge.Row{Known: true, Dead: version(10, "z", 5, 2)}
		o := im.Return(dead, columns, at)
		if o.Action != merge.Insert || o.Write != merge.Bits(6) || !o.Changed || !o.Row.Alive || len(o.Row.Groups) != 1 {
			t.Fatalf("at %d: %+v", at, o)
		}
		g := o.Row.Groups[0]
		if g.Mask != columns || g.Author != "h" || g.Epoch != 7 || g.From != 0 || !dead.Dead.Before(g.Stamp) || g.Time < at {
			t.Errorf("at %d: %+v", at, g)
		}
		if len(o.Conflicts) != 1 || !o.Conflicts[0].Deletion || o.Conflicts[0].Incoming || o.Conflicts[0].Mask != existence ||
			o.Conflicts[0].Loser != dead.Dead.Stamp || o.Conflicts[0].Winner != g.Stamp {
			t.Errorf("at %d: %+v", at, o.Conflicts)
		}
		other := merge.Import{Self: "c", Peer: 1, Epoch: 9, Applied: 6, Valid: true, FromParent: true}
		groups, _ := o.Row.Outgoing(4)
		if back := other.Settle(dead, merge.Incoming{Alive: true, Groups: groups}, merge.Policies{}, merge.Compare{}, false); back.Action != merge.Insert {
			t.Errorf("at %d, where it is deleted it does not come back: %+v", at, back)
		}
	}
}
