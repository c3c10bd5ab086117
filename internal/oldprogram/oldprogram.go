// Package oldprogram gives tests omsync as it was: built from a commit of the project's own history. Databases and home folders that it
// makes are what the present program has to upgrade, and it is the peer that nobody has updated yet.
//
// The program is kept in the user's cache folder, under the commit and the version of Go: it is built once on a machine, and several
// packages' tests may ask for it at one time. Where the history is not at hand, as in an archive of the source, tests that need it are
// skipped, unless the environment says that they must run: see [EnvRequire].
package oldprogram

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Commit is the last one before stored state had a version of its own and headers said what their sender reads.
const Commit = "fe790fa42da47cf452849be33219a1c724301c11"

// EnvRequire is the environment variable that, set to 1, lets a test fail that would be skipped for want of the history.
const EnvRequire = "OMSYNC_REQUIRE_OLD"

// errNoHistory means that the commit cannot be had here.
var errNoHistory = errors.New("the project's history is not here")

// Build returns the path of omsync as it was at [Commit]. The test is skipped if the history is not here.
func Build(t testing.TB) string {
	t.Helper()
	path, err := build(Commit)
	if errors.Is(err, errNoHistory) && os.Getenv(EnvRequire) != "1" {
		t.Skipf("omsync of commit %.12s cannot be built: %v", Commit, err)
	}
	if err != nil {
		t.Fatalf("build omsync of commit %.12s: %v", Commit, err)
	}
	return path
}

// Present returns the path of omsync as it is now, built for this test.
func Present(t testing.TB) string {
	t.Helper()
	return present(t)
}

// PresentReading returns the path of omsync as it is now, but for a feature that it pretends to read and write: files that may use it
// say so, and are otherwise as ever.
func PresentReading(t testing.TB, feature, since string) string {
	t.Helper()
	root, err := output(".", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "features", "features.go")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const is = "func Present() Known {\n\treturn Known{"
	if n := strings.Count(string(source), is); n != 1 {
		t.Fatalf("%s has %q %d times", path, is, n)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "features.go"), filepath.Join(dir, "overlay.json")
	more := fmt.Sprintf("%s{Name: %q, Since: %q}, ", is, feature, since)
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err == nil {
		err = os.WriteFile(changed, []byte(strings.Replace(string(source), is, more, 1)), 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return present(t, "-overlay", overlay)
}

func present(t testing.TB, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), programName)
	root, err := output(".", "go", "list", "-m", "-f", "{{.Dir}}")
	if err == nil {
		_, err = output(root, "go", append(append([]string{"build", "-ldflags=-s -w"}, flags...), "-o", path, "./cmd/omsync")...)
	}
	if err != nil {
		t.Fatalf("build omsync: %v", err)
	}
	return path
}

var programName = "omsync" + map[bool]string{true: ".exe"}[runtime.GOOS == "windows"]

// build returns the path of the program of a commit. Errors: errNoHistory, and those of the build.
func build(commit string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "omsync-oldprogram", fmt.Sprintf("%s-%s", commit, runtime.Version()))
	program := filepath.Join(cache, programName)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	root, err := output(".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoHistory, err)
	}
	if _, err := output(root, "git", "cat-file", "-e", commit+"^{commit}"); err != nil {
		return "", fmt.Errorf("%w: %w", errNoHistory, err)
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	// Beside its place, so that what others find there is whole.
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	archive, source := filepath.Join(work, "source.tar"), filepath.Join(work, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	for _, step := range [][]string{
		{root, "git", "archive", "-o", archive, commit},
		{source, "tar", "-xf", archive},
		{source, "go", "build", "-buildvcs=false", "-o", filepath.Join(work, programName), "./cmd/omsync"},
	} {
		if _, err := output(step[0], step[1], step[2:]...); err != nil {
			return "", err
		}
	}
	return program, os.Rename(filepath.Join(work, programName), program)
}

// output runs a command in a folder and returns what it printed, without the line's end.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
