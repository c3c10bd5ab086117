package server

import (
	"net/http"
	"sync"

	"github.com/omsync/omsync/transport/web"
)

// nodeSlots counts the requests of each node that are being answered: one node must not take the place of all others.
type nodeSlots struct {
	mu sync.Mutex
	n  map[string]int
}

// enter takes a place for a node's request.
func (s *Server) enter(node string) (leave func(), err error) {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	if s.nodes.n == nil {
		s.nodes.n = map[string]int{}
	}
	if s.nodes.n[node] >= s.maxOfNode() {
		return nil, web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy, "too many requests of %s at once: try again soon", node)
	}
	s.nodes.n[node]++
	return func() {
		s.nodes.mu.Lock()
		defer s.nodes.mu.Unlock()
		if s.nodes.n[node]--; s.nodes.n[node] == 0 {
			delete(s.nodes.n, node)
		}
	}, nil
}

// maxOfNode returns how many requests of one node are answered at once: an eighth of all, and not less than a sync may need.
func (s *Server) maxOfNode() int { return max(4, s.o.MaxRequests/8) }
