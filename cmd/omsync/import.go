package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange"
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
		Use:   "import [--from FOLDER | FILE...]",
		Short: "Apply batches for this node",
		Long: `Apply the batches for this node that are in a folder, or the files named; with neither, those that pull or serve put
into the inbox. Of a folder, files for other nodes are left alone. Each file is applied whole or not at all, and once: a file
that was applied before changes nothing.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runImport(cmd, g, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "the folder")
	f.BoolVar(&o.dryRun, "dry-run", false, "do it all, report what would change per table, and take it back")
	f.BoolVar(&o.json, "json", false, "one JSON object for each file, a line each")
	return cmd
}

func runImport(cmd *cobra.Command, g *global, o *importOptions, args []string) error {
	ctx := cmd.Context()
	if o.from != "" && len(args) > 0 {
		return hinted(errors.New("import what?"), "either --from FOLDER, or files by name, or neither: then what is in the inbox")
	}
	n, err := g.openAll(cmd, true)
	if err != nil {
		return err
	}
	defer n.Close()
	x := n.exchange(cmd)
	run := &importing{node: n, cmd: cmd, dryRun: o.dryRun, json: o.json, moved: map[string]bool{}}
	begin := func() error { return n.follow(ctx) }
	if err := run.hooked(ctx, func() error { return o.run(ctx, x, args, begin, run) }); err != nil {
		return err
	}
	if run.files == 0 && !o.json {
		where := o.from
		if where == "" {
			where = "the inbox"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "nothing for %s in %s\n", n.Node, where)
	}
	return run.end()
}

// run imports what the command line says.
func (o *importOptions) run(ctx context.Context, x *exchange.Node, args []string, begin func() error, run *importing) error {
	if o.from == "" && len(args) == 0 && !o.dryRun {
		_, err := x.ImportInbox(ctx, nil, begin, run.print)
		return err
	}
	var files []*exchange.Incoming
	for _, path := range args {
		files = append(files, &exchange.Incoming{Name: path, Open: func() (*os.File, int64, error) { return openFile(path) }})
	}
	if len(args) == 0 {
		open := func() (*transport.Folder, error) { return transport.OpenFolder(o.from) }
		if o.from == "" {
			open = func() (*transport.Folder, error) { return exchange.Inbox(x.Home) }
		}
		folder, err := open()
		if err != nil {
			return err
		}
		defer folder.Close()
		if files, err = exchange.FilesIn(ctx, folder, func(name string) string { return filepath.Join(o.from, name) }); err != nil {
			return err
		}
	}
	return x.Import(ctx, files, exchange.ImportOptions{DryRun: o.dryRun, Folder: len(args) == 0}, begin, run.print)
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

// importing prints what comes of files, and remembers what the exit code depends on.
type importing struct {
	*node
	cmd          *cobra.Command
	dryRun, json bool
	terse        bool // says nothing of files that were covered

	files     int
	moved     map[string]bool // senders of whom something is applied
	waiting   []*apply.Report
	done      []imported
	conflicts int
	refused   int64
	errs      errorList
}

// hooked does imports, and then tells the hook of them, also if one ended early: what came before it is in the database.
func (r *importing) hooked(ctx context.Context, imports func() error) error {
	err := imports()
	if r.dryRun {
		return err
	}
	if e := r.afterImport(ctx, r.cmd.ErrOrStderr(), r.done); e != nil {
		r.errs = append(r.errs, e)
	}
	return err
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

// print prints what came of a file.
func (r *importing) print(f *exchange.Result) error {
	r.files++
	if f.Err != nil {
		return r.failed(f)
	}
	p := f.Report
	switch p.Outcome {
	case apply.Applied, apply.Covered:
		r.moved[p.Sender] = true
	case apply.Gap, apply.Refused:
		r.waiting = append(r.waiting, p)
	}
	r.conflicts += p.Conflicts
	r.refused += p.Refused
	out := r.cmd.OutOrStdout()
	line := importedFile(f, r.dryRun)
	r.done = append(r.done, line)
	if r.json {
		return printJSON(out, line)
	}
	for _, note := range p.Notes {
		r.journal.Warn("%s", note)
	}
	name := printable(f.Name)
	if p.Outcome == apply.Covered && r.terse {
		return nil
	}
	if p.Outcome != apply.Applied {
		_, err := fmt.Fprintf(out, "%s: %s: %s\n", name, p.Outcome, p.Why)
		return err
	}
	what := p.Outcome
	if r.dryRun {
		what = "would be applied"
	}
	if p.Part != 0 {
		what += fmt.Sprintf(", part %d", p.Part)
	}
	fmt.Fprintf(out, "%s: %s, epochs %d to %d of %s: %s\n", name, what, p.Base, p.Upto, p.Sender,
		counts(p.Inserted, p.Updated, p.Deleted, p.Unchanged, p.Refused, int64(p.Conflicts)))
	if r.dryRun {
		for _, t := range line.Tables {
			fmt.Fprintf(out, "  %s: %s\n", t.Table, counts(t.Inserted, t.Updated, t.Deleted, t.Unchanged, t.Refused, 0))
		}
	}
	return nil
}

// importedFile is what is told of a file that was read.
func importedFile(f *exchange.Result, dryRun bool) imported {
	p := f.Report
	line := imported{File: f.Name, Sender: p.Sender, Outcome: p.Outcome, Base: p.Base, Upto: p.Upto, Part: p.Part, Inserted: p.Inserted, Updated: p.Updated,
		Deleted: p.Deleted, Unchanged: p.Unchanged, Refused: p.Refused, Conflicts: p.Conflicts, DryRun: dryRun, Notes: p.Notes, Why: p.Why}
	for _, t := range p.Tables {
		if t != (apply.TableReport{Table: t.Table}) {
			line.Tables = append(line.Tables, importedTable(t))
		}
	}
	return line
}

// failed takes down a file that could not be applied.
func (r *importing) failed(f *exchange.Result) error {
	err := r.advise(f.Err)
	if r.json {
		line := imported{File: f.Name, Outcome: apply.Refused, DryRun: r.dryRun, Why: err.Error()}
		if f.Header != nil {
			line.Sender, line.Base, line.Upto, line.Part = f.Header.Sender, f.Header.Base.Epoch, f.Header.Upto.Epoch, f.Header.Part
		}
		if err := printJSON(r.cmd.OutOrStdout(), line); err != nil {
			return err
		}
	}
	r.errs = append(r.errs, fmt.Errorf("%s: %w", printable(f.Name), err))
	return nil
}

// advise says what to do about a sender that this node does not listen to.
func (n *node) advise(err error) error {
	var s *exchange.SenderError
	switch {
	case !errors.As(err, &s):
		return err
	case s.State == "":
		return hinted(err, "omsync --home %s peer add CARD, if it should be one", n.home)
	}
	return hinted(err, "omsync --home %s peer resume %s", n.home, s.Name)
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
func (r *importing) end() error {
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
	if r.dryRun {
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
