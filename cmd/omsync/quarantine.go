package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
)

// waitingChoice is the flags and arguments that choose rows that wait.
type waitingChoice struct {
	peer, table, reason string
	json, dropped       bool
}

func newQuarantine(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List, show, retry and drop rows that came and cannot be applied yet",
		Long: `A row that cannot be applied waits, and the rest of its file is applied. It waits for a row that it refers to
(reference), for a value that another row has and only one may have (unique), for a column that takes its value (value), for a clock
(stamp), or for one version of the application at both sites (schema). Each import tries it again; its sender's next version of the row takes its place.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.Long += `
What is dropped is kept as long as deleted rows (keep_deleted_days), a week at least, and with retry --dropped it waits again.`
	cmd.AddCommand(newQuarantineList(g), newQuarantineShow(g), newQuarantineRetry(g), newQuarantineDrop(g))
	return cmd
}

// flags adds those that choose rows.
func (o *waitingChoice) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.peer, "peer", "", "only rows that this peer sent")
	f.StringVar(&o.table, "table", "", "only rows of this table")
	f.StringVar(&o.reason, "reason", "", "only rows that wait for this reason: reference, unique, value, stamp or schema")
}

// droppedFlag adds the flag that chooses rows that were dropped.
func (o *waitingChoice) droppedFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.dropped, "dropped", false, "rows that were dropped, by their numbers in quarantine list --dropped")
}

// filter returns what the flags and numbers choose. Without any it chooses all.
func (o *waitingChoice) filter(ctx context.Context, n *node.Node, ids []string) (f journal.WaitingFilter, err error) {
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
	if o.table != "" {
		t := n.Journal.Tables[o.table]
		if t == nil {
			return f, fmt.Errorf("no table %s is exchanged here", failure.Printable(o.table))
		}
		f.Table = t.ID
	}
	if f.Reason = journal.ReasonCode(o.reason); o.reason != "" && !slices.Contains(journal.Reasons(), f.Reason) {
		return f, fmt.Errorf("no row waits for the reason %s: it is reference, unique, value, stamp or schema", failure.Printable(o.reason))
	}
	for _, s := range ids {
		id, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return f, failure.Hinted(fmt.Errorf("%s is no number of a row that waits", failure.Printable(s)), "omsync --home %s quarantine list has them", n.Home)
		}
		f.IDs = append(f.IDs, id)
	}
	return f, nil
}

// waitingJSON is the JSON object of a row that waits.
type waitingJSON struct {
	ID       uint64                 `json:"id"`
	Peer     string                 `json:"peer"`
	Table    string                 `json:"table"`
	Key      string                 `json:"key"`
	Reason   string                 `json:"reason"`
	Column   string                 `json:"column,omitempty"`
	Awaits   string                 `json:"waits_for_row_of,omitempty"`
	Deletion bool                   `json:"deletion,omitempty"`
	Lost     bool                   `json:"lost_at_sender,omitempty"`
	Since    time.Time              `json:"since"`
	Tried    time.Time              `json:"tried"`
	Tries    int                    `json:"tries"`
	Why      string                 `json:"why"`
	Values   map[string]*string     `json:"values,omitempty"`
	Refers   map[string]referedJSON `json:"references,omitempty"`
	Dropped  *droppedJSON           `json:"dropped,omitempty"`
}

// waitingObject is the JSON object of a row.
func waitingObject(m *node.Names, q journal.WaitingRow, values bool) waitingJSON {
	out := waitingJSON{ID: q.ID, Peer: m.Peer(q.Peer), Table: m.Table(q.Table), Key: q.Key, Reason: string(q.Reason.Code), Column: q.Reason.Column,
		Awaits: m.Table(q.Reason.AwaitedTable), Deletion: !q.Alive, Lost: q.Lost, Since: time.UnixMicro(q.Since).UTC(), Tried: time.UnixMicro(q.Tried).UTC(), Tries: q.Tries, Why: q.Reason.Text}
	if d := q.Dropped; d.At > 0 {
		out.Dropped = &droppedJSON{time.UnixMicro(d.At).UTC(), d.By, d.Why}
	}
	if !values {
		return out
	}
	out.Values, out.Refers = map[string]*string{}, map[string]referedJSON{}
	for column, v := range q.Content {
		if v.Table != "" && v.Text != nil {
			out.Refers[column] = referedJSON{v.Table, *v.Text}
		} else {
			out.Values[column] = v.Text
		}
	}
	return out
}

// openToList opens the node as a command that only reads does.
func openToList(cmd *cobra.Command, g *global) (*node.Node, error) {
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return nil, err
	}
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func newQuarantineList(g *global) *cobra.Command {
	o := &waitingChoice{}
	limit := 0
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the rows that wait, and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := openToList(cmd, g)
			if err != nil {
				return err
			}
			defer n.Close()
			f, err := o.filter(cmd.Context(), n, nil)
			if err != nil {
				return err
			}
			f.Limit = limit
			if o.dropped {
				return listDropped(cmd.Context(), cmd.OutOrStdout(), n, f, o.json)
			}
			f.NotDropped = true
			return listWaiting(cmd.Context(), cmd.OutOrStdout(), n, f, o.json)
		},
	}
	o.flags(cmd)
	o.droppedFlag(cmd)
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most so many rows; 0: all")
	cmd.Flags().BoolVar(&o.json, "json", false, "one JSON object a line")
	return cmd
}

func listWaiting(ctx context.Context, out io.Writer, n *node.Node, f journal.WaitingFilter, asJSON bool) error {
	m, err := n.Names(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := 0
	err = journal.Waiting(ctx, n.DB, f, func(q journal.WaitingRow) error {
		x := waitingObject(m, q, false)
		if asJSON {
			return printJSON(out, x)
		}
		if rows++; rows == 1 {
			fmt.Fprintln(w, "ROW\tFROM\tREASON\tSINCE\tTRIED\tWHY")
		}
		_, err := fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Peer, x.Reason, x.Since.Local().Format("2006-01-02 15:04"), count(int64(x.Tries+1), "time"), failure.Printable(x.Why))
		return err
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

func newQuarantineShow(g *global) *cobra.Command {
	o := &waitingChoice{}
	cmd := &cobra.Command{
		Use:   "show ROW...",
		Short: "Show rows that wait, with their values, as JSON",
		Long:  "Show rows that wait, by their numbers in the list, with the values that came: one JSON object a line. They are patients' data.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			n, err := openToList(cmd, g)
			if err != nil {
				return err
			}
			defer n.Close()
			ctx := cmd.Context()
			f, err := o.filter(ctx, n, ids)
			if err != nil {
				return err
			}
			m, err := n.Names(ctx)
			if err != nil {
				return err
			}
			found := 0
			f.Dropped, f.NotDropped = o.dropped, !o.dropped
			err = journal.Waiting(ctx, n.DB, f, func(q journal.WaitingRow) error {
				found++
				return printJSON(cmd.OutOrStdout(), waitingObject(m, q, true))
			})
			if err == nil && found == 0 {
				err = failure.Hinted(errors.New("no such row waits"), "omsync --home %s quarantine list has their numbers", n.Home)
			}
			return err
		},
	}
	o.droppedFlag(cmd)
	return cmd
}

func newQuarantineRetry(g *global) *cobra.Command {
	o := &waitingChoice{}
	cmd := &cobra.Command{
		Use:   "retry [ROW...]",
		Short: "Try rows that wait again now",
		Long: "Try rows that wait again now: those with these numbers, or all that the flags choose. What still cannot be applied goes on waiting.\n\n" +
			"With --dropped, rows that were dropped wait again and are tried: those with these numbers in quarantine list --dropped, or all that the flags choose.",
		RunE: func(cmd *cobra.Command, ids []string) error {
			n, err := g.openAll(cmd, node.Change)
			if err != nil {
				return err
			}
			defer n.Close()
			ctx := cmd.Context()
			f, err := o.filter(ctx, n, ids)
			if err != nil {
				return err
			}
			if err := n.Reconcile(ctx); err != nil {
				return err
			}
			run := &importing{node: n, out: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), json: o.json, applied: map[string]bool{}}
			done := int64(0)
			err = run.withHook(ctx, func() (err error) {
				each := func(r *exchange.Result) error { return run.print(r) }
				if o.dropped {
					done, err = retryDropped(ctx, cmd, exchanging(cmd.ErrOrStderr(), n), f, each)
				} else {
					done, err = exchanging(cmd.ErrOrStderr(), n).RetryWaiting(ctx, f, each)
				}
				return err
			})
			if err == nil && done == 0 && !o.json {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing that waits can be applied yet")
			}
			return errors.Join(err, run.end())
		},
	}
	o.flags(cmd)
	o.droppedFlag(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "one JSON object a line")
	return cmd
}
