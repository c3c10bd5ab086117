package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/undo"
)

type undoOptions struct {
	peer, since       string
	tables            []string
	dryRun, yes, list bool
	json              bool
}

func newUndo(g *global) *cobra.Command {
	o := &undoOptions{}
	cmd := &cobra.Command{
		Use:   "undo --peer NAME --since TIME",
		Short: "Take back what came from a peer",
		Long: `Take back what came from a peer since a time, for example since its computer was stolen: rows that it added are deleted,
values that it changed become what they were, rows that it deleted are inserted again, and rows of it that wait are forgotten. All this is done as
somebody would in OpenMRS, in one transaction, so that it goes to all other nodes with the next exchange.

Some things stay, and are counted: a row that it added and that others' rows refer to, or that others have changed since; a value
of which nobody knows what was there before, which is known only where the two were in conflict; and a deleted row that is no
longer kept, or refers to one that is not here. --list names each row.

With --table it is done in some tables only, where all at once is too much: deleted rows come back if what they refer to is here, so
take tables first that others refer to; an added row goes when nothing refers to it any more, so take the same ones once more at the end.

Since when counts by the clock of this computer, and by when a file was applied here. TIME is 2026-11-20,
"2026-11-20 14:00", 14:00 (today), or how long ago: 90m, 12h, 3d, 2w. On a terminal you are asked before anything is changed; a
script says --yes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUndo(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.peer, "peer", "", "from which peer")
	f.StringVar(&o.since, "since", "", "since when")
	f.StringArrayVar(&o.tables, "table", nil, "only in this table; may be given several times")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and change nothing")
	f.BoolVar(&o.yes, "yes", false, "do it without asking")
	f.BoolVar(&o.list, "list", false, "name each row")
	f.BoolVar(&o.json, "json", false, "one JSON object for each table, a line each")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "yes")
	return cmd
}

func runUndo(cmd *cobra.Command, g *global, o *undoOptions) error {
	if o.peer == "" || o.since == "" {
		return failure.Hinted(errors.New("say from which peer, and since when"), "omsync undo --peer NAME --since 2026-11-20 --dry-run")
	}
	since, err := parseSince(o.since, time.Now())
	if err != nil {
		return err
	}
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	ctx := cmd.Context()
	p, err := journal.PeerByName(ctx, n.DB, o.peer, false)
	if err != nil {
		return err
	}
	if p == nil {
		return n.NoPeer(o.peer)
	}
	if err := n.Reconcile(ctx); err != nil {
		return err
	}
	if p.State.Exchanges() {
		n.Journal.Warn("%s is not suspended: what it sends goes on to be applied. First: omsync --home %s peer suspend %s", p.Name, n.Home, p.Name)
	}
	wait := n.Exchange().Wait
	options := undo.Options{Peer: p, Since: since, Tables: o.tables, DryRun: true, Wait: wait, Seal: func(ctx context.Context) error {
		_, err := capture.Seal(ctx, n.Journal, wait)
		return err
	}}
	return o.run(cmd, n, options)
}

// run shows what would be done, and does it if a person agrees.
func (o *undoOptions) run(cmd *cobra.Command, n *node.Node, options undo.Options) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	found, err := undo.Undo(ctx, n.Journal, options)
	if err != nil {
		return err
	}
	if err := o.print(out, found); err != nil {
		return err
	}
	if len(found.Tables) == 0 {
		_, err := fmt.Fprintf(cmd.ErrOrStderr(), "nothing that is here came from %s since %s\n", o.peer, options.Since.Format("2006-01-02 15:04"))
		return err
	}
	if o.dryRun {
		return nil
	}
	if !o.yes {
		ok, err := confirm(ctx, cmd, "Take this back?")
		if errors.Is(err, errNotTerminal) {
			return failure.Hinted(fmt.Errorf("nothing was changed, and %w", err), "--dry-run says what would be done, --yes does it")
		}
		if err != nil || !ok {
			return err
		}
	}
	options.DryRun = false
	done, err := undo.Undo(ctx, n.Journal, options)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(done, found) {
		n.Journal.Warn("the application was at work meanwhile, and this is what was done:")
		if err := o.print(out, done); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "done: it goes to the other nodes with the next exchange\n")
	return err
}

// undone is the JSON object of a table.
type undone struct {
	Table     string      `json:"table"`
	Deleted   int64       `json:"deleted"`
	Kept      int64       `json:"kept"`
	PutBack   int64       `json:"put_back"`
	Unknown   int64       `json:"unknown"`
	Inserted  int64       `json:"inserted"`
	Missing   int64       `json:"missing"`
	Forgotten int64       `json:"forgotten"`
	Rows      []undoneRow `json:"rows,omitempty"`
}

type undoneRow struct {
	Key  string `json:"key"`
	What string `json:"what"`
	Left bool   `json:"left"`
}

// print prints a line for each table, and with --list one for each row.
func (o *undoOptions) print(out io.Writer, r *undo.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if !o.json && len(r.Tables) > 0 {
		fmt.Fprintln(w, "TABLE\tDELETED\tADDED, STAY\tAS BEFORE\tCHANGED, STAY\tINSERTED AGAIN\tDELETED, STAY SO\tWAITED, GO")
	}
	for _, t := range r.Tables {
		if !o.json {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", t.Table, t.Deleted, t.Kept, t.PutBack, t.Unknown, t.Inserted, t.Missing, t.Forgotten)
			continue
		}
		line := undone{Table: t.Table, Deleted: t.Deleted, Kept: t.Kept, PutBack: t.PutBack, Unknown: t.Unknown, Inserted: t.Inserted, Missing: t.Missing, Forgotten: t.Forgotten}
		for _, row := range t.Rows {
			if o.list {
				line.Rows = append(line.Rows, undoneRow(row))
			}
		}
		if err := printJSON(out, line); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil || !o.list || o.json {
		return err
	}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			if _, err := fmt.Fprintf(out, "%s %s %s\n", t.Table, failure.Printable(row.Key), row.What); err != nil {
				return err
			}
		}
	}
	return nil
}
