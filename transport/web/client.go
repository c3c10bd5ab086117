package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/omsync/omsync/transport"
)

// ClientOptions say where the hub is and who asks.
type ClientOptions struct {
	URL string // https://host:port[/prefix]; http:// only for this computer itself
	Pin string // see [Pin]: the only key to trust. "": what this computer trusts

	Self, Peer string // names of this node and of the hub
	Sign       func(msg []byte) ([]byte, error)

	Receipt func(name string, r Receipt)     // nil: none; called after each upload that was stored
	Warn    func(format string, args ...any) // nil: none
	Rate    *rate.Limiter                    // bytes per second, both ways together; nil: as fast as it goes
	Tries   int                              // tries without progress before giving up; 0: 5
	Backoff time.Duration                    // first wait between tries; 0: 500 ms

	StallTimeout time.Duration     // no byte for so long: try again; 0: 60 s
	Transport    http.RoundTripper // nil: own. With another, Pin is that one's affair
	Now          func() time.Time  // nil: time.Now
}

// Client is the clinic's side, a transport.Store: what it lists and gets is the node's mail, what it puts goes to the hub.
type Client struct {
	o       ClientOptions
	base    *url.URL
	http    http.RoundTripper
	pin     atomic.Value // string: what the last connection showed
	offset  atomic.Int64 // nanoseconds: the server's clock less this one's
	warned  atomic.Bool
	reached atomic.Bool // the server has answered once
}

var _ transport.Store = (*Client)(nil)

const (
	maxAnswer    = 32 << 20 // bytes of a list, or of a receipt with mail
	connectTime  = 20 * time.Second
	continueTime = 5 * time.Second // how long a server may take to say that it wants the body
)

// NewClient makes a client. It does not connect yet.
func NewClient(o ClientOptions) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, fmt.Errorf("address %q: write https://host:port", o.URL)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("address %s: only host, port and path are of use", base.Redacted())
	}
	if base.Scheme == "http" && !loopback(base.Hostname()) {
		return nil, fmt.Errorf("address %s: http is only for this computer itself; use https", o.URL)
	}
	if o.Pin != "" {
		if err := checkPin(o.Pin); err != nil {
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
		dial := &net.Dialer{Timeout: connectTime}
		var protocols http.Protocols
		protocols.SetHTTP1(true)
		c.http = &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial.DialContext(ctx, network, addr)
				if t, ok := conn.(*net.TCPConn); ok {
					t.SetWriteBuffer(sendBuffer) // what lies in it is lost when the link breaks
				}
				return conn, err
			},
			TLSClientConfig:        tlsConfig(o.Pin, func(pin string) { c.pin.Store(pin) }),
			TLSHandshakeTimeout:    connectTime,
			ExpectContinueTimeout:  continueTime,
			IdleConnTimeout:        idleTime / 2, // before the server's
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
			Protocols:              &protocols,
		}
	}
	return c, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// String is the hub's address.
func (c *Client) String() string { return c.base.String() }

// Close lets go of idle connections.
func (c *Client) Close() error {
	if t, ok := c.http.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// ServerPin is the [Pin] of the certificate that the last connection showed, "" if there was none.
func (c *Client) ServerPin() string { return c.pin.Load().(string) }

// List names the node's mail.
func (c *Client) List(ctx context.Context) ([]transport.Entry, error) {
	var list []Mail
	err := c.retry(ctx, func() error {
		list = nil
		return c.ask(ctx, request{method: http.MethodGet, path: "mail"}, &list)
	})
	if err != nil {
		return nil, c.wrap("list", err)
	}
	var out []transport.Entry
	for _, m := range list {
		if transport.CheckName(m.Name) == nil && m.Size >= 0 {
			out = append(out, transport.Entry{Name: m.Name, Size: m.Size})
		}
	}
	slices.SortFunc(out, func(a, b transport.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Remove tells the hub that a mail has been taken.
func (c *Client) Remove(ctx context.Context, name string) error {
	if err := transport.CheckName(name); err != nil {
		return err
	}
	err := c.retry(ctx, func() error {
		return c.ask(ctx, request{method: http.MethodDelete, path: "mail/" + name}, nil)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return c.wrap("remove "+name+" from", err)
}

// Health asks for the hub's name, without a signature.
func (c *Client) Health(ctx context.Context) (node string, err error) {
	var h struct{ Status, Node string }
	err = c.retry(ctx, func() error { return c.ask(ctx, request{method: http.MethodGet, path: "health", unsigned: true}, &h) })
	if err == nil && (h.Status != "ok" || h.Node == "") {
		err = errNotOmsync
	}
	if err != nil {
		return "", c.wrap("ask", err)
	}
	return h.Node, nil
}

// Join sends a request to join, which is not signed here, and returns the answer. It is tried again only if the server
// cannot have seen it.
func (c *Client) Join(ctx context.Context, body []byte) ([]byte, error) {
	if len(body) > maxJoin {
		return nil, fmt.Errorf("join: %d bytes are too many: at most %d", len(body), maxJoin)
	}
	var out []byte
	err := c.retry(ctx, func() error {
		w := c.watch(ctx)
		defer w.stop()
		r, err := c.send(w, request{method: http.MethodPost, path: "join", unsigned: true, length: int64(len(body)),
			body: func() io.Reader { return strings.NewReader(string(body)) }})
		var p *Problem
		if err != nil {
			if !notSent(err) && !(errors.As(err, &p) && p.Status == http.StatusServiceUnavailable) {
				return &final{err}
			}
			return err
		}
		defer r.Body.Close()
		if out, err = c.body(w, r); err != nil {
			return &final{err}
		}
		return nil
	})
	if err != nil {
		return nil, c.wrap("join", err)
	}
	return out, nil
}

var errNotOmsync = errors.New("the answer is not omsync's: is the address right?")

// ask sends a request without a body and reads JSON.
func (c *Client) ask(ctx context.Context, rq request, into any) error {
	w := c.watch(ctx)
	defer w.stop()
	r, err := c.send(w, rq)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if into == nil {
		return nil
	}
	return c.decode(w, r, into)
}

func (c *Client) decode(w *watch, r *http.Response, into any) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return errNotOmsync
	}
	body, err := c.body(w, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w (%v)", errNotOmsync, err)
	}
	return nil
}

// body reads a small body.
func (c *Client) body(w *watch, r *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(c.limit(w, r.Body), maxAnswer+1))
	if err != nil {
		return nil, &lost{w.cause(err)}
	}
	if len(body) > maxAnswer {
		return nil, errors.New("the answer is too long")
	}
	return body, nil
}

// wrap names the store. What is over in a while is transport.ErrDown, no room transport.ErrFull.
func (c *Client) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	var f *final
	if errors.As(err, &f) {
		err = f.err
	}
	var p *Problem
	var l *lost
	switch isProblem := errors.As(err, &p); {
	case isProblem && p.Status == http.StatusInsufficientStorage:
		return fmt.Errorf("%s %s: %w (%w)", what, c, transport.ErrFull, err)
	case errors.As(err, &l), isProblem && p.Status >= 502 && p.Status <= 504:
		return fmt.Errorf("%s %s: %w: %w", what, c, transport.ErrDown, err)
	}
	return fmt.Errorf("%s %s: %w", what, c, err)
}
