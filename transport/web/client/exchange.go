package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"time"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/httpsig"
	"github.com/omsync/omsync/transport/web/tlspin"
)

// request is what one exchange asks. It can be sent more than once.
type request struct {
	method   string
	path     string // below web.Root; of names that need no escaping
	header   http.Header
	body     func() io.Reader // nil: none
	length   int64            // bytes of the body
	unsigned bool
}

// send signs and sends a request. An answer that is no success is a *web.Problem. If the server's clock is another it is signed
// again, once, for that clock; and once more if the request seems to have been heard already; and with each other key of the node's, if
// the server does not take the signature.
func (c *Client) send(ctx context.Context, w *watchdog, rq request) (*http.Response, error) {
	clock, replay, keys := false, false, 0
	for {
		r, at, err := c.exchange(ctx, w, rq)
		if err != nil {
			return nil, err
		}
		if r.StatusCode < 300 {
			return r, nil
		}
		p := web.ReadProblem(r)
		r.Body.Close()
		switch {
		case p.Status == http.StatusUnauthorized && p.Type == web.TypeClock && !clock && !rq.unsigned && c.setClock(r, at):
			clock = true
		case p.Status == http.StatusUnauthorized && p.Type == web.TypeReplay && !replay && !rq.unsigned:
			replay = true // net/http may send a request twice that it thinks was lost
		case p.Status == http.StatusUnauthorized && p.Type == web.TypeSignature && keys < len(c.o.SignElse) && !rq.unsigned:
			keys++
			c.key.Store((c.key.Load() + 1) % int64(1+len(c.o.SignElse)))
			clock = false
		default:
			return nil, problemError(p, r)
		}
	}
}

// exchange sends a request once. at is when the answer came.
func (c *Client) exchange(ctx context.Context, w *watchdog, rq request) (r *http.Response, at time.Time, err error) {
	u := *c.base
	u.Path += web.Root + rq.path
	trace := &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { w.reset(); return nil }}
	hr, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), rq.method, u.String(), nil)
	if err != nil {
		return nil, at, &permanentError{err}
	}
	for name, values := range rq.header {
		hr.Header[name] = values
	}
	hr.Header.Set("User-Agent", "omsync")
	if rq.body != nil {
		hr.ContentLength = rq.length
		hr.Body = http.NoBody
		if rq.length > 0 {
			hr.Body = io.NopCloser(rq.body())
		}
	}
	if !rq.unsigned {
		if err := c.sign(hr); err != nil {
			return nil, at, &permanentError{err}
		}
	}
	w.reset()
	r, err = c.http.RoundTrip(hr)
	if err != nil {
		if e := (*tls.CertificateVerificationError)(nil); errors.As(err, &e) && len(e.UnverifiedCertificates) > 0 {
			c.pin.Store(tlspin.Of(e.UnverifiedCertificates[0]))
		}
		if e := tlspin.Explain(err, c.base.Host, c.o.Now()); e != nil {
			return nil, at, &permanentError{e}
		}
		return nil, at, &transportError{w.cause(err)}
	}
	w.reset()
	c.reached.Store(true)
	return r, c.o.Now(), nil
}

// sign signs a request for the server's clock.
func (c *Client) sign(r *http.Request) error {
	if c.o.Self == "" || c.o.Peer == "" || c.o.Sign == nil {
		return errors.New("no name or key to sign with, or no name of the hub")
	}
	r.Header.Set(httpsig.HeaderTo, c.o.Peer)
	m := httpsig.Message{Method: r.Method, Path: r.URL.EscapedPath(), Length: r.ContentLength, Header: r.Header}
	sign := c.o.Sign
	if at := c.key.Load(); at > 0 {
		sign = c.o.SignElse[at-1]
	}
	if err := m.Sign(c.o.Self, c.o.Now().Add(time.Duration(c.offset.Load())), sign); err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	return nil
}

// setClock takes over the server's clock, if the answer tells it.
func (c *Client) setClock(r *http.Response, at time.Time) bool {
	theirs, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return false
	}
	d := theirs.Sub(at)
	c.offset.Store(int64(d))
	if d.Abs() >= time.Minute && c.warned.CompareAndSwap(false, true) {
		side := "behind"
		if d < 0 {
			side = "ahead of"
		}
		c.o.Warn("this computer's clock is %s %s %s's: set it", inWords(d.Abs()), side, c.o.Peer)
	}
	return true
}

// inWords returns a time in people's words.
func inWords(d time.Duration) string {
	d = d.Round(time.Minute)
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {0, "minutes"}} {
		if d >= 2*u.of {
			if u.of == 0 {
				u.of = time.Minute
			}
			return fmt.Sprintf("%d %s", (d+u.of/2)/u.of, u.name)
		}
	}
	return d.String()
}
