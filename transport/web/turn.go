package web

import (
	"net/http"
	"time"
)

// turn is a call's time at an upload.
type turn struct {
	c    *call
	done chan struct{}
}

// turn waits until nobody else is at an upload. A request that is being read is ended: the newer knows better.
func (s *Server) turn(c *call, id string) (release func(), err error) {
	key := c.node + "/" + id
	mine := &turn{c, make(chan struct{})}
	most := time.NewTimer(min(20*time.Second, c.stall/2))
	defer most.Stop()
	for {
		s.up.mu.Lock()
		other := s.up.calls[key]
		if other == nil {
			s.up.calls[key] = mine
		}
		s.up.mu.Unlock()
		if other == nil {
			return func() {
				s.up.mu.Lock()
				delete(s.up.calls, key)
				s.up.mu.Unlock()
				close(mine.done)
			}, nil
		}
		other.c.interrupt()
		select {
		case <-other.done:
		case <-c.r.Context().Done():
			return nil, c.r.Context().Err()
		case <-most.C:
			return nil, problem(http.StatusServiceUnavailable, "busy", "the server is still at this file: try again soon")
		}
	}
}
