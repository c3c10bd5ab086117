package access

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// Who may change a row may settle its conflicts, and no record lets in what its teller may not write.
func TestResolve(t *testing.T) {
	name, password, created := merge.Bit(1), merge.Bit(2), merge.Bit(3)
	const child, other merge.Peer = 1, 2
	row := func(from merge.Peer) merge.Row {
		return merge.Row{Known: true, Alive: true, Groups: []merge.Group{{Mask: merge.Bit(merge.Existence), Version: merge.Version{From: from}}}}
	}
	for _, c := range []struct {
		says             string
		direction        Direction
		role             Role
		row              merge.Row
		columns          merge.Mask
		takes, lost, may bool // a decision of the peer; a value that it told of; a decision here, towards it
	}{
		{"both ways, from a child", Both, Child, row(other), name, true, true, true},
		{"both ways, from a child, a column that only comes with a new row", Both, Child, row(other), created, true, false, true},
		{"both ways, from the parent", Both, Parent, row(other), name, true, true, true},
		{"both ways, from the parent, a column that never goes up", Both, Parent, row(other), name.Or(password), true, true, false},
		{"down, from a child", Down, Child, row(0), name, false, false, true},
		{"down, from the parent", Down, Parent, row(child), name, true, true, false},
		{"add, the child's own row", Add, Child, row(child), name, true, true, true},
		{"add, another's row", Add, Child, row(other), name, false, false, true},
		{"add, the parent's row at a child", Add, Parent, row(child), name, true, true, false},
		{"up, the child's row at its parent", Up, Child, row(child), name, true, true, true},
		{"add, its own row at a child", Add, Parent, row(0), name, true, true, true},
	} {
		r := On(Table{Direction: c.direction, ExcludedUp: password, InsertOnly: created}, child, c.role)
		if got := r.TakesResolution(c.row, Added{}); got != c.takes {
			t.Errorf("%s: a decision is taken: %t", c.says, got)
		}
		if got := r.TakesLost(c.row, c.columns, Added{}); got != c.lost {
			t.Errorf("%s: a value that it told of is taken: %t", c.says, got)
		}
		if got := r.Resolves(c.row, c.columns); got != c.may {
			t.Errorf("%s: it is settled here: %t", c.says, got)
		}
	}
}
