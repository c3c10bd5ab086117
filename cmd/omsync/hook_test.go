package main

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
	"github.com/omsync/omsync/schema"
)

func TestHookConfig(t *testing.T) {
	dir := t.TempDir()
	const head = "node = \"hub\"\ndsn = \"u@unix(/s)/db\"\nprofile = \"none\"\n\n[hooks]\n"
	read := func(text string) (*config, error) {
		if err := os.WriteFile(filepath.Join(dir, configName), []byte(head+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readConfig(dir)
	}
	for text, want := range map[string]string{
		"after_import = \"/x\"":                          `line 6: write a list of the program and its arguments, as in ["/etc/omsync/after-import"]`,
		"after_import = [\"/x\", 3]":                     "line 6: write a list of the program",
		"timeout = \"5m\"\nafter_import = []":            "line 7: a hook without a program: ",
		"after_import = [\"\"]":                          "line 6: a hook without a program: ",
		"after_imprt = [\"/x\"]":                         "line 6: unknown key hooks.after_imprt",
		"after_import = [\"/x\"]\ntimeout = \"5 weeks\"": `line 7: "5 weeks" is no time that a hook may take: write it as "90s" or "5m"`,
		"timeout = \"-5m\"":                              `line 6: "-5m" is no time`,
		"timeout = \"0s\"":                               `line 6: "0s" is no time`,
		"timeout = 5":                                    "line 6: ",
		"reindex = \"yes\"":                              "line 6",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), configName+": "+want) {
			t.Errorf("%s\n%v, want\n%s", text, err, want)
		}
	}
	c, err := read("after_import = [\"/x\", \"a b\"]\ntimeout = \"90s\"\nreindex = true")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Hooks.AfterImport, command{"/x", "a b"}) || time.Duration(c.Hooks.Timeout) != 90*time.Second || !c.Hooks.Reindex {
		t.Errorf("read %+v", c.Hooks)
	}
	if c, err = read(""); err != nil || c.Hooks.AfterImport != nil || c.Hooks.Timeout != 0 || c.Hooks.Reindex {
		t.Errorf("an empty section: %+v, %v", c.Hooks, err)
	}
}

func TestHookReindexNeedsProfile(t *testing.T) {
	for profile, fits := range map[string]bool{"openmrs": true, "none": false} {
		p, err := schema.Builtin(profile)
		if err != nil {
			t.Fatal(err)
		}
		n := &node{config: &config{home: "h"}}
		if err := n.checkHooks(p); err != nil {
			t.Errorf("%s: %v without reindex", profile, err)
		}
		n.Hooks.Reindex = true
		if err := n.checkHooks(p); (err == nil) != fits {
			t.Errorf("%s: %v", profile, err)
		} else if err != nil && !strings.HasPrefix(err.Error(), filepath.Join("h", configName)+": reindex: the profile none has no section") {
			t.Error(err)
		}
	}
}

// hooking is a node with a hook: a script for sh, whose $0 is a folder.
func hooking(t *testing.T, script string) (n *node, folder string) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh here")
	}
	folder = t.TempDir()
	return &node{config: &config{home: t.TempDir(), Node: "hub", DSN: "u@unix(/s)/openmrs",
		Hooks: hooks{AfterImport: command{"sh", "-c", script, folder}}}}, folder
}

// brought is a file that changed rows of one table.
func brought(file, sender, table string, inserted, updated, deleted int64) imported {
	return imported{File: file, Sender: sender, Outcome: apply.Applied, Inserted: inserted, Updated: updated, Deleted: deleted,
		Tables: []importedTable{{Table: table, Inserted: inserted, Updated: updated, Deleted: deleted, Unchanged: 9}, {Table: "still", Unchanged: 3}}}
}

