package access

import (
	"slices"

	"github.com/omsync/omsync/merge"
)

// Ends is who is at the two ends of a link, where it matters whose a row is.
type Ends struct {
	Self    string       // this node's name
	Peer    string       // the peer's
	Before  []merge.Peer // peers of the peer's name that were removed: the same site, before it was set up anew
	Parents []merge.Peer // this node's parent, and those that it had
}

// Between returns the rules as they are between these two. Without that, rows of [Up] and [Own] go to no child.
func (r Rules) Between(e Ends) Rules {
	r.ends = e
	return r
}

// peers reports whether a row, or a deletion, was first made at the peer or below it. What came from it counts as made here once it was
// restored (see merge.Row.Reclaim): then its author tells.
func (r Rules) peers(from merge.Peer, author string) bool {
	return from == r.peer || slices.Contains(r.ends.Before, from) || from == 0 && author == r.ends.Peer && author != ""
}

// above reports whether it was made here, or by this node's parent.
func (r Rules) above(from merge.Peer, author string) bool {
	return from == 0 && author == r.ends.Self && author != "" || slices.Contains(r.ends.Parents, from)
}

// MadeAbove reports whether a row is the parent's at this end of a link to a child: made here, or by this node's own parent.
func (r Rules) MadeAbove(row merge.Row) bool {
	return row.AddedHere(r.ends.Self) || row.Alive && slices.Contains(r.ends.Parents, row.AddedBy())
}

// SendsBack reports whether rows that the peer had added go back to it once it has lost them, though nothing else of the table goes there.
func (r Rules) SendsBack() bool { return !r.up && r.table.Direction == Up }

// GoesBack reports whether a row of such a table is the peer's, and something of it is lost there: the peer has lost all of the table, or
// it was restored, so that what it had sent counts as made here since an epoch after base.
func (r Rules) GoesBack(row merge.Row, lost bool, base uint64) bool {
	if !r.SendsBack() || !r.peers(row.AddedBy(), row.AddedAs()) {
		return false
	}
	return lost || slices.ContainsFunc(row.Groups, func(g merge.Group) bool { return r.reclaimed(g.Version, base) })
}

// DeletionGoesBack is GoesBack of a row that the peer had deleted.
func (r Rules) DeletionGoesBack(dead merge.Version, lost bool, base uint64) bool {
	return r.SendsBack() && (lost && r.peers(dead.From, dead.Author) || r.reclaimed(dead, base))
}

// reclaimed reports whether a version counts as made here since an epoch after base, but was not.
func (r Rules) reclaimed(v merge.Version, base uint64) bool {
	return v.From == 0 && v.Author != r.ends.Self && v.Epoch > base
}

// SendsStaff reports whether rows of people who work for this node go to the peer, though otherwise nothing of the table does.
func (r Rules) SendsStaff() bool { return r.SendsBack() && r.table.Staff }

// StaffDeletion reports whether the deletion of such a row goes: it was made here or above.
func (r Rules) StaffDeletion(dead merge.Version) bool {
	return r.SendsStaff() && r.above(dead.From, dead.Author)
}

// Theirs returns versions of a row that the peer added as they go back to it: it is told that the row is its own.
func (r Rules) Theirs(groups []merge.SentGroup) (out []merge.SentGroup) {
	for _, g := range groups {
		if g.Mask.Has(merge.Existence) {
			out = append(out, merge.SentGroup{Mask: merge.Bit(merge.Existence), Sent: merge.Sent{Stamp: g.Stamp}})
			g.Mask = g.Mask.Columns()
		}
		if !g.Mask.IsEmpty() {
			out = append(out, g)
		}
	}
	return out
}

// TakesBack reports whether rows of the table are taken from the peer only as far as [Rules.Back] says.
func (r Rules) TakesBack() bool { return r.up && r.table.Direction == Up }

// Back returns, where [Rules.TakesBack], those versions of a row that are taken. Of a row that is not here, and of one that was deleted here only if it was added anew since: all, if this node added
// it, or nobody below the parent did and the table has staff. Of one that is the parent's: all. Of another one: those that this node made,
// and may have lost since. Epoch 0 of its existence says that it came from here.
func (r Rules) Back(row merge.Row, groups []merge.SentGroup) (taken []merge.SentGroup) {
	if !row.Known || !row.Alive {
		ours := slices.ContainsFunc(groups, func(g merge.SentGroup) bool {
			return g.Mask.Has(merge.Existence) && (g.Epoch == 0 || g.Author == r.ends.Self) && (!row.Known || row.Dead.Before(g.Stamp))
		})
		if ours || r.table.Staff {
			return groups
		}
		return nil
	}
	if r.table.Staff && row.Alive && row.WasAddedBy(r.peer) {
		return groups
	}
	for _, g := range groups {
		if g.Author == r.ends.Self {
			taken = append(taken, g)
		}
	}
	return taken
}

// TakesDeletionBack reports whether, where [Rules.TakesBack], a deletion is taken: this node's own, which it may have lost.
func (r Rules) TakesDeletionBack(row merge.Row, dead merge.Sent) bool {
	return dead.Author == r.ends.Self || r.table.Staff && row.Alive && row.WasAddedBy(r.peer)
}
