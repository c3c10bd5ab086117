package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// Columns of one row, of one version at either end, go each by its own policy.
func TestPoliciesOfColumns(t *testing.T) {
	newest, parent, child := merge.Bit(1), merge.Bit(2), merge.Bit(3)
	var p merge.Policies
	p.Set(parent, merge.Parent)
	p.Set(child, merge.Child)
	for _, c := range []struct {
		name       string
		fromParent bool
		time       int64 // of the incoming version; the local one's is 20
		write      merge.Mask
	}{
		{"the parent's earlier version", true, 10, parent},
		{"the parent's later version", true, 30, set(newest, parent)},
		{"a child's earlier version", false, 10, child},
		{"a child's later version", false, 30, set(newest, child)},
	} {
		im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 4, Valid: true, FromParent: c.fromParent}
		columns := set(newest, parent, child)
		in := merge.Incoming{Alive: true, Ack: 2, Groups: []merge.SentGroup{{Mask: columns, Sent: sentVersion(c.time, "z", 5)}}}
		out := im.Settle(live(merge.Group{Mask: columns, Version: version(20, "h", 3, 0)}), in, p, merge.Compare{}, false)
		if out.Write != c.write {
			t.Errorf("%s: written %v, want %v", c.name, out.Write, c.write)
		}
		var lost merge.Mask
		for _, k := range out.Conflicts {
			if k.Incoming == k.Mask.Meets(out.Write) {
				t.Errorf("%s: what was lost is the wrong side's: %+v", c.name, k)
			}
			lost = lost.Or(k.Mask)
		}
		if lost != columns {
			t.Errorf("%s: recorded %v", c.name, lost)
		}
		for bit := 1; bit < cols; bit++ {
			v, _ := versionOf(out.Row, bit)
			if wins := out.Write.Has(bit); wins && v.Time <= 20 || !wins && v.Time <= c.time && v.Time < 20 {
				t.Errorf("%s: what stays of %d is stamped %d", c.name, bit, v.Time)
			}
		}
	}
}

// What the parent has a policy for goes by the parent's, and all else by the child's own.
func TestPoliciesUnder(t *testing.T) {
	own := merge.Policies{Parent: merge.Bits(2 | 4), Child: merge.Bits(8 | 16)}
	above := merge.Policies{Parent: merge.Bits(8), Child: merge.Bits(4)}
	if got, want := own.Under(above), (merge.Policies{Parent: merge.Bits(2 | 8), Child: merge.Bits(4 | 16)}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for bit, want := range map[int]merge.Policy{1: merge.Parent, 4: merge.Child, 5: merge.Newest} {
		if got := own.Of(bit); got != want {
			t.Errorf("%d goes by %s, want %s", bit, got, want)
		}
	}
}

func TestPolicyNames(t *testing.T) {
	for name, policy := range map[string]merge.Policy{"newest": merge.Newest, "parent": merge.Parent, "child": merge.Child} {
		if got, ok := merge.ParsePolicy(name); !ok || got != policy || got.String() != name {
			t.Errorf("%s is %v, %t", name, got, ok)
		}
		if p := merge.All(policy); p.Of(1) != policy || p.Of(merge.MaxBit) != policy {
			t.Errorf("all columns under %s: %+v", name, p)
		}
	}
	for _, name := range []string{"", "Parent", "latest", "hub"} {
		if p, ok := merge.ParsePolicy(name); ok {
			t.Errorf("%q is %v", name, p)
		}
	}
}

// Who added a row stays what it is, whatever is done to the versions of the row.
func TestWhoAdded(t *testing.T) {
	row := live(merge.Group{Mask: merge.Bits(1 | 2), Version: version(5, "a", 3, 1)}, merge.Group{Mask: merge.Bits(4), Version: version(6, "b", 4, 2)})
	m := merge.Stamper{Self: "h", Epoch: 9}
	mended, _ := m.Mend(live(merge.Group{Mask: merge.Bits(3), Version: version(1<<60, "a", 3, 1)}), 1<<50, 1_800_000_000_000_000)
	for name, got := range map[string]merge.Row{
		"touched":   m.Touch(row),
		"edited":    m.Edit(row, merge.Bits(2), 50),
		"sent anew": row.Resend(9),
		"reclaimed": row.Reclaim(1, 0, 9),
		"mended":    mended,
	} {
		if !got.Alive || got.AddedBy() != 1 || !got.WasAddedBy(1) || got.WasAddedBy(0) {
			t.Errorf("%s: added by %d: %+v", name, got.AddedBy(), got)
		}
	}
	if !row.CameFrom(1) || m.Touch(row).CameFrom(1) || row.Reclaim(1, 0, 9).CameFrom(1) {
		t.Error("what the peer may have lost counts as what it has")
	}
	groups, _ := m.Touch(row).Outgoing(1)
	if got := merge.SaysWhose(groups); got != merge.Ours {
		t.Errorf("the peer is told that its row is %d", got)
	}
	groups, _ = m.Touch(row).Outgoing(2)
	if got := merge.SaysWhose(groups); got != merge.Theirs {
		t.Errorf("another is told that the row is %d", got)
	}
}
