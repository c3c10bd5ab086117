package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
)

type policyOptions struct {
	remove, json bool
}

// newPolicy is the command "policy" of "omsync conflicts".
func newPolicy(g *global) *cobra.Command {
	o := &policyOptions{}
	cmd := &cobra.Command{
		Use:   "policy [NAME [newest|parent|child]]",
		Short: "List, look up and change what decides conflicts",
		Long: `Without a name, list the policies in omsync.toml. NAME is a table, or a column as TABLE.COLUMN; * stands for any run of characters. With a
NAME, show what decides conflicts in its columns, and which line says so. With a policy behind it, write that into omsync.toml.

newest: the later value wins; parent: that of the site further up wins; child: that of the site further down. A line for a column
comes before one for its table, a name without * before one with. The value that loses is recorded. A child follows its parent where
the parent has parent or child.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.remove && len(args) != 1:
				return failure.Hinted(errors.New("--remove takes the name of one policy"), "omsync conflicts policy --remove NAME")
			case o.remove:
				return runPolicyRemove(cmd, g, args[0])
			case len(args) == 2:
				return runPolicySet(cmd, g, args[0], args[1])
			case len(args) == 1:
				return runPolicyShow(cmd, g, o, args[0])
			}
			return runPolicyList(cmd, g, o)
		},
	}
	cmd.Flags().BoolVar(&o.remove, "remove", false, "take the policy of this name out of omsync.toml")
	cmd.Flags().BoolVar(&o.json, "json", false, "one JSON object a line")
	return cmd
}

// policyJSON is the JSON object of a policy, or of what decides conflicts in a column.
type policyJSON struct {
	Name   string  `json:"name"`
	Policy string  `json:"policy"`
	By     *string `json:"by,omitempty"` // of a column: the name of the policy that decides; "": none does
}

func runPolicyList(cmd *cobra.Command, g *global, o *policyOptions) error {
	n, err := openToList(cmd, g)
	if err != nil {
		return err
	}
	defer n.Close()
	rules, err := n.PolicyRules()
	if err != nil {
		return err
	}
	var list []policyJSON
	for _, r := range rules {
		list = append(list, policyJSON{Name: r.Name, Policy: r.Policy.String()})
	}
	if err := printPolicies(cmd, o, list); err != nil || o.json {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "everything else: newest; a table that only flows down: parent")
	return err
}

func printPolicies(cmd *cobra.Command, o *policyOptions, list []policyJSON) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, p := range list {
		if o.json {
			if err := printJSON(cmd.OutOrStdout(), p); err != nil {
				return err
			}
			continue
		}
		why := ""
		switch {
		case p.By != nil && *p.By == "":
			why = "\tno line says so"
		case p.By != nil:
			why = "\tby " + *p.By
		}
		fmt.Fprintf(w, "%s\t%s%s\n", p.Name, p.Policy, why)
	}
	return w.Flush()
}

func runPolicyShow(cmd *cobra.Command, g *global, o *policyOptions, name string) error {
	n, err := openToList(cmd, g)
	if err != nil {
		return err
	}
	defer n.Close()
	r, err := config.ParsePolicyRule(name, merge.Newest.String())
	if err != nil {
		return err
	}
	if why := r.Misses(n.Journal.Catalogue); why != "" {
		return fmt.Errorf("%s", failure.Printable(why))
	}
	rules, err := n.PolicyRules()
	if err != nil {
		return err
	}
	var list []policyJSON
	for _, t := range n.Journal.Catalogue.Tables {
		for _, c := range t.Columns {
			if !r.Fits(t.Name, c.Name) {
				continue
			}
			policy, by := config.PolicyOf(rules, t.Name, c.Name)
			if t.Direction == access.Down {
				policy, by = merge.Parent, "the table's direction, down"
			}
			list = append(list, policyJSON{t.Name + "." + c.Name, policy.String(), &by})
		}
	}
	return printPolicies(cmd, o, list)
}

func runPolicySet(cmd *cobra.Command, g *global, name, policy string) error {
	r, err := config.ParsePolicyRule(name, policy)
	if err != nil {
		return err
	}
	return changePolicies(cmd, g, func(n *node.Node) error {
		if why := r.Misses(n.Journal.Catalogue); why != "" {
			return fmt.Errorf("a policy for %s", failure.Printable(why))
		}
		if err := n.SetPolicy(r); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, from the next import on; a clinic follows with the next file that it gets from here\n", r.Name, r.Policy)
		return err
	})
}

func runPolicyRemove(cmd *cobra.Command, g *global, name string) error {
	return changePolicies(cmd, g, func(n *node.Node) error {
		if err := n.RemovePolicy(name); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s has no policy of its own any more\n", failure.Printable(name))
		return err
	})
}

// changePolicies opens the node to change its configuration.
func changePolicies(cmd *cobra.Command, g *global, change func(*node.Node) error) error {
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	return change(n)
}
