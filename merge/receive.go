package merge

import (
	"maps"
	"math"
	"slices"
)

// A Verdict is what a header says about its batch.
type Verdict uint8

const (
	Apply    Verdict = iota
	Covered          // all of it is applied already
	Gap              // it builds on a batch that is not here: keep the file
	PartGap          // a part of a load before it is not here: keep the file
	NotShown         // it does not show the position that is applied here, for its sender was restored or its chain is thinned: a header to it is due
	Retired          // the file is from before a restore of the sender, or from before it added this node again
	Stranger         // another node under the peer's name: a person must say which is which
	Copy             // two copies of the peer are at work, or a person gave the sender up: see Link.Keep
	OwnCopy          // two copies of this node are, as the peer says, or a person there gave this one up
)

// A Decision is what Receive made of a header.
type Decision struct {
	Verdict Verdict
	// NewHistory: this node was restored from a backup. The caller draws a new random history id; Receive has put the old one
	// among the earlier ones and 0 in its place.
	NewHistory bool
	// Rejoin, if not nil: what came from the peer after the own epoch Rejoin.OwnEpoch may be lost there. It counts as made here,
	// now: the caller does to all its rows what Row.Reclaim does to one, and to conflict records too, whatever the verdict and before
	// anything of the batch is applied.
	Rejoin *AppliedBatch
	Valid  bool // see Import.Valid
	Reset  bool // the other end added this node again. Rejoin says all that is to be done for it; only tests read this
}

// Import returns the Import for the batch: the caller fills in Self, Peer, Epoch, FromParent, Horizon, PeerResent and OwnResent. It
// is to be called before RecordImport.
func (l *Link) Import(own *History, h Header, d Decision) Import {
	sent := l.sent()
	if h.AckHistory != own.ID && h.AckHistory != 0 { // after a restore of this node, it may hold what no file is known of here
		sent = math.MaxUint64
	}
	further := uint64(0)
	if l.Receiving.ID != 0 && l.Receiving.ID != h.Load && l.Receiving.Upto.Epoch > h.Upto.Epoch {
		further = l.Receiving.First
	}
	met := uint64(0)
	if len(l.Imports) > 0 && h.AckHistory == own.ID {
		met = l.Imports[0].OwnEpoch
	}
	return Import{Met: met, Applied: l.Applied.Epoch, Upto: h.Upto.Epoch, Valid: d.Valid, FirstMeeting: h.Ack.Epoch == 0 || l.Applied.Epoch == 0,
		MaxAck: max(h.Ack.Epoch, h.LoadUpto.Epoch), Acked: l.Acked.Epoch, Further: further, Sent: sent}
}

// Receive reads a header, once its signature is checked. It changes the link and the history whatever the verdict: the
// acknowledgement counts even if there is nothing to apply, or both ends would send the same rows for ever.
//
// Restores are noticed by what cannot be otherwise. This node was restored if the peer, which speaks to the present history,
// knows a position or a link number that this node never made, or holds it to an acknowledgement that it never gave; nothing of
// its data changes by that, but its peers see the new history. The peer was restored if it has a new history that lists the
// one known here; then this end goes back to the last position that the two share.
func Receive(own *History, l *Link, h Header) Decision {
	var d Decision
	if own.isCopy(h) {
		d.Verdict = OwnCopy
		return d
	}
	if rival := l.Copies.Rival; l.copies(h) {
		// It is told once, and again when it comes an hour later: if each refusal were answered, and each answer made it try again, the
		// two would send each other files without end.
		l.HeaderDue = l.HeaderDue || l.Copies.Rival != rival || h.At-l.LastHeader.At >= Day/24
		d.Verdict = Copy
		return d
	}
	late := l.Retired[h.History] || h.History == l.History && h.Link < l.PeerNumber
	if !late && !l.meet(h, &d) {
		d.Verdict = Stranger
		return d
	}

	current := h.AckHistory == own.ID // the peer knows of my last restore
	known := current || h.AckHistory == 0 || own.Earlier[h.AckHistory]
	mine := h.PeerLink == 0 || h.PeerLink == l.Number // not a link that I gave up
	has := own.has(h.Ack) && own.has(h.LoadUpto)
	if (!has || !known || h.PeerLink > l.Number) && (current || !known) {
		own.restored(h.AckHistory)
		d.NewHistory = true
	}
	if late { // it proves a restore of mine like any other; not to read that can leave two restored ends refusing each other
		l.HeaderDue = true
		d.Verdict = Retired
		return d
	}
	l.PeerNumber = h.Link
	d.Valid = has && known && mine
	if d.Valid {
		if l.Doubted {
			l.Acked, l.Sending, l.Doubted = Position{}, Sending{}, false
		}
		l.acknowledge(h.Ack)
	}
	l.readMissing(h)
	if d.Valid && l.loadIsLost(&h) {
		l.Sending.Missing = true
	}

	if h.Base.Epoch < l.Applied.Epoch {
		l.HeaderDue = true
	}
	d.Verdict = l.verdict(&h)
	switch d.Verdict {
	case Gap:
		if current && mine && !h.Ahead && !d.NewHistory { // I never said that I had applied its base
			own.restored(0)
			d.NewHistory = true
		}
		l.HeaderDue, l.Missing = true, h.Base
	case PartGap:
		l.HeaderDue, l.Missing = true, h.Upto
	case NotShown:
		l.HeaderDue = true
		if h.Base == (Position{}) {
			l.Missing = h.Upto
		}
	case Apply:
		if l.givenUpBy(&h) {
			// Parts of another load are here, which no position vouches for: that the sender does not list its end may mean that it
			// was restored since.
			d.Rejoin = &AppliedBatch{OwnEpoch: l.Receiving.Start - 1}
			l.forgetImports(l.Receiving.Start)
			l.Receiving = Receiving{}
		}
	}
	return d
}

