package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/journal"
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
	n, err := g.open(true)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.connect(ctx); err != nil {
		return err
	}
	if err := n.own(ctx); err != nil {
		return err
	}
	if !yes {
		ok, err := confirm(ctx, cmd, fmt.Sprintf("Drop omsync's triggers and tables from the database %s?", n.database))
		switch {
		case errors.Is(err, errNotTerminal):
			return hinted(err, "add --yes")
		case err != nil:
			return err
		case !ok:
			return errors.New("nothing was dropped")
		}
	}
	if err := n.drop(ctx); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "omsync's triggers and tables are gone from %s\n", n.database)
	fmt.Fprintf(cmd.ErrOrStderr(), "omsync: keys and configuration stay in %s: remove that folder if the node is not to come back\n", n.home)
	return nil
}

// own refuses a database that is another node.
func (n *node) own(ctx context.Context) error {
	there, err := journal.NodeName(ctx, n.db)
	switch {
	case errors.Is(err, journal.ErrNone): // half made or half dropped: what there is goes
		return nil
	case err != nil:
		return err
	case there != n.Node:
		return hinted(fmt.Errorf("the database %s belongs to the node %s, and this is %s", n.database, there, n.Node), "is the dsn in %s/%s right?", n.home, configName)
	}
	return nil
}

// drop takes the triggers first: without the tables they would fail the application's statements.
func (n *node) drop(ctx context.Context) error {
	c, err := n.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := trigger.Remove(ctx, c, n.database); err != nil {
		return err
	}
	return journal.Drop(ctx, c)
}
