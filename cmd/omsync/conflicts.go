package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/undo"
)

func newConflicts(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conflicts",
		Short: "List, show and settle values that lost because two sites changed the same thing",
		Long: `Where two sites changed the same value without knowing of each other, the later one stays, and the other one is recorded. A
conflict is all that one change lost in one row. It is open until somebody settles it, here or at another site, or until it is older
than conflicts_open_days.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConflictsList(g), newConflictsShow(g), newConflictsResolve(g), newConflictsUndo(g), newConflictsDismiss(g), newPolicy(g))
	return cmd
}

type conflictsFilter struct {
	table, peer, patient, since string
	all, earlier, json          bool
	limit                       int
}

func newConflictsList(g *global) *cobra.Command {
	o := &conflictsFilter{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List conflicts, the newest first",
		Long: `List the conflicts that are open, the newest first, each with whose row it is. With --all also those that are settled or too old to be
open, and rows of which only who changed them and when differs. What differed before omsync was there is counted by table, and listed
with --earlier.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runConflictsList(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.table, "table", "", "only of this table")
	f.StringVar(&o.peer, "peer", "", "only what came over the link to this peer")
	f.StringVar(&o.patient, "patient", "", "only what belongs to the patient with this identifier")
	f.StringVar(&o.since, "since", "", "only what came here since then: 2026-11-20, 12h, 3d")
	f.BoolVar(&o.all, "all", false, "settled and old ones too")
	f.BoolVar(&o.earlier, "earlier", false, "only what differed before omsync was there")
	f.IntVar(&o.limit, "limit", 100, "at most so many; 0: all")
	f.BoolVar(&o.json, "json", false, "one JSON object a line")
	return cmd
}

func (o *conflictsFilter) filter(ctx context.Context, n *node.Node) (f conflicts.Filter, err error) {
	f = conflicts.Filter{Patient: o.patient, All: o.all, Earlier: o.earlier, Limit: o.limit, OpenSince: time.Now().Add(-n.ConflictsOpen()), Table: o.table}
	if t := n.Journal.Catalogue.Table(o.table); t != nil {
		f.Table = t.Name // a table that is no more may still have conflicts
	}
	if o.since != "" {
		if f.Since, err = parseSince(o.since, time.Now()); err != nil {
			return f, err
		}
	}
	if o.peer != "" {
		p, err := journal.PeerByName(ctx, n.DB, o.peer, false)
		switch {
		case err != nil:
			return f, err
		case p == nil:
			return f, failure.Hinted(fmt.Errorf("%s is no peer of this node", failure.Printable(o.peer)), "omsync --home %s peer list names them", n.Home)
		}
		f.Peer = p.ID
	}
	return f, nil
}

