package netfault

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// waitFor waits until something has happened.
func waitFor(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func openOf(s *server) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []int64
	for number := range s.open {
		all = append(all, number)
	}
	return all
}

// sockets counts the open sockets of this process.
func sockets(t testing.TB) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("cannot see the open files of this process: %v", err)
	}
	n := 0
	for _, f := range files {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// goroutines returns the stacks of those that run code of proxies.
func goroutines() []string {
	buf := make([]byte, 4<<20)
	var ours []string
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		for _, of := range []string{"netfault.(*server)", "netfault.(*Proxy)", "netfault.(*link)", "netfault.(*HTTPProxy)"} {
			if strings.Contains(stack, of) {
				ours = append(ours, stack)
				break
			}
		}
	}
	return ours
}

// After Cleanup nothing is left, whatever the connections were about.
func TestNothingIsLeft(t *testing.T) {
	before := sockets(t)
	for n, f := range []Faults{
		{}, {Rate: 100}, {Latency: time.Hour}, {StallEvery: 10, Stall: time.Hour}, {Blackhole: 1}, {Refuse: 1},
		{CutMin: 1 << 20, CutMax: 1 << 20, Latency: time.Hour},
	} {
		t.Run(fmt.Sprint("faults", n), func(t *testing.T) {
			for _, serve := range []func(*net.TCPConn){echo, source, func(c *net.TCPConn) { abort(c) }} {
				p := Start(t, listen(t, serve), f)
				for range 3 {
					c, err := net.Dial("tcp", p.Addr())
					if isReset(err) {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
					c.Write(make([]byte, 1<<20))
				}
				if len(goroutines()) == 0 {
					t.Error("goroutines of the proxy are not found while it runs")
				}
			}
		})
	}
	t.Run("http", func(t *testing.T) {
		silent := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silent }))
		t.Cleanup(s.Close)
		t.Cleanup(func() { close(silent) })
		for _, r := range []Repeats{{}, {Late: 1, Hold: time.Hour}} {
			p := StartHTTP(t, s.Listener.Addr().String(), r)
			for _, sent := range []string{"", "GET / HT", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"} {
				io.WriteString(dial(t, p.Addr()), sent)
			}
			waitFor(t, "the connections are there", func() bool { return len(openOf(p.server)) == 3 && p.Stats().Requests == 1 })
		}
	})
	waitFor(t, "all sockets closed", func() bool { return sockets(t) <= before })
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := goroutines()
		if len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
	}
}
