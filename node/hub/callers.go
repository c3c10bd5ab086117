package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport/web"
)

// caller finds the key of a node that calls. An error beside the key is for who has it.
func (s *server) caller(ctx context.Context, name string) (func(msg, sig []byte) error, error) {
	p, err := s.peer(ctx, name)
	problem := (*web.Problem)(nil)
	if err != nil && !errors.As(err, &problem) {
		return nil, err
	}
	if p == nil {
		return s.nobody(name), nil
	}
	c, readErr := cards.Read(s.node.Home, name, p.Card)
	if readErr != nil {
		return nil, readErr
	}
	return verifier(c), err
}

// verifier returns what takes signatures by the cards of a peer that count.
func verifier(c *cards.Peer) func(msg, sig []byte) error {
	return func(msg, sig []byte) error {
		_, err := c.Verify(msg, sig)
		return err
	}
}

// nobody takes no signature, and does as much work for it as a peer's card does: neither answer nor time tell who is a peer.
func (s *server) nobody(name string) func(msg, sig []byte) error {
	return func(msg, sig []byte) error {
		c, err := cards.Read(s.node.Home, name, s.node.Keys.Card().Marshal())
		if err == nil {
			err = verifier(c)(msg, sig)
		}
		if err == nil { // signed by this node itself, in the name of one that is not there
			err = errors.New("the signature is not by its key")
		}
		return err
	}
}

// checkBatch verifies a file before it is kept. A database that does not answer is no fault of the file: it can be offered again.
func (s *server) checkBatch(ctx context.Context, sender, name string, r io.ReaderAt, size int64) error {
	p, err := s.peer(ctx, sender)
	if problem := (*web.Problem)(nil); err != nil && !errors.As(err, &problem) {
		s.log.Error("look up node", "node", sender, "error", err.Error())
		return busy("the server cannot look up nodes now: try again later")
	} else if err != nil {
		return err
	}
	if !exchange.MadeBy(name, sender, s.node.Node) {
		return fmt.Errorf("%q is no name of a batch from %s to %s", name, sender, s.node.Node)
	}
	return exchange.Check(r, size, s.node.Home, p, s.node.Node)
}

// busy is a problem that passes.
func busy(detail string) *web.Problem {
	return &web.Problem{Status: http.StatusServiceUnavailable, Type: web.TypeBusy, Detail: detail}
}

// peer finds an active peer. One that is suspended comes with its problem. Whoever calls has shown nothing yet: see [journal.Contact].
func (s *server) peer(ctx context.Context, name string) (*journal.Contact, error) {
	p, err := journal.ContactByName(ctx, s.node.DB, name)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, &web.Problem{Status: http.StatusForbidden, Type: web.TypeUnknown, Detail: fmt.Sprintf("%s does not know a node %.40q: join it first (omsync join), or have its people add this node's card", s.node.Node, name)}
	case !p.State.Exchanges():
		return p, &web.Problem{Status: http.StatusForbidden, Type: web.TypeSuspended, Detail: fmt.Sprintf("%s has suspended %s: ask its people", s.node.Node, name)}
	}
	return p, nil
}
