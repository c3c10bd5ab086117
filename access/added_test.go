package access_test

import (
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

// Who added a row counts, whoever stamped its existence since.
func TestWhoAdded(t *testing.T) {
	row := func(from, by merge.Peer) merge.Row {
		r := live(from)
		r.Groups[0].Added = merge.Adder{Stored: true, Peer: by}
		return r
	}
	add := access.Table{Direction: access.Add, ExcludedUp: upOnly}
	parent, child := access.On(add, peer, access.Parent), access.On(add, peer, access.Child)
	for _, c := range []struct {
		what  string
		row   merge.Row
		takes bool // from a child
		sends bool // to a parent
		never merge.Mask
	}{
		{"the peer's, stamped here anew", row(0, peer), true, true, all},
		{"the peer's, which was restored", row(peer, peer), true, true, all},
		{"the peer's", live(peer), true, false, all},
		{"made here, and back from the peer", row(peer, 0), false, true, upOnly},
		{"another's, and the peer stamped it", row(peer, third), false, true, upOnly},
	} {
		if got := child.TakesRow(c.row, access.Added{}); got != c.takes {
			t.Errorf("%s: taken %t", c.what, got)
		}
		if got := parent.SendsRow(c.row, false); got != c.sends {
			t.Errorf("%s: sent %t", c.what, got)
		}
		if got := parent.NeverSent(c.row, merge.Unsaid); got != c.never {
			t.Errorf("%s: never sent %v", c.what, got)
		}
	}
	for _, c := range []struct {
		row   merge.Row
		whose merge.Whose
		want  merge.Mask
	}{{live(0), merge.Theirs, all}, {live(peer), merge.Ours, upOnly}, {dead, merge.Theirs, all}, {merge.Row{}, merge.Unsaid, upOnly}} {
		if got := parent.NeverSent(c.row, c.whose); got != c.want {
			t.Errorf("%+v, whose the parent says it is (%d): never sent %v", c.row, c.whose, got)
		}
	}
}

// A parent is believed in whose a row is, and a child in that one is not its own; where it does not matter nobody is asked.
func TestSaysWhose(t *testing.T) {
	said := func(epoch uint64) []merge.SentGroup {
		return []merge.SentGroup{{Mask: merge.Bits(2), Sent: merge.Sent{Epoch: 5 - epoch}}, {Mask: merge.Bit(merge.Existence), Sent: merge.Sent{Epoch: epoch}}}
	}
	for _, d := range []access.Direction{access.Both, access.Down, access.Add, access.None, access.Up, access.Own} {
		for _, role := range []access.Role{access.Parent, access.Child} {
			theirs, ours := merge.Unsaid, merge.Unsaid
			adds := d == access.Add || d == access.Own
			if adds || d == access.Up && role == access.Parent { // of what goes up only, a parent says no more than what comes back
				ours = merge.Ours
			}
			if adds && role == access.Parent {
				theirs = merge.Theirs
			}
			r := access.On(access.Table{Direction: d}, peer, role)
			if got := r.SaysWhose(said(5)); got != theirs {
				t.Errorf("%s, a %s says that it is its own: %d", d, role, got)
			}
			if got := r.SaysWhose(said(0)); got != ours {
				t.Errorf("%s, a %s says that it is this node's: %d", d, role, got)
			}
			if got := r.SaysWhose(said(0)[:1]); got != merge.Unsaid {
				t.Errorf("%s, a %s says nothing: %d", d, role, got)
			}
			if got := r.Answers(); got != (adds && role == access.Child) {
				t.Errorf("%s, what a %s sends and is refused is answered: %t", d, role, got)
			}
			if got := r.AsksWhoAdded(); got != adds {
				t.Errorf("%s: asks who had added: %t", d, got)
			}
		}
	}
}
