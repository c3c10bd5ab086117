package merge

// AddedSince reports whether a live row was added after the own epoch base, and not by p: p, which has applied all up to base, cannot have it.
func (r Row) AddedSince(base uint64, p Peer) bool {
	v, ok := r.existence()
	return ok && v.newerThan(base, p)
}

// CameSince reports whether anything of a live row came from p in this node's epoch first or later; 0: nothing did.
func (r Row) CameSince(first uint64, p Peer) bool {
	for _, g := range r.Groups {
		if first != 0 && g.From == p && g.Epoch >= first {
			return true
		}
	}
	return false
}

// ImportedAfter returns this node's first epoch in which something of the peer's after its epoch upto was applied; 0: nothing was. (Of long
// ago not all is remembered: then it is a later one.)
func (l *Link) ImportedAfter(upto uint64) (first uint64) {
	for _, b := range l.Imports {
		if b.Epoch > upto && (first == 0 || b.OwnEpoch < first) {
			first = b.OwnEpoch
		}
	}
	return first
}
