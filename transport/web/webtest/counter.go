package webtest

import (
	"net/http"
	"sync"
)

// Counter counts requests on their way through a RoundTripper.
type Counter struct {
	http.RoundTripper
	mu    sync.Mutex
	Count map[string]int // by method
}

// RoundTrip sends a request on.
func (c *Counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if c.Count == nil {
		c.Count = map[string]int{}
	}
	c.Count[r.Method]++
	c.mu.Unlock()
	return c.RoundTripper.RoundTrip(r)
}
