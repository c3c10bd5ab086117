package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/node/scoping"
)

func newScopeList(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list [PEER]",
		Short: "List which children have scopes, or the patients of one",
		Long:  "List which children have scopes and how many patients are in each, or of one child the patients whom it may have, asks for, or had.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lookAtScopes(cmd, g, func(ctx context.Context, s *scoping.Session) error {
				if len(args) == 1 {
					list, err := s.Of(ctx, args[0])
					if err != nil {
						return err
					}
					return printEntries(cmd, list, asJSON)
				}
				list, err := s.Children(ctx)
				if err != nil {
					return err
				}
				return printChildren(cmd, list, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func printChildren(cmd *cobra.Command, list []scoping.Child, asJSON bool) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for i, c := range list {
		if asJSON {
			if err := printJSON(cmd.OutOrStdout(), c); err != nil {
				return err
			}
			continue
		}
		if i == 0 {
			fmt.Fprintln(w, "CHILD\tPATIENTS\tASKS FOR\tANSWERS")
		}
		switch {
		case c.All:
			fmt.Fprintf(w, "%s\tall\t-\t-\n", c.Peer)
		case c.Approve:
			fmt.Fprintf(w, "%s\t%d\t%d\ta person%s\n", c.Peer, c.Patients, c.Asking, rulesText(c.Rules))
		default:
			fmt.Fprintf(w, "%s\t%d\t%d\tthe hub itself%s\n", c.Peer, c.Patients, c.Asking, rulesText(c.Rules))
		}
	}
	return w.Flush()
}

// rulesText returns the rules that fill a scope, as the end of a line.
func rulesText(rules []string) string {
	if len(rules) == 0 {
		return ""
	}
	return "; rules: " + strings.Join(rules, ", ")
}

func printEntries(cmd *cobra.Command, list []scoping.Entry, asJSON bool) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for i, e := range list {
		if asJSON {
			if err := printJSON(cmd.OutOrStdout(), e); err != nil {
				return err
			}
			continue
		}
		if i == 0 {
			fmt.Fprintln(w, "CHILD\tPATIENT\tSTATE\tHERE")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Peer, e.Key, e.State, map[bool]string{true: "yes", false: "no"}[e.Here])
	}
	return w.Flush()
}

func newScopeShow(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "show IDENTIFIER",
		Short: "Show which children may have a patient, why and since when",
		Args:  oneArg("say which patient"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lookAtScopes(cmd, g, func(ctx context.Context, s *scoping.Session) error {
				patients, err := s.Patients(ctx, args, true)
				if err != nil {
					return err
				}
				shown, err := s.Show(ctx, patients[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), shown)
				}
				return printShown(cmd, shown)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func printShown(cmd *cobra.Command, s *scoping.Shown) error {
	out := cmd.OutOrStdout()
	here := "not here"
	if s.Here {
		here = "here"
	}
	fmt.Fprintf(out, "patient %s: %s\n", s.Key, here)
	if s.Asked {
		fmt.Fprintln(out, "this node asks its parent for the patient")
	}
	if s.Held {
		fmt.Fprintln(out, "the parent lets this node have the patient")
	}
	if s.Purging {
		fmt.Fprintln(out, "the patient left this node's scope, and what is here is to be deleted: an import does that once the parent has all of it, nothing waits here and nothing else refers to it")
	}
	if s.Purged {
		fmt.Fprintln(out, "the patient left this node's scope, and what was here is deleted")
	}
	if err := printEntries(cmd, s.Entries, false); err != nil {
		return err
	}
	for _, e := range s.Log {
		line := fmt.Sprintf("%s  %s %s (%s)", e.At.Format("2006-01-02 15:04"), e.Peer, e.Event, e.Cause)
		if e.By != "" {
			line += " by " + e.By
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

func newScopeRequests(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "requests [PEER]",
		Short: "List for whom children ask, where a person is to answer",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lookAtScopes(cmd, g, func(ctx context.Context, s *scoping.Session) error {
				name := ""
				if len(args) == 1 {
					name = args[0]
				}
				list, err := s.Requests(ctx, name)
				if err != nil {
					return err
				}
				if len(list) == 0 && !asJSON {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "nobody asks for a patient")
					return err
				}
				return printEntries(cmd, list, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}