// meet reads which history and link the peer is on now; false if that cannot be the peer.
func (l *Link) meet(h Header, d *Decision) bool {
	switch {
	case l.History == 0:
		l.retire(h.Earlier)
		l.History = h.History
	case h.History != l.History && !l.succeeds(h):
		return false
	case h.History != l.History:
		if slices.Contains(h.Learned, l.History) {
			l.displace()
		}
		d.Rejoin = l.rejoin(h)
	case h.Link > l.PeerNumber && l.PeerNumber != 0:
		l.reset()
		d.Rejoin, d.Reset = &AppliedBatch{}, true
	}
	return true
}

func (l *Link) verdict(h *Header) Verdict {
	switch {
	case h.Base.Epoch > l.Applied.Epoch:
		return Gap
	case h.Upto.Epoch <= l.Applied.Epoch:
		return Covered
	case !h.vouchesFor(l.Applied):
		return NotShown
	case h.Load == 0:
		return Apply
	case h.Load == l.Receiving.ID && h.Part <= l.Receiving.Part:
		return Covered
	case h.Part == 1 || h.Load == l.Receiving.ID && h.Part == l.Receiving.Part+1:
		return Apply
	}
	return PartGap
}

// givenUpBy reports whether the batch takes the place of the load under way, whose end its sender does not show to be of its
// history.
func (l *Link) givenUpBy(h *Header) bool {
	if l.Receiving.ID == 0 || h.Load == l.Receiving.ID || h.vouchesFor(l.Receiving.Upto) {
		return false
	}
	return h.Load != 0 || h.Upto.Epoch >= l.Receiving.Upto.Epoch
}

// acknowledge raises Acked. It never falls by this: files arrive late.
func (l *Link) acknowledge(m Position) {
	if m.Epoch <= l.Acked.Epoch {
		return
	}
	l.Acked = m
	l.ExportEnds = slices.DeleteFunc(slices.Clone(l.ExportEnds), func(e Position) bool { return e.Epoch <= m.Epoch })
	if l.Sending.Upto.Epoch <= m.Epoch {
		l.Sending = Sending{}
	}
}

// readMissing reads what the peer could not apply, and sees to it that the next batch does not build on that again.
func (l *Link) readMissing(h Header) {
	switch {
	case h.Missing.Epoch <= l.Acked.Epoch:
	case h.Missing == l.Sending.Upto && l.Sending.Done:
		// The load is made anew, but not for a peer that says less than it once did: it may have been restored, and what it
		// needs to notice that is a batch that starts where it said it was.
		if h.Ack == l.Acked && l.Sending.Missing {
			return // it is known, and the load is made again in its time: to answer would have both go on for ever
		}
		if h.Ack == l.Acked {
			l.Sending.Missing = true
		} else {
			l.Sending = Sending{}
		}
		l.Behind, l.HeaderDue = true, true
	case slices.Contains(l.ExportEnds, h.Missing):
		l.Behind, l.HeaderDue = true, true
	}
}

// smallLoad is the size in bytes of a load that is soon made and soon carried.
const smallLoad = 16 << 20

// loadIsLost reports whether the load that was made for the peer is to be made again, though nobody says that it is missing: a header
// that the peer made later than that shows nothing of it. It may still be on its way. So a small load is made again at once, the
// next an hour later; a large one, and what seemed lost twice, after a day.
func (l *Link) loadIsLost(h *Header) bool {
	s := &l.Sending
	if !s.Done || s.Missing || h.Ack != l.Acked || h.LoadHave != 0 && h.LoadHave == s.ID {
		return false
	}
	wait := int64(Day)
	switch {
	case s.Bytes == 0 || s.Bytes > smallLoad || s.Again > 1:
	case s.Again == 1:
		wait = Day / 24
	default:
		wait = 1
	}
	return h.At-l.LastHeader.At >= wait
}

