package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/tables"
)

func newTables(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tables",
		Short: "Say which tables go where, and change that",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTablesSet(g))
	return cmd
}

type tablesOptions struct {
	peer        string
	asJSON, dry bool
}

func (o *tablesOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.peer, "peer", "", "on the link to this peer alone (default: to all children)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "one JSON object")
}

func newTablesSet(g *global) *cobra.Command {
	o := &tablesOptions{}
	cmd := &cobra.Command{
		Use:   "set TABLE=DIRECTION...",
		Short: "Set which way tables go, for one peer or for all children",
		Long: `Set which way tables go between this node and its children, or on the link to one peer. TABLE may have * for any characters;
a full name counts before a pattern, and what is set for one peer before what is set for all.

  both   both ways                     up     from child to parent alone; the child's value always wins there
  down   from parent to child alone    add    down, and a child may add rows, and change those that it added
  none   neither way                   default  as if nothing had been set

TABLE.COLUMN=DIRECTION is about a column (both, down, up, none), 'TABLE[COLUMN=VALUE]=none' about rows that stay where they are.

A child hears of it in its next file, and follows: nothing need be edited there. What goes further than before is sent again, with
what was changed meanwhile; what goes less far stops at once, and what is at the other site stays there. At a child, with --peer
PARENT, less can be let go than the parent says, and never more.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return failure.Hinted(errors.New("set which table?"), "%s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runTablesSet(cmd, g, o, args) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.dry, "dry-run", false, "say what would change, and change nothing")
	return cmd
}

func runTablesSet(cmd *cobra.Command, g *global, o *tablesOptions, args []string) error {
	var wishes []tables.Wish
	for _, a := range args {
		w, err := tables.ParseWish(a)
		if err != nil {
			return err
		}
		wishes = append(wishes, w)
	}
	return setTables(cmd, g, o, wishes)
}

func setTables(cmd *cobra.Command, g *global, o *tablesOptions, wishes []tables.Wish) error {
	n, err := g.open(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	set, err := tables.Apply(cmd.Context(), n, o.peer, wishes, o.dry)
	if err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(cmd.OutOrStdout(), set)
	}
	printSet(cmd.OutOrStdout(), set)
	return nil
}

func printSet(out io.Writer, set *tables.Set) {
	if len(set.Changes) == 0 {
		fmt.Fprintln(out, "nothing changes on any link that there is")
	}
	for _, c := range set.Changes {
		fmt.Fprintf(out, "%s, %s: %s, was %s", c.Peer, c.Table, c.After, c.Before)
		if c.Again {
			fmt.Fprint(out, "; sent again")
		}
		if c.Stays > 0 {
			fmt.Fprintf(out, "; %s keeps what it has of %s", c.Peer, count(c.Stays, "row"))
		}
		fmt.Fprintln(out)
	}
	for _, c := range set.Cuts {
		fmt.Fprintf(out, "%s: rows of %s wait at %s where their %s refers to a row of %s that does not come: %s of %[2]s here refer to one\n",
			c.Peer, c.Table, c.At, c.Column, c.To, count(c.Rows, "row"))
	}
	if set.DryRun {
		fmt.Fprintln(out, "nothing was changed: this was a dry run")
	}
}
