package merge

// Two databases that lived apart name one thing by two keys. A pair of such keys, kept at the node where it was found, is an alias: what comes
// with the sender's key is the row here, and what goes to that peer goes under the peer's. An alias stands before everything else that is
// known of its key: it goes on after the row was renamed, was deleted, or came back.

// A Likeness is a row of the sender's beside rows here that have its natural key.
type Likeness struct {
	Here, There int  // how many rows have the natural key: here, and in the batch
	KeyKnown    bool // the sender's key says by itself which row is meant: of one here, of a deletion that is known here, or by an alias
	Paired      bool // the row here is another row of the sender's: by an alias, or because that has its key
	Returned    bool // the row here had come back, see [Returned]
	Apart       bool // a person said that the two are not one
	Stays       bool // rows of the table are in no file for the sender: the direction has it so
	Absent      bool // the sender told all the keys that it has, and that of the row here is none of them
	Local       Row  // what is known of the row here
}

// Recognises reports whether a row of the sender's is taken for the row here that has its natural key, without anybody being asked. That is so
// if it cannot be another: one row here and one there have the natural key, and nothing says of either what it is on the other side. A row
// that the sender has, or may have from a file that is under way, is not the one that has its name now: a nurse1 who was
// renamed is not the new nurse1, nor is a type that was deleted there its successor.
func (im *Import) Recognises(x Likeness) bool {
	return x.Here == 1 && x.There == 1 && !x.KeyKnown && !x.Paired && !x.Returned && !x.Apart && im.Unsent(x.Local, x.Stays, x.Absent)
}

// MayPair reports whether a row here may become one with a row of the peer's, also by a person's word: nothing says of the peer's key which row it is,
// nothing says of the row here which of the peer's it is, and the peer cannot have it under its key here. What was in a file for the peer
// may be there, or wait there, or have been refused there, and nothing takes it away again.
func (im *Import) MayPair(x Likeness) bool {
	if x.KeyKnown || x.Paired {
		return false
	}
	if im.Carries() {
		return x.Local.Alive && existence(x.Local).From != im.Peer
	}
	return !x.Returned && im.Unsent(x.Local, x.Stays, x.Absent)
}

// Had reports whether the peer has, or may have, a row that is alive here under its key here. stays: rows of the table are in no file for it, and it
// told the keys that it has.
func (im *Import) Had(r Row, stays bool) bool {
	return !im.MayPair(Likeness{Local: r, Stays: stays, Absent: true})
}

// Deciding returns the rules for a person's word about rows on a link between two files, see [Import.MayPair]. The caller adds which epochs only
// resend and which were reclaimed.
func (l *Link) Deciding(peer Peer) Import { return Import{Peer: peer, Valid: true, Sent: l.sent()} }

// Unsent reports whether a row that is alive here was never in a file for the sender, nor came from it. Of rows that are in no file anyhow
// (stays) it is one that was made after the two had met, or that is absent there: what was there before may be there too, where one database is
// a copy of the other.
func (im *Import) Unsent(r Row, stays, absent bool) bool {
	if !r.Alive || !im.Valid {
		return false
	}
	for _, g := range r.Groups {
		if g.Mask.Has(Existence) {
			unsent := g.Epoch > im.Sent || stays && (absent || im.Met != 0 && g.Epoch > im.Met)
			return unsent && g.From != im.Peer && (im.OwnResent == nil || !im.OwnResent(g.Epoch)) && (im.Reclaimed == nil || !im.Reclaimed(g.Epoch))
		}
	}
	return false
}

// Carries reports whether a key by which another peer calls a row here is taken for that row when the sender has it: only if nothing of this
// node was ever in a file for the sender. Otherwise it may have the row already, by the key here, and this is another one.
func (im *Import) Carries() bool { return im.Valid && im.Sent == 0 }

// A KeyOf is what is known of a key that a sender names, where no alias of the sender's has it.
type KeyOf struct {
	Own          bool // it is the own key of a row here that some peer has another key for
	OwnPaired    bool // and the sender has another key for that row
	Others       bool // other peers have it for a row here
	OthersPaired bool // and the sender has another key for that row
	Carries      bool // see [Import.Carries]
}

// Naming says which row here a sender's key means.
type Naming uint8

const (
	SameKey    Naming = iota // the one of that key
	CarriedKey               // the one that other peers have the key for
	AnotherKey               // one that needs another key here
)

// Names returns which row a sender's key means. What a key means with one peer it means with all, unless the sender may have that row under
// another key. And a row here that the sender has another key for is not the one that it has under the key here.
func Names(k KeyOf) Naming {
	switch {
	case k.OwnPaired:
		return AnotherKey
	case !k.Others || k.Own:
		return SameKey
	case k.OthersPaired || !k.Carries:
		return AnotherKey
	}
	return CarriedKey
}

// Returned reports whether a row that was known here has got another version of its existence: it came back, or stayed in spite of a
// deletion. Its key is to be remembered: of such a row the epoch of its existence does not say whether others know it.
func Returned(before, after Row) bool {
	return before.Known && after.Alive && existence(before) != existence(after)
}

func existence(r Row) Version {
	for _, g := range r.Groups {
		if g.Mask.Has(Existence) {
			return g.Version
		}
	}
	return Version{}
}

// sent returns this node's epoch up to which files were made for the peer, whatever became of them.
func (l *Link) sent() uint64 {
	upto := max(l.Acked.Epoch, l.Sending.Upto.Epoch)
	for _, e := range l.ExportEnds {
		upto = max(upto, e.Epoch)
	}
	return upto
}

// HasSent reports whether a file with rows of this node was ever made for the peer.
func (l *Link) HasSent() bool { return l.sent() > 0 }

// ListensFirst reports whether a child's batch to its parent is a header with nothing in it, from the beginning to the beginning, where rows are
// recognised by themselves: until the parent's first load is applied, and unless rows have gone there already. So it knows the parent's keys
// before it speaks, and nothing is made twice.
func (l *Link) ListensFirst() bool { return l.Applied.Epoch == 0 && l.sent() == 0 }
