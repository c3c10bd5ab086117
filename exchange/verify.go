package exchange

import (
	"errors"
	"fmt"
	"io"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/journal"
)

// verify checks that a batch is from a peer to this node, and signed by that peer: the header may be another than the one
// that was read before. It returns the fingerprint of the peer's card by whose key.
func verify(h *batch.Header, sender *cards.Peer, name, self string, message, signature []byte) (string, error) {
	if err := checkNames(h, name, self); err != nil {
		return "", err
	}
	return sender.Verify(message, signature)
}

// checkNames checks from whom a batch is, and for whom.
func checkNames(h *batch.Header, sender, receiver string) error {
	if h.Sender != sender || h.Receiver != receiver {
		return fmt.Errorf("%w: it is from %s for %s", ErrUntrusted, printable(h.Sender), printable(h.Receiver))
	}
	return nil
}

// verifier returns what checks that a batch is from a peer to this node.
func (n *Node) verifier(p *journal.Peer) (func(h *batch.Header, message, signature []byte) error, error) {
	c, err := n.Cards(p)
	if err != nil {
		return nil, err
	}
	return func(h *batch.Header, message, signature []byte) error {
		_, err := verify(h, c, p.Name, n.Name, message, signature)
		return err
	}, nil
}

// Check verifies a batch that somebody hands over, before it is kept: that it is whole, from this peer to this node, and
// signed by the peer. One that is too new for this program is kept for the next. home is this node's home folder.
func Check(r io.ReaderAt, size int64, home string, sender *journal.Contact, self string) error {
	c, err := cards.Read(home, sender.Name, sender.Card)
	if err != nil {
		return err
	}
	return checkFile(r, size, func(h *batch.Header, message, signature []byte) error {
		_, err := verify(h, c, sender.Name, self, message, signature)
		return err
	})
}

func checkFile(r io.ReaderAt, size int64, verify func(h *batch.Header, message, signature []byte) error) error {
	if err := batch.Probe(r, size); err != nil {
		return err
	}
	_, err := batch.Verify(r, size, verify)
	if errors.Is(err, batch.ErrTooNew) {
		return nil
	}
	return err
}
