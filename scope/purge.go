package scope

import (
	"slices"

	"github.com/omsync/omsync/merge"
)

// Purge is [Node.Leave], and tells the child to delete what it has of the owner, once its parent has all of that. In the same epoch the
// caller counts all rows of the owner's as made here that came from the child (see merge.Row.Reclaim): the child will not have them,
// and is to be sent them if the owner enters again.
func (n Node) Purge(p merge.Peer, o Owner) bool {
	if !n.Leave(p, o) {
		return false
	}
	e := n.Entry(p, o)
	e.Purge = true
	n.SetEntry(p, o, e)
	return true
}

// Purged reports whether the header of a batch that starts at the own epoch base says that the child is to delete what it has of the owner.
func (e Entry) Purged(base uint64) bool { return e.Purge && e.Left(base) }

// MayPurge reports whether this node deletes what it has of an owner now. whole: it has a child without a scope. pending: something of the
// owner's rows is here that is newer than Purge.Ack and not from the parent, or changed since the last seal; or a row that stays refers to one of them; or some row waits, or a
// load is under way from the parent. What the parent did not have when the owner left brings the owner in again. Who is in a child's scope stays.
//
// The caller deletes the rows of which [Node.Deletes] is true, with all that is known of them, and no tombstone stays; and writes Purge.Done.
func (n Node) MayPurge(o Owner, whole, pending bool) bool {
	u := n.Store.Purge(o)
	if u.Told == 0 || u.Done || n.Held(o) != 0 || n.Want(o) || n.Whole() || whole || pending {
		return false
	}
	return !slices.ContainsFunc(n.Children(), func(p merge.Peer) bool { return n.Child(p).All || n.Entry(p, o).In() })
}

// Deletes reports whether a row is deleted with an owner that is purged.
func (n Node) Deletes(o Owner, row Row) bool {
	place := n.Place(row)
	owners := place.Owners
	if place.Alive || place.Kind == Own {
		owners = n.OwnersAt(row, place)
	}
	return slices.Contains(owners, o) && !n.Public(row).In()
}
