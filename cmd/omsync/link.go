package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/bucket"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
)

// linkConfig is a [[link]] of omsync.toml: a way to exchange files with peers.
type linkConfig struct {
	URL     string   `toml:"url"`
	Peer    string   `toml:"peer"`    // of a server: the node that it is
	Peers   []string `toml:"peers"`   // of a store: who uses it; none: all
	Pin     string   `toml:"pin"`     // of a server: the key of its certificate
	BWLimit string   `toml:"bwlimit"` // bytes per second, such as "8KiB"
}

// linkText is what join adds to omsync.toml.
const linkText = `
# The way to %[1]s, as agreed with its invitation.
[[link]]
url = %[2]q
peer = %[1]q
`

// kinds of links, by the scheme of their address.
const linkForms = "write it as https://HOST:PORT, usb:/PATH, folder:/PATH or s3://BUCKET/PREFIX?endpoint=https://HOST"

// check finds what is wrong with a link's settings.
func (l *linkConfig) check() error {
	scheme, rest, ok := strings.Cut(l.URL, ":")
	if !ok {
		return fmt.Errorf("link %q: %s", l.URL, linkForms)
	}
	switch scheme {
	case "http", "https":
		if u, err := url.Parse(l.URL); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
			return fmt.Errorf("link %q: %s", l.URL, linkForms)
		}
		if l.Peer == "" {
			return fmt.Errorf(`link %s: say which node it is: peer = "hub"`, l.URL)
		}
	case "usb", "folder", "s3":
		if strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "///") && scheme != "s3" {
			return fmt.Errorf("link %s: write a path behind the colon, as in %s:/%s", l.URL, scheme, rest[2:])
		}
		if l.Peer != "" || l.Pin != "" {
			return fmt.Errorf("link %s: peer and pin are for servers: use peers = [...] to say who uses it", l.URL)
		}
	default:
		return fmt.Errorf("link %q: %s", l.URL, linkForms)
	}
	for _, name := range append(slices.Clone(l.Peers), l.Peer) {
		if name != "" && keys.ValidName(name) != nil {
			return fmt.Errorf("link %s: %q is no node's name", l.URL, name)
		}
	}
	_, err := l.limiter()
	return err
}

// here makes the path of a link that stood on the command line count from the present folder, as all paths there do.
func (l *linkConfig) here() error {
	scheme, path, _ := strings.Cut(l.URL, ":")
	if scheme != "usb" && scheme != "folder" {
		return nil
	}
	path, err := filepath.Abs(strings.TrimPrefix(path, "//"))
	l.URL = scheme + ":" + path
	return err
}

// limiter keeps to bwlimit; nil: none is set.
func (l *linkConfig) limiter() (*rate.Limiter, error) {
	if l.BWLimit == "" || l.BWLimit == "0" {
		return nil, nil
	}
	n, err := parseBytes(strings.TrimSuffix(l.BWLimit, "/s"))
	if err != nil || n < 512 {
		return nil, fmt.Errorf("bwlimit %q: write bytes per second like 8KiB or 1MB, at least 512", l.BWLimit)
	}
	return rate.NewLimiter(rate.Limit(n), 64<<10), nil
}

// leads says to whom the link leads; none: to all.
func (l *linkConfig) leads() []string {
	if l.Peer != "" {
		return []string{l.Peer}
	}
	return l.Peers
}

// openers are links as package exchange opens them.
func (n *node) openers(cmd *cobra.Command, links []linkConfig) []exchange.LinkOpener {
	var out []exchange.LinkOpener
	for _, l := range links {
		out = append(out, exchange.LinkOpener{Name: l.URL, Peers: l.leads(), Open: func(ctx context.Context) (*exchange.Link, error) { return n.openLink(ctx, cmd, l) }})
	}
	return out
}

// openLink opens a link. transport.ErrDown: it is not there now.
func (n *node) openLink(ctx context.Context, cmd *cobra.Command, l linkConfig) (*exchange.Link, error) {
	limit, err := l.limiter()
	if err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(l.URL, ":")
	switch scheme {
	case "usb", "folder":
		path := n.path(strings.TrimPrefix(rest, "//"))
		if scheme == "usb" {
			if err := n.mounted(path); err != nil {
				return nil, err
			}
		}
		f, err := transport.OpenFolder(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, transport.ErrGone) { // or an automount without its stick
			return nil, fmt.Errorf("%w: %w", transport.ErrDown, err)
		} else if err != nil {
			return nil, err
		}
		return &exchange.Link{Store: transport.Limit(f, limit)}, nil
	case "s3":
		s, err := bucket.Open(ctx, l.URL, bucket.Options{})
		if err != nil {
			return nil, err
		}
		return &exchange.Link{Store: transport.Limit(s, limit), Bucket: true}, nil
	}
	p, err := journal.PeerByName(ctx, n.db, l.Peer, false)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, n.noPeer(l.Peer)
	case p.State != access.Active:
		return nil, fmt.Errorf("link %s: the peer %s is %s", l.URL, p.Name, p.State)
	}
	x, refused := n.exchange(cmd), map[string]string{}
	c, err := client.New(client.Options{
		URL: l.URL, Pin: l.Pin, Self: n.Node, Peer: l.Peer, Sign: n.keys.Sign, Rate: limit, Warn: n.journal.Warn,
		Receipt: func(name string, r web.Receipt) {
			if r.Outcome == apply.Refused {
				refused[name] = printable(r.Why)
			}
			for _, m := range r.Mail {
				if m.Data == nil {
					continue
				}
				if err := x.AcceptFile(ctx, p, m.Name, strings.NewReader(string(m.Data)), int64(len(m.Data))); err != nil {
					n.journal.Warn("%s from %s: %v", printable(m.Name), l.URL, err)
				}
			}
		},
	})
	if err != nil {
		return nil, err
	}
	return &exchange.Link{Store: c, Peer: l.Peer, Refusal: func(file string) string { return refused[file] }}, nil
}

// mounted sees that a stick is where it should be: on another file system than the home folder. Otherwise patients' data
// would be written to the folder that the stick is mounted over.
func (n *node) mounted(path string) error {
	here, err := device(n.home)
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

// addLink writes a link to a server into the configuration, behind what is there. renew: a token vouches for the pin, which may
// replace that of the same link.
func (c *config) addLink(l linkConfig, renew bool) error {
	path := filepath.Join(c.home, configName)
	if i := slices.IndexFunc(c.Links, func(old linkConfig) bool { return old.URL == l.URL && old.Peer == l.Peer }); i >= 0 {
		if c.Links[i].Pin == l.Pin {
			return nil
		}
		if renew {
			text, err := os.ReadFile(path)
			old := fmt.Appendf(nil, "pin = %q", c.Links[i].Pin)
			if err == nil && l.Pin != "" && bytes.Count(text, old) == 1 {
				c.Links[i].Pin = l.Pin
				return durable.Write(path, bytes.Replace(text, old, fmt.Appendf(nil, "pin = %q", l.Pin), 1), 0o600)
			}
		}
		return fmt.Errorf("%s has a link to %s already, with another pin: correct it there: pin = %q", path, l.URL, l.Pin)
	}
	text := fmt.Sprintf(linkText, l.Peer, l.URL)
	if l.Pin != "" {
		text += fmt.Sprintf("pin = %q\n", l.Pin)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = io.WriteString(f, text)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("write the link into the configuration: %w", err)
	}
	c.Links = append(c.Links, l)
	return nil
}
