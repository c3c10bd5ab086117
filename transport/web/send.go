package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"
)

// request is what one exchange asks. It can be sent more than once.
type request struct {
	method   string
	path     string // after /v1/; of names that need no escaping
	header   http.Header
	body     func() io.Reader // nil: none
	length   int64            // bytes of the body
	unsigned bool
}

// lost is an error of the way to the server, not of the server.
type lost struct{ err error }

func (e *lost) Error() string { return e.err.Error() }
func (e *lost) Unwrap() error { return e.err }

// final is an error that another try does not mend.
type final struct{ err error }

func (e *final) Error() string { return e.err.Error() }
func (e *final) Unwrap() error { return e.err }

// later is a problem of a server that says when to come again.
type later struct {
	*Problem
	after time.Duration
}

func (e *later) Unwrap() error { return e.Problem }

// watch ends an exchange in which no byte moves.
type watch struct {
	context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
}

func (c *Client) watch(ctx context.Context) *watch {
	w := &watch{stall: c.o.StallTimeout}
	w.Context, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(w.stall, func() { w.cancel(&stalled{w.stall}) })
	return w
}

type stalled struct{ d time.Duration }

func (e *stalled) Error() string { return fmt.Sprintf("no byte came for %v", e.d) }

func (w *watch) kick()  { w.timer.Reset(w.stall) }
func (w *watch) pause() { w.timer.Stop() }
func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// cause is why the exchange ended, if the watch knows better.
func (w *watch) cause(err error) error {
	var s *stalled
	if errors.As(context.Cause(w.Context), &s) {
		return s
	}
	return err
}

// send signs and sends a request. An answer that is no success is a *Problem. If the server's clock is another it is signed
// again, once, for that clock; and once more if the request seems to have been heard already.
func (c *Client) send(w *watch, rq request) (*http.Response, error) {
	clock, replay := false, false
	for {
		r, at, err := c.exchange(w, rq)
		if err != nil {
			return nil, err
		}
		if r.StatusCode < 300 {
			return r, nil
		}
		p := readProblem(r)
		r.Body.Close()
		switch {
		case p.Status == http.StatusUnauthorized && p.Type == "clock" && !clock && !rq.unsigned && c.setClock(r, at):
			clock = true
		case p.Status == http.StatusUnauthorized && p.Type == "replay" && !replay && !rq.unsigned:
			replay = true // net/http may send a request twice that it thinks was lost
		default:
			return nil, explainProblem(p, r)
		}
	}
}

// exchange sends a request once. at is when the answer came.
func (c *Client) exchange(w *watch, rq request) (r *http.Response, at time.Time, err error) {
	u := *c.base
	u.Path += "/v1/" + rq.path
	trace := &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { w.kick(); return nil }}
	hr, err := http.NewRequestWithContext(httptrace.WithClientTrace(w, trace), rq.method, u.String(), nil)
	if err != nil {
		return nil, at, &final{err}
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
		if c.o.Self == "" || c.o.Peer == "" || c.o.Sign == nil {
			return nil, at, &final{errors.New("no name or key to sign with, or no name of the hub")}
		}
		hr.Header.Set(headerTo, c.o.Peer)
		m := message{method: rq.method, path: u.EscapedPath(), length: hr.ContentLength, header: hr.Header}
		if err := m.sign(c.o.Self, c.o.Now().Add(time.Duration(c.offset.Load())), c.o.Sign); err != nil {
			return nil, at, &final{fmt.Errorf("sign the request: %w", err)}
		}
	}
	w.kick()
	r, err = c.http.RoundTrip(hr)
	if err != nil {
		if e := (*tls.CertificateVerificationError)(nil); errors.As(err, &e) && len(e.UnverifiedCertificates) > 0 {
			c.pin.Store(Pin(e.UnverifiedCertificates[0]))
		}
		if e := explainTLS(err, c.base.Host, c.o.Now()); e != nil {
			return nil, at, &final{e}
		}
		return nil, at, &lost{w.cause(err)}
	}
	w.kick()
	c.reached.Store(true)
	return r, c.o.Now(), nil
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
		c.o.Warn("this computer's clock is %s %s %s's: set it", span(d.Abs()), side, c.o.Peer)
	}
	return true
}

