package scope

import (
	"slices"

	"github.com/omsync/omsync/merge"
)

// maxSteps is how many references a path to an owner may have. A path that is longer, or that leads in a circle, leads nowhere.
const maxSteps = 16

// Sight returns since when a child has a row, or a tombstone, in its sight: by its scope, else because all may have the row.
func (n Node) Sight(p merge.Peer, row Row) Sight {
	c := n.Child(p)
	if c.always() {
		return Always
	}
	if s := n.owned(p, row, maxSteps); s.In() {
		return s
	}
	s := n.Public(row)
	if c.All && (!s.In() || s > Sight(c.Since)) {
		return Sight(c.Since)
	}
	return s
}

// owned is sight by the child's scope alone.
func (n Node) owned(p merge.Peer, row Row, steps int) Sight {
	place := n.Place(row)
	switch place.Kind {
	case Common, Staff:
		return Always
	case Own:
		return Sight(n.Entry(p, Owner(row.Key)).Since)
	}
	if s := n.Exception(p, row); s.In() {
		return s
	}
	if !place.Alive {
		return n.scoped(p, place.Owners)
	}
	if steps == 0 || len(place.To) == 0 {
		return Out
	}
	s := Always
	for _, to := range place.To {
		if to == (Row{}) {
			return Out
		}
		if s = s.with(n.owned(p, to, steps-1)); s == Out {
			return Out
		}
	}
	return s
}

// scoped returns since when all of some owners are in a child's scope. Where there are none, nobody knows whose it is.
func (n Node) scoped(p merge.Peer, owners []Owner) Sight {
	if len(owners) == 0 {
		return Out
	}
	s := Always
	for _, o := range owners {
		s = s.with(Sight(n.Entry(p, o).Since))
	}
	return s
}

// Owners returns the owners that a live row here belongs to; none if it belongs to nobody, or that cannot be known here.
func (n Node) Owners(row Row) []Owner { return n.OwnersAt(row, n.Place(row)) }

// OwnersAt returns the owners that a row belongs to where it stands so.
func (n Node) OwnersAt(row Row, at Place) []Owner {
	owners, _ := n.ownersAt(row, at, maxSteps)
	slices.Sort(owners)
	return slices.Compact(owners)
}

func (n Node) ownersAt(row Row, at Place, steps int) (owners []Owner, known bool) {
	switch at.Kind {
	case Common, Staff:
		return nil, false
	case Own:
		return []Owner{Owner(row.Key)}, true
	}
	if steps == 0 || !at.Alive || len(at.To) == 0 {
		return nil, false
	}
	for _, to := range at.To {
		if to == (Row{}) {
			return nil, false
		}
		more, known := n.ownersAt(to, n.Place(to), steps-1)
		if !known {
			return nil, false
		}
		owners = append(owners, more...)
	}
	return owners, true
}

// Bury returns the owners to keep with a row's tombstone, where the row dies or a tombstone comes in: those that the row had here, else
// those that it has already, else those that came. It is asked before the row is deleted. (Whose a live row was that falls to a
// tombstone here does not count: the tombstone would be in sight since before, and be sent to nobody.)
func (n Node) Bury(row Row, came []Owner) []Owner {
	place := n.Place(row)
	if owners := n.OwnersAt(row, place); place.Alive && len(owners) > 0 {
		return owners
	}
	if len(place.Owners) > 0 {
		return place.Owners
	}
	return came
}
