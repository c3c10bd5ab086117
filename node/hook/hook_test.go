package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/apply"
)

// hooking is a node with a hook: a script for sh, whose $0 is a folder.
func hooking(t *testing.T, script string) (h *Hook, folder string) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh here")
	}
	folder = t.TempDir()
	return &Hook{Home: t.TempDir(), Node: "hub", Database: "openmrs", Command: []string{"sh", "-c", script, folder}, Timeout: time.Minute}, folder
}

// brought is a file that changed rows of one table.
func brought(file, sender, table string, inserted, updated, deleted int64) File {
	return Imported(file, &apply.Report{Sender: sender, Outcome: apply.Applied, Inserted: inserted, Updated: updated, Deleted: deleted,
		Tables: []apply.TableReport{{Table: table, Inserted: inserted, Updated: updated, Deleted: deleted, Unchanged: 9}, {Table: "still", Unchanged: 3}}})
}

// told reads what a hook that saved its input was told.
func told(t *testing.T, path string) *message {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := &message{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil || d.More() {
		t.Fatalf("told %q: %v", b, err)
	}
	return m
}

func TestHookIsToldOnce(t *testing.T) {
	h, folder := hooking(t, `cat > "$0/told"; echo "$OMSYNC_NODE $OMSYNC_HOME $OMSYNC_HOOK"; printf 'no end' >&2`)
	var out bytes.Buffer
	nothing := []File{Imported("n", &apply.Report{Sender: "migori", Outcome: apply.Covered, Unchanged: 4}), Imported("r", &apply.Report{Sender: "x", Outcome: apply.Refused})}
	if err := h.AfterImport(t.Context(), &out, nothing); err != nil || out.Len() > 0 {
		t.Fatalf("nothing changed: %v, %q", err, out.String())
	}
	dry := brought("d", "kisumu", "obs", 1, 0, 0)
	dry.DryRun = true
	if err := h.AfterImport(t.Context(), &out, []File{dry}); err != nil || out.Len() > 0 {
		t.Fatalf("a dry run: %v, %q", err, out.String())
	}
	before := time.Now()
	err := h.AfterImport(t.Context(), &out, append(nothing, brought("b", "migori", "person", 0, 2, 0), brought("a", "kisumu", "obs", 5, 0, 0), brought("c", "migori", "obs", 1, 0, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "hook: hub " + h.Home + " 1\nhook: no end\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	m := told(t, filepath.Join(folder, "told"))
	if d := m.Since.Sub(before); d < -time.Second || d > time.Minute || m.Since.Location() != time.UTC {
		t.Errorf("since %s", m.Since)
	}
	m.Since = time.Time{}
	want := message{Node: "hub", Database: "openmrs", Peers: []string{"kisumu", "migori"}, Files: []string{"b", "a", "c"},
		Tables: []Table{{"obs", 6, 0, 1}, {"person", 0, 2, 0}}}
	if got, want := fmt.Sprintf("%+v", *m), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("told\n%s, want\n%s", got, want)
	}
	out.Reset()
	if err := h.AfterImport(t.Context(), &out, nil); err != nil || out.Len() > 0 {
		t.Errorf("told again: %v, %q", err, out.String())
	}
	if left, _ := filepath.Glob(filepath.Join(h.Home, "*")); len(left) > 0 {
		t.Errorf("left in the home folder: %q", left)
	}
}

// A hook hears nothing of what this process was told in its environment, such as the keys of a bucket.
func TestHookInheritsNoSecrets(t *testing.T) {
	for name, v := range map[string]string{"AWS_SECRET_ACCESS_KEY": "s3cret", "OMSYNC_DB_PASSWORD": "s3cret", "PW": "s3cret", "LANG": "C", "TMPDIR": t.TempDir()} {
		t.Setenv(name, v)
	}
	h, folder := hooking(t, `cat > /dev/null; env | cut -d= -f1 | sort > "$0/env"; ! env | grep s3cret`)
	var out bytes.Buffer
	if err := h.AfterImport(t.Context(), &out, []File{brought("a", "migori", "obs", 1, 0, 0)}); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	b, err := os.ReadFile(filepath.Join(folder, "env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(b)) {
		if !slices.Contains([]string{"PATH", "HOME", "LANG", "TMPDIR", "OMSYNC_NODE", "OMSYNC_HOME", "OMSYNC_HOOK", "PWD", "OLDPWD", "SHLVL", "_"}, name) { // the last are the shell's own
			t.Errorf("the hook was given %s", name)
		}
	}
	for _, name := range []string{"PATH", "LANG", "TMPDIR", "OMSYNC_HOOK"} {
		if !slices.Contains(strings.Fields(string(b)), name) {
			t.Errorf("the hook lacks %s", name)
		}
	}
}

func TestHookIsTriedAgain(t *testing.T) {
	h, folder := hooking(t, `cat > "$0/told"; test -e "$0/well" || exit 3`)
	var out bytes.Buffer
	err := h.AfterImport(t.Context(), &out, []File{brought("a", "migori", "obs", 1, 0, 0)})
	if err == nil || err.Error() != "hook sh ended with 3: it is tried again at the next run" {
		t.Fatal(err)
	}
	first, err := h.pending(&out)
	if err != nil {
		t.Fatal(err)
	}
	first.Since = first.Since.Add(-time.Hour)
	if err := h.keep(first); err != nil {
		t.Fatal(err)
	}
	if err := h.AfterImport(t.Context(), &out, []File{brought("b", "kisumu", "obs", 0, 1, 0)}); err == nil {
		t.Fatal("no error")
	}
	if err := os.WriteFile(filepath.Join(folder, "well"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.AfterImport(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	m := told(t, filepath.Join(folder, "told"))
	if !m.Since.Equal(first.Since) || !slices.Equal(m.Files, []string{"a", "b"}) || !slices.Equal(m.Peers, []string{"kisumu", "migori"}) ||
		!slices.Equal(m.Tables, []Table{{"obs", 1, 1, 0}}) {
		t.Errorf("told %+v", m)
	}
	if _, err := os.Stat(h.stateFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was told is still kept: %v", err)
	}
}

// An interrupted run keeps what it changed, and starts no hook.
func TestHookOfInterruptedRun(t *testing.T) {
	h, folder := hooking(t, `cat > "$0/told"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := h.AfterImport(ctx, &out, []File{brought("a", "migori", "obs", 1, 0, 0)}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "told")); err == nil {
		t.Error("the hook ran")
	}
	if err := h.AfterImport(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if m := told(t, filepath.Join(folder, "told")); !slices.Equal(m.Files, []string{"a"}) {
		t.Errorf("told %+v", m)
	}
}

// A hook that takes too long is stopped with all that it started, also what does not listen to the first signal.
func TestHookTimeout(t *testing.T) {
	t.Parallel()
	h, folder := hooking(t, `trap 'touch "$0/asked"; exit 0' TERM; (trap '' TERM; sleep 5; touch "$0/late") & touch "$0/started"; wait`)
	h.Timeout = 500 * time.Millisecond
	var out bytes.Buffer
	start := time.Now()
	err := h.AfterImport(t.Context(), &out, []File{brought("a", "migori", "obs", 1, 0, 0)})
	if err == nil || err.Error() != "hook sh took longer than 500ms and was stopped: it is tried again at the next run" {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 4500*time.Millisecond {
		t.Errorf("it took %s", d)
	}
	for _, name := range []string{"started", "asked"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(time.Until(start.Add(5700 * time.Millisecond)))
	if _, err := os.Stat(filepath.Join(folder, "late")); err == nil {
		t.Error("what the hook started goes on")
	}
	if _, err := os.Stat(h.stateFile()); err != nil {
		t.Error(err)
	}
}

func TestHookThatCannotRun(t *testing.T) {
	h, folder := hooking(t, "")
	files := []File{brought("a", "migori", "obs", 1, 0, 0)}
	for _, c := range []struct {
		command []string
		want    string
	}{
		{[]string{"no/such/hook"}, "run the hook: fork/exec " + filepath.Join(h.Home, "no/such/hook") + ": no such file or directory: it is tried again"},
		{[]string{"no-such-hook"}, `run the hook: exec: "no-such-hook": executable file not found in $PATH: it is tried again`},
		{[]string{"sh", "-c", "kill -9 $$"}, "hook sh was killed (signal: killed): it is tried again"},
	} {
		h.Command = c.command
		var out bytes.Buffer
		if err := h.AfterImport(t.Context(), &out, files); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.command, err, c.want)
		}
	}
	// A hook of the home folder, by a path that counts from there.
	if err := os.WriteFile(filepath.Join(h.Home, "hook"), []byte("#!/bin/sh\ncat > \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(h.Home)
	h.Home = "."
	h.Command = []string{"./hook", filepath.Join(folder, "told")}
	var out bytes.Buffer
	if err := h.AfterImport(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if m := told(t, filepath.Join(folder, "told")); m.Tables[0].Inserted != 3 {
		t.Errorf("told %+v", m)
	}
}

// A hook that does not read its input, and one that leaves something running, end well.
func TestHookThatLeavesThings(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"exec true", "sleep 30 & echo $! > \"$0/left\""} {
		h, folder := hooking(t, script)
		var files []File
		for i := range 3000 { // more than a pipe holds
			files = append(files, brought(strings.Repeat("x", 200), "migori", fmt.Sprint("table", i), 1, 0, 0))
		}
		var out bytes.Buffer
		if err := h.AfterImport(t.Context(), &out, files); err != nil {
			t.Errorf("%s: %v", script, err)
		}
		if pid, err := os.ReadFile(filepath.Join(folder, "left")); err == nil {
			exec.Command("kill", strings.TrimSpace(string(pid))).Run()
		}
	}
}

func TestHookFileDamaged(t *testing.T) {
	h, folder := hooking(t, `cat > "$0/told"`)
	if err := os.WriteFile(h.stateFile(), []byte(`{"node":"hub","fi`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := h.AfterImport(t.Context(), &out, []File{brought("a", "migori", "obs", 1, 0, 0)}); err != nil {
		t.Fatal(err)
	}
	if m := told(t, filepath.Join(folder, "told")); len(m.Files) != 1 || !strings.Contains(out.String(), "hook.json is damaged") {
		t.Errorf("told %+v, printed %q", m, out.String())
	}
}

// Whatever pieces output comes in, each line of it comes once, after the prefix.
func TestPrefixedProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		p := &prefixed{out: &out, prefix: "> "}
		var all strings.Builder
		for _, piece := range rapid.SliceOf(rapid.StringMatching(`(a|bc|\n){0,9}`)).Draw(t, "pieces") {
			if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
				piece += strings.Repeat("x", maxLine)
			}
			all.WriteString(piece)
			if n, err := p.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		p.end()
		var want strings.Builder
		for _, line := range strings.SplitAfter(all.String(), "\n") {
			if line == "" {
				continue
			}
			line = strings.TrimSuffix(line, "\n")
			for first := true; first || line != ""; first = false {
				n := min(len(line), maxLine)
				fmt.Fprintf(&want, "> %s\n", line[:n])
				line = line[n:]
			}
		}
		if out.String() != want.String() {
			short := strings.NewReplacer(strings.Repeat("x", maxLine), "X")
			t.Fatalf("%q came as %q, want %q", short.Replace(all.String()), short.Replace(out.String()), short.Replace(want.String()))
		}
	})
}
