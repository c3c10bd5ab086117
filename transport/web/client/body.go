package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// watchdog ends an exchange in which no byte moves.
type watchdog struct {
	cancel  context.CancelFunc
	timer   *time.Timer
	timeout time.Duration
	stalled atomic.Bool
}

// watch returns a context for one exchange, and the watchdog that ends it.
func (c *Client) watch(ctx context.Context) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watchdog{cancel: cancel, timeout: c.o.StallTimeout}
	w.timer = time.AfterFunc(w.timeout, func() {
		w.stalled.Store(ctx.Err() == nil)
		cancel()
	})
	return ctx, w
}

// reset is for when a byte has moved.
func (w *watchdog) reset() { w.timer.Reset(w.timeout) }
func (w *watchdog) pause() { w.timer.Stop() }

// stop ends the exchange.
func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel()
}

// cause returns why the exchange ended with an error, if the watchdog knows better.
func (w *watchdog) cause(err error) error {
	if w.stalled.Load() {
		return fmt.Errorf("no byte came for %v", w.timeout)
	}
	return err
}

// body is a body, either way, that keeps to the rate and tells the watchdog of every byte.
type body struct {
	ctx   context.Context // of the exchange: a Read has none of its own
	r     io.Reader
	w     *watchdog
	rate  *rate.Limiter
	gate  *gate       // nil: none
	moved func(n int) // nil: none
}

func (c *Client) newBody(ctx context.Context, w *watchdog, r io.Reader) *body {
	return &body{ctx: ctx, r: r, w: w, rate: c.o.Rate}
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

// maxRead is the most that is sent at once, in bytes: what is under way in one record of TLS is lost when the link breaks. A
// record costs 22 bytes and more, so much smaller ones cost as much as they save.
const maxRead = 8 << 10

// Read reads no more than about a second's worth at once, so that both sides see bytes move.
func (b *body) Read(p []byte) (int, error) {
	p = p[:min(len(p), maxRead)]
	if b.gate != nil {
		b.gate.mu.Lock()
		defer b.gate.mu.Unlock()
		if b.gate.shut {
			return 0, errors.New("the answer is there")
		}
	}
	b.w.reset()
	if b.rate != nil && b.rate.Limit() != rate.Inf {
		p = p[:min(len(p), b.rate.Burst(), max(1, int(b.rate.Limit())))]
	}
	n, err := b.r.Read(p)
	if n > 0 && b.rate != nil {
		b.w.pause()
		if e := sleep(b.ctx, b.rate.ReserveN(time.Now(), n).Delay()); e != nil {
			return n, e
		}
		b.w.reset()
	}
	if n > 0 && b.moved != nil {
		b.moved(n)
	}
	return n, err
}
