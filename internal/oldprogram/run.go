package oldprogram

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
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
