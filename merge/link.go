package merge

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Day is the longest time between two headers to a peer, in microseconds: a lost file heals by the next one at the latest.
const Day = 24 * 60 * 60 * 1_000_000

const (
	maxChain = 64   // ends of batches in a header
	maxLog   = 1024 // batches of a peer remembered for the case that it is restored
)

// A History is what a node knows of its own history.
type History struct {
	ID      uint64          // random, drawn at init and after each restore that was noticed
	Earlier map[uint64]bool // the ones before, and those that a peer knew of and a restore took away
	Learned map[uint64]bool // those of Earlier of which only a peer's word is known that they were this node's
	// Remembered is histories that this node is known to have had though its database may not say so: what stands beside the database
	// outlives a restore of it.
	Remembered map[uint64]bool
	// Has reports whether the epoch has this token here. It is never called with the zero Position.
	Has func(Position) bool
}

func (own *History) has(m Position) bool { return m == Position{} || m.Epoch > 0 && own.Has(m) }

// An AppliedBatch is the end of a batch that was applied: the sender's position, and this node's epoch of that import.
type AppliedBatch struct {
	Position
	OwnEpoch uint64
}

// A Link is one end of what connects two nodes: all that an end remembers of the other. A peer that was removed and added
// again has a new Link (with a new Number and a new [Peer]).
type Link struct {
	// Number of the link at this end, not 0. It must grow from one adding of a peer to the next: the clock in microseconds
	// will do. (A clock set back in between costs a new history.)
	Number     uint64
	PeerNumber uint64 // its number at the other end; 0 until a header came

	History uint64          // the peer's; 0 until a header came
	Retired map[uint64]bool // histories that the peer had before
	Copies  Copies          // what is known of copies of the peer

	Applied   Position       // the peer's epoch up to which everything is applied here
	Imports   []AppliedBatch // the ends of the batches applied, oldest first, thinned
	Receiving Receiving      // the load in parts that is under way from the peer

	Acked      Position   // this node's epoch that the peer said it had applied; it falls only when the peer lost something
	ExportEnds []Position // the ends of the batches made for the peer since, oldest first, thinned
	Sending    Sending    // the last full load made for the peer, until it is acknowledged
	Doubted    bool       // Acked may be a thief's word: the peer's keys were revoked since. Its next header says it anew
	Behind     bool       // the peer lacks the end of a batch that later ones were built on

	LastHeader LastHeader // what the last header said
	HeaderDue  bool       // the peer does not know what is applied here: a header is due
	Missing    Position   // what the last batch that could not be applied was built on
}

// A Receiving is a full load that comes in parts and is not complete.
type Receiving struct {
	ID    uint64   // random; 0: none under way
	Part  uint32   // the last one applied, from 1
	Upto  Position // the peer's position that the whole load reaches
	Start uint64   // this node's epoch in which the first part came, of a load that this one replaced if there was one
	First uint64   // what came from the peer in this node's epochs from here on, came in this load
}

// A Sending is a full load made for a peer.
type Sending struct {
	ID      uint64 // 0 if it was not split
	Upto    Position
	Done    bool  // its last part was made
	Missing bool  // the peer says that it lacks parts of it, or all of it
	Bytes   int64 // size of its files; 0: unknown
	Again   uint8 // how often it was made because the one before seemed lost
	At      int64 // when it was made, in microseconds since 1970 UTC by this node's clock
}

// LastHeader is what the last header to a peer said of this node, and when.
type LastHeader struct {
	History, PeerNumber uint64
	PeerHistory         uint64
	Applied             Position
	At                  int64 // microseconds since 1970 UTC
}

// A Header is the part of a batch's header that these rules read and write.
type Header struct {
	At       int64    // when it was made, in microseconds since 1970 UTC by the sender's clock
	History  uint64   // the sender's
	Earlier  []uint64 // its earlier ones, in rising order
	Learned  []uint64 // those of them that the sender has from peers alone, in rising order
	Copies   []uint64 // histories of the receiver's of which the sender does not know which is the right one
	GivenUp  []uint64 // histories of copies of the receiver that are not the receiver, as a person said, in rising order
	Link     uint64   // the link's number at the sender's end
	PeerLink uint64   // and at the receiver's; 0: unknown

	Base, Upto Position   // the rows are the difference between these; Base zero: a full load
	Ahead      bool       // Base was sent but is not acknowledged
	Chain      []Position // positions of the sender's between Base and Upto at which the receiver may be

	AckHistory uint64   // the receiver's history that Ack is of; 0: unknown
	Ack        Position // the receiver's epoch up to which all is applied at the sender
	Missing    Position // what the last batch that the sender could not apply was built on

	Load uint64 // random id of a full load in parts; 0: not split
	Part uint32 // from 1
	Last bool   // of a load in parts: its last

	LoadHave uint64   // the load that the sender is receiving, 0 if none
	PartHave uint32   // the last part of it that is applied
	LoadUpto Position // and the receiver's position that it reaches: one that the receiver must know, or it was restored
}

// vouchesFor reports whether the sender shows that m is part of its present history.
func (h *Header) vouchesFor(m Position) bool {
	return m == Position{} || m == h.Base || m == h.Upto || slices.Contains(h.Chain, m)
}

