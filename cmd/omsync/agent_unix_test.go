//go:build !windows

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSupervisor is systemd, as the agent sees it: that it has started, how it is, and that it lives, no more often than is asked for.
func TestSupervisor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "120000000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	s := newSupervisor()
	s.status("at work")
	s.status("in step")
	s.alive()
	s.alive()
	s.last = time.Now().Add(-time.Minute)
	s.alive()
	s.stopping()
	for _, want := range []string{"READY=1\nSTATUS=at work", "STATUS=in step", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"} {
		b := make([]byte, 1<<10)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := c.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Errorf("%q, %v, not %q", b[:n], err, want)
		}
	}
	// Where nobody asks, nobody is told.
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	if s := newSupervisor(); s.every != 0 {
		t.Errorf("signs of life every %v", s.every)
	}
}
