// Package client is a node's side of the link to a hub over HTTP: a transport.Store, which a sync lists, gets from and puts to.
//
// It signs its requests, follows the server's clock where its own is wrong, tries again while there is progress, and goes on
// where an upload or download broke.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/tlspin"
)

// Options say where the hub is and who asks.
type Options struct {
	URL string // https://host:port[/prefix]; http:// only for this computer itself
	Pin string // see package tlspin: the only key to trust. "": what this computer trusts

	Self, Peer string // names of this node and of the hub
	Sign       func(msg []byte) ([]byte, error)
	SignElse   []func(msg []byte) ([]byte, error) // other keys of this node: tried in turn where the hub does not take the signature

	Receipt func(name string, r web.Receipt) // nil: none; called after each upload that was stored
	Warn    func(format string, args ...any) // nil: none
	Rate    *rate.Limiter                    // bytes per second, both ways together; nil: as fast as it goes
	Tries   int                              // tries without progress before giving up; 0: 5
	Backoff time.Duration                    // first wait between tries; 0: 500 ms

	StallTimeout time.Duration     // no byte for so long: try again; 0: 60 s
	Transport    http.RoundTripper // nil: own. With another, Pin is that one's affair
	Now          func() time.Time  // nil: time.Now
}

// Client is a transport.Store at a hub: what it lists and gets is the node's mail, what it puts goes to the hub.
type Client struct {
	o       Options
	base    *url.URL
	http    http.RoundTripper
	pin     atomic.Value // string: what the last connection showed
	offset  atomic.Int64 // nanoseconds: the server's clock less this one's
	warned  atomic.Bool  // of the clocks
	reached atomic.Bool  // the server has answered once
	key     atomic.Int64 // the key to sign with: 0: Sign; from 1: of SignElse
}

var _ transport.Store = (*Client)(nil)

const (
	maxAnswer    = 32 << 20 // bytes of a list, or of a receipt with mail
	connectTime  = 20 * time.Second
	continueTime = 5 * time.Second // how long a server may take to say that it wants the body
)

// New returns a client. It does not connect yet.
func New(o Options) (*Client, error) {
	base, err := parseAddress(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Pin != "" {
		if err := tlspin.Check(o.Pin); err != nil {
			return nil, err
		}
	}
	if o.Rate != nil && o.Rate.Limit() != rate.Inf && o.Rate.Burst() < 1 {
		return nil, errors.New("rate: a limit needs a burst of at least one byte")
	}
	if o.Tries <= 0 {
		o.Tries = 5
	}
	if o.Backoff <= 0 {
		o.Backoff = 500 * time.Millisecond
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string, ...any) {}
	}
	c := &Client{o: o, base: base, http: o.Transport}
	c.pin.Store("")
	if c.http == nil {
		c.http = newTransport(tlspin.ClientConfig(o.Pin, func(pin string) { c.pin.Store(pin) }))
	}
	return c, nil
}

// parseAddress reads the address of a hub.
func parseAddress(address string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, fmt.Errorf("address %q: write https://host:port", address)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("address %s: only host, port and path are of use", base.Redacted())
	}
	if base.Scheme == "http" && !isLoopback(base.Hostname()) {
		return nil, fmt.Errorf("address %s: http is only for this computer itself; use https", address)
	}
	return base, nil
}

func newTransport(tlsConfig *tls.Config) *http.Transport {
	dial := &net.Dialer{Timeout: connectTime}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial.DialContext(ctx, network, addr)
			if t, ok := conn.(*net.TCPConn); ok {
				t.SetWriteBuffer(web.SendBuffer) // what lies in it is lost when the link breaks
			}
			return conn, err
		},
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    connectTime,
		ExpectContinueTimeout:  continueTime,
		IdleConnTimeout:        web.IdleTime / 2, // before the server's
		MaxResponseHeaderBytes: web.MaxHeader,
		DisableCompression:     true,
		Protocols:              &protocols,
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// String returns the hub's address.
func (c *Client) String() string { return c.base.String() }

// Close lets go of idle connections.
func (c *Client) Close() error {
	if t, ok := c.http.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// ServerPin returns the pin (see package tlspin) of the certificate that the last connection showed, "" if there was none.
func (c *Client) ServerPin() string { return c.pin.Load().(string) }
