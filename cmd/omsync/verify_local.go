package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/verify"
)

// remedies says what to do about what a node finds in itself.
var remedies = map[verify.Fault]string{
	verify.EntryWithoutRow:   "they were deleted unseen: compare with each peer (omsync verify --from), which has them still",
	verify.RowWithoutEntry:   "they were added unseen: compare with each peer (omsync verify --from), and let --repair send them",
	verify.DeletedAlive:      "they came back unseen: compare with each peer (omsync verify --from), and let --repair send them",
	verify.AliasWithoutRow:   "the rows were deleted unseen; if they come from the peer again, they are found by these",
	verify.WaitingForNothing: "see omsync quarantine list",
	verify.ReferenceToNoRow:  "they were written with foreign keys off; such a reference goes to no other site",
}

func runVerifyLocal(cmd *cobra.Command, n *node.Node, asJSON bool) error {
	ctx := cmd.Context()
	snap, err := capture.TakeSnapshot(ctx, n.Journal, exchanging(cmd.ErrOrStderr(), n).Wait)
	if err != nil {
		return err
	}
	snap.Close() // all that was captured is sealed
	found, err := verify.Local(ctx, n.Journal, n.DB)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	for _, f := range found {
		if asJSON {
			err = printJSON(out, struct {
				Fault  string `json:"fault"`
				Table  string `json:"table,omitempty"`
				Column string `json:"column,omitempty"`
				Rows   int64  `json:"rows"`
			}{string(f.Fault), f.Table, f.Column, f.Rows})
		} else {
			where := f.Table
			if f.Column != "" {
				where += "." + f.Column
			}
			if where != "" {
				where = " in " + where
			}
			_, err = fmt.Fprintf(out, "%d %s%s: %s\n", f.Rows, f.Fault, where, remedies[f.Fault])
		}
		if err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return failure.Coded(failure.Differs, "what omsync knows of its database is not what the database holds")
	}
	if !asJSON {
		_, err = fmt.Fprintf(out, "%s agrees with itself\n", n.Node)
	}
	return err
}
