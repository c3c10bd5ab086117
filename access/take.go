package access

import "github.com/omsync/omsync/merge"

// Takes reports whether the peer may send anything of the table. See [Rules.TakesBack] for what is taken although it says no.
func (r Rules) Takes() bool { return r.coming() > nothing }

// TakesAllRows reports whether the peer may change every row of the table, so that it can give back one that is lost here.
func (r Rules) TakesAllRows() bool { return r.coming() == everything || r.up && r.coming() > nothing }

// Added says who had added a row that was deleted here, if that is known: see journal.Deleted.
type Added struct {
	Known bool
	By    merge.Peer // 0: it was made here
}

// TakesRow reports whether the peer may change or delete a row, or bring it back with what it says of it. In tables to which a child
// may add, that is what it added; so it is of rows that were deleted here, of which added says whose they were. Where nobody knows that
// any more, such a row counts as new.
func (r Rules) TakesRow(row merge.Row, added Added) bool {
	switch {
	case !r.Takes():
		return false
	case r.TakesAllRows():
		return true
	case row.Alive:
		return row.WasAddedBy(r.peer)
	}
	return !added.Known || added.By == r.peer
}

// AsksWhoAdded reports whether it matters who had added a row that was deleted here: for TakesRow, and if it comes back.
func (r Rules) AsksWhoAdded() bool { return r.table.Direction.adds() }

// adds reports whether a child may add rows, and change those alone.
func (d Direction) adds() bool { return d.goesUp() == some }

// returns reports whether rows that a parent deleted may have to come back for what goes up and refers to them.
func (d Direction) returns() bool { return d.goesDown() > nothing && d.goesUp() < everything }

// ReturnsRows reports whether a row of the table that was deleted here may come back because a row that is taken from the peer refers
// to it, though the peer may not send it: as it was here, whatever the peer says of it. Rows that give people rights never do, nor
// does code.
func (r Rules) ReturnsRows() bool {
	return !r.up && r.table.Direction.returns() && !r.table.staysPut()
}

// Returns reports whether that is so of a row that had been added by this one: what the peer may send itself, it sends.
func (r Rules) Returns(added Added) bool {
	return r.ReturnsRows() && (r.table.Direction == Down || added.By != r.peer)
}

// RemembersRefused reports whether a deletion by the peer that is refused here is to be remembered: not every row of the table goes to
// it, so that this one may only for that (see [Rules.SendsKept]).
func (r Rules) RemembersRefused() bool { return r.up && !r.SendsAllRows() }

// TakesNot returns the columns that are left out of what comes from the peer.
func (r Rules) TakesNot() merge.Mask {
	if r.up {
		return r.table.ExcludedDown
	}
	return r.table.ExcludedUp
}

// TakesConflict reports whether the peer may record a conflict in the table.
func (r Rules) TakesConflict(deletion bool) bool {
	return r.Takes() || deletion && r.ReturnsRows()
}

// Writes returns those of some columns of a row here that a peer may change: all but those that come with a new row alone.
func (r Rules) Writes(columns merge.Mask) merge.Mask { return columns.Without(r.table.InsertOnly) }

// Policies returns what decides conflicts in the table, where configured is what this node's user chose. What only flows down is the
// parent's, whatever a child did to it, and what only flows up the child's.
func (r Rules) Policies(configured merge.Policies) merge.Policies {
	switch r.table.Direction {
	case Down:
		return merge.All(merge.Parent)
	case Up:
		return merge.All(merge.Child)
	}
	return configured
}

// SaysWhose returns what versions of a live row that the peer sent say of who added it, as far as that is believed: under Add, where it
// matters, and of a row that a parent sends back. A parent decides it. A child is believed that a new row is not its own, which only takes something from it.
func (r Rules) SaysWhose(groups []merge.SentGroup) merge.Whose {
	whose := merge.SaysWhose(groups)
	switch {
	case r.TakesBack() && whose == merge.Ours: // it had lost the row
		return whose
	case !r.table.Direction.adds():
		return merge.Unsaid
	}
	if !r.up && whose == merge.Theirs {
		return merge.Unsaid
	}
	return whose
}

// Answers reports whether a peer whose version of a row, or whose deletion of it, is refused here is sent the row as it is here: it could
// have added the row, and believes that it did. What only flows down it does not send, if it has the same profile.
func (r Rules) Answers() bool { return !r.up && r.table.Direction.adds() }
