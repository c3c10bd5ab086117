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

// What a child deletes because a patient left its scope is at the parent, and no row, nor column, that the link's rules keep at the child.
func TestSendsWhole(t *testing.T) {
	const parent = merge.Peer(1)
	row := func(froms ...merge.Peer) merge.Row {
		r := merge.Row{Known: true, Alive: true}
		for i, from := range froms {
			r.Groups = append(r.Groups, merge.Group{Mask: merge.Bit(i), Version: merge.Version{Stamp: merge.Stamp{Time: int64(i)}, Epoch: 3, From: from}})
		}
		return r
	}
	theirs, ours, edited := row(parent, parent), row(0, 0), row(parent, 0)
	for _, c := range []struct {
		what     string
		table    Table
		row      merge.Row
		filtered bool
		want     bool
	}{
		{"the parent's own", Table{Direction: Both}, theirs, false, true},
		{"one made here", Table{Direction: Both}, ours, false, true},
		{"the parent's, edited here", Table{Direction: Both}, edited, false, true},
		{"one made here that a filter may keep here", Table{Direction: Both}, ours, true, false},
		{"the parent's, whatever filters say", Table{Direction: Both}, theirs, true, true},
		{"one made here of a table that goes down only", Table{Direction: Down}, ours, false, false},
		{"the parent's of such a table", Table{Direction: Down}, theirs, false, true},
		{"the parent's to which children may add, edited here", Table{Direction: Add}, edited, false, false},
		{"one added by a child", Table{Direction: Add}, ours, false, true},
		{"one with a column that goes nowhere", Table{Direction: Both, ExcludedUp: merge.Bit(1)}, ours, false, false},
		{"one with such a column from the parent", Table{Direction: Both, ExcludedUp: merge.Bit(1)}, row(0, parent), false, true},
		{"one of a table that is not exchanged", Table{Direction: None}, ours, false, false},
	} {
		if got := On(c.table, parent, Parent).SendsWhole(c.row, c.filtered); got != c.want {
			t.Errorf("%s: %v", c.what, got)
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
