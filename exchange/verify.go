package exchange

import (
	"errors"
	"fmt"
	"io"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
)

// verify checks that a batch is from a peer to this node, and signed by that peer: the header may be another than the one
// that was read before.
func verify(h *batch.Header, sender *journal.Contact, self string, message, signature []byte) error {
	if h.Sender != sender.Name || h.Receiver != self {
		return fmt.Errorf("%w: it is from %s for %s", ErrUntrusted, printable(h.Sender), printable(h.Receiver))
	}
	card, err := keys.ParseCard(sender.Card)
	if err != nil {
		return fmt.Errorf("card of %s: %w", sender.Name, err)
	}
	return card.VerifySignature(message, signature)
}

// Check verifies a batch that somebody hands over, before it is kept: that it is whole, from this peer to this node, and
// signed by the peer. One that is too new for this program is kept for the next.
func Check(r io.ReaderAt, size int64, sender *journal.Contact, self string) error {
	if err := batch.Probe(r, size); err != nil {
		return err
	}
	_, err := batch.Verify(r, size, func(h *batch.Header, message, signature []byte) error {
		return verify(h, sender, self, message, signature)
	})
	if errors.Is(err, batch.ErrTooNew) {
		return nil
	}
	return err
}
