package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/omsync/omsync/transport/web"
)

// Searches of one node: so many at once, and after that one more each interval.
const searchesOfOne, searchInterval = 10, time.Minute

// searchLimit bounds how often a node may search: each answer tells of people. Only nodes that are known get here.
type searchLimit struct {
	mu sync.Mutex
	of map[string]*rate.Limiter
}

// wait returns how long a node has to wait; 0: go on.
func (l *searchLimit) wait(node string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[string]*rate.Limiter{}
	}
	one := l.of[node]
	if one == nil {
		one = rate.NewLimiter(rate.Every(searchInterval), searchesOfOne)
		l.of[node] = one
	}
	if one.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - one.TokensAt(now)) / float64(one.Limit()) * float64(time.Second))
}

// search answers who is called so and was born on a day.
func (s *Server) search(c *call, _ string) error {
	if d := s.searches.wait(c.node, s.o.Now()); d > 0 {
		c.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))))
		return web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy, "%s searches too often: try again in %v", c.node, d.Round(time.Second))
	}
	want, err := bodyDigest(c)
	if err != nil {
		return err
	}
	body, err := readSmall(c, web.MaxSearch, "search")
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], want) {
		return web.NewProblem(http.StatusBadRequest, web.TypeDigest, "the bytes are not those of content-digest")
	}
	var q web.Search
	if err := errors.Join(json.Unmarshal(body, &q), q.Check()); err != nil {
		return web.NewProblem(http.StatusBadRequest, web.TypeRequest, "the search: %v", err)
	}
	found, err := s.o.Search(c.r.Context(), c.node, q)
	if err != nil {
		return err
	}
	if found == nil {
		found = []web.Patient{}
	}
	return c.json(http.StatusOK, found[:min(len(found), web.MaxPatients)])
}
