package client

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retries counts tries without progress and waits between them.
type retries struct {
	tries   int         // that may be made without progress
	reached func() bool // whether the server has ever answered
	n       int
	backoff *backoff.ExponentialBackOff
}

const (
	maxWait       = 30 * time.Second
	maxRetryAfter = 5 * time.Minute
	// unreachedTries is how many tries there are while nobody has answered yet: who has no link at all is told so soon.
	unreachedTries = 2
)

func (c *Client) newRetries() *retries {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = c.o.Backoff, max(maxWait, c.o.Backoff), 2
	b.Reset()
	return &retries{tries: c.o.Tries, reached: c.reached.Load, backoff: b}
}

// reset begins to count anew: there was progress.
func (t *retries) reset() {
	t.n = 0
	t.backoff.Reset()
}

// wait waits before another try, or returns the error that is worth none.
func (t *retries) wait(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !isTemporary(err) {
		return err
	}
	t.n++
	most := t.tries
	if isDialError(err) && !t.reached() {
		most = min(most, unreachedTries)
	}
	if t.n >= most {
		return err
	}
	d := t.backoff.NextBackOff()
	if l := (*retryAfterError)(nil); errors.As(err, &l) {
		d = max(d, min(l.after, maxRetryAfter))
	}
	return sleep(ctx, d)
}

// retry does something until it works or is not worth another try.
func (c *Client) retry(ctx context.Context, do func() error) error {
	for t := c.newRetries(); ; {
		err := do()
		if err == nil {
			return nil
		}
		if err := t.wait(ctx, err); err != nil {
			return err
		}
	}
}

// sleep waits, or returns the error of the context.
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
