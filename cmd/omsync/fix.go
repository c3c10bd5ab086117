package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/uuids"
)

// fixOptions are the flags with which doctor changes something.
type fixOptions struct {
	what, from          string
	noCopy, dryRun, yes bool
}

func (o *fixOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.what, "fix", "", "what to mend: uuids")
	f.StringVar(&o.from, "from", "", "the list of uuids of the site that this database is a copy of; with --fix uuids")
	f.BoolVar(&o.noCopy, "no-copy", false, "rows that are in no list were made here, and are in no other database; with --fix uuids")
	f.BoolVar(&o.dryRun, "dry-run", false, "count, and change nothing; with --fix")
	f.BoolVar(&o.yes, "yes", false, "do not ask; with --fix")
}

// asked reports whether anything is to be changed, or a flag says so without --fix.
func (o *fixOptions) asked(cmd *cobra.Command) bool {
	for _, name := range []string{"fix", "from", "no-copy", "dry-run", "yes"} {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// fixedJSON is the JSON object of a run.
type fixedJSON struct {
	Node   string        `json:"node"`
	DryRun bool          `json:"dry_run"`
	List   string        `json:"list,omitempty"` // where the uuids that were given stand
	Tables []uuids.Table `json:"tables"`
}

// aboutCopies is what a person must know before rows get uuids.
const aboutCopies = `A database that is a copy of this one holds the same rows. If both sites gave them random uuids, each row would become two.
What is given here is written to %s: take it to each clinic that was made from a copy of this
database, and run there, before it imports anything: omsync doctor --fix uuids --from uuids.jsonl
`

func runFix(cmd *cobra.Command, g *global, o *fixOptions, asJSON bool) error {
	if o.what != "uuids" {
		return failure.Hinted(fmt.Errorf("doctor cannot mend %q", o.what), "--fix uuids gives a uuid to each row that has none")
	}
	ctx := cmd.Context()
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	child, err := uuids.HasParent(ctx, n.DB)
	if err != nil {
		return err
	}
	todo := uuids.Options{Home: n.Home, From: o.from, Random: o.noCopy || !child && o.from == "", DryRun: true}
	found, bad := uuids.Fix(ctx, n.Journal, todo)
	if found == nil && bad != nil {
		return bad
	}
	out, list := cmd.OutOrStdout(), ""
	if todo.Random {
		list = filepath.Join(n.Home, uuids.ListName)
	}
	given, left := 0, 0
	for _, t := range found {
		given, left = given+t.Given, left+t.Left
	}
	if o.dryRun || given == 0 || !o.yes {
		if err := printFixed(out, fixedJSON{n.Node, true, "", found}, asJSON && (o.dryRun || given == 0)); err != nil {
			return err
		}
	}
	if child && left > 0 && o.from == "" {
		return failure.Hinted(fmt.Errorf("%s may be copies of the parent's: if both sites gave them uuids, each would become two", count(int64(left), "row")),
			"if this database was made from a copy of the parent's, run omsync doctor --fix uuids at the parent first, and give its uuids.jsonl here with --from; "+
				"if these rows were made here, add --no-copy")
	}
	if o.dryRun || given == 0 {
		return bad
	}
	if todo.Random && !child {
		fmt.Fprintf(cmd.ErrOrStderr(), aboutCopies, list)
	}
	if !o.yes {
		switch ok, err := confirm(ctx, cmd, fmt.Sprintf("Give %s a uuid?", count(int64(given), "row"))); {
		case errors.Is(err, errNotTerminal):
			return failure.Hinted(err, "add --yes")
		case err != nil:
			return err
		case !ok:
			return errors.New("nothing was changed")
		}
	}
	if err := n.Reconcile(ctx); err != nil { // what the triggers do not see goes nowhere
		return err
	}
	todo.DryRun = false
	found, bad = uuids.Fix(ctx, n.Journal, todo)
	return errors.Join(printFixed(out, fixedJSON{n.Node, false, list, found}, asJSON), bad)
}

// printFixed prints a line for each table, and one for each row that a person has to look at.
func printFixed(out io.Writer, x fixedJSON, asJSON bool) error {
	if asJSON {
		if x.Tables == nil {
			x.Tables = []uuids.Table{}
		}
		return printJSON(out, x)
	}
	if len(x.Tables) == 0 {
		fmt.Fprintln(out, "no row lacks a uuid")
	}
	verb := "given"
	if x.DryRun {
		verb = "to be given"
	}
	for _, t := range x.Tables {
		fmt.Fprintf(out, "%s: %s %s a uuid", t.Name, count(int64(t.Given), "row"), verb)
		if t.Left > 0 {
			fmt.Fprintf(out, ", %d in no list", t.Left)
		}
		if t.Hub > 0 {
			fmt.Fprintf(out, ", %d that only the parent may give one", t.Hub)
		}
		fmt.Fprintln(out)
		for _, r := range t.Differ {
			fmt.Fprintf(out, "  %s holds other values than where uuids were given; if it is the same row: %s\n", failure.Printable(r.Name), failure.Printable(r.Statement))
		}
		for _, r := range t.Twice {
			fmt.Fprintf(out, "  %s is here a second time, as the row with the uuid %s, which came from the other site: let what refers to the first refer to that, and delete the first\n", failure.Printable(r.Name), r.UUID)
		}
	}
	if !x.DryRun && x.List != "" {
		fmt.Fprintf(out, "written to %s, for sites whose database is a copy of this one\n", x.List)
	}
	return nil
}