// span is a time in people's words.
func span(d time.Duration) string {
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

// explainProblem makes an error of an answer that is no success.
func explainProblem(p *Problem, r *http.Response) error {
	if to := r.Header.Get("Location"); p.Status < 400 {
		return &final{fmt.Errorf("the server has moved to %q: use that address", to)}
	}
	if p.Type == "missing" && p.Status == http.StatusNotFound {
		return &missing{p}
	}
	if p.Status == http.StatusRequestedRangeNotSatisfiable {
		if n, err := strconv.ParseInt(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes */"), 10, 64); err == nil {
			return &unsatisfied{p, n}
		}
	}
	if s := r.Header.Get("Retry-After"); s != "" {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 {
			return &later{p, time.Duration(n) * time.Second}
		} else if at, err := http.ParseTime(s); err == nil {
			if date, err := http.ParseTime(r.Header.Get("Date")); err == nil && at.After(date) {
				return &later{p, at.Sub(date)}
			}
		}
	}
	return p
}

// missing is a problem that is also fs.ErrNotExist.
type missing struct{ *Problem }

func (e *missing) Unwrap() []error { return []error{e.Problem, fs.ErrNotExist} }

// unsatisfied is the answer to a range that is not in the file.
type unsatisfied struct {
	*Problem
	total int64 // bytes of the file
}

func (e *unsatisfied) Unwrap() error { return e.Problem }

// notSent says whether an error is that there was no connection.
func notSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// tries counts tries without progress and waits between them.
type tries struct {
	c    *Client
	n    int
	wait *backoff.ExponentialBackOff
}

const (
	maxWait       = 30 * time.Second
	maxRetryAfter = 5 * time.Minute
)

func (c *Client) tries() *tries {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = c.o.Backoff, max(maxWait, c.o.Backoff), 2
	b.Reset()
	return &tries{c: c, wait: b}
}

// progress begins to count anew.
func (t *tries) progress() {
	t.n = 0
	t.wait.Reset()
}

// again waits before another try, or returns the error that is worth none. Who has no link at all is told so soon.
func (t *tries) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !temporary(err) {
		return err
	}
	t.n++
	most := t.c.o.Tries
	if notSent(err) && !t.c.reached.Load() {
		most = min(most, 2)
	}
	if t.n >= most {
		return err
	}
	d := t.wait.NextBackOff()
	if l := (*later)(nil); errors.As(err, &l) {
		d = max(d, min(l.after, maxRetryAfter))
	}
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// temporary says whether another try may do better.
func temporary(err error) bool {
	var f *final
	var l *lost
	var p *Problem
	switch {
	case errors.As(err, &f):
		return false
	case errors.As(err, &l):
		return true
	case errors.As(err, &p):
		switch p.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
			http.StatusGatewayTimeout:
			return true
		}
		// Where answers are lost net/http sends a request again by itself, with its nonce.
		return p.Type == "cut" || (p.Type == "offset" && p.Status == http.StatusConflict) || (p.Type == "replay" && p.Status == http.StatusUnauthorized)
	}
	return false
}

// retry does something until it works or is not worth another try.
func (c *Client) retry(ctx context.Context, do func() error) error {
	for t := c.tries(); ; {
		err := do()
		if err == nil {
			return nil
		}
		if err := t.again(ctx, err); err != nil {
			return err
		}
	}
}

// limited is a body that keeps to the rate and tells the watch of every byte.
type limited struct {
	r     io.Reader
	w     *watch
	rate  *rate.Limiter
	gate  *gate       // nil: none
	moved func(n int) // nil: none
}

// gate ends the reading of a body for good: net/http may still be at it when the answer is there.
type gate struct {
	mu   sync.Mutex
	shut bool
}

func (g *gate) close() {
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
}

func (c *Client) limit(w *watch, r io.Reader) *limited { return &limited{r: r, w: w, rate: c.o.Rate} }

// maxRead is the most that is sent at once, in bytes: what is under way in one record of TLS is lost when the link breaks. A
// record costs 22 bytes and more, so much smaller ones cost as much as they save.
const maxRead = 8 << 10

// Read reads no more than about a second's worth at once, so that both sides see bytes move.
func (l *limited) Read(p []byte) (int, error) {
	p = p[:min(len(p), maxRead)]
	if l.gate != nil {
		l.gate.mu.Lock()
		defer l.gate.mu.Unlock()
		if l.gate.shut {
			return 0, errors.New("the answer is there")
		}
	}
	l.w.kick()
	if l.rate != nil && l.rate.Limit() != rate.Inf {
		p = p[:min(len(p), l.rate.Burst(), max(1, int(l.rate.Limit())))]
	}
	n, err := l.r.Read(p)
	if n > 0 && l.rate != nil {
		l.w.pause()
		if e := sleep(l.w, l.rate.ReserveN(time.Now(), n).Delay()); e != nil {
			return n, e
		}
		l.w.kick()
	}
	if n > 0 && l.moved != nil {
		l.moved(n)
	}
	return n, err
}