// Loading reports whether a full load was made for the peer that it has not acknowledged.
func (l *Link) Loading() bool { return l.Sending.Done && l.Sending.Upto.Epoch > l.Acked.Epoch }

// ExportRequest is what the user wants of an export.
type ExportRequest struct {
	Full      bool  // a full load, whatever is acknowledged
	SinceSent bool  // build on the last batch made, acknowledged or not: for a link that runs one way
	Now       int64 // in microseconds since 1970 UTC by this node's clock; 0: no load has to wait for its time
}

// PlanExport returns what the header of the next batch for a peer says, and whether it is a full load (Base is the beginning). The
// caller fills in Upto from the snapshot that it exports from, and Load, Part and Last if it splits a full load.
//
// A batch starts where the peer said it is, so that a lost file costs nothing. The exception is a full load, which costs much:
// it is made once, and until it is acknowledged batches build on it, unless the peer says that it lacks it.
func PlanExport(own *History, l *Link, want ExportRequest) (h Header, full bool) {
	h = Header{
		History: own.ID, Earlier: slices.Sorted(maps.Keys(own.Earlier)), Learned: own.learned(), Copies: l.Copies.histories(l.History), GivenUp: l.Copies.GivenUp, Link: l.Number, PeerLink: l.PeerNumber,
		Base: l.Acked, AckHistory: l.History, Ack: l.Applied, Missing: l.Missing,
		LoadHave: l.Receiving.ID, PartHave: l.Receiving.Part, LoadUpto: l.Receiving.Upto,
	}
	made := l.Loading()
	last := len(l.ExportEnds) - 1
	switch {
	case want.Full || made && l.Sending.Missing && l.Sending.mayGoAgain(want.Now):
		h.Base = Position{}
	case want.SinceSent && !l.Behind && last >= 0 && l.ExportEnds[last].Epoch > l.Acked.Epoch:
		h.Base, h.Ahead = l.ExportEnds[last], true
	case made:
		h.Base, h.Ahead = l.Sending.Upto, true
	}
	ends := append([]Position{l.Acked}, l.ExportEnds...)
	if l.Sending.Upto.Epoch > 0 && !l.Sending.Done { // parts of a load that was not finished may be with the peer
		ends = append(ends, l.Sending.Upto)
	}
	for _, m := range ends {
		if m.Epoch > h.Base.Epoch && !slices.Contains(h.Chain, m) {
			h.Chain = append(h.Chain, m)
		}
	}
	slices.SortStableFunc(h.Chain, func(a, b Position) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return h, h.Base == Position{}
}

// mayGoAgain reports whether a load that the peer says it lacks is made again now: the first time at once, then an hour after the one
// before, then once a day. A load costs much, and to say that it is missing nothing.
func (s *Sending) mayGoAgain(now int64) bool {
	if now == 0 || now < s.At { // the clock was set back
		return true
	}
	return now-s.At >= againAfter(s.Again)
}

// againAfter is how long after a load that seemed lost so often the next is made, in microseconds.
func againAfter(again uint8) int64 {
	switch again {
	case 0:
		return 0
	case 1:
		return Day / 24
	}
	return Day
}

// HeaderIsDue reports whether a header with no rows should go to the peer: it does not know yet what is applied here, or the last
// one is a day old (or from the future: the clock was set back). now is in microseconds since 1970 UTC.
func HeaderIsDue(own *History, l *Link, now int64) bool {
	header := own.header(l, l.LastHeader.At)
	return l.HeaderDue || header != l.LastHeader || now < l.LastHeader.At || now-l.LastHeader.At >= Day
}

func (own *History) header(l *Link, at int64) LastHeader {
	return LastHeader{History: own.ID, PeerNumber: l.PeerNumber, PeerHistory: l.History, Applied: l.Applied, At: at}
}

// RecordExport notes that a batch, or a part of a full load, is about to get its final name: it remembers its end and what its
// header says. size is that of the file in bytes, now is in microseconds since 1970 UTC.
func RecordExport(own *History, l *Link, h Header, size, now int64) {
	if h.Base == (Position{}) && h.Upto != (Position{}) { // not who listens first
		next := Sending{ID: h.Load, Upto: h.Upto, Done: h.Load == 0 || h.Last, Bytes: size, Again: l.Sending.Again, At: now}
		switch {
		case h.Load != 0 && h.Load == l.Sending.ID: // a further part
			next.Bytes += l.Sending.Bytes
		case l.Sending.Missing && next.Again < math.MaxUint8:
			next.Again++
		}
		l.Sending = next
	}
	if h.Load != 0 && !h.Last {
		return
	}
	l.LastHeader, l.HeaderDue, l.Behind = own.header(l, now), false, false
	if h.Upto.Epoch > 0 && !slices.Contains(l.ExportEnds, h.Upto) {
		l.ExportEnds = thin(append(slices.Clone(l.ExportEnds), h.Upto), maxChain)
	}
}

// thin drops every second of the older three quarters of a list that is too long. A peer that is at a dropped position is sent
// rows from further back, which costs a round trip at most.
func thin[T any](s []T, limit int) []T {
	if len(s) <= limit {
		return s
	}
	old := len(s) * 3 / 4
	out := make([]T, 0, len(s))
	for i, v := range s {
		if i >= old || i%2 == 0 {
			out = append(out, v)
		}
	}
	return out
}
