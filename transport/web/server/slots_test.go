package server_test

import (
	"context"
	"sync"
	"testing"

	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/webtest"
)

// TestOneNodeLeavesRoom has a node begin more than it needs: it is told to wait, and others are served.
func TestOneNodeLeavesRoom(t *testing.T) {
	block, began := make(chan struct{}), make(chan struct{}, 100)
	h := webtest.NewHub(t, func(o *server.Options) {
		o.MaxRequests = 64
		o.Listing = func(_ context.Context, node string) {
			if node == "kisumu" {
				began <- struct{}{}
				<-block
			}
		}
	})
	list := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { list.Do(h) })
		<-began
	}
	webtest.WantProblem(t, list.Do(h), 503, "busy")
	if w := (webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "migori"}).Do(h); w.Code != 200 {
		t.Errorf("another node: %d %s", w.Code, w.Body)
	}
	close(block)
	wg.Wait()
	if w := list.Do(h); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestTooManyRequests(t *testing.T) {
	block, began := make(chan struct{}), make(chan struct{}, 2)
	h := webtest.NewHub(t, func(o *server.Options) {
		o.MaxRequests = 2
		o.Listing = func(context.Context, string) { began <- struct{}{}; <-block }
	})
	list := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { list.Do(h) })
		<-began
	}
	webtest.WantProblem(t, webtest.Raw{Method: "GET", Path: "/v1/health"}.Do(h), 503, "busy")
	close(block)
	wg.Wait()
	if w := (webtest.Raw{Method: "GET", Path: "/v1/health"}).Do(h); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}
