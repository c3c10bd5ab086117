package access

import (
	"slices"

	"github.com/omsync/omsync/merge"
)

// Sends reports whether rows and deletions of the table go to the peer at all.
func (r Rules) Sends() bool {
	return r.going() > nothing
}

// going is how much goes to the peer, coming how much comes.
func (r Rules) going() much {
	if r.up {
		return r.table.Direction.goesUp()
	}
	return r.table.Direction.goesDown()
}

func (r Rules) coming() much {
	if r.up {
		return r.table.Direction.goesDown()
	}
	return r.table.Direction.goesUp()
}

// SendsKept reports whether rows whose deletion by the peer was refused here go to it, though otherwise they may not: see
// [Rules.SendsRow].
func (r Rules) SendsKept() bool {
	return r.up && r.table.Direction.returns() && !r.table.staysPut()
}

// SendsRow reports whether a row goes to the peer. kept: its deletion by the peer was refused here, and [Rules.SendsKept]. Under Add a row
// that the parent added goes up if its versions were made here anew: the parent was restored and may have lost it, or may have more of it.
// See [Rules.GoesBack] and [Rules.SendsStaff] for rows that go although it says no.
func (r Rules) SendsRow(row merge.Row, kept bool) bool {
	switch {
	case r.table.Direction == None:
		return false
	case kept && r.up || r.going() == everything:
		return true
	case r.going() == nothing:
		return false
	case r.up:
		return !row.CameFrom(r.peer)
	}
	return r.peers(row.AddedBy(), row.AddedAs()) || r.MadeAbove(row)
}

// SendsDeletion reports whether the deletion of a row goes to the peer.
func (r Rules) SendsDeletion(dead merge.Version) bool {
	return r.going() == everything || r.going() == some && (r.up || r.peers(dead.From, dead.Author) || r.above(dead.From, dead.Author))
}

// NamesShort reports whether rows of the table may be named over the link by the beginning of their keys. Whether a row is the only one that begins
// so tells what other rows there are: so it is done only where the child is sent all of them. filtered: some rows stay where they are, or go by a scope.
func (r Rules) NamesShort(filtered bool) bool {
	return !filtered && r.table.Direction.goesDown() == everything
}

// SendsAllRows reports whether every row of the table goes to the peer: [Rules.SendsRow] need not be asked.
func (r Rules) SendsAllRows() bool { return r.going() == everything }

// SendsWhole reports whether the parent, once it has acknowledged all of a live row, has everything of it. filtered: some rows of the table stay where
// they are, and nobody asked whether this is one of them.
func (r Rules) SendsWhole(row merge.Row, filtered bool) bool {
	sends := !filtered && r.SendsRow(row, false)
	return !slices.ContainsFunc(row.Groups, func(g merge.Group) bool {
		return g.From != r.peer && (!sends || g.Meets(r.SendsNot()))
	})
}

// SendsNot returns the columns that are left out of what goes to the peer, of every row.
func (r Rules) SendsNot() merge.Mask {
	switch {
	case r.up:
		return r.table.ExcludedUp
	case r.table.Secrets == NoSecrets:
		return r.table.Secret.Or(r.table.ExcludedDown)
	}
	return r.table.ExcludedDown
}

// Withholds returns the columns that are left out of a row besides, if it is not released. Where that is nothing, nobody need find out
// which rows are. They are left out of the records of its conflicts whether it is or not.
func (r Rules) Withholds() merge.Mask {
	if r.up || r.table.Secrets != SomeSecrets {
		return merge.Mask{}
	}
	return r.table.Secret
}

// SendsConflict reports whether the peer may know of a conflict in the table: its record holds a value, which goes no further
// than its column does (see [Rules.SendsNot]). Where not every row goes down, no record does: it does not say whose the row was. That a
// deletion lost goes up with the row that stayed.
func (r Rules) SendsConflict(deletion bool) bool {
	return r.going() == everything || r.up && r.Sends() || deletion && r.SendsKept()
}

// neverSentBack is NeverSent where rows go up only: of what came from the peer before it lost all, it may have been sent back some.
func (r Rules) neverSentBack(row merge.Row) merge.Mask {
	never := merge.Everything()
	for _, g := range row.Groups {
		if r.peers(g.From, g.Author) {
			never = never.Without(g.Mask.Columns())
		}
	}
	return never.Or(r.table.ExcludedDown)
}

// NeverSent returns what of a row here never goes to the peer: of what only flows the other way, and of rows that do not go, all, and columns
// that never go there. whose is what the peer says of the row, if it sends it. See [merge.Incoming.NeverSent].
func (r Rules) NeverSent(row merge.Row, whose merge.Whose) merge.Mask {
	theirs := whose == merge.Theirs || whose == merge.Unsaid && row.Alive && row.WasAddedBy(r.peer)
	switch {
	case r.table.Direction == None:
	case r.SendsBack():
		return r.neverSentBack(row)
	case r.going() == nothing, r.up && r.going() == some && theirs, !r.up && r.going() == some && row.Alive && !r.SendsRow(row, false):
		return merge.Everything()
	}
	if r.up {
		return r.table.ExcludedUp
	}
	return r.table.ExcludedDown
}
