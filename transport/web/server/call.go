package server

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// call is one request on its way: a ResponseWriter that counts, and whose deadlines move with every byte.
type call struct {
	http.ResponseWriter
	r     *http.Request
	rc    *http.ResponseController
	stall time.Duration
	begun time.Time

	mu         sync.Mutex // guards what ends the reading of the body, which another call may do
	reading    bool
	superseded bool

	proxied              bool   // see sendProgress
	leave                func() // gives back the place that it takes among all requests, and its node's
	route, node, problem string
	status               int
	in, out              int64 // bytes of bodies
}

// Unwrap returns what http.ResponseController needs.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// grace returns how long a call may go on reading when another has come for its place: what lies in the computer's buffers
// is read, so that it need not be sent again.
func (c *call) grace() time.Duration { return min(time.Second, c.stall/4) }

// extend gives the other side another while to send or take a byte.
func (c *call) extend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Now().Add(c.stall)
	c.rc.SetWriteDeadline(at)
	if c.reading && !c.superseded {
		c.rc.SetReadDeadline(at)
	}
}

// read begins the reading of the body. Only then is there a deadline: net/http takes one that passes at another time for
// a client that has gone.
func (c *call) read() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = true
	if c.superseded {
		c.rc.SetReadDeadline(time.Now().Add(c.grace()))
	} else {
		c.rc.SetReadDeadline(time.Now().Add(c.stall))
	}
}

// stop ends the reading of the body, and reports whether another call asked for that.
func (c *call) stop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading {
		c.reading = false
		c.rc.SetReadDeadline(time.Time{})
	}
	return c.superseded
}

// interrupt asks the call to make room for another.
func (c *call) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.superseded {
		c.superseded = true
		if c.reading {
			c.rc.SetReadDeadline(time.Now().Add(c.grace()))
		}
	}
}

// end is for when all is answered: a body that nobody read must not keep the connection waiting.
func (c *call) end() {
	c.stop()
	if c.r.ContentLength != 0 {
		c.rc.SetReadDeadline(time.Now().Add(min(time.Second, c.stall)))
	}
}

// WriteHeader writes the status. Those of 1xx are only on the way.
func (c *call) WriteHeader(status int) {
	if status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write hides ReadFrom: one long system call would be one stall.
func (c *call) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	c.extend()
	n, err := c.ResponseWriter.Write(p)
	c.out += int64(n)
	return n, err
}

// sendProgress tells a client that waits for its answer that the server is at it (RFC 2518, section 10.1). HTTP/1.0 does not know
// such answers; and nginx takes the first for the last: behind a proxy there are none.
func (c *call) sendProgress() {
	c.extend()
	if c.r.ProtoAtLeast(1, 1) && !c.proxied {
		c.WriteHeader(http.StatusProcessing)
	}
}

// progressInterval returns the time between two signs of progress.
func (c *call) progressInterval() time.Duration { return min(15*time.Second, c.stall/4) }

// during runs f while telling the client that it takes time. A panic of f comes out here.
func (c *call) during(f func()) {
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	tick := time.NewTicker(c.progressInterval())
	defer tick.Stop()
	for {
		select {
		case what := <-done:
			if what != nil {
				panic(what)
			}
			c.extend()
			return
		case <-tick.C:
			c.sendProgress()
		}
	}
}

// isProxied reports whether a proxy has left its mark on a request.
func isProxied(r *http.Request) bool {
	return r.Header.Get("Via") != "" || r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != ""
}

// isSlow reports whether an error of a body is that it did not come in time.
func isSlow(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &n) && n.Timeout())
}
