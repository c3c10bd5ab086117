package access

import "github.com/omsync/omsync/merge"

// Sends reports whether rows and deletions of the table go to the peer at all.
func (r Rules) Sends() bool {
	return r.table.Direction != None && !(r.up && r.table.Direction == Down)
}

// SendsKept reports whether rows whose deletion by the peer was refused here go to it, though otherwise they may not: see
// [Rules.SendsRow].
func (r Rules) SendsKept() bool {
	return r.up && (r.table.Direction == Down || r.table.Direction == Add) && !r.table.staysPut()
}

// SendsRow reports whether a row goes to the peer. kept: its deletion by the peer was refused here, and [Rules.SendsKept]. Under Add a row
// that the parent added goes up if its versions were made here anew: the parent was restored and may have lost it, or may have more of it.
func (r Rules) SendsRow(row merge.Row, kept bool) bool {
	switch {
	case r.table.Direction == None:
		return false
	case !r.up || r.table.Direction == Both || kept:
		return true
	}
	return r.table.Direction == Add && !(row.WasAddedBy(r.peer) && row.CameFrom(r.peer))
}

// SendsAllRows reports whether every row of the table goes to the peer: [Rules.SendsRow] need not be asked.
func (r Rules) SendsAllRows() bool { return r.Sends() && (!r.up || r.table.Direction == Both) }

// SendsNot returns the columns that are left out of what goes to the peer, of every row.
func (r Rules) SendsNot() merge.Mask {
	switch {
	case r.up:
		return r.table.ExcludedUp
	case r.table.Secrets == NoSecrets:
		return r.table.Secret
	}
	return merge.Mask{}
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
// than its column does (see [Rules.SendsNot]). That a deletion lost goes up with the row that stayed.
func (r Rules) SendsConflict(deletion bool) bool {
	return r.Sends() || deletion && r.table.Direction == Down && !r.table.staysPut()
}

// NeverSent returns what of a row here never goes to the peer: of what only flows down and of the parent's own rows all, and columns
// that never go up. whose is what the peer says of the row, if it sends it. See [merge.Incoming.NeverSent].
func (r Rules) NeverSent(row merge.Row, whose merge.Whose) merge.Mask {
	theirs := whose == merge.Theirs || whose == merge.Unsaid && row.Alive && row.WasAddedBy(r.peer)
	switch {
	case !r.up:
		return merge.Mask{}
	case r.table.Direction == Down || r.table.Direction == Add && theirs:
		return merge.Everything()
	}
	return r.table.ExcludedUp
}
