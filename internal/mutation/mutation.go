// Package mutation proves that tests ask for the rules they are about: it takes one rule out of a package's source, builds the
// package's tests with what is left, and sees whether one of them fails.
package mutation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Mutant is a package without one rule.
type Mutant struct {
	Rule     string // in words
	File     string // of the package, in the current folder
	Old, New string // Old stands once in File
}

// ErrNoGo means that there is no go command to build with.
var ErrNoGo = errors.New("no go command")

// Check runs each mutant by itself: one of the tests of the package in the current folder that the pattern matches must fail.
func Check(t *testing.T, pattern string, mutants ...Mutant) {
	if testing.Short() {
		t.Skip("builds the package once for each rule")
	}
	for _, m := range mutants {
		t.Run(m.Rule, func(t *testing.T) {
			t.Parallel()
			_, failed, err := m.Run(t.TempDir(), pattern)
			switch {
			case errors.Is(err, ErrNoGo):
				t.Skip(err)
			case err != nil:
				t.Fatal(err)
			case !failed:
				t.Error("no test notices")
			}
		})
	}
}

// Run builds the tests of the package in the current folder with the mutant in place, in dir, and runs those that the pattern
// matches with more environment. It returns what they printed and whether one failed. Errors: ErrNoGo, and a mutant that does not
// fit the source or does not build.
func (m Mutant) Run(dir, pattern string, env ...string) (out []byte, failed bool, err error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return nil, false, ErrNoGo
	}
	source, err := os.ReadFile(m.File)
	if err != nil {
		return nil, false, err
	}
	if n := strings.Count(string(source), m.Old); n != 1 {
		return nil, false, fmt.Errorf("%s has %q %d times", m.File, m.Old, n)
	}
	changed, overlay, binary := filepath.Join(dir, m.File), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mutant.test")
	path, err := filepath.Abs(m.File)
	if err != nil {
		return nil, false, err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return nil, false, err
	}
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), m.Old, m.New, 1)), 0o600); err != nil {
		return nil, false, err
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return nil, false, err
	}
	build := exec.Command(goTool, "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, false, fmt.Errorf("build: %w\n%s", err, out)
	}
	run := exec.Command(binary, "-test.run="+pattern, "-test.v")
	run.Env = append(os.Environ(), env...)
	var printed bytes.Buffer
	run.Stdout, run.Stderr = &printed, &printed
	if err := run.Start(); err != nil {
		return nil, false, err
	}
	limitMemory(run.Process.Pid)
	err = run.Wait()
	return printed.Bytes(), err != nil, nil
}
