package access

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// Both ends of a link compare the same rows, and one of them decides what a row that differs is: a row as the parent and as the child
// know it, in each direction.
func TestBothEndsCompareTheSame(t *testing.T) {
	row := func(from merge.Peer, author string) merge.Row {
		return merge.Row{Known: true, Alive: true, Groups: []merge.Group{{Mask: merge.Bits(3), Version: merge.Version{Stamp: merge.Stamp{Time: 5, Author: author}, Epoch: 3, From: from}}}}
	}
	const link, other = merge.Peer(1), merge.Peer(2)
	for _, c := range []struct {
		whose         string
		parent, child merge.Row
		compared      map[Direction]bool
		decides       map[Direction]merge.Authority // as the parent sees it
	}{
		{"the parent's", row(0, "hub"), row(link, "hub"), map[Direction]bool{Both: true, Down: true, Add: true, Own: true},
			map[Direction]merge.Authority{Down: merge.DecidedHere, Add: merge.DecidedHere, Own: merge.DecidedHere, Up: merge.DecidedThere}},
		{"the child's", row(link, "clinic"), row(0, "clinic"), map[Direction]bool{Both: true, Down: true, Add: true, Own: true, Up: true},
			map[Direction]merge.Authority{Down: merge.DecidedHere, Up: merge.DecidedThere}},
		{"another child's", row(other, "third"), row(link, "third"), map[Direction]bool{Both: true, Down: true, Add: true},
			map[Direction]merge.Authority{Down: merge.DecidedHere, Add: merge.DecidedHere, Own: merge.DecidedHere, Up: merge.DecidedThere}},
	} {
		for d := Both; d <= Own; d++ {
			parent := On(Table{Direction: d}, link, Child).Between(Ends{Self: "hub", Peer: "clinic"})
			child := On(Table{Direction: d}, link, Parent).Between(Ends{Self: "clinic", Peer: "hub"})
			if parent.Compared() != (d != None) || child.Compared() != (d != None) {
				t.Errorf("%s: compared at all", d)
			}
			if got := parent.Compares(c.parent); got != c.compared[d] {
				t.Errorf("%s: %s is compared by the parent: %v", d, c.whose, got)
			}
			// Of a row that does not go to it, a child knows nothing.
			if got := child.Compares(c.child); got != c.compared[d] && !(c.whose == "another child's" && d == Own) {
				t.Errorf("%s: %s is compared by the child: %v", d, c.whose, got)
			}
			mirror := map[merge.Authority]merge.Authority{merge.DecidedHere: merge.DecidedThere, merge.DecidedThere: merge.DecidedHere}
			if got := parent.Decides(c.parent); got != c.decides[d] {
				t.Errorf("%s: of %s decides %d", d, c.whose, got)
			}
			if got := child.Decides(c.child); got != mirror[c.decides[d]] {
				t.Errorf("%s: of %s decides %d, as the child sees it", d, c.whose, got)
			}
		}
	}
}

func TestComparesNot(t *testing.T) {
	table := Table{ExcludedUp: merge.Bit(1), ExcludedDown: merge.Bit(2), InsertOnly: merge.Bit(3), Secret: merge.Bit(4)}
	for d, want := range map[Direction]merge.Mask{Both: merge.Bits(30), Down: merge.Bits(28), Up: merge.Bits(26), Add: merge.Bits(30)} {
		table.Direction = d
		for _, role := range []Role{Parent, Child} {
			if got := On(table, 1, role).ComparesNot(); got != want {
				t.Errorf("%s, to a %s: %v, want %v", d, role, got, want)
			}
		}
	}
}
