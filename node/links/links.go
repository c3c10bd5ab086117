package links

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/time/rate"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/bucket"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
)

// Openers returns links as package exchange opens them. x is the node n: it takes in the files that a server's answers bring.
func Openers(n *node.Node, x *exchange.Node, links []config.Link) []exchange.LinkOpener {
	var out []exchange.LinkOpener
	for _, l := range links {
		o := opener{n, x, l}
		out = append(out, exchange.LinkOpener{Name: l.URL, Peers: l.Users(), Verify: l.VerifyEvery(), Open: o.open})
	}
	return out
}

// opener opens one link.
type opener struct {
	node *node.Node
	x    *exchange.Node
	link config.Link
}

func (o *opener) open(ctx context.Context) (*exchange.Link, error) {
	limit, err := limiter(&o.link)
	if err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(o.link.URL, ":")
	switch scheme {
	case "usb", "folder":
		f, err := o.openFolder(o.node.Path(strings.TrimPrefix(rest, "//")), scheme == "usb")
		if err != nil {
			return nil, err
		}
		return &exchange.Link{Store: transport.Limit(f, limit)}, nil
	case "s3":
		s, err := bucket.Open(ctx, o.link.URL, bucket.Options{})
		if err != nil {
			return nil, err
		}
		return &exchange.Link{Store: transport.Limit(s, limit), Bucket: true}, nil
	}
	return o.openServer(ctx, limit)
}

// limiter keeps to bwlimit; nil: none is set.
func limiter(l *config.Link) (*rate.Limiter, error) {
	n, err := l.BytesPerSecond()
	if err != nil || n == 0 {
		return nil, err
	}
	return rate.NewLimiter(rate.Limit(n), 64<<10), nil
}

// openFolder opens a folder; a stick must be mounted there.
func (o *opener) openFolder(path string, stick bool) (*transport.Folder, error) {
	if stick {
		if err := Mounted(o.node.Home, path); err != nil {
			return nil, err
		}
	}
	f, err := transport.OpenFolder(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, transport.ErrGone) { // or an automount without its stick
		return nil, fmt.Errorf("%w: %w", transport.ErrDown, err)
	}
	return f, err
}

// Mounted sees that a stick is where it should be: on another file system than the home folder. Otherwise patients' data would be
// written to the folder that the stick is mounted over.
func Mounted(home, path string) error {
	here, err := device(home)
	if err != nil {
		return err
	}
	there, err := device(path)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && here == there && here != 0:
		return fmt.Errorf("%w: no stick is mounted at %s", transport.ErrDown, path)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// serverPeer returns the peer that a link to a server leads to.
func serverPeer(ctx context.Context, n *node.Node, l *config.Link) (*journal.Peer, error) {
	p, err := journal.PeerByName(ctx, n.DB, l.Peer, false)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, n.NoPeer(l.Peer)
	case !p.State.Exchanges():
		return nil, fmt.Errorf("link %s: the peer %s is %s", l.URL, p.Name, p.State)
	}
	return p, nil
}

// clientOptions returns what every client of a link to a server needs. The node's journal need not be loaded.
func clientOptions(n *node.Node, l *config.Link, p *journal.Peer, warn func(string, ...any)) (client.Options, error) {
	o := client.Options{URL: l.URL, Pin: l.Pin, Self: n.Node, Peer: l.Peer, Warn: warn}
	cards, err := n.Exchange().Cards(p)
	if err != nil {
		return o, err
	}
	signers := exchange.Signers(n.Keys, p, cards)
	o.Sign = signers[0].Sign
	for _, id := range signers[1:] {
		o.SignElse = append(o.SignElse, id.Sign)
	}
	return o, nil
}

// Client returns what asks a server that is an active peer, and is the caller's to close. The node's journal need not be loaded.
func Client(ctx context.Context, n *node.Node, l *config.Link, warn func(string, ...any)) (*client.Client, error) {
	p, err := serverPeer(ctx, n, l)
	if err != nil {
		return nil, err
	}
	o, err := clientOptions(n, l, p, warn)
	if err != nil {
		return nil, err
	}
	return client.New(o)
}

// Search looks for patients at a server that is a peer.
func Search(ctx context.Context, n *node.Node, l *config.Link, q web.Search) ([]web.Patient, error) {
	c, err := Client(ctx, n, l, n.Journal.Warn)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Search(ctx, q)
}

// openServer opens a link to a server, which must be an active peer.
func (o *opener) openServer(ctx context.Context, limit *rate.Limiter) (*exchange.Link, error) {
	n, l := o.node, &o.link
	p, err := serverPeer(ctx, n, l)
	if err != nil {
		return nil, err
	}
	refused := map[string]string{}
	options, err := clientOptions(n, l, p, n.Journal.Warn)
	if err != nil {
		return nil, err
	}
	options.Rate = limit
	options.Receipt = func(name string, r web.Receipt) {
		if r.Outcome == apply.Refused {
			refused[name] = failure.Printable(r.Why)
		}
		for _, m := range r.Mail {
			if m.Data == nil {
				continue
			}
			if err := o.x.AcceptFile(ctx, p, m.Name, strings.NewReader(string(m.Data)), int64(len(m.Data))); err != nil {
				n.Journal.Warn("%s from %s: %v", failure.Printable(m.Name), l.URL, err)
			}
		}
	}
	c, err := client.New(options)
	if err != nil {
		return nil, err
	}
	return &exchange.Link{Store: c, Peer: l.Peer, Refusal: func(file string) string { return refused[file] }}, nil
}