func runConflictsList(cmd *cobra.Command, g *global, o *conflictsFilter) error {
	n, err := openToList(cmd, g)
	if err != nil {
		return err
	}
	defer n.Close()
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	f, err := o.filter(ctx, n)
	if err != nil {
		return err
	}
	l, err := conflicts.List(ctx, n.DB, n.Journal, f)
	if err != nil {
		return err
	}
	if o.json {
		for _, e := range l.Conflicts {
			if err := printJSON(out, entryJSON(e)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := printConflicts(out, l); err != nil {
		return err
	}
	return printListing(cmd.ErrOrStderr(), l)
}

// printListing says what the list leaves out.
func printListing(w io.Writer, l *conflicts.Listing) error {
	if len(l.Conflicts) == 0 {
		if _, err := fmt.Fprintln(w, "no conflicts to show"); err != nil {
			return err
		}
	}
	if l.More {
		fmt.Fprintf(w, "there are more: --limit 0 lists them all\n")
	}
	if l.Cut {
		fmt.Fprintln(w, "there are older ones: --table or --since leave out others")
	}
	for _, e := range l.Earlier {
		fmt.Fprintf(w, "%s: %s differed here and there before omsync was there, or since somebody changed them unseen: --earlier --table %[1]s lists them\n", failure.Printable(e.Table), count(e.Rows, "row"))
	}
	return nil
}

func newConflictsShow(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "show CONFLICT",
		Short: "Show both versions of a conflict side by side",
		Long:  "Show both versions of a conflict, by its number in the list, side by side and column by column. They are patients' data.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := openToList(cmd, g)
			if err != nil {
				return err
			}
			defer n.Close()
			id, err := conflictNumber(n, args[0])
			if err != nil {
				return err
			}
			v, err := conflicts.Show(cmd.Context(), n.DB, n.Journal, id, time.Now().Add(-n.ConflictsOpen()).UnixMicro())
			if err != nil {
				return noConflict(n, id, err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), viewJSON(v))
			}
			return printView(cmd.OutOrStdout(), v)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func conflictNumber(n *node.Node, text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, failure.Hinted(fmt.Errorf("%s is no number of a conflict", failure.Printable(text)), "omsync --home %s conflicts list has them", n.Home)
	}
	return id, nil
}

// noConflict adds the number to an error that says that there is none of it.
func noConflict(n *node.Node, id uint64, err error) error {
	if errors.Is(err, journal.ErrNoConflict) {
		return failure.Hinted(fmt.Errorf("there is no conflict %d", id), "omsync --home %s conflicts list --all has their numbers", n.Home)
	}
	return err
}

func newConflictsResolve(g *global) *cobra.Command {
	d := conflicts.Decision{}
	take := ""
	cmd := &cobra.Command{
		Use:   "resolve CONFLICT --take lost|kept",
		Short: "Say which of two values is right",
		Long: `Say which of two values is right: the one that lost is put in its place (--take lost), or the one that was kept is confirmed (--take
kept). A row that was deleted comes back whole. That is an edit as one in the application: it goes to all other nodes with the next
exchange, and settles the conflict there too. omsync conflicts undo takes it back.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch take {
			case "lost":
				d.How = merge.TookLost
			case "kept":
				d.How = merge.TookKept
			default:
				return failure.Hinted(errors.New("say which value to take: --take lost or --take kept"), "omsync conflicts show %s has both", failure.Printable(args[0]))
			}
			return runDecide(cmd, g, args, d)
		},
	}
	cmd.Flags().StringVar(&take, "take", "", "which value is right: lost or kept")
	cmd.Flags().StringVar(&d.Column, "column", "", "only in this column")
	cmd.Flags().BoolVar(&d.Anyway, "anyway", false, "take the lost value though the kept one was changed again since")
	return cmd
}

func newConflictsUndo(g *global) *cobra.Command {
	d := conflicts.Decision{How: merge.Open}
	cmd := &cobra.Command{
		Use:   "undo CONFLICT",
		Short: "Take back what was decided about a conflict",
		Long: `Take back what was decided about a conflict, here or at another site: the value that was there before is put back, a row that came back
is deleted again unless something refers to it, and the conflict is open again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runDecide(cmd, g, args, d) },
	}
	cmd.Flags().StringVar(&d.Column, "column", "", "only in this column")
	return cmd
}

func newConflictsDismiss(g *global) *cobra.Command {
	d := conflicts.Decision{How: merge.Dismissed}
	cmd := &cobra.Command{
		Use:   "dismiss CONFLICT...",
		Short: "Settle conflicts that need nothing done",
		Long:  "Settle conflicts of which nothing need be done: no value changes. omsync conflicts undo opens them again.",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return runDecide(cmd, g, args, d) },
	}
	cmd.Flags().StringVar(&d.Column, "column", "", "only in this column")
	return cmd
}

func runDecide(cmd *cobra.Command, g *global, args []string, d conflicts.Decision) error {
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	ctx := cmd.Context()
	if err := n.Reconcile(ctx); err != nil {
		return err
	}
	wait := n.Exchange().Wait
	o := undo.EditOptions{Wait: wait, Seal: func(ctx context.Context) error {
		_, err := capture.Seal(ctx, n.Journal, wait)
		return err
	}}
	for _, arg := range args {
		if d.ID, err = conflictNumber(n, arg); err != nil {
			return err
		}
		done, err := conflicts.Decide(ctx, n.Journal, o, d)
		if err != nil {
			return noConflict(n, d.ID, err)
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), doneText(d, done)); err != nil {
			return err
		}
	}
	return nil
}

// doneText says what a decision did.
func doneText(d conflicts.Decision, done *conflicts.Done) string {
	what := map[merge.How]string{merge.TookLost: "took the lost value", merge.TookKept: "took the kept value", merge.Dismissed: "dismissed", merge.Open: "open again"}[d.How]
	about := done.Table
	if len(done.Columns) > 0 {
		about += "." + strings.Join(done.Columns, ", ")
	}
	text := fmt.Sprintf("conflict %d (%s): %s", d.ID, about, what)
	switch {
	case done.Inserted:
		text += "; the row is back"
	case done.Deleted:
		text += "; the row is deleted"
	case d.How == merge.Open && len(done.Set) > 0:
		text += "; the value of before is back"
	}
	if d.How != merge.Dismissed {
		text += ". It goes to the other nodes with the next exchange"
	}
	return failure.Printable(text)
}

// printConflicts prints a line for each conflict.
func printConflicts(out io.Writer, l *conflicts.Listing) error {
	w := newTable(out)
	for i, e := range l.Conflicts {
		if i == 0 {
			fmt.Fprintln(w, "CONFLICT\tTABLE\tCOLUMNS\tLOST\tKEPT\tLINK\tSTATE\tROW")
		}
		x := entryJSON(e)
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, failure.Printable(x.Table), failure.Printable(journal.Cut(strings.Join(x.Columns, ", "), maxCell)), x.Lost.text(), x.Kept.text(), x.Link, x.State, failure.Printable(x.Row))
	}
	return w.Flush()
}