// told reads what a hook that saved its input was told.
func told(t *testing.T, path string) *hooked {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := &hooked{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(h); err != nil || d.More() {
		t.Fatalf("told %q: %v", b, err)
	}
	return h
}

func TestHookIsToldOnce(t *testing.T) {
	n, folder := hooking(t, `cat > "$0/told"; echo "$OMSYNC_NODE $OMSYNC_HOME $OMSYNC_HOOK"; printf 'no end' >&2`)
	var out bytes.Buffer
	nothing := []imported{{File: "n", Sender: "migori", Outcome: apply.Covered, Unchanged: 4}, {File: "r", Sender: "x", Outcome: apply.Refused}}
	if err := n.afterImport(t.Context(), &out, nothing); err != nil || out.Len() > 0 {
		t.Fatalf("nothing changed: %v, %q", err, out.String())
	}
	dry := brought("d", "kisumu", "obs", 1, 0, 0)
	dry.DryRun = true
	if err := n.afterImport(t.Context(), &out, []imported{dry}); err != nil || out.Len() > 0 {
		t.Fatalf("a dry run: %v, %q", err, out.String())
	}
	before := time.Now()
	err := n.afterImport(t.Context(), &out, append(nothing, brought("b", "migori", "person", 0, 2, 0), brought("a", "kisumu", "obs", 5, 0, 0), brought("c", "migori", "obs", 1, 0, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "hook: hub " + n.home + " 1\nhook: no end\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	h := told(t, filepath.Join(folder, "told"))
	if d := h.Since.Sub(before); d < -time.Second || d > time.Minute || h.Since.Location() != time.UTC {
		t.Errorf("since %s", h.Since)
	}
	h.Since = time.Time{}
	want := hooked{Node: "hub", Database: "openmrs", Peers: []string{"kisumu", "migori"}, Files: []string{"b", "a", "c"},
		Tables: []hookedTable{{"obs", 6, 0, 1}, {"person", 0, 2, 0}}}
	if got, want := fmt.Sprintf("%+v", *h), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("told\n%s, want\n%s", got, want)
	}
	out.Reset()
	if err := n.afterImport(t.Context(), &out, nil); err != nil || out.Len() > 0 {
		t.Errorf("told again: %v, %q", err, out.String())
	}
	if left, _ := filepath.Glob(filepath.Join(n.home, "*")); len(left) > 0 {
		t.Errorf("left in the home folder: %q", left)
	}
}

func TestHookIsTriedAgain(t *testing.T) {
	n, folder := hooking(t, `cat > "$0/told"; test -e "$0/well" || exit 3`)
	var out bytes.Buffer
	err := n.afterImport(t.Context(), &out, []imported{brought("a", "migori", "obs", 1, 0, 0)})
	if err == nil || err.Error() != "hook sh ended with 3: it is tried again at the next run" {
		t.Fatal(err)
	}
	first := told(t, n.hookFile())
	first.Since = first.Since.Add(-time.Hour)
	if err := n.keepHooked(first); err != nil {
		t.Fatal(err)
	}
	if err := n.afterImport(t.Context(), &out, []imported{brought("b", "kisumu", "obs", 0, 1, 0)}); err == nil {
		t.Fatal("no error")
	}
	if err := os.WriteFile(filepath.Join(folder, "well"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.afterImport(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	h := told(t, filepath.Join(folder, "told"))
	if !h.Since.Equal(first.Since) || !slices.Equal(h.Files, []string{"a", "b"}) || !slices.Equal(h.Peers, []string{"kisumu", "migori"}) ||
		!slices.Equal(h.Tables, []hookedTable{{"obs", 1, 1, 0}}) {
		t.Errorf("told %+v", h)
	}
	if _, err := os.Stat(n.hookFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was told is still kept: %v", err)
	}
}

// An interrupted run keeps what it changed, and starts no hook.
func TestHookOfInterruptedRun(t *testing.T) {
	n, folder := hooking(t, `cat > "$0/told"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := n.afterImport(ctx, &out, []imported{brought("a", "migori", "obs", 1, 0, 0)}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "told")); err == nil {
		t.Error("the hook ran")
	}
	if err := n.afterImport(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if h := told(t, filepath.Join(folder, "told")); !slices.Equal(h.Files, []string{"a"}) {
		t.Errorf("told %+v", h)
	}
}

// A hook that takes too long is stopped with all that it started, also what does not listen to the first signal.
func TestHookTimeout(t *testing.T) {
	t.Parallel()
	n, folder := hooking(t, `trap 'touch "$0/asked"; exit 0' TERM; (trap '' TERM; sleep 5; touch "$0/late") & touch "$0/started"; wait`)
	n.Hooks.Timeout = timeout(500 * time.Millisecond)
	var out bytes.Buffer
	start := time.Now()
	err := n.afterImport(t.Context(), &out, []imported{brought("a", "migori", "obs", 1, 0, 0)})
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
	if _, err := os.Stat(n.hookFile()); err != nil {
		t.Error(err)
	}
}

func TestHookThatCannotRun(t *testing.T) {
	n, folder := hooking(t, "")
	files := []imported{brought("a", "migori", "obs", 1, 0, 0)}
	for _, c := range []struct {
		command command
		want    string
	}{
		{command{"no/such/hook"}, "run the hook: fork/exec " + filepath.Join(n.home, "no/such/hook") + ": no such file or directory: it is tried again"},
		{command{"no-such-hook"}, `run the hook: exec: "no-such-hook": executable file not found in $PATH: it is tried again`},
		{command{"sh", "-c", "kill -9 $$"}, "hook sh was killed (signal: killed): it is tried again"},
	} {
		n.Hooks.AfterImport = c.command
		var out bytes.Buffer
		if err := n.afterImport(t.Context(), &out, files); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.command, err, c.want)
		}
	}
	// A hook of the home folder, by a path that counts from there.
	if err := os.WriteFile(filepath.Join(n.home, "hook"), []byte("#!/bin/sh\ncat > \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(n.home)
	n.home = "."
	n.Hooks.AfterImport = command{"./hook", filepath.Join(folder, "told")}
	var out bytes.Buffer
	if err := n.afterImport(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if h := told(t, filepath.Join(folder, "told")); h.Tables[0].Inserted != 3 {
		t.Errorf("told %+v", h)
	}
}

// A hook that does not read its input, and one that leaves something running, end well.
func TestHookThatLeavesThings(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"exec true", "sleep 30 & echo $! > \"$0/left\""} {
		n, folder := hooking(t, script)
		var files []imported
		for i := range 3000 { // more than a pipe holds
			files = append(files, brought(strings.Repeat("x", 200), "migori", fmt.Sprint("table", i), 1, 0, 0))
		}
		var out bytes.Buffer
		if err := n.afterImport(t.Context(), &out, files); err != nil {
			t.Errorf("%s: %v", script, err)
		}
		if pid, err := os.ReadFile(filepath.Join(folder, "left")); err == nil {
			exec.Command("kill", strings.TrimSpace(string(pid))).Run()
		}
	}
}

func TestHookFileDamaged(t *testing.T) {
	n, folder := hooking(t, `cat > "$0/told"`)
	if err := os.WriteFile(n.hookFile(), []byte(`{"node":"hub","fi`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := n.afterImport(t.Context(), &out, []imported{brought("a", "migori", "obs", 1, 0, 0)}); err != nil {
		t.Fatal(err)
	}
	if h := told(t, filepath.Join(folder, "told")); len(h.Files) != 1 || !strings.Contains(out.String(), "hook.json is damaged") {
		t.Errorf("told %+v, printed %q", h, out.String())
	}
}

func TestHookHint(t *testing.T) {
	err := fmt.Errorf("x: %w", errLocked)
	t.Setenv(hookEnv, "")
	if hookHint(err) != err {
		t.Error("a hint without a hook")
	}
	t.Setenv(hookEnv, "1")
	if got := hookHint(err); !errors.Is(got, errLocked) || exitCode(got) != exitBusy || got == err {
		t.Errorf("%v", got)
	}
	if other := errors.New("x"); hookHint(other) != other || hookHint(nil) != nil {
		t.Error("a hint to another error")
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
				piece += strings.Repeat("x", maxHookLine)
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
				n := min(len(line), maxHookLine)
				fmt.Fprintf(&want, "> %s\n", line[:n])
				line = line[n:]
			}
		}
		if out.String() != want.String() {
			short := strings.NewReplacer(strings.Repeat("x", maxHookLine), "X")
			t.Fatalf("%q came as %q, want %q", short.Replace(all.String()), short.Replace(out.String()), short.Replace(want.String()))
		}
	})
}
