package server

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

	"github.com/omsync/omsync/internal/remote"
	"github.com/omsync/omsync/transport/web"
)

const (
	maxJoiners = 4096             // addresses that are remembered
	joinTime   = 30 * time.Second // for all of a request

	// Requests to join: so many at once, and after that one more each interval.
	joinsOfOne, joinIntervalOfOne = 10, 3 * time.Second // from one address
	joinsOfAll, joinIntervalOfAll = 50, time.Second / 5
)

// joinLimit bounds how often anybody may try to join: the requests are not signed, and each costs an answer.
type joinLimit struct {
	mu   sync.Mutex
	all  *rate.Limiter
	from map[string]*rate.Limiter
}

// wait returns how long an address has to wait; 0: go on.
func (l *joinLimit) wait(remote string, now time.Time) time.Duration {
	if ip := net.ParseIP(remote); ip != nil && ip.To4() == nil { // one home has a whole /64
		remote = ip.Mask(net.CIDRMask(64, 128)).String()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all, l.from = rate.NewLimiter(rate.Every(joinIntervalOfAll), joinsOfAll), map[string]*rate.Limiter{}
	}
	one := l.from[remote]
	if one == nil {
		if len(l.from) >= maxJoiners {
			clear(l.from) // all of them together are bounded anyway
		}
		one = rate.NewLimiter(rate.Every(joinIntervalOfOne), joinsOfOne)
		l.from[remote] = one
	}
	for _, lim := range []*rate.Limiter{one, l.all} {
		if !lim.AllowN(now, 1) {
			return time.Duration((1 - lim.TokensAt(now)) / float64(lim.Limit()) * float64(time.Second))
		}
	}
	return 0
}

// join hands a request to join on.
func (s *Server) join(c *call, _ string) error {
	from := remote.Address(c.r)
	if d := s.joins.wait(from, time.Now()); d > 0 {
		c.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))))
		return web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy, "too many requests to join: try again in a minute")
	}
	body, err := readSmall(c, web.MaxJoin, "request to join")
	if err != nil {
		return err
	}
	var answer []byte
	c.during(func() { answer, err = s.o.Join(c.r.Context(), from, body) })
	if err != nil {
		if p := (*web.Problem)(nil); !errors.As(err, &p) {
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

// readSmall reads a body of so many bytes at most.
func readSmall(c *call, most int64, what string) ([]byte, error) {
	if c.r.ContentLength > most {
		return nil, web.NewProblem(http.StatusRequestEntityTooLarge, web.TypeLarge, "a %s has at most %d bytes", what, most)
	}
	c.rc.SetReadDeadline(time.Now().Add(min(joinTime, c.stall))) // for all of it, so that nobody lingers
	body, err := io.ReadAll(io.LimitReader(c.r.Body, most+1))
	c.in += int64(len(body))
	c.rc.SetReadDeadline(time.Time{})
	switch {
	case isSlow(err):
		return nil, web.NewProblem(http.StatusRequestTimeout, web.TypeSlow, "the request did not come in time")
	case err != nil:
		return nil, web.NewProblem(http.StatusBadRequest, web.TypeRequest, "the request was cut off")
	case int64(len(body)) > most:
		return nil, web.NewProblem(http.StatusRequestEntityTooLarge, web.TypeLarge, "a %s has at most %d bytes", what, most)
	}
	return body, nil
}
