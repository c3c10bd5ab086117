package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/transport"
)

type importOptions struct {
	from   string
	dryRun bool
	json   bool
}

func newImport(g *global) *cobra.Command {
	o := &importOptions{}
	cmd := &cobra.Command{
		Use:   "import --from FOLDER | FILE...",
		Short: "Apply batches for this node",
		Long: `Apply the batches for this node that are in a folder, or the files named. Of a folder, files for other nodes are left
alone. Each file is applied whole or not at all, and once: a file that was applied before changes nothing.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runImport(cmd, g, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "the folder")
	f.BoolVar(&o.dryRun, "dry-run", false, "do it all, report what would change per table, and take it back")
	f.BoolVar(&o.json, "json", false, "one JSON object for each file, a line each")
	return cmd
}

// incoming is a file to import.
type incoming struct {
	name   string // as the user knows it
	open   func() (*os.File, int64, error)
	header *batch.Header
	sender *journal.Peer // as it was before the run
}

func runImport(cmd *cobra.Command, g *global, o *importOptions, args []string) error {
	ctx := cmd.Context()
	if (o.from == "") == (len(args) == 0) {
		return hinted(errors.New("import what?"), "either --from FOLDER, or files by name")
	}
	n, err := g.open(true)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.loadKeys(); err != nil {
		return err
	}
	if err := n.load(ctx, cmd); err != nil {
		return err
	}
	already, err := readSeen(n.home)
	if err != nil {
		return err
	}
	run := &importRun{node: n, cmd: cmd, o: o, seen: already, moved: map[string]bool{}, senders: map[string]*journal.Peer{}}
	if o.from != "" {
		if run.folder, err = transport.OpenFolder(o.from); err != nil {
			return err
		}
		defer run.folder.Close()
	}
	files, err := run.collect(ctx, args)
	if err != nil {
		return err
	}
	files, err = run.mine(ctx, files)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		if err := n.follow(ctx); err != nil {
			return err
		}
		if _, err := capture.Seal(ctx, n.journal, 0); err != nil && !errors.Is(err, journal.ErrBusy) {
			return err
		}
		if err := run.all(ctx, files); err != nil {
			return err
		}
	} else if len(run.errs) == 0 && !o.json {
		fmt.Fprintf(cmd.OutOrStdout(), "nothing for %s in %s\n", n.Node, o.from)
	}
	return run.end()
}

// importRun is one run over several files: what is wrong with one does not keep the others out.
type importRun struct {
	*node
	cmd       *cobra.Command
	o         *importOptions
	folder    *transport.Folder // nil: files by name
	seen      *seen
	senders   map[string]*journal.Peer
	moved     map[string]bool // senders of whom something is applied
	waiting   []*apply.Report
	conflicts int
	refused   int64
	errs      errorList
}

// collect lists the files.
func (r *importRun) collect(ctx context.Context, args []string) ([]*incoming, error) {
	var out []*incoming
	if r.o.from == "" {
		for _, path := range args {
			out = append(out, &incoming{name: path, open: func() (*os.File, int64, error) { return openFile(path) }})
		}
		return out, nil
	}
	entries, err := r.folder.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		out = append(out, &incoming{name: filepath.Join(r.o.from, e.Name), open: func() (*os.File, int64, error) { return r.folder.Open(ctx, e.Name) }})
	}
	return out, nil
}

// openFile opens a regular file: a pipe cannot be read twice.
func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, 0, hinted(fmt.Errorf("%s is not a file", path), "for a folder: --from")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// mine reads the headers and keeps the files that are for this node and from its peers.
func (r *importRun) mine(ctx context.Context, files []*incoming) ([]*incoming, error) {
	var out []*incoming
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := f.readHeader()
		if err == nil && f.header.Receiver != r.Node {
			if r.o.from != "" {
				continue
			}
			err = coded(exitTrust, "it is for the node %s, and this is %s", printable(f.header.Receiver), r.Node)
		}
		if err == nil {
			if f.sender, err = r.sender(ctx, f.header.Sender); err != nil && !errors.Is(err, errUntrusted) {
				return nil, err
			}
		}
		if err != nil {
			if err := r.failed(f, err); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, f)
	}
	return out, nil
}

func (f *incoming) readHeader() error {
	file, _, err := f.open()
	if err != nil {
		return err
	}
	defer file.Close()
	f.header, err = batch.ReadHeader(file)
	return err
}

// sender finds the peer that a file says it is from. The signature is checked later.
func (r *importRun) sender(ctx context.Context, name string) (*journal.Peer, error) {
	p, ok := r.senders[name]
	if !ok {
		var err error
		if p, err = journal.PeerByName(ctx, r.db, name, false); err != nil {
			return nil, err
		}
		r.senders[name] = p
	}
	switch {
	case p == nil:
		return nil, hinted(fmt.Errorf("%w: it is from %s, which is no peer of this node", errUntrusted, printable(name)), "omsync --home %s peer add CARD, if it should be one", r.home)
	case p.State != "active":
		return nil, hinted(fmt.Errorf("%w: it is from %s, which is %s", errUntrusted, name, p.State), "omsync --home %s peer resume %s", r.home, name)
	}
	return p, nil
}

// all applies the files: those that reach furthest first, in order; then the rest, of which most is covered by then. What
// their headers acknowledge counts all the same, and if one of the first is damaged, another may stand in for it.
func (r *importRun) all(ctx context.Context, files []*incoming) error {
	files, err := r.fresh(files)
	if err != nil {
		return err
	}
	headers := make([]*batch.Header, len(files))
	for i, f := range files {
		headers[i] = f.header
	}
	plan, err := apply.Plan(ctx, r.journal, headers)
	if err != nil {
		return err
	}
	planned := make([]bool, len(files))
	for _, i := range plan {
		planned[i] = true
	}
	var rest []int
	for i := range files {
		if !planned[i] {
			rest = append(rest, i)
		}
	}
	slices.SortStableFunc(rest, func(a, b int) int {
		return cmp.Or(cmp.Compare(headers[a].Upto.Epoch, headers[b].Upto.Epoch), cmp.Compare(headers[a].Part, headers[b].Part))
	})
	for _, i := range append(slices.Clone(plan), rest...) {
		if err := r.one(ctx, files[i]); err != nil {
			return err
		}
	}
	return r.seen.save()
}

// fresh leaves out what was applied at an earlier run and still lies in the folder. Of files by name none is left out.
func (r *importRun) fresh(files []*incoming) ([]*incoming, error) {
	var out []*incoming
	for _, f := range files {
		h := f.header
		if r.o.from == "" || h.Upto.Epoch > f.sender.Link.Applied.Epoch || !r.seen.has(h) {
			out = append(out, f)
			continue
		}
		err := r.print(f, &apply.Report{Sender: h.Sender, Outcome: apply.Covered, Base: h.Base.Epoch, Upto: h.Upto.Epoch, Part: h.Part, Why: "applied before"})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// one applies a file and prints what came of it. The error is one that stops the run.
func (r *importRun) one(ctx context.Context, f *incoming) error {
	file, size, err := f.open()
	if err != nil {
		return r.failed(f, err)
	}
	defer file.Close()
	card, err := keys.ParseCard(f.sender.Card)
	if err != nil {
		return fmt.Errorf("card of %s: %w", f.sender.Name, err)
	}
	bar := newProgress(r.cmd, "from "+f.sender.Name)
	report, err := apply.Import(ctx, r.journal, file, size, apply.Options{
		DryRun: r.o.dryRun, Wait: gateWait, Policy: r.policy(), Decrypt: r.keys.Decrypt, Progress: bar.show,
		Seal: func(ctx context.Context) error {
			_, err := capture.Seal(ctx, r.journal, gateWait)
			return err
		},
		Verify: func(h *batch.Header, message, signature []byte) error {
			if h.Sender != f.sender.Name || h.Receiver != r.Node { // the file was exchanged since its header was read
				return fmt.Errorf("%w: it is from %s for %s", errUntrusted, printable(h.Sender), printable(h.Receiver))
			}
			return card.VerifySignature(message, signature)
		},
	})
	bar.done()
	if err != nil {
		return r.failed(f, err)
	}
	return r.print(f, report)
}

// policy says who wins, as the configuration has it.
func (n *node) policy() func(table string) merge.Policy {
	return func(table string) merge.Policy {
		switch n.Policy[table] {
		case "parent":
			return merge.Parent
		case "child":
			return merge.Child
		}
		return merge.Newest
	}
}

// imported is the JSON object of a file.
type imported struct {
	File      string          `json:"file"`
	Sender    string          `json:"sender"`
	Outcome   string          `json:"outcome"`
	Base      uint64          `json:"base"`
	Upto      uint64          `json:"upto"`
	Part      uint32          `json:"part,omitempty"`
	Inserted  int64           `json:"inserted"`
	Updated   int64           `json:"updated"`
	Deleted   int64           `json:"deleted"`
	Unchanged int64           `json:"unchanged"`
	Refused   int64           `json:"refused"`
	Conflicts int             `json:"conflicts"`
	DryRun    bool            `json:"dry_run,omitempty"`
	Tables    []importedTable `json:"tables,omitempty"`
	Notes     []string        `json:"notes,omitempty"`
	Why       string          `json:"why,omitempty"`
}

type importedTable struct {
	Table     string `json:"table"`
	Inserted  int64  `json:"inserted"`
	Updated   int64  `json:"updated"`
	Deleted   int64  `json:"deleted"`
	Unchanged int64  `json:"unchanged"`
	Refused   int64  `json:"refused"`
}

// failed takes down a file that could not be applied. What is wrong with more than the file stops the run.
func (r *importRun) failed(f *incoming, err error) error {
	if ctx := r.cmd.Context(); ctx.Err() != nil || errors.Is(err, journal.ErrBusy) || r.db.PingContext(ctx) != nil {
		return err
	}
	if r.o.json {
		line := imported{File: f.name, Outcome: apply.Refused, DryRun: r.o.dryRun, Why: err.Error()}
		if f.header != nil {
			line.Sender, line.Base, line.Upto, line.Part = f.header.Sender, f.header.Base.Epoch, f.header.Upto.Epoch, f.header.Part
		}
		if err := printJSON(r.cmd.OutOrStdout(), line); err != nil {
			return err
		}
	}
	r.errs = append(r.errs, fmt.Errorf("%s: %w", printable(f.name), err))
	return nil
}

// print prints what came of a file, and remembers what the exit code depends on.
func (r *importRun) print(f *incoming, p *apply.Report) error {
	switch p.Outcome {
	case apply.Applied, apply.Covered:
		r.moved[p.Sender] = true
		if !r.o.dryRun {
			r.seen.add(f.header)
		}
	case apply.Gap, apply.Refused:
		r.waiting = append(r.waiting, p)
	}
	r.conflicts += p.Conflicts
	r.refused += p.Refused
	out := r.cmd.OutOrStdout()
	tables := slices.DeleteFunc(slices.Clone(p.Tables), func(t apply.TableReport) bool { return t == apply.TableReport{Table: t.Table} })
	if r.o.json {
		line := imported{File: f.name, Sender: p.Sender, Outcome: p.Outcome, Base: p.Base, Upto: p.Upto, Part: p.Part, Inserted: p.Inserted, Updated: p.Updated,
			Deleted: p.Deleted, Unchanged: p.Unchanged, Refused: p.Refused, Conflicts: p.Conflicts, DryRun: r.o.dryRun, Notes: p.Notes, Why: p.Why}
		for _, t := range tables {
			line.Tables = append(line.Tables, importedTable(t))
		}
		return printJSON(out, line)
	}
	for _, note := range p.Notes {
		r.journal.Warn("%s", note)
	}
	name := printable(f.name)
	if p.Outcome != apply.Applied {
		_, err := fmt.Fprintf(out, "%s: %s: %s\n", name, p.Outcome, p.Why)
		return err
	}
	what := p.Outcome
	if r.o.dryRun {
		what = "would be applied"
	}
	if p.Part != 0 {
		what += fmt.Sprintf(", part %d", p.Part)
	}
	fmt.Fprintf(out, "%s: %s, epochs %d to %d of %s: %s\n", name, what, p.Base, p.Upto, p.Sender,
		counts(p.Inserted, p.Updated, p.Deleted, p.Unchanged, p.Refused, int64(p.Conflicts)))
	if r.o.dryRun {
		for _, t := range tables {
			fmt.Fprintf(out, "  %s: %s\n", t.Table, counts(t.Inserted, t.Updated, t.Deleted, t.Unchanged, t.Refused, 0))
		}
	}
	return nil
}

// counts words what happened to rows.
func counts(inserted, updated, deleted, unchanged, refused, conflicts int64) string {
	out := fmt.Sprintf("%d inserted, %d updated, %d deleted, %d unchanged", inserted, updated, deleted, unchanged)
	if refused > 0 {
		out += fmt.Sprintf(", %d refused", refused)
	}
	if conflicts > 0 {
		out += ", " + count(conflicts, "conflict")
	}
	return out
}

// end says what the exit code should be about: errors first, then what is missing, then conflicts.
func (r *importRun) end() error {
	errs := r.errs
	for _, p := range r.waiting {
		switch {
		case p.Stranger:
			errs = append(errs, coded(exitTrust, "%s", p.Why))
		case p.Outcome == apply.Gap || !r.moved[p.Sender]: // a file of an old history beside newer ones is only old
			errs = append(errs, &failure{exitGap, fmt.Errorf("a batch of %s was not applied: %s", p.Sender, p.Why), ""})
		}
	}
	if len(errs) > 0 {
		return errs
	}
	done := "recorded"
	if r.o.dryRun {
		done = "would be recorded"
	}
	switch {
	case r.conflicts > 0:
		return coded(exitConflicts, "done; %s %s: values that lost against newer ones are kept", count(int64(r.conflicts), "conflict"), done)
	case r.refused > 0:
		return coded(exitConflicts, "done; %s that the sender may not change here left out", count(r.refused, "row"))
	}
	return nil
}

// errorList is several errors of one run. The first that has more to say than 1 gives the exit code.
type errorList []error

func (l errorList) Error() string {
	var lines []string
	for _, e := range l {
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

func (l errorList) Unwrap() []error { return l }

// printable keeps control characters of strangers' names off the terminal.
func printable(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return strconv.Quote(s)
	}
	return s
}
