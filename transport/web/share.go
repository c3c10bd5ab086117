package web

import (
	"net/http"
	"sync"
	"time"
)

// shares counts the requests of each node that are being answered: one node must not take the place of all others.
type shares struct {
	mu sync.Mutex
	of map[string]int
}

// share takes a place for a node's request.
func (s *Server) share(node string) (leave func(), err error) {
	s.shares.mu.Lock()
	defer s.shares.mu.Unlock()
	if s.shares.of == nil {
		s.shares.of = map[string]int{}
	}
	if s.shares.of[node] >= max(4, s.o.MaxRequests/8) {
		return nil, problem(http.StatusServiceUnavailable, "busy", "too many requests of %s at once: try again soon", node)
	}
	s.shares.of[node]++
	return func() {
		s.shares.mu.Lock()
		defer s.shares.mu.Unlock()
		if s.shares.of[node]--; s.shares.of[node] == 0 {
			delete(s.shares.of, node)
		}
	}, nil
}

// since is when the server started, by a clock that may be set.
type since struct {
	mu sync.Mutex
	at time.Time
}

// by is that time by the clock that shows now: one that was ahead at the start would refuse everybody until it is there again.
func (s *since) by(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now = now.Round(0); now.Before(s.at) {
		s.at = now
	}
	return s.at
}
