package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/tables"
)

func newTables(g *global) *cobra.Command {
	o := &tablesOptions{}
	cmd := &cobra.Command{
		Use:   "tables",
		Short: "List which tables go where, and change that",
		Long: `List every table: its rows, rows that came and wait, the last change, which way it goes on which link, or why it does not travel. With
--owners: whose its rows are, by which references, or why they are everybody's or nobody's.
omsync tables set and omsync tables preset change which way tables go; omsync peer rules NAME says why.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTables(cmd, g, o) },
	}
	cmd.Flags().StringVar(&o.peer, "peer", "", "on the link to this peer alone")
	cmd.Flags().BoolVar(&o.owners, "owners", false, "whose the rows are: of which patient, in OpenMRS")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "one JSON object a line")
	cmd.MarkFlagsMutuallyExclusive("owners", "peer")
	cmd.AddCommand(newTablesSet(g), newTablesPreset(g))
	return cmd
}

func runTables(cmd *cobra.Command, g *global, o *tablesOptions) error {
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	var list []tables.Table
	if o.owners {
		list, err = tables.Owners(n)
	} else {
		list, err = tables.List(cmd.Context(), n, o.peer)
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if o.asJSON {
		for _, t := range list {
			if err := printJSON(out, t); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if o.owners {
		fmt.Fprintln(w, "TABLE\tBELONGS TO")
		for _, t := range list {
			fmt.Fprintf(w, "%s\t%s\n", t.Table, t.Owner.Belongs())
		}
		return w.Flush()
	}
	fmt.Fprintln(w, "TABLE\tROWS\tWAITING\tLAST CHANGE\tGOES")
	for _, t := range list {
		if t.Stays != "" {
			fmt.Fprintf(w, "%s\t\t\t\tnowhere: %s\n", t.Table, t.Stays)
			continue
		}
		changed := "-"
		if t.Changed != nil {
			changed = t.Changed.Format("2006-01-02 15:04")
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", t.Table, t.Rows, t.Waiting, changed, waysText(t.Links))
	}
	return w.Flush()
}

// waysText says how a table goes on several links: the way of most of them first, without their names.
func waysText(links []tables.OnLink) string {
	names, order := map[string][]string{}, []string{}
	for _, l := range links {
		if names[l.Way] == nil {
			order = append(order, l.Way)
		}
		names[l.Way] = append(names[l.Way], l.Peer)
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(names[b]) - len(names[a]) })
	out := order[0]
	for _, way := range order[1:] {
		some := names[way]
		if len(some) > 3 {
			some = append(slices.Clone(some[:3]), fmt.Sprintf("and %d others", len(some)-3))
		}
		out += fmt.Sprintf("; %s: %s", strings.Join(some, ", "), way)
	}
	return out
}

func newTablesPreset(g *global) *cobra.Command {
	o := &tablesOptions{}
	cmd := &cobra.Command{
		Use:   "preset collect|share|mirror",
		Short: "Choose what kind of network this is, for one child or for all",
		Long: `Choose which way all tables go between this node and its children, or one child, by what the profile says of them. A table that is
new later goes by the preset too.

  collect  patients and what belongs to them go up and to no other clinic; what this node decides goes down; the accounts, places
           and people that a clinic adds go up, and to no other clinic
  share    as the profile says: all sites have all patients
  mirror   the child is a copy of this node: nothing goes up

A preset takes the place of directions that were set before it for the same children; what is set after it counts. A child hears of it in its next
file. What is at a child already stays there.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(access.Presets(), access.Preset(args[0])) {
				return failure.Hinted(errors.New("say which preset"), "omsync tables preset collect, share or mirror")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return setTables(cmd, g, o, func(ctx context.Context, n *node.Node) (*tables.Set, error) {
				return tables.Choose(ctx, n, o.peer, access.Preset(args[0]), o.dry)
			})
		},
	}
	o.flags(cmd)
	return cmd
}

type tablesOptions struct {
	peer                string
	asJSON, dry, owners bool
	brief               bool
}

func (o *tablesOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.peer, "peer", "", "on the link to this peer alone (default: to all children)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "one JSON object")
	cmd.Flags().BoolVar(&o.brief, "brief", false, "say once what is the same for several peers")
	cmd.Flags().BoolVar(&o.dry, "dry-run", false, "say what would change, and change nothing")
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
  own    as add, but a child gets nothing that another child added
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
	return setTables(cmd, g, o, func(ctx context.Context, n *node.Node) (*tables.Set, error) {
		return tables.Apply(ctx, n, o.peer, wishes, o.dry)
	})
}

func setTables(cmd *cobra.Command, g *global, o *tablesOptions, change func(context.Context, *node.Node) (*tables.Set, error)) error {
	n, err := g.open(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	set, err := change(cmd.Context(), n)
	if err != nil {
		return err
	}
	switch {
	case o.asJSON && o.brief:
		return printJSON(cmd.OutOrStdout(), set.Sum())
	case o.asJSON:
		return printJSON(cmd.OutOrStdout(), set)
	case o.brief:
		printSums(cmd.OutOrStdout(), set.Sum())
	default:
		printSet(cmd.OutOrStdout(), set)
	}
	return nil
}

func printSums(out io.Writer, s *tables.Sums) {
	if len(s.Sums) == 0 {
		fmt.Fprintln(out, "nothing changes on any link that there is")
	}
	for _, c := range s.Sums {
		fmt.Fprintf(out, "%s: %s, was %s, for %s", c.Table, c.After, c.Before, strings.Join(c.Peers, ", "))
		if more := c.Links - len(c.Peers); more > 0 {
			fmt.Fprintf(out, " and %d others", more)
		}
		if c.Again {
			fmt.Fprint(out, "; sent again")
		}
		if c.Sends > 0 {
			fmt.Fprintf(out, ", to each what it is to have of %s", count(c.Sends, "row"))
		}
		if c.Stays > 0 {
			fmt.Fprintf(out, "; each keeps what it has of %s", count(c.Stays, "row"))
		}
		fmt.Fprintln(out)
	}
	printCuts(out, s.Cuts)
	if s.DryRun {
		fmt.Fprintln(out, dryRun)
	}
}

const dryRun = "nothing was changed: this was a dry run"

func printCuts(out io.Writer, cuts []tables.Cut) {
	for _, c := range cuts {
		fmt.Fprintf(out, "%s: rows of %s wait at %s where their %s refers to a row of %s that does not come: %s of %[2]s here refer to one\n",
			c.Peer, c.Table, c.At, c.Column, c.To, count(c.Rows, "row"))
	}
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
	printCuts(out, set.Cuts)
	if set.DryRun {
		fmt.Fprintln(out, dryRun)
	}
}
