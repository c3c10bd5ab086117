package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/schema"
)

// hooks is the section [hooks] of omsync.toml.
type hooks struct {
	AfterImport command `toml:"after_import"`
	Timeout     timeout `toml:"timeout"`
	Reindex     bool    `toml:"reindex"` // empties the setting that the profile's [reindex] names: see apply.Options
}

// command is a program and its arguments. No shell reads it.
type command []string

// UnmarshalTOML is where an error still knows its line.
func (c *command) UnmarshalTOML(value any) error {
	const form = `write a list of the program and its arguments, as in ["/etc/omsync/after-import"]`
	list, ok := value.([]any)
	if !ok {
		return errors.New(form)
	}
	*c = nil
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return errors.New(form)
		}
		*c = append(*c, s)
	}
	if len(*c) == 0 || (*c)[0] == "" {
		return errors.New("a hook without a program: " + form + ", or take the line out")
	}
	return nil
}

// timeout is how long a hook may take; 0 stands for hookTimeout.
type timeout time.Duration

const hookTimeout = 5 * time.Minute

// UnmarshalText reads "90s", "5m", "1h30m".
func (t *timeout) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf(`%q is no time that a hook may take: write it as "90s" or "5m"`, text)
	}
	*t = timeout(d)
	return nil
}

// checkHooks finds a reindex that the profile says nothing of.
func (n *node) checkHooks(p *schema.Profile) error {
	if !n.Hooks.Reindex {
		return nil
	}
	if _, err := p.Reindex(); err != nil {
		return fmt.Errorf("%s: reindex: %w", filepath.Join(n.home, configName), err)
	}
	return nil
}

// hookEnv is set for what a hook runs.
const hookEnv = "OMSYNC_HOOK"

// hookHint says to an omsync that a hook runs why it finds the lock taken.
func hookHint(err error) error {
	if errors.Is(err, errLocked) && os.Getenv(hookEnv) != "" {
		return hinted(err, "the run that started this hook holds the lock until the hook has ended: start what changes the node after that, by a timer or at the next run")
	}
	return err
}

// hooked is what a hook reads on its standard input, and what is kept in the home folder until it has ended with 0.
type hooked struct {
	Node     string        `json:"node"`
	Database string        `json:"database"`
	Peers    []string      `json:"peers"` // whose files were applied, sorted
	Tables   []hookedTable `json:"tables"`
	Files    []string      `json:"files"` // in the order of their import, the latest maxHookFiles
	Since    time.Time     `json:"since"` // when the first of these changes was noted: some seconds after its import
}

// hookedTable counts the rows of a table that were changed.
type hookedTable struct {
	Table    string `json:"table"`
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
}

// maxHookFiles bounds what a hook that fails for months leaves behind.
const maxHookFiles = 1000

// afterImport hands what the files changed to the hook that the configuration names, together with what earlier runs could
// not hand over. That is kept durably in the home folder before the hook starts, so each change is told at least once. (Only
// a run that is killed between its import and this call leaves its changes untold.) The hook's output goes to out, each
// line after "hook: ". Without files, or if they changed nothing, only what is left of earlier runs is told.
//
// The caller holds the node's lock. It calls this at the end of each run that may import, also of one that ended with an
// error or was interrupted: then the changes are kept for the next run.
func (n *node) afterImport(ctx context.Context, out io.Writer, files []imported) error {
	if len(n.Hooks.AfterImport) == 0 || slices.ContainsFunc(files, func(f imported) bool { return f.DryRun }) {
		return nil
	}
	h, err := n.pendingHook(out)
	if err != nil {
		return err
	}
	if n.addHooked(h, files) {
		if err := n.keepHooked(h); err != nil {
			return err
		}
	}
	if len(h.Files) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := n.runHook(ctx, out, h); err != nil {
		return fmt.Errorf("%w: it is tried again at the next run", err)
	}
	if err := os.Remove(n.hookFile()); err != nil {
		return fmt.Errorf("the hook has ended well, and will run again for the same changes: %w", err)
	}
	return nil
}

func (n *node) hookFile() string { return filepath.Join(n.home, "hook.json") }

// pendingHook reads what earlier runs left. Of a file that cannot be understood nothing is known but that something was left.
func (n *node) pendingHook(out io.Writer) (*hooked, error) {
	h := &hooked{}
	b, err := os.ReadFile(n.hookFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read what is left for the hook: %w", err)
	case json.Unmarshal(b, h) != nil:
		fmt.Fprintf(out, "omsync: warning: %s is damaged: the hook is not told what earlier runs left for it\n", n.hookFile())
		if err := os.Remove(n.hookFile()); err != nil {
			return nil, fmt.Errorf("remove what is left for the hook: %w", err)
		}
		h = &hooked{}
	}
	return h, nil
}

