package merge

import (
	"math"
	"slices"
)

// A Waiting is a row that came and cannot be applied yet: what it refers to is not here, say. It is settled later as it would have been
// when it came, but for what the sender has seen since.
type Waiting struct {
	Incoming // a version with epoch 0 was no news when it came

	Resent []uint64 // those of the epochs that only send again what was there before
	Acked  uint64   // this node's epoch up to which the sender had applied all when the row came
	Newest bool     // the later stamp decides under every policy: nobody knew what the sender had seen
	Blind  bool     // the sender did not know that this node was restored: all may be news, and nothing here was seen by it
	// Lost: the sender was restored, or added this node again, and may not have the row any more. It counts as made here when it is
	// applied, and no other row takes its place.
	Lost bool
}

// Waiting returns what is kept of a row that cannot be applied.
func (im *Import) Waiting(in Incoming) Waiting {
	w := Waiting{Incoming: in, Acked: im.Acked, Newest: im.FirstMeeting || !im.Valid, Blind: !im.Valid}
	keep := func(epoch uint64) uint64 {
		if !im.isNews(epoch) {
			return 0
		}
		if im.PeerResent != nil && im.PeerResent(epoch) && !slices.Contains(w.Resent, epoch) {
			w.Resent = append(w.Resent, epoch)
		}
		return epoch
	}
	w.Groups = slices.Clone(in.Groups)
	for i := range w.Groups {
		w.Groups[i].Epoch = keep(w.Groups[i].Epoch)
	}
	w.Dead.Epoch = keep(in.Dead.Epoch)
	return w
}

// After returns the row as it is to be settled, or to wait, in place of an earlier one of the same row and sender that waits: the
// sender's row only gets later. What was news then and is the same version still is news.
func (w Waiting) After(earlier Waiting) Waiting {
	if !w.Alive || !earlier.Alive {
		return w
	}
	var groups []SentGroup
	meetings(w.Groups, earlier.Groups, func(g, e *SentGroup, both Mask) {
		if g.Epoch == 0 && e.Epoch != 0 && g.Stamp == e.Stamp {
			groups = append(groups, SentGroup{both, e.Sent})
		}
	})
	stays := MaskOf(groups)
	for _, g := range w.Groups {
		if g.Mask = g.Without(stays); !g.IsEmpty() {
			groups = append(groups, g)
		}
	}
	w.Groups = groups
	w.Resent = append(slices.Clone(w.Resent), earlier.Resent...)
	w.Ack, w.Unseen, w.Blind = min(w.Ack, earlier.Ack), w.Unseen.Or(earlier.Unseen), w.Blind || earlier.Blind
	return w
}

// OlderThan reports whether the batch was made before the one that brought a row that waits: an old file between the parts of a load, say. What
// it says of that row is out of date. The one that waits stays as it is.
func (im *Import) OlderThan(w Waiting) bool {
	return w.Dead.Epoch > im.Upto || slices.ContainsFunc(w.Groups, func(g SentGroup) bool { return g.Epoch > im.Upto })
}

// News reports whether any version of a row is news. A row that somebody dropped and that comes again without any, since its sender does
// not know yet that it came, stays dropped.
func (im *Import) News(in Incoming) bool {
	if !in.Alive {
		return im.isNews(in.Dead.Epoch)
	}
	return slices.ContainsFunc(in.Groups, func(g SentGroup) bool { return im.isNews(g.Epoch) })
}

// Since returns the sender's epoch before the first of the versions that were news: as far as this node has applied the row. A row that
// goes to the sender meanwhile carries no higher acknowledgement.
func (w Waiting) Since() uint64 {
	first := uint64(math.MaxUint64)
	for _, g := range w.Groups {
		if g.Epoch != 0 {
			first = min(first, g.Epoch)
		}
	}
	if w.Dead.Epoch != 0 {
		first = min(first, w.Dead.Epoch)
	}
	if w.Blind || first == math.MaxUint64 {
		return 0
	}
	return first - 1
}

// Of returns the rules by which a row that waited is settled, in the import under way or in another from the same peer. Acked must be up
// to date: what the sender has acknowledged since, it has seen.
func (im Import) Of(w Waiting) Import {
	out := im
	out.Applied, out.Valid, out.FirstMeeting = 0, !w.Blind, w.Newest
	out.waited, out.waitedSince = true, w.Acked
	out.PeerResent = func(epoch uint64) bool { return slices.Contains(w.Resent, epoch) }
	if w.Lost {
		out.brought = out.Peer
		out.lost, out.Peer = true, 0
	}
	return out
}
