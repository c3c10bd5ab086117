package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/scoping"
)

func newScope(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scope",
		Short: "Say which patients a child may have",
		Long: `A child gets all patients, or has a scope: the patients whom it brought itself, those who are added, and those for whom it asks. Each goes to it
whole. Changes go with the child's next file. A child keeps what it has of a patient who leaves, unless leave --purge says otherwise.

A patient is named by an identifier, or by a key (a uuid), which need not be here yet.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newScopeSet(g), newScopeAdd(g), newScopeLeave(g), newScopeList(g), newScopeShow(g), newScopeRequests(g),
		newScopeAnswer(g, "approve", "Let a child have patients for whom it asks", (*scoping.Session).Approve, "may have", "did not ask for"),
		newScopeAnswer(g, "deny", "Refuse patients for whom a child asks", (*scoping.Session).Deny, "may not have", "did not ask for"))
	return cmd
}

// changeScopes runs f on the node's scopes, for the person who runs the command.
func changeScopes(cmd *cobra.Command, g *global, f func(context.Context, *scoping.Session) error) error {
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	return scoping.Change(cmd.Context(), n, account(), func(s *scoping.Session) error { return f(cmd.Context(), s) })
}

// lookAtScopes runs f on the node's scopes as they are.
func lookAtScopes(cmd *cobra.Command, g *global, f func(context.Context, *scoping.Session) error) error {
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	return scoping.Look(cmd.Context(), n, func(s *scoping.Session) error { return f(cmd.Context(), s) })
}

func newScopeSet(g *global) *cobra.Command {
	var approve, asJSON bool
	cmd := &cobra.Command{
		Use:   "set PEER all|own",
		Short: "Give a child its own patients only, or all",
		Long: `Give a child its own patients only (own): those of whom it made or changed something itself, and those who are added later; or all patients (all).
Nothing is taken away from the child. With --approve, a person answers what the child asks (omsync scope requests); without, it gets whom it asks for.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 || args[1] != "all" && args[1] != "own" {
				return failure.Hinted(errors.New("say which child, and all or own"), "%s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var ask *bool
			if cmd.Flags().Changed("approve") {
				ask = &approve
			}
			patients := 0
			err := changeScopes(cmd, g, func(ctx context.Context, s *scoping.Session) (err error) {
				patients, err = s.Set(ctx, args[0], args[1] == "all", ask)
				return err
			})
			out := cmd.OutOrStdout()
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(out, scoping.Child{Peer: args[0], All: args[1] == "all", Approve: approve, Patients: patients})
			case args[1] == "all":
				_, err = fmt.Fprintf(out, "%s gets all patients\n", args[0])
			default:
				_, err = fmt.Fprintf(out, "%s gets its own patients only: %d are in its scope\n", args[0], patients)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&approve, "approve", false, "a person answers what the child asks; --approve=false: nobody is asked")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

// who says which patients a command means.
type who struct {
	file, location, program, name, born string
	asJSON                              bool
}

func (w *who) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.file, "file", "", "a file with identifiers or keys, one a line, in UTF-8")
	f.StringVar(&w.name, "name", "", "a patient's given and family name, with --born")
	f.StringVar(&w.born, "born", "", "the day of birth, as in 1985-11-28")
	f.BoolVar(&w.asJSON, "json", false, "one JSON object a line")
	cmd.MarkFlagsRequiredTogether("name", "born")
}

