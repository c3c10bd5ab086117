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
	"github.com/omsync/omsync/node/config"
)

type uninstallOptions struct {
	config.Config // the database alone, in place of a home folder
	yes           bool
}

func newUninstall(g *global) *cobra.Command {
	o := &uninstallOptions{}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take omsync out of the database",
		Long: `Drop omsync's triggers and tables. The application's data stays as it is, and so does the home folder with the keys.
What was not exported yet is not sent any more.

With --dsn no home folder is needed: for a database that is a copy of a node's, before it becomes a node of its own.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUninstall(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.DSN, "dsn", "", "the database, in place of the one that the home folder names")
	f.StringVar(&o.PasswordEnv, "password-env", "", "with --dsn: take the database's password from this environment variable")
	f.StringVar(&o.PasswordFile, "password-file", "", "with --dsn: take the database's password from this file")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	return cmd
}

func runUninstall(cmd *cobra.Command, g *global, o *uninstallOptions) error {
	ctx := cmd.Context()
	n, err := o.open(cmd, g)
	if err != nil {
		return err
	}
	defer n.Close()
	owner, err := journal.NodeName(ctx, n.DB)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return err
	}
	if !o.yes {
		whose := ""
		if owner != "" {
			whose = " (it is the node " + owner + ")"
		}
		ok, err := confirm(ctx, cmd, fmt.Sprintf("Drop omsync's triggers and tables from the database %s%s?", n.Database, whose))
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
	if n.Home != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "omsync: keys and configuration stay in %s: remove that folder if the node is not to come back\n", n.Home)
	}
	return nil
}

// open connects to the database of the home folder, which must be that node's; with --dsn to that one, whosever it is.
func (o *uninstallOptions) open(cmd *cobra.Command, g *global) (*node.Node, error) {
	ctx := cmd.Context()
	if o.DSN != "" {
		n := &node.Node{Config: &o.Config}
		return n, n.Connect(ctx)
	}
	n, err := g.open(cmd, node.Change)
	if err != nil {
		return nil, err
	}
	if err = n.Connect(ctx); err == nil {
		err = n.CheckOwner(ctx)
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
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
