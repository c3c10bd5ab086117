package oldprogram

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// Result is what came of a command.
type Result struct {
	Stdout, Stderr string
	Code           int // exit code
}

// Run runs a program, old or present, with the home folder given, whatever the exit code.
func Run(t testing.TB, program, home string, args ...string) Result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--home", home}, args...)...)
	cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %q: %v", program, args, err)
	}
	return Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// Must runs a program as [Run] does, and ends the test if its exit code is none of these; none given: 0.
func Must(t testing.TB, program, home string, args []string, codes ...int) Result {
	t.Helper()
	r := Run(t, program, home, args...)
	if len(codes) == 0 {
		codes = []int{0}
	}
	for _, c := range codes {
		if r.Code == c {
			return r
		}
	}
	t.Fatalf("%s %q: exit code %d, want %v\n%s%s", program, args, r.Code, codes, r.Stdout, r.Stderr)
	return r
}

// Server is a running "omsync serve".
type Server struct {
	URL string

	cmd   *exec.Cmd
	ended chan error
	log   string
}

var listening = regexp.MustCompile(`msg=listening .*address=(\S+) tls=true`)

// Serve starts the server of a home folder on the address given, such as 127.0.0.1:0 for a free port, with more flags. It is stopped
// when the test ends, at the latest.
func Serve(t testing.TB, program, home, address string, args ...string) *Server {
	t.Helper()
	s := &Server{ended: make(chan error, 1), log: filepath.Join(t.TempDir(), "serve.log")}
	f, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.cmd = exec.Command(program, append([]string{"--home", home, "serve", "--listen", address}, args...)...)
	s.cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
	s.cmd.Stdout, s.cmd.Stderr = f, f
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() {
		s.Stop(t)
		if b, err := os.ReadFile(s.log); err == nil && t.Failed() {
			t.Logf("log of the server of %s:\n%s", home, b)
		}
	})
	for range 600 {
		b, err := os.ReadFile(s.log)
		if err != nil {
			t.Fatal(err)
		}
		if m := listening.FindSubmatch(b); m != nil {
			s.URL = "https://" + string(m[1])
			return s
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			t.Fatalf("the server ended: %v\n%s", err, b)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal("the server does not listen after half a minute")
	return nil
}

// Stop stops the server and waits for its end.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-s.ended:
		s.ended <- err
	case <-time.After(time.Minute):
		s.cmd.Process.Kill()
		t.Error("the server does not stop")
	}
}
