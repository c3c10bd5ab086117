package access

import "github.com/omsync/omsync/merge"

// Proves reports whether a digest of this node's rows for the peer has a row: the peer is to hold it as it is here. A child's digest has what it
// added itself, or all where every row goes up; what only flows down it leaves to its parent's.
func (r Rules) Proves(row merge.Row) bool {
	switch {
	case r.going() == nothing:
		return false
	case r.up && r.table.Direction != Both:
		return !row.WasAddedBy(r.peer)
	}
	return r.SendsRow(row, false)
}

// Checks reports whether a row here is one that a digest of the peer's must have. It is [Rules.Proves] at the other end of the link.
func (r Rules) Checks(row merge.Row) bool {
	switch {
	case r.coming() == nothing:
		return false
	case r.up || r.table.Direction == Both:
		return true
	}
	return r.peers(row.AddedBy(), row.AddedAs())
}

// ProvesNot returns the columns that no digest for the peer has: what does not go there, or not with every row, and what goes with new rows
// alone.
func (r Rules) ProvesNot() merge.Mask {
	return r.SendsNot().Or(r.Withholds()).Or(r.table.InsertOnly)
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
