//go:build !windows

package main

import (
	"context"
	"io"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
)

// asService runs what runs for long, as whoever started it wants that.
func asService(cmd *cobra.Command, _ *global, run func(ctx context.Context, out, stderr io.Writer) error) error {
	return run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// supervisor is systemd, where it started the program as a service of type notify. Elsewhere nobody hears what it is told.
type supervisor struct {
	ready bool
	every time.Duration // how often it wants a sign of life; 0: never
	last  time.Time
}

func newSupervisor() *supervisor {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		interval = 0
	}
	return &supervisor{every: interval / 3}
}

// status tells how the program is, in a line; the first time, that it has started.
func (s *supervisor) status(text string) {
	text = "STATUS=" + text
	if !s.ready {
		s.ready = true
		text = daemon.SdNotifyReady + "\n" + text
	}
	daemon.SdNotify(false, text)
}

// alive gives a sign of life, when one is due.
func (s *supervisor) alive() {
	if now := time.Now(); s.every > 0 && now.Sub(s.last) >= s.every {
		s.last = now
		daemon.SdNotify(false, daemon.SdNotifyWatchdog)
	}
}

func (s *supervisor) stopping() { daemon.SdNotify(false, daemon.SdNotifyStopping) }
