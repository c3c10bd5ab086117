package netfault

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// server is what both proxies have in common: a listener, a target, and connections that end with the test.
type server struct {
	listener net.Listener
	work     sync.WaitGroup

	mu          sync.Mutex
	target      string
	connections int64
	open        map[int64]context.CancelFunc // by number of the connection
}

// newServer listens, and does not accept yet.
func newServer(t testing.TB, target string) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for a faulty network: %v", err)
	}
	return &server{listener: listener, target: target, open: map[int64]context.CancelFunc{}}
}

// run hands each connection to serve, in a goroutine of its own, until the test is over. serve closes the connection. Its
// context is over when the connection is to be reset, which cancel asks for.
func (s *server) run(t testing.TB, serve func(ctx context.Context, cancel context.CancelFunc, number int64, c *net.TCPConn)) {
	// Not the test's own context: that one is over before the cleanups, in which a client may still have to say goodbye.
	all, stop := context.WithCancel(context.Background())
	t.Cleanup(func() {
		stop()
		s.listener.Close()
		s.work.Wait()
	})
	s.work.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				if all.Err() == nil {
					t.Errorf("accept on a faulty network: %v", err)
				}
				return
			}
			ctx, cancel := context.WithCancel(all)
			s.mu.Lock()
			number := s.connections
			s.connections++
			s.open[number] = cancel
			s.mu.Unlock()
			s.work.Go(func() {
				serve(ctx, cancel, number, c.(*net.TCPConn))
				cancel()
				s.mu.Lock()
				delete(s.open, number)
				s.mu.Unlock()
			})
		}
	})
}

// Addr is the host:port to connect to.
func (s *server) Addr() string { return s.listener.Addr().String() }

// Retarget sends the connections to come to another host:port: the server was started again. Those there are stay.
func (s *server) Retarget(target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = target
}

// Reset breaks off all connections there are with an RST on both sides. New ones are taken as before.
func (s *server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.open {
		cancel()
	}
}

// dial connects to the target.
func (s *server) dial(ctx context.Context) (*net.TCPConn, error) {
	s.mu.Lock()
	target := s.target
	s.mu.Unlock()
	dialer := net.Dialer{Timeout: 10 * time.Second}
	c, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", target, err)
	}
	return c.(*net.TCPConn), nil
}

func (s *server) accepted() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// abort closes with an RST instead of a FIN. The other side still gets what its socket has, and then an error. Linux reports
// that once: a program that reads and writes at the same time may get the error from one and an end of file from the other.
func abort(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}
