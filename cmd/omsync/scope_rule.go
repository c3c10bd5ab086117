package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/node/scoping"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// byRule is --rule and --dry-run of scope add and scope leave.
type byRule struct {
	name   string
	dryRun bool
}

func (b *byRule) flags(cmd *cobra.Command, rule string) {
	cmd.Flags().StringVar(&b.name, "rule", "", rule)
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "with --rule: say who would come in and leave, and change nothing")
}

// change switches a rule of a child on or off. asked: no rule was named.
func (b *byRule) change(cmd *cobra.Command, g *global, args []string, on, asJSON bool) (asked bool, err error) {
	switch {
	case b.name == "" && b.dryRun:
		return false, errors.New("--dry-run goes with --rule")
	case b.name == "":
		return true, nil
	case len(args) > 1:
		return false, errors.New("say a rule, or patients: not both")
	}
	with := changeScopes
	if b.dryRun {
		with = lookAtScopes
	}
	var f scopes.Followed
	err = with(cmd, g, func(ctx context.Context, s *scoping.Session) (err error) {
		f, err = s.SetRule(ctx, args[0], b.name, on, b.dryRun)
		return err
	})
	if err != nil {
		return false, err
	}
	return false, b.print(cmd, args[0], f.Change, asJSON)
}

func (b *byRule) print(cmd *cobra.Command, peer string, c scope.Change, asJSON bool) error {
	out := cmd.OutOrStdout()
	for _, x := range []struct {
		owners           []scope.Owner
		state, is, would string
	}{{c.Enter, "enters", "may have", "could have"}, {c.Leave, "leaves", "gets nothing more of", "would get nothing more of"}} {
		said := x.is
		if b.dryRun {
			said = x.would
		}
		for _, o := range x.owners {
			var err error
			if asJSON {
				err = printJSON(out, map[string]any{"peer": peer, "key": o, "rule": b.name, "change": x.state, "done": !b.dryRun})
			} else {
				_, err = fmt.Fprintf(out, "%s %s %s\n", peer, said, o)
			}
			if err != nil {
				return err
			}
		}
	}
	if asJSON {
		return nil
	}
	said := "the rule %s: %d patients came in, %d left\n"
	if b.dryRun {
		said = "the rule %s: %d patients would come in, %d would leave\n"
	}
	_, err := fmt.Fprintf(out, said, b.name, len(c.Enter), len(c.Leave))
	return err
}
