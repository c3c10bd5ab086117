package access

import "github.com/omsync/omsync/merge"

// Takes reports whether the peer may send anything of the table.
func (r Rules) Takes() bool {
	return r.table.Direction != None && (r.up || r.table.Direction != Down)
}

// TakesReturned reports whether the peer may bring back a row that was deleted here, in a table where it may do nothing else:
// something that it may send refers to the row. Rows that give people rights are no such table, nor is code.
func (r Rules) TakesReturned() bool { return r.table.Direction == Down && !r.table.staysPut() }

// TakesRow reports whether the peer may change or delete a row, or bring it back. A child may change what it added, in tables to
// which it may add, and where it may send nothing else, bring back what was deleted here (see [Rules.TakesReturned]).
func (r Rules) TakesRow(row merge.Row) bool {
	if !r.Takes() {
		return row.Known && !row.Alive
	}
	return r.up || r.table.Direction != Add || !row.Alive || row.CameFrom(r.peer)
}

// RemembersRefused reports whether a deletion by the peer that is refused here is to be remembered: not every row of the table goes to
// it, so that this one may only for that (see [Rules.SendsKept]).
func (r Rules) RemembersRefused() bool { return r.up && !r.SendsAllRows() }

// TakesNot returns the columns that are left out of what comes from the peer.
func (r Rules) TakesNot() merge.Mask {
	if r.up {
		return 0
	}
	return r.table.ExcludedUp
}

// TakesConflict reports whether the peer may record a conflict in the table.
func (r Rules) TakesConflict(deletion bool) bool {
	return r.Takes() || deletion && r.TakesReturned()
}

// Writes returns the columns of a row here that a peer may change: all but those that come with a new row alone.
func (r Rules) Writes() merge.Mask { return ^r.table.InsertOnly }

// Policy returns what decides conflicts in the table, where configured is what this node's user chose. What only flows down is the
// parent's, whatever a child did to it.
func (r Rules) Policy(configured merge.Policy) merge.Policy {
	if r.table.Direction == Down {
		return merge.Parent
	}
	return configured
}