// addHooked adds what the files changed, and says whether they did change something.
func (n *node) addHooked(h *hooked, files []imported) bool {
	changed := false
	for _, f := range files {
		if f.Inserted+f.Updated+f.Deleted == 0 {
			continue
		}
		if !changed && h.Since.IsZero() {
			h.Since = time.Now().UTC().Truncate(time.Second)
		}
		changed = true
		h.Files = append(h.Files, f.File)
		if !slices.Contains(h.Peers, f.Sender) {
			h.Peers = append(h.Peers, f.Sender)
		}
		for _, t := range f.Tables {
			if t.Inserted+t.Updated+t.Deleted == 0 {
				continue
			}
			i := slices.IndexFunc(h.Tables, func(x hookedTable) bool { return x.Table == t.Table })
			if i < 0 {
				i = len(h.Tables)
				h.Tables = append(h.Tables, hookedTable{Table: t.Table})
			}
			h.Tables[i].Inserted += t.Inserted
			h.Tables[i].Updated += t.Updated
			h.Tables[i].Deleted += t.Deleted
		}
	}
	if changed {
		h.Node = n.Node
		if d, err := parseDSN(n.DSN); err == nil {
			h.Database = d.DBName
		}
		h.Files = h.Files[max(0, len(h.Files)-maxHookFiles):]
		slices.Sort(h.Peers)
		slices.SortFunc(h.Tables, func(a, b hookedTable) int { return strings.Compare(a.Table, b.Table) })
	}
	return changed
}

// keepHooked writes what the hook is to be told, so that it outlasts a loss of power.
func (n *node) keepHooked(h *hooked) error {
	b, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("keep what the hook is to be told: %w", err)
	}
	if err := durable.Write(n.hookFile(), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep what the hook is to be told: %w", err)
	}
	return nil
}

// hookGrace is how long a hook that was told to end may take for it, and how long what it left running may keep its output.
const hookGrace = 3 * time.Second

// runHook runs the hook to its end or its timeout.
func (n *node) runHook(ctx context.Context, out io.Writer, h *hooked) error {
	limit := hookTimeout
	if n.Hooks.Timeout > 0 {
		limit = time.Duration(n.Hooks.Timeout)
	}
	home, err := filepath.Abs(n.home)
	if err != nil {
		return err
	}
	input, err := json.Marshal(h)
	if err != nil {
		return err
	}
	run, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name := n.Hooks.AfterImport[0]
	if filepath.Base(name) != name && !filepath.IsAbs(name) { // a mere name is looked for in PATH
		name = filepath.Join(home, name)
	}
	c := exec.CommandContext(run, name, n.Hooks.AfterImport[1:]...)
	c.Env = append(os.Environ(), "OMSYNC_NODE="+n.Node, "OMSYNC_HOME="+home, hookEnv+"=1")
	c.Stdin = bytes.NewReader(append(input, '\n'))
	lines := &prefixed{out: out, prefix: "hook: "}
	defer lines.end()
	c.Stdout, c.Stderr = lines, lines
	c.WaitDelay = hookGrace
	own(c)
	err = c.Run()
	if run.Err() != nil {
		killAll(c)
	}
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay) && run.Err() == nil: // it ended with 0, and left something running
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("hook %s was interrupted: %w", name, ctx.Err())
	case run.Err() != nil:
		return fmt.Errorf("hook %s took longer than %s and was stopped", name, limit)
	case errors.As(err, &exit) && exit.Exited():
		return fmt.Errorf("hook %s ended with %d", name, exit.ExitCode())
	case errors.As(err, &exit):
		return fmt.Errorf("hook %s was killed (%w)", name, err)
	}
	return fmt.Errorf("run the hook: %w", err)
}

// prefixed writes whole lines after a prefix. A very long line comes in pieces.
type prefixed struct {
	out    io.Writer
	prefix string
	line   []byte
}

const maxHookLine = 8192

func (p *prefixed) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if b[0] == '\n' {
			p.flush()
			b = b[1:]
			continue
		}
		if len(p.line) == maxHookLine {
			p.flush()
		}
		take := bytes.IndexByte(b, '\n')
		if take < 0 {
			take = len(b)
		}
		take = min(take, maxHookLine-len(p.line))
		p.line = append(p.line, b[:take]...)
		b = b[take:]
	}
	return n, nil // a terminal that is gone must not end the hook
}

func (p *prefixed) flush() {
	fmt.Fprintf(p.out, "%s%s\n", p.prefix, bytes.TrimSuffix(p.line, []byte("\r")))
	p.line = p.line[:0]
}

func (p *prefixed) end() {
	if len(p.line) > 0 {
		p.flush()
	}
}
