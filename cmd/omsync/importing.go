package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/hook"
)

// importing prints what comes of files, and remembers what the exit code depends on.
type importing struct {
	node         *node.Node
	out, stderr  io.Writer
	dryRun, json bool
	terse        bool // says nothing of files that were covered

	files     int
	applied   map[string]bool // senders of whom something is applied
	waiting   []*apply.Report
	done      []hook.File
	conflicts int
	refused   int64
	aside     int64 // rows that wait
	retried   int64 // rows that waited and do no more
	errs      failure.List
}

// withHook does imports, and then tells the hook of them, also if one ended early: what came before it is in the database.
func (r *importing) withHook(ctx context.Context, imports func() error) error {
	err := imports()
	if r.dryRun {
		return err
	}
	if e := r.node.Hook().AfterImport(ctx, r.stderr, r.done); e != nil {
		r.errs = append(r.errs, e)
	}
	return err
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
	Waiting   int64           `json:"waiting,omitempty"`
	Retried   int64           `json:"no_longer_waiting,omitempty"`
	Conflicts int             `json:"conflicts"`
	Purged    bool            `json:"purged,omitempty"` // it is no file: a patient who left this node's scope is deleted here
	DryRun    bool            `json:"dry_run,omitempty"`
	Tables    []importedTable `json:"tables,omitempty"`
	Notes     []string        `json:"notes,omitempty"`
	Why       string          `json:"why,omitempty"`
}

type importedTable struct {
	Table      string `json:"table"`
	Inserted   int64  `json:"inserted"`
	Updated    int64  `json:"updated"`
	Deleted    int64  `json:"deleted"`
	Unchanged  int64  `json:"unchanged"`
	Refused    int64  `json:"refused"`
	Waiting    int64  `json:"waiting,omitempty"`
	Retried    int64  `json:"no_longer_waiting,omitempty"`
	Recognised int64  `json:"recognised,omitempty"`
}

// print prints what came of a file.
func (r *importing) print(f *exchange.Result) error {
	if !f.NoFile() {
		r.files++
	}
	if f.Err != nil {
		return r.failed(f)
	}
	p := f.Report
	switch {
	case f.Waited:
		return r.printWaited(p)
	case f.Purged:
		return r.printPurged(p)
	}
	switch p.Outcome {
	case apply.Applied, apply.Covered:
		r.applied[p.Sender] = true
	case apply.Gap, apply.Refused:
		r.waiting = append(r.waiting, p)
	}
	r.conflicts += p.Conflicts
	r.refused += p.Refused
	r.aside += p.Waiting
	out := r.out
	line := importedFile(f, r.dryRun)
	done := hook.Imported(f.Name, p)
	done.DryRun = r.dryRun
	r.done = append(r.done, done)
	if r.json {
		return printJSON(out, line)
	}
	for _, note := range p.Notes {
		r.node.Journal.Warn("%s", note)
	}
	name := failure.Printable(f.Name)
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
		counts(p.Inserted, p.Updated, p.Deleted, p.Unchanged, p.Refused, int64(p.Conflicts))+waitingText(p.Waiting))
	if r.dryRun {
		for _, t := range line.Tables {
			fmt.Fprintf(out, "  %s: %s\n", t.Table, counts(t.Inserted, t.Updated, t.Deleted, t.Unchanged, t.Refused, 0))
		}
	}
	return nil
}

// waitingText is the end of a line that says how many rows wait.
func waitingText(n int64) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", 1 waits"
	}
	return fmt.Sprintf(", %d wait", n)
}

// printWaited prints what came of rows that waited.
func (r *importing) printWaited(p *apply.Report) error {
	r.conflicts += p.Conflicts
	r.retried += p.Retried
	r.aside = max(0, r.aside-p.Retried)
	r.done = append(r.done, hook.Imported("", p))
	if r.json {
		return printJSON(r.out, importedFile(&exchange.Result{Report: p}, r.dryRun))
	}
	_, err := fmt.Fprintf(r.out, "%s of %s that waited: applied: %s\n", count(p.Retried, "row"), p.Sender, counts(p.Inserted, p.Updated, p.Deleted, p.Unchanged, p.Refused, int64(p.Conflicts)))
	return err
}

