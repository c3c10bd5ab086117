package access

import "github.com/omsync/omsync/merge"

// Compared reports whether anything of the table is to be the same at both ends of the link.
func (r Rules) Compared() bool { return r.table.Direction != None }

// Compares reports whether a row here is one that both ends of the link are to hold, whichever may send it: a digest for the peer has it, and
// is compared with it. Of a table that only goes up that is what the child added, of one where children do not see each other's rows what
// goes to the child, and else every row.
func (r Rules) Compares(row merge.Row) bool {
	switch d := r.table.Direction; {
	case d == None:
		return false
	case d == Up && r.up:
		return !row.WasAddedBy(r.peer) // which are staff of the parent's
	case d == Up:
		return r.peers(row.AddedBy(), row.AddedAs())
	case r.up:
		return true
	}
	return r.SendsRow(row, false)
}

// ComparesNot returns the columns that may differ: what does not go every way that rows of the table do, or not with every row, and what goes
// with new rows alone.
func (r Rules) ComparesNot() merge.Mask {
	out := r.table.InsertOnly.Or(r.table.Secret)
	if r.table.Direction.goesDown() > nothing {
		out = out.Or(r.table.ExcludedDown)
	}
	if r.table.Direction.goesUp() > nothing {
		out = out.Or(r.table.ExcludedUp)
	}
	return out
}

// Decides returns who decides what a row is that differs though both ends have the same versions of it. What only flows one way is its
// sender's; of the rest, what a child may not change is the parent's.
func (r Rules) Decides(row merge.Row) merge.Authority {
	parents, childs := merge.DecidedHere, merge.DecidedThere
	if r.up {
		parents, childs = childs, parents
	}
	switch d := r.table.Direction; {
	case d == Down:
		return parents
	case d == Up:
		return childs
	case d.adds() && r.up && row.WasAddedBy(r.peer), d.adds() && !r.up && !r.peers(row.AddedBy(), row.AddedAs()):
		return parents
	}
	return merge.DecidedByHolder
}
