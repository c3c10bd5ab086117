package server

import (
	"time"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/upload"
)

// Uploads returns the store of uploads.
func (s *Server) Uploads() *upload.Store { return s.uploads }

// Routes returns whether each method and path is signed.
func Routes() map[string]bool {
	out := map[string]bool{}
	for path, r := range routes() {
		for name, m := range r.methods {
			out[name+" "+web.Root+path] = m.signed
		}
	}
	return out
}

// Limits returns a server's defaults: bytes of a file and of all that a node may have here, requests at once, of all nodes and of
// one, and the time without a byte.
func (s *Server) Limits() (file, partial int64, requests, ofOne int, stall time.Duration) {
	return s.o.MaxFile, s.o.MaxPartial, s.o.MaxRequests, s.maxOfNode(), s.o.StallTimeout
}

// Waits returns how many requests of a node wait for mail.
func (s *Server) Waits(node string) int {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	return len(s.waits.of[node])
}
