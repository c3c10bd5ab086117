package web

import (
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxJoin    = 64 << 10 // bytes of a request to join
	maxJoiners = 4096     // addresses that are remembered
	joinTime   = 30 * time.Second
)

// joinLimit bounds how often anybody may try to join: the requests are not signed, and each costs an answer.
type joinLimit struct {
	mu   sync.Mutex
	all  *rate.Limiter
	from map[string]*rate.Limiter
}

// wait is how long an address has to wait; 0: go on.
func (l *joinLimit) wait(remote string, now time.Time) time.Duration {
	if ip := net.ParseIP(remote); ip != nil && ip.To4() == nil { // one home has a whole /64
		remote = ip.Mask(net.CIDRMask(64, 128)).String()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all, l.from = rate.NewLimiter(5, 50), map[string]*rate.Limiter{}
	}
	one := l.from[remote]
	if one == nil {
		if len(l.from) >= maxJoiners {
			clear(l.from) // all of them together are bounded anyway
		}
		one = rate.NewLimiter(rate.Every(3*time.Second), 10)
		l.from[remote] = one
	}
	for _, lim := range []*rate.Limiter{one, l.all} {
		if !lim.AllowN(now, 1) {
			return time.Duration((1 - lim.TokensAt(now)) / float64(lim.Limit()) * float64(time.Second))
		}
	}
	return 0
}

func (s *Server) join(c *call) error {
	from := remote(c.r)
	if d := s.joins.wait(from, time.Now()); d > 0 {
		c.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))))
		return problem(http.StatusServiceUnavailable, "busy", "too many requests to join: try again in a minute")
	}
	if c.r.ContentLength > maxJoin {
		return problem(http.StatusRequestEntityTooLarge, "large", "a request to join has at most %d bytes", maxJoin)
	}
	c.rc.SetReadDeadline(time.Now().Add(min(joinTime, c.stall))) // for all of it, so that nobody lingers
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxJoin+1))
	c.in += int64(len(body))
	c.rc.SetReadDeadline(time.Time{})
	switch {
	case slow(err):
		return problem(http.StatusRequestTimeout, "slow", "the request did not come in time")
	case err != nil:
		return problem(http.StatusBadRequest, "request", "the request was cut off")
	case len(body) > maxJoin:
		return problem(http.StatusRequestEntityTooLarge, "large", "a request to join has at most %d bytes", maxJoin)
	}
	var answer []byte
	c.during(func() { answer, err = s.o.Join(c.r.Context(), from, body) })
	if err != nil {
		if p := (*Problem)(nil); !errors.As(err, &p) {
			s.log.Error("join", "remote", from, "error", err)
		}
		return err
	}
	h := c.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	c.WriteHeader(http.StatusOK)
	c.Write(answer)
	return nil
}