// restored begins a new history. theirs is the history that the peer knows of, if this node does not.
func (own *History) restored(theirs uint64) {
	earlier := maps.Clone(own.Earlier)
	if earlier == nil {
		earlier = map[uint64]bool{}
	}
	earlier[own.ID] = true
	if theirs != 0 {
		earlier[theirs] = true
		own.learn(theirs)
	}
	own.Earlier, own.ID = earlier, 0
}

func (l *Link) retire(histories []uint64) {
	retired := maps.Clone(l.Retired)
	if retired == nil {
		retired = map[uint64]bool{}
	}
	for _, h := range histories {
		retired[h] = true
	}
	l.Retired = retired
}

// rejoin goes back to the last position that this end shares with the peer's new history. Nothing of what it had acknowledged
// counts but what it says now, and batches of its earlier histories are refused from now on.
func (l *Link) rejoin(h Header) *AppliedBatch {
	l.retire(append([]uint64{l.History}, h.Earlier...))
	l.History = h.History
	if l.Receiving.ID != 0 {
		l.forgetImports(l.Receiving.Start)
	}
	common := AppliedBatch{}
	i := len(l.Imports)
	for ; i > 0; i-- {
		if h.vouchesFor(l.Imports[i-1].Position) {
			common = l.Imports[i-1]
			break
		}
	}
	l.Imports = slices.Clone(l.Imports[:i])
	l.Applied = common.Position
	l.Acked, l.Sending = Position{}, Sending{}
	l.Receiving, l.Missing = Receiving{}, Position{}
	return &common
}

// reset begins anew with a peer that has added this node again, and so holds nothing as from it. What an acknowledgement said
// on the link before does not count, at either end: either may have been restored in between without the other's knowing.
func (l *Link) reset() {
	l.Applied, l.Imports, l.Receiving, l.Missing = Position{}, nil, Receiving{}, Position{}
	l.Acked, l.Sending = Position{}, Sending{}
}

// forgetImports drops from the log, from the own epoch start on, positions that do not vouch for all that came before them: those
// between the parts of a load.
func (l *Link) forgetImports(start uint64) {
	l.Imports = slices.DeleteFunc(slices.Clone(l.Imports), func(i AppliedBatch) bool { return i.OwnEpoch >= start })
}

// RecordImport notes that the batch, or the part, that Receive let pass has been applied: in this node's own epoch, or, if it
// wrote nothing, after that one.
func RecordImport(l *Link, h Header, epoch uint64, wrote bool) {
	if h.Load != 0 && !h.Last {
		next := Receiving{ID: h.Load, Part: h.Part, Upto: h.Upto, Start: l.Receiving.Start, First: l.Receiving.First}
		if l.Receiving.ID == 0 {
			next.Start = epoch
		}
		if l.Receiving.ID != h.Load {
			next.First = epoch
			if !wrote {
				next.First++
			}
		}
		l.Receiving = next
		return
	}
	l.Applied = h.Upto
	switch {
	case l.Receiving.ID == 0:
	case l.Receiving.Upto.Epoch <= l.Applied.Epoch:
		l.forgetImports(l.Receiving.Start)
		l.Receiving = Receiving{}
	default:
		l.Receiving.First = epoch + 1
	}
	l.Imports = thin(append(slices.Clone(l.Imports), AppliedBatch{h.Upto, epoch}), maxLog)
	if l.Missing.Epoch <= l.Applied.Epoch {
		l.Missing = Position{}
	}
}

// RecordResend is to be called for each link when rows were given a new own epoch without coming anew (see Row.Resend): from then on
// that epoch does not say which batch brought a row.
func (l *Link) RecordResend(epoch uint64) {
	if l.Receiving.ID != 0 {
		l.Receiving.First = epoch + 1
	}
}

// RecordRetry is to be called for a peer's link when rows of the peer's that had waited were settled, in an own epoch. They may have come before
// the load under way, and it may have more to say of them: that they are here as from now does not show that they came in it.
func (l *Link) RecordRetry(epoch uint64) { l.RecordResend(epoch) }

// RowAck returns the acknowledgement that a row carries to p: the link's, or that of the load under way if the row came in it. The
// rows of an unfinished load are here though the load is not acknowledged, and an edit of one was made on what it brought.
func (l *Link) RowAck(r Row, p Peer) uint64 {
	came := func(v Version) bool { return v.From == p && v.Epoch >= l.Receiving.First }
	if l.Receiving.ID != 0 && l.Receiving.Upto.Epoch > l.Applied.Epoch {
		if !r.Alive && came(r.Dead) || slices.ContainsFunc(r.Groups, func(g Group) bool { return came(g.Version) }) {
			return l.Receiving.Upto.Epoch
		}
	}
	return l.Applied.Epoch
}
