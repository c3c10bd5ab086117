package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/apply"
)

// Hook is the program of one node.
type Hook struct {
	Home     string // the node's home folder, from which a path of the program counts
	Node     string
	Database string
	Command  []string // the program and its arguments; none: there is no hook
	Timeout  time.Duration
}

// env is set for what a hook runs.
const env = "OMSYNC_HOOK"

// Running reports whether a hook started this process.
func Running() bool { return os.Getenv(env) != "" }

// File is what came of a file that was imported.
type File struct {
	Name, Sender string
	DryRun       bool // nothing of it is in the database
	Tables       []Table
}

// Table counts the rows of a table that were changed.
type Table struct {
	Table    string `json:"table"`
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
}

func (t Table) changed() bool { return t.Inserted+t.Updated+t.Deleted > 0 }

// Imported returns what a report says of a file.
func Imported(name string, r *apply.Report) File {
	f := File{Name: name, Sender: r.Sender}
	for _, t := range r.Tables {
		f.Tables = append(f.Tables, Table{t.Table, t.Inserted, t.Updated, t.Deleted})
	}
	return f
}

// AfterImport hands what the files changed to the hook, together with what earlier runs could not hand over. That is kept durably
// in the home folder before the hook starts, so each change is told at least once. (Only a run that is killed between its import
// and this call leaves its changes untold.) The hook's output goes to out, each line after "hook: ". Without files, or if they
// changed nothing, only what is left of earlier runs is told.
//
// The caller holds the node's lock. It calls this at the end of each run that may import, also of one that ended with an error or
// was interrupted: then the changes are kept for the next run.
func (h *Hook) AfterImport(ctx context.Context, out io.Writer, files []File) error {
	if len(h.Command) == 0 || slices.ContainsFunc(files, func(f File) bool { return f.DryRun }) {
		return nil
	}
	m, err := h.pending(out)
	if err != nil {
		return err
	}
	if h.add(m, files) {
		if err := h.keep(m); err != nil {
			return err
		}
	}
	if len(m.Files) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := h.run(ctx, out, m); err != nil {
		return fmt.Errorf("%w: it is tried again at the next run", err)
	}
	if err := os.Remove(h.stateFile()); err != nil {
		return fmt.Errorf("the hook has ended well, and will run again for the same changes: %w", err)
	}
	return nil
}

// add adds what the files changed, and reports whether they did change something.
func (h *Hook) add(m *message, files []File) bool {
	changed := false
	for _, f := range files {
		if !slices.ContainsFunc(f.Tables, Table.changed) {
			continue
		}
		if !changed && m.Since.IsZero() {
			m.Since = time.Now().UTC().Truncate(time.Second)
		}
		changed = true
		m.Files = append(m.Files, f.Name)
		if !slices.Contains(m.Peers, f.Sender) {
			m.Peers = append(m.Peers, f.Sender)
		}
		for _, t := range f.Tables {
			if t.changed() {
				m.count(t)
			}
		}
	}
	if changed {
		m.Node, m.Database = h.Node, h.Database
		m.Files = m.Files[max(0, len(m.Files)-maxFiles):]
		slices.Sort(m.Peers)
		slices.SortFunc(m.Tables, func(a, b Table) int { return strings.Compare(a.Table, b.Table) })
	}
	return changed
}

// count adds the changes of a table.
func (m *message) count(t Table) {
	i := slices.IndexFunc(m.Tables, func(x Table) bool { return x.Table == t.Table })
	if i < 0 {
		i = len(m.Tables)
		m.Tables = append(m.Tables, Table{Table: t.Table})
	}
	m.Tables[i].Inserted += t.Inserted
	m.Tables[i].Updated += t.Updated
	m.Tables[i].Deleted += t.Deleted
}

// inherited is what a hook has of this process's environment: what programs need to run, and no more. The rest may hold the keys of buckets
// and the database's password.
func inherited() []string {
	names := []string{"PATH", "HOME", "LANG", "TMPDIR"}
	if runtime.GOOS == "windows" {
		names = append(names, "SystemRoot", "SystemDrive", "ComSpec", "PATHEXT", "USERPROFILE", "TEMP", "TMP")
	}
	var out []string
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// grace is how long a hook that was told to end may take for it, and how long what it left running may keep its output.
const grace = 3 * time.Second

// run runs the hook to its end or its timeout.
func (h *Hook) run(ctx context.Context, out io.Writer, m *message) error {
	home, err := filepath.Abs(h.Home)
	if err != nil {
		return err
	}
	input, err := json.Marshal(m)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	name := h.Command[0]
	if filepath.Base(name) != name && !filepath.IsAbs(name) { // a mere name is looked for in PATH
		name = filepath.Join(home, name)
	}
	c := exec.CommandContext(limited, name, h.Command[1:]...)
	c.Env = append(inherited(), "OMSYNC_NODE="+h.Node, "OMSYNC_HOME="+home, env+"=1")
	c.Stdin = bytes.NewReader(append(input, '\n'))
	lines := &prefixed{out: out, prefix: "hook: "}
	defer lines.end()
	c.Stdout, c.Stderr = lines, lines
	c.WaitDelay = grace
	setProcessGroup(c)
	err = c.Run()
	if limited.Err() != nil {
		killAll(c)
	}
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay) && limited.Err() == nil: // it ended with 0, and left something running
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("hook %s was interrupted: %w", name, ctx.Err())
	case limited.Err() != nil:
		return fmt.Errorf("hook %s took longer than %s and was stopped", name, h.Timeout)
	case errors.As(err, &exit) && exit.Exited():
		return fmt.Errorf("hook %s ended with %d", name, exit.ExitCode())
	case errors.As(err, &exit):
		return fmt.Errorf("hook %s was killed (%w)", name, err)
	}
	return fmt.Errorf("run the hook: %w", err)
}
