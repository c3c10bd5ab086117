package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
)

func newUninstall(g *global) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take omsync out of the database",
		Long: `Drop omsync's triggers and tables. The application's data stays as it is, and so does the home folder with the keys.
What was not exported yet is not sent any more.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUninstall(cmd, g, yes) },
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func runUninstall(cmd *cobra.Command, g *global, yes bool) error {
	ctx := cmd.Context()
	n, err := g.open(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Connect(ctx); err != nil {
		return err
	}
	if err := n.CheckOwner(ctx); err != nil {
		return err
	}
	if !yes {
		ok, err := confirm(ctx, cmd, fmt.Sprintf("Drop omsync's triggers and tables from the database %s?", n.Database))
		switch {
		case errors.Is(err, errNotTerminal):
			return failure.Hinted(err, "add --yes")
		case err != nil:
			return err
		case !ok:
			return errors.New("nothing was dropped")
		}
	}
	if err := drop(ctx, n); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "omsync's triggers and tables are gone from %s\n", n.Database)
	fmt.Fprintf(cmd.ErrOrStderr(), "omsync: keys and configuration stay in %s: remove that folder if the node is not to come back\n", n.Home)
	return nil
}

// drop takes the triggers first: without the tables they would fail the application's statements.
func drop(ctx context.Context, n *node.Node) error {
	c, err := n.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := trigger.Remove(ctx, c, n.Database); err != nil {
		return err
	}
	return journal.Drop(ctx, c)
}
