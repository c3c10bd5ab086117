package scope

import (
	"slices"

	"github.com/omsync/omsync/merge"
)

// Purge is [Node.Leave], and tells the child to delete what it has of the owner, once its parent has all of that. In the same epoch the
// caller counts all rows of the owner's as made here that came from the child (see merge.Row.Reclaim), public ones too: the child will not have
// them, and is to be sent them if the owner enters again; what is public it is sent now, or it would not know.
//
// A purge is called off when a row of the owner's comes to be somebody else's here, or nobody's, alive: the child, which does not know that,
// would delete it as the owner's, and what it had new of the row would not bring the owner in again. The child hears that the owner left, and not
// that it is to be purged.
//
// row is the owner's own. Who was deleted here is not purged: what is left of them may be others' or nobody's here, and the child does not know.
func (n Node) Purge(p merge.Peer, row Row) bool {
	o := Owner(row.Key)
	if !n.Place(row).Alive || !n.Leave(p, o) {
		return false
	}
	e := n.Entry(p, o)
	e.Purge = true
	n.SetEntry(p, o, e)
	return true
}

// callOff calls off the purges of those to whom a row belonged, with its tombstone if it was dead, and belongs no more.
func (n Node) callOff(v View, now Place) {
	if !now.Alive {
		return
	}
	had, has := v.Owners, n.OwnersAt(v.row, now)
	if !v.place.Alive {
		had = v.place.Owners
	}
	for _, o := range had {
		for _, p := range n.Children() {
			if e := n.Entry(p, o); e.Purge && !slices.Contains(has, o) {
				e.Purge, e.Gone = false, n.Epoch()
				n.SetEntry(p, o, e)
			}
		}
	}
}

// Purged reports whether the header of a batch that starts at the own epoch base says that the child is to delete what it has of the owner.
func (e Entry) Purged(base uint64) bool { return e.Purge && e.Left(base) }

// MayPurge reports whether this node deletes what it has of an owner now. children: it is a parent itself; such a node purges nobody, for a
// child keeps whom it had, and may refer to them again. pending: a row of the owner's that is alive here has something that is newer than
// Purge.Ack and not from the parent, or that changed since the last seal; or a row that stays refers to one of them; or some row waits, or
// a load is under way from the parent. What the parent did not have when the owner left brings the owner in again.
//
// The caller deletes the rows of which [Node.Purges] is true, with all that is known of them, without a tombstone, and writes Purge.Done.
func (n Node) MayPurge(o Owner, children, pending bool) bool {
	u := n.Purging(o)
	return u.Told != 0 && !u.Done && n.Held(o) == 0 && !n.Want(o) && !n.Whole() && !children && !pending
}

// Purges reports whether a row goes when an owner is purged: it is alive, is one of the owner's, and is not public. Tombstones stay.
func (n Node) Purges(o Owner, row Row) bool {
	place := n.Place(row)
	return place.Alive && slices.Contains(n.OwnersAt(row, place), o) && !n.Public(row).In()
}
