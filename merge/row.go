package merge

import "slices"

// A Row is what a node knows of one row, apart from its values: never heard of (not Known), alive with a version for each
// group of columns, or dead with the version of its deletion alone.
//
// The masks of Groups are disjoint. A column in none of them has no version: it was not sent, or is new in the table. It is
// below every stamp, is not sent, and only an edit or a peer's version gives it one.
//
// All versions of a live row are above every deletion of it that its node knows. That is what lets a live row forget the
// deletions it came back from.
type Row struct {
	Known, Alive bool
	Groups       []Group // of a live row
	Dead         Version // of a dead one
}

// NewerThan reports whether the row must be in a batch to p that starts at the own epoch base: whether something of it came here
// later, and not from p, which has that already.
func (r Row) NewerThan(base uint64, p Peer) bool {
	switch {
	case !r.Known:
		return false
	case !r.Alive:
		return r.Dead.newerThan(base, p)
	}
	for _, g := range r.Groups {
		if g.newerThan(base, p) {
			return true
		}
	}
	return false
}

func (v Version) newerThan(base uint64, p Peer) bool { return v.Epoch > base && v.From != p }

// Outgoing returns the row's versions as they are sent to p: of a live row all groups, of a dead one the deletion. Epoch 0 says
// that the version came from p, so that p does not take its own version for news. Of the row's existence it says that p added the row:
// see [Incoming.SaysWhose].
func (r Row) Outgoing(p Peer) (groups []SentGroup, dead Sent) {
	if !r.Alive {
		return nil, r.Dead.outgoing(p)
	}
	groups = make([]SentGroup, 0, len(r.Groups)+1)
	for _, g := range r.Groups {
		if g.Has(Existence) && (g.addedBy() == p) != (g.From == p) {
			groups = append(groups, SentGroup{Bit(Existence), g.existenceTo(p)})
			g.Mask = g.Columns()
		}
		if !g.IsEmpty() {
			groups = append(groups, SentGroup{g.Mask, g.outgoing(p)})
		}
	}
	return joinSent(groups), Sent{}
}

func (v Version) existenceTo(p Peer) Sent {
	if v.addedBy() == p {
		return Sent{v.Stamp, 0}
	}
	return Sent{v.Stamp, v.Epoch}
}

func (v Version) outgoing(p Peer) Sent {
	if v.From == p {
		return Sent{v.Stamp, 0}
	}
	return Sent{v.Stamp, v.Epoch}
}

// Resend returns the row with a new own epoch in every version, each with its stamp and its origin as they were: the row is sent once more, and
// settled by its stamps. The epoch belongs on the list of those that only send again (see Import.OwnResent and Import.PeerResent).
//
// The simulation shows by it that the rule is right. To all rows of a table a node does the same in SQL, by journal.Resend, where its own
// rules changed; for a peer that asks it does so in the batches to that peer alone, see Again. Who changes one changes the other.
func (r Row) Resend(epoch uint64) Row {
	return r.rewrite(func(v Version) Version {
		v.Epoch = epoch
		return v
	})
}

// Again returns the row as it goes to one peer that asked for its table: what came here before an own epoch goes as from that one, which
// only sends again. Nothing else knows of it: what the row is known by here stays.
func (r Row) Again(epoch uint64) Row {
	return r.rewrite(func(v Version) Version {
		v.Epoch = max(v.Epoch, epoch)
		return v
	})
}

// Reclaim returns the row with what came from p after the own epoch after made this node's own, in the given epoch: p was restored and may have
// lost it, so it must be sent back to p like anything made here. See Decision.Rejoin. Of a row with
// anything such it is stored who added it: see [Row.CameFrom].
//
// To all rows a node does the same in SQL, by journal.Rejoin.
func (r Row) Reclaim(p Peer, after, epoch uint64) Row {
	lost := func(v Version) bool { return v.From == p && v.Epoch > after }
	some := slices.ContainsFunc(r.Groups, func(g Group) bool { return lost(g.Version) })
	return r.rewrite(func(v Version) Version {
		if some {
			v.Added = Adder{true, v.addedBy()}
		}
		if lost(v) {
			v.Epoch, v.From = epoch, 0
		}
		return v
	})
}

func (r Row) rewrite(f func(Version) Version) Row {
	switch {
	case !r.Known:
	case !r.Alive:
		r.Dead = f(r.Dead)
	default:
		groups := make([]Group, len(r.Groups))
		for i, g := range r.Groups {
			v := f(g.Version)
			if g.Has(Existence) { // who added the row stays
				v = v.by(g.addedBy())
			}
			groups[i] = Group{g.Mask, v}
		}
		r.Groups = Normalise(groups)
	}
	return r
}

// highest returns the latest stamp of a row, its deletion's if it is dead.
func (r Row) highest() Stamp {
	s := r.Dead.Stamp
	for _, g := range r.Groups {
		if s.Before(g.Stamp) {
			s = g.Stamp
		}
	}
	return s
}

// mask returns what has a version.
func (r Row) mask() Mask { return MaskOf(r.Groups) }

// AddedBy returns the peer that added a live row, or that brought it first; 0: it was made here, or nobody knows. It stays whatever happens
// to the row's versions, until the row is deleted.
func (r Row) AddedBy() Peer {
	v, _ := r.existence()
	return v.addedBy()
}

// WasAddedBy reports whether a live row is known to have been added by p.
func (r Row) WasAddedBy(p Peer) bool {
	v, ok := r.existence()
	return ok && v.addedBy() == p
}

// CameFrom reports whether a live row came here from p, and p has it: nothing of it was made here anew since, as p was restored or the
// row's existence was stamped here.
func (r Row) CameFrom(p Peer) bool {
	v, ok := r.existence()
	return ok && v.From == p && !v.Added.Stored
}

func (r Row) existence() (v Version, ok bool) {
	for _, g := range r.Groups {
		if g.Has(Existence) {
			return g.Version, true
		}
	}
	return Version{}, false
}

// Refused returns the row as it goes to a peer whose version of it was refused here in that own epoch, since it is not the peer's: all of
// it is news to the peer, what had come from it too. No stamp changes, and nobody else is sent anything.
func (r Row) Refused(epoch uint64, p Peer) Row {
	return r.rewrite(func(v Version) Version {
		v.Epoch = max(v.Epoch, epoch)
		if v.From == p {
			v.From = 0
		}
		return v
	})
}