// named returns the names of the arguments, and those in --file.
func (w *who) named(names []string) ([]string, error) {
	if w.file == "" {
		return names, nil
	}
	f, err := os.Open(w.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	more, err := scoping.ReadFile(w.file, f)
	return append(slices.Clone(names), more...), err
}

// patients returns the patients whom arguments and flags name.
func (w *who) patients(ctx context.Context, s *scoping.Session, names []string, absent bool) (out []scoping.Patient, err error) {
	if names, err = w.named(names); err != nil {
		return nil, err
	}
	if out, err = s.Patients(ctx, names, absent); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		what string
		find func(context.Context, string) ([]scoping.Patient, error)
	}{{w.location, s.At}, {w.program, s.Enrolled}, {w.name, func(ctx context.Context, name string) ([]scoping.Patient, error) {
		p, err := s.Named(ctx, name, w.born)
		return []scoping.Patient{p}, err
	}}} {
		if x.what == "" {
			continue
		}
		more, err := x.find(ctx, x.what)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if len(out) == 0 && w.location == "" && w.program == "" {
		return nil, failure.Hinted(errors.New("say which patients"), "identifiers, keys, --file or --name with --born")
	}
	return out, nil
}

// print says what became of each patient.
func (w *who) print(cmd *cobra.Command, outcomes []scoping.Outcome, done, undone string) error {
	out := cmd.OutOrStdout()
	changed := 0
	for _, o := range outcomes {
		if o.Done {
			changed++
		}
		if w.asJSON {
			if err := printJSON(out, o); err != nil {
				return err
			}
			continue
		}
		said := done
		if !o.Done {
			said = undone
		}
		if o.Peer != "" {
			said = o.Peer + " " + said
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", said, o.Key); err != nil {
			return err
		}
	}
	if w.asJSON {
		return nil
	}
	_, err := fmt.Fprintf(out, "%d of %d patients changed\n", changed, len(outcomes))
	return err
}

func newScopeAdd(g *global) *cobra.Command {
	w, rule := &who{}, &byRule{}
	cmd := &cobra.Command{
		Use:   "add PEER [IDENTIFIER...]",
		Short: "Let a child have patients",
		Long: `Bring patients into a child's scope: by identifiers or keys, from a file, all whose last encounter was at a location, all who are in a program
now. Who is named by a key need not be here: the patient is asked for upwards.

With --rule, a rule of omsync.toml ([scope.rule.NAME]) fills the scope from now on, at each export to the child: whom it wants comes in, and whom
rules alone brought, and none wants any more, leaves. --dry-run says who that would be.`,
		Example: `  omsync scope add kisumu 100GEJ 100HNU`,
		Args:    somePeer,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asked, err := rule.change(cmd, g, args, true, w.asJSON); !asked || err != nil {
				return err
			}
			return w.change(cmd, g, args, (*scoping.Session).Add, "may have", "has already")
		},
	}
	w.flags(cmd)
	rule.flags(cmd, "a rule of omsync.toml that fills the scope from now on")
	cmd.Flags().StringVar(&w.location, "location", "", "all whose last encounter was there: its name or uuid")
	cmd.Flags().StringVar(&w.program, "program", "", "all who are in the program now: its name or uuid")
	return cmd
}

// change does something with the patients whom a command means, and says what became of them. The first argument is the child.
func (w *who) change(cmd *cobra.Command, g *global, args []string, do func(*scoping.Session, context.Context, string, []scoping.Patient) ([]scoping.Outcome, error), done, undone string) error {
	var outcomes []scoping.Outcome
	err := changeScopes(cmd, g, func(ctx context.Context, s *scoping.Session) error {
		patients, err := w.patients(ctx, s, args[1:], true)
		if err == nil {
			outcomes, err = do(s, ctx, args[0], patients)
		}
		return err
	})
	if err != nil {
		return err
	}
	return w.print(cmd, outcomes, done, undone)
}

func somePeer(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return failure.Hinted(errors.New("say which child"), "%s", cmd.UseLine())
	}
	return nil
}

func newScopeLeave(g *global) *cobra.Command {
	w, rule, purge := &who{}, &byRule{}, false
	cmd := &cobra.Command{
		Use:   "leave PEER [IDENTIFIER...]",
		Short: "Let patients leave a child's scope",
		Long: `Let patients leave a child's scope: nothing of them goes to it any more, until it sends news of them itself. It keeps what it has.
With --rule, that rule fills the scope no more, and whom rules alone brought leaves unless another rule wants the patient.

With --purge the child deletes what it has of them, once this node has all of that: no other site hears of a deletion, and what it had not sent
brings the patient back into its scope. What all may have stays there, and so does what the child keeps of conflicts and of deleted rows. A
child with children of its own deletes nothing, nor does one whose omsync is older.`,
		Args: somePeer,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asked, err := rule.change(cmd, g, args, false, w.asJSON); !asked || err != nil {
				return err
			}
			if purge {
				return w.change(cmd, g, args, (*scoping.Session).Purge, "is to delete what it has of", "had not")
			}
			return w.change(cmd, g, args, (*scoping.Session).Leave, "gets nothing more of", "had not")
		},
	}
	w.flags(cmd)
	rule.flags(cmd, "a rule that is to fill the scope no more")
	cmd.Flags().BoolVar(&purge, "purge", false, "have the child delete what it has of them")
	cmd.MarkFlagsMutuallyExclusive("purge", "rule")
	return cmd
}

func newScopeAnswer(g *global, verb, short string, answer func(*scoping.Session, context.Context, string, []scoping.Patient) ([]scoping.Outcome, error), done, undone string) *cobra.Command {
	w := &who{}
	cmd := &cobra.Command{
		Use:   verb + " PEER IDENTIFIER...",
		Short: short,
		Long:  short + ", as omsync scope requests lists them.",
		Args:  somePeer,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.change(cmd, g, args, answer, done, undone)
		},
	}
	w.flags(cmd)
	return cmd
}