// printPurged prints what was deleted here of a patient who left this node's scope.
func (r *importing) printPurged(p *apply.Report) error {
	r.done = append(r.done, hook.Imported("", p))
	if r.json {
		return printJSON(r.out, importedFile(&exchange.Result{Report: p, Purged: true}, r.dryRun))
	}
	_, err := fmt.Fprintf(r.out, "a patient who left this node's scope is deleted here, as %s said: %s\n", p.Sender, count(p.Deleted, "row"))
	return err
}

// importedFile is what is told of a file that was read.
func importedFile(f *exchange.Result, dryRun bool) imported {
	p := f.Report
	line := imported{File: f.Name, Sender: p.Sender, Outcome: p.Outcome, Base: p.Base, Upto: p.Upto, Part: p.Part, Inserted: p.Inserted, Updated: p.Updated,
		Deleted: p.Deleted, Unchanged: p.Unchanged, Refused: p.Refused, Waiting: p.Waiting, Retried: p.Retried, Conflicts: p.Conflicts, Purged: f.Purged, DryRun: dryRun, Notes: p.Notes, Why: p.Why}
	for _, t := range p.Tables {
		if t != (apply.TableReport{Table: t.Table}) {
			line.Tables = append(line.Tables, importedTable(t))
		}
	}
	return line
}

// failed notes a file that could not be applied.
func (r *importing) failed(f *exchange.Result) error {
	err := advise(r.node, f.Err)
	if r.json {
		line := imported{File: f.Name, Outcome: apply.Refused, DryRun: r.dryRun, Why: err.Error()}
		if f.Header != nil {
			line.Sender, line.Base, line.Upto, line.Part = f.Header.Sender, f.Header.Base.Epoch, f.Header.Upto.Epoch, f.Header.Part
		}
		if err := printJSON(r.out, line); err != nil {
			return err
		}
	}
	r.errs = append(r.errs, fmt.Errorf("%s: %w", failure.Printable(f.Name), err))
	return nil
}

// advise says what to do about a sender that this node does not listen to.
func advise(n *node.Node, err error) error {
	var s *exchange.SenderError
	var wait *exchange.WaitError
	var aside *exchange.AsideError
	var many *apply.DeletionsError
	switch {
	case errors.As(err, &many):
		return failure.Hinted(err, "omsync --home %s status says how many and whose: if its people meant that, omsync --home %[1]s import --accept-deletions PEER; if not, omsync --home %[1]s peer suspend PEER", n.Home)
	case errors.As(err, &wait):
		return failure.Hinted(err, "omsync --home %s inbox retry has it tried at the next import", n.Home)
	case errors.As(err, &aside):
		return failure.Hinted(err, "omsync --home %s inbox retry has it tried once more, inbox drop FILE throws it away", n.Home)
	case !errors.As(err, &s):
		return err
	case s.State == "":
		return failure.Hinted(err, "omsync --home %s peer add CARD, if it should be one", n.Home)
	}
	return failure.Hinted(err, "omsync --home %s peer resume %s", n.Home, s.Name)
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
			errs = append(errs, failure.Coded(failure.Trust, "%s", p.Why))
		case p.Outcome == apply.Gap || !r.applied[p.Sender]: // a file of an old history beside newer ones is only old
			errs = append(errs, failure.Coded(failure.Gap, "a batch of %s was not applied: %s", p.Sender, p.Why))
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
	case r.aside > 0:
		waits := map[bool]string{true: "waits", false: "wait"}[r.aside == 1]
		return failure.Coded(failure.Conflicts, "done; %s cannot be applied yet and %s: see omsync quarantine list", count(r.aside, "row"), waits)
	case r.conflicts > 0:
		return failure.Coded(failure.Conflicts, "done; %s %s: values that lost against newer ones are kept", count(int64(r.conflicts), "conflict"), done)
	case r.refused > 0:
		return failure.Coded(failure.Conflicts, "done; %s that the sender may not change here left out", count(r.refused, "row"))
	}
	return nil
}
