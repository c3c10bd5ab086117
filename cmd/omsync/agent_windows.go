package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows/svc"
)

// asService runs what runs for long: where Windows started the program as a service, as that, with its log in agent.log of the home folder.
func asService(cmd *cobra.Command, g *global, run func(ctx context.Context, out, stderr io.Writer) error) error {
	is, err := svc.IsWindowsService()
	if err != nil {
		return fmt.Errorf("ask whether Windows started this as a service: %w", err)
	}
	if !is {
		return run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	home, err := g.dir()
	if err != nil {
		return err
	}
	log := &serviceLog{path: filepath.Join(home, "agent.log")}
	s := &service{ctx: cmd.Context(), run: func(ctx context.Context) error { return run(ctx, log, log) }}
	if err := svc.Run("omsync", s); err != nil {
		return fmt.Errorf("run as a service: %w", err)
	}
	if s.err != nil {
		report(log, s.err)
	}
	return s.err
}

// service is the program as Windows' service manager sees it.
type service struct {
	ctx context.Context
	run func(context.Context) error
	err error
}

// Execute runs the service until it ends or is asked to: svc.Handler has what is what.
func (s *service) Execute(_ []string, asked <-chan svc.ChangeRequest, is chan<- svc.Status) (bool, uint32) {
	const accepts = svc.AcceptStop | svc.AcceptShutdown
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	is <- svc.Status{State: svc.Running, Accepts: accepts}
	for {
		select {
		case s.err = <-ended:
			if s.err != nil {
				return true, uint32(exitCode(s.err))
			}
			return false, 0
		case r := <-asked:
			switch r.Cmd {
			case svc.Interrogate:
				is <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				is <- svc.Status{State: svc.StopPending, WaitHint: 120_000}
				stop()
			}
		}
	}
}

// serviceLog is a log file that does not grow beyond maxLog twice: what was before is kept once, as .old.
type serviceLog struct {
	mu   sync.Mutex
	path string
}

// maxLog is when a new log begins, in bytes.
const maxLog = 1 << 20

// Write writes a line, with the time.
func (l *serviceLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if info, err := os.Stat(l.path); err == nil && info.Size() > maxLog {
		if err := os.Rename(l.path, l.path+".old"); err != nil {
			return 0, err
		}
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(f, "%s %s", time.Now().Format("2006-01-02 15:04:05"), b)
	return len(b), errors.Join(err, f.Close())
}

// supervisor is nobody here: Windows asks by itself.
type supervisor struct{}

func newSupervisor() *supervisor  { return &supervisor{} }
func (*supervisor) status(string) {}
func (*supervisor) alive()        {}
func (*supervisor) stopping()     {}
