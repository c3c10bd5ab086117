package exchange

import (
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
)

// acknowledged reports whether the peer has said that it has applied what a batch of this node takes it to.
func acknowledged(h *batch.Header, p *journal.Peer, history uint64) bool {
	return h.Link == p.Link.Number && h.History == history && h.Upto.Epoch <= p.Link.Acked.Epoch
}

// mayHoldRows reports whether a batch may hold more than its header.
func mayHoldRows(h *batch.Header) bool { return h.Upto != h.Base }

// holdsAllOf reports whether a batch holds all that an earlier one of the same sender to the same receiver holds.
func holdsAllOf(h, earlier *batch.Header) bool {
	return follows(h, earlier) && h.Base.Epoch <= earlier.Base.Epoch
}

// replaces reports whether a batch holds all that an earlier one holds and the peer, to whom both are, may lack.
func replaces(h, earlier *batch.Header, p *journal.Peer) bool {
	return holdsAllOf(h, earlier) || follows(h, earlier) && earlier.Upto.Epoch <= p.Link.Acked.Epoch
}

// follows reports whether a batch, whole in one file, was made later than another over the same link, and reaches as far.
func follows(h, earlier *batch.Header) bool {
	return h.Sender == earlier.Sender && h.Receiver == earlier.Receiver && h.History == earlier.History && h.Link == earlier.Link && h.Load == 0 &&
		h.Time > earlier.Time && h.Upto.Epoch >= earlier.Upto.Epoch
}
