package merge

import (
	"maps"
	"slices"
)

// Two copies of a node, database and keys, go by one name and one history. Each that hears of the other's doings takes itself for the other's
// restore, and so does the peer. A restore and a copy begin alike; what tells them apart is that a copy goes on: the peer had a new
// history in the place of another, of which the new one knew by the peer's word alone, and then one comes that had the replaced one itself.

// maxDisplaced is how many histories are remembered that others displaced.
const maxDisplaced = 64

// Copies is what one end of a link knows of copies of the peer.
type Copies struct {
	// Displaced is histories in whose place one came that knew of them by this node's word alone, oldest first.
	Displaced []uint64
	// Rival is a history that came back after it had been displaced: until [Link.Keep] says which is right, nothing of the peer is taken.
	Rival Rival
	// GivenUp is histories of copies that are not the peer, as a person said, in rising order.
	GivenUp []uint64
}

// A Rival is a copy of the peer, by its last header.
type Rival struct {
	History uint64 // 0: there is none
	Epoch   uint64 // its last
	At      int64  // when the header was made, in microseconds since 1970 UTC by the sender's clock
}

// histories returns what a header says of the histories that rival.
func (c *Copies) histories(known uint64) []uint64 {
	if c.Rival.History == 0 {
		return nil
	}
	return []uint64{known, c.Rival.History}
}

// learn notes that only a peer says of an earlier history that it was this node's.
func (own *History) learn(history uint64) {
	if history == own.ID || own.Earlier[history] || own.Remembered[history] {
		return
	}
	learned := maps.Clone(own.Learned)
	if learned == nil {
		learned = map[uint64]bool{}
	}
	learned[history] = true
	own.Learned = learned
}

func (own *History) learned() []uint64 { return slices.Sorted(maps.Keys(own.Learned)) }

// isCopy reports whether the peer says that this node is one of two copies, or one that was given up.
func (own *History) isCopy(h Header) bool {
	if slices.Contains(h.Copies, own.ID) {
		return true
	}
	return slices.ContainsFunc(h.GivenUp, func(g uint64) bool { return g == own.ID || own.Earlier[g] && !own.Learned[g] })
}

// had reports whether the sender had the history itself.
func (h *Header) had(history uint64) bool {
	return h.History == history || slices.Contains(h.Earlier, history) && !slices.Contains(h.Learned, history)
}

// succeeds reports whether a header with a new history is of the peer that is known: it had, or knows of, the history that is known here,
// and if it only heard of that one, it had another that was the peer's before.
func (l *Link) succeeds(h Header) bool {
	if h.had(l.History) {
		return true
	}
	return slices.Contains(h.Learned, l.History) && slices.ContainsFunc(h.Earlier, func(e uint64) bool { return l.Retired[e] && h.had(e) })
}

// copies reports whether a header is of one of two copies of the peer.
func (l *Link) copies(h Header) bool {
	c := &l.Copies
	switch {
	case slices.ContainsFunc(c.GivenUp, h.had), c.Rival.History != 0:
		return true
	case !slices.Contains(h.Learned, l.History) || !slices.ContainsFunc(c.Displaced, h.had):
		return false
	}
	c.Rival = Rival{History: h.History, Epoch: h.Upto.Epoch, At: h.At}
	return true
}

// displace notes that a history comes in the place of the known one, and knows of that by this node's word alone.
func (l *Link) displace() {
	d := append(slices.Clone(l.Copies.Displaced), l.History)
	l.Copies.Displaced = d[max(0, len(d)-maxDisplaced):]
}

// Keep does what a person says of two copies of the peer: the one of this history is the peer, and the other is not. It reports whether the
// history is one of the two.
func (l *Link) Keep(history uint64) bool {
	c := l.Copies
	other := uint64(0)
	switch history {
	case 0:
	case l.History:
		other = c.Rival.History
	case c.Rival.History:
		other = l.History
		c.Displaced = nil // its next header comes in the place of the other's
	}
	if other == 0 {
		return false
	}
	c.GivenUp = append(slices.Clone(c.GivenUp), other)
	slices.Sort(c.GivenUp)
	c.Rival = Rival{}
	l.Copies, l.HeaderDue = c, true
	return true
}

// PlaceSigns is what shows whether a home folder and a database that are found together are those that were last used together.
type PlaceSigns struct {
	Known         bool // the home folder says what it was used with
	Same          bool // the database had one of the histories that the home folder knows of
	HomeMoved     bool // the home folder has another path, or the machine is another
	DatabaseMoved bool // the database has another name, or its server is another
}

// PlaceVerdict says whether a home folder and a database may be used together.
type PlaceVerdict uint8

const (
	Fits            PlaceVerdict = iota
	AnotherDatabase              // the database never was that of the home folder
	BothMoved                    // both are elsewhere: they may be a copy of a node that is at work
)

// Verdict returns what becomes of a run. A database that is put back, moves to another server or gets another name alone is what happens every
// day, and so does a home folder alone. Both together are moved once in a node's life, or copied.
func (s PlaceSigns) Verdict() PlaceVerdict {
	switch {
	case s.Known && !s.Same:
		return AnotherDatabase
	case s.Known && s.HomeMoved && s.DatabaseMoved:
		return BothMoved
	}
	return Fits
}
