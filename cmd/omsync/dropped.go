package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
)

// droppedJSON is who dropped a row.
type droppedJSON struct {
	At  time.Time `json:"at"`
	By  string    `json:"by"`
	Why string    `json:"why,omitempty"`
}

type referedJSON struct {
	Table string `json:"table"`
	Key   string `json:"key"`
}

// listDropped prints rows that were dropped.
func listDropped(ctx context.Context, out io.Writer, n *node.Node, f journal.WaitingFilter, asJSON bool) error {
	m, err := n.Names(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := 0
	f.Dropped = true
	err = journal.Waiting(ctx, n.DB, f, func(q journal.WaitingRow) error {
		x := waitingObject(m, q, false)
		if asJSON {
			return printJSON(out, x)
		}
		if rows++; rows == 1 {
			fmt.Fprintln(w, "ROW\tFROM\tDROPPED\tBY\tIT WAITED FOR\tWHY")
		}
		_, err := fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Peer, x.Dropped.At.Local().Format("2006-01-02 15:04"), failure.Printable(x.Dropped.By), failure.Printable(x.Why), failure.Printable(x.Dropped.Why))
		return err
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

// retryDropped has rows be tried again that were dropped, and says on standard error what came of them.
func retryDropped(ctx context.Context, cmd *cobra.Command, n *exchange.Node, f journal.WaitingFilter, each func(*exchange.Result) error) (int64, error) {
	got, err := n.RetryDropped(ctx, f, each)
	out := cmd.ErrOrStderr()
	if got.Rows > 0 {
		fmt.Fprintf(out, "%s that had been dropped: %d applied, %d waiting again\n", count(got.Rows, "row"), got.Applied, max(0, got.Rows-got.Applied))
	}
	if got.Away > 0 {
		fmt.Fprintf(out, "%s of a peer that is suspended or was removed not tried: omsync peer resume, or add the peer anew, and it sends what it has\n", count(got.Away, "row"))
	}
	if err == nil && got == (exchange.Undropped{}) {
		err = failure.Hinted(errors.New("no such row was dropped"), "omsync quarantine list --dropped has their numbers")
	}
	return got.Applied, err
}

func newQuarantineDrop(g *global) *cobra.Command {
	o := &waitingChoice{}
	why := ""
	cmd := &cobra.Command{
		Use:   "drop ROW...",
		Short: "Let rows wait no more",
		Long: `Let rows wait no more: those with these numbers, or all that the flags choose. They are not tried again, and what they hold is not in
the application's tables. If the row changes at its sender, its next version takes the place of what was dropped. Until then it is kept, and
who dropped it, as long as deleted rows are (keep_deleted_days), a week at least, and 100,000 rows or 64 MiB of each peer: quarantine list
--dropped has them, and quarantine retry --dropped has them wait again.`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if len(ids) == 0 && o.peer == "" && o.table == "" && o.reason == "" {
				return failure.Hinted(errors.New("drop which rows?"), "give their numbers, or --peer, --table or --reason")
			}
			n, err := g.openAll(cmd, node.Change)
			if err != nil {
				return err
			}
			defer n.Close()
			f, err := o.filter(cmd.Context(), n, ids)
			if err != nil {
				return err
			}
			dropped, forgotten, err := exchanging(cmd.ErrOrStderr(), n).DropWaiting(cmd.Context(), f, journal.Dropping{By: account(), Why: why, At: time.Now().UnixMicro()})
			if err != nil {
				return err
			}
			if forgotten > 0 {
				warner(cmd.ErrOrStderr())("%s are kept no more: they are too many, or too long", count(forgotten, "dropped row"))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s dropped: omsync quarantine list --dropped\n", count(dropped, "row"))
			return err
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&why, "why", "", "a note for the record")
	return cmd
}

// account names who runs the command: the account of the operating system, and for whom sudo runs it.
func account() string {
	name := "?"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" && by != name {
		name += " for " + by
	}
	return name
}
