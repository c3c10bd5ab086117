package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/scoping"
)

// askAgainAfter is how long fetch waits between two exchanges.
const askAgainAfter = 2 * time.Second

// fetching is one run of fetch.
type fetching struct {
	cmd      *cobra.Command
	g        *global
	parent   string
	patients []scoping.Patient
	asked    []scoping.Asked
}

func newFetch(g *global) *cobra.Command {
	w := &who{}
	noWait := false
	timeout := time.Minute
	cmd := &cobra.Command{
		Use:   "fetch [IDENTIFIER...]",
		Short: "Ask the parent for patients of other sites",
		Long: `Ask this node's parent for patients whom it does not send by itself: they come whole. A patient is named by an identifier, which the
parent looks for, or passes on to its own parent; or by the key (a uuid), as the site that has the patient knows it. Without a name it lists what
this node asked, and the answers.

With --name and --born it looks for the patient at the parent's server, if that allows it (search = true under [scope] there), and lists whom it
finds, as little as tells people apart: ask for one of them by the key.

While a link to the parent is up, the request goes at once, and fetch waits for the answer and applies it. Otherwise it goes with every file to the
parent until that has answered: the answer comes with a later sync, or with the stick. Ctrl-C, or --timeout, ends the waiting and not the request.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return errors.New("--timeout: write a time like 90s; --no-wait asks without waiting")
			}
			if w.name != "" {
				if done, err := w.search(cmd, g); done || err != nil {
					return err
				}
			}
			f := &fetching{cmd: cmd, g: g}
			err := changeScopes(cmd, g, func(ctx context.Context, s *scoping.Session) (err error) {
				if f.parent, err = s.Parent(ctx); err != nil {
					return err
				}
				names, err := w.named(args)
				if err == nil && len(names) == 0 && w.name == "" {
					f.asked, err = s.Requested()
					return err
				}
				if err != nil {
					return err
				}
				if f.patients, err = s.Wanted(ctx, names); err == nil && w.name != "" {
					var p scoping.Patient
					if p, err = s.Named(ctx, w.name, w.born); err == nil {
						f.patients = append(f.patients, p)
					}
				}
				if err == nil {
					f.asked, err = s.Fetch(f.patients)
				}
				return err
			})
			if err != nil {
				return err
			}
			why := "the request goes with the next file to " + f.parent
			if !noWait && f.open() && len(f.patients) > 0 {
				if why, err = f.wait(timeout); err != nil {
					return failure.Hinted(err, "the requests stay: they go with every file to %s until it has answered", f.parent)
				}
			}
			return f.print(w.asJSON, why)
		},
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "ask, and do not wait for the answer")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait for the answer")
	return cmd
}

func (f *fetching) open() bool { return slices.ContainsFunc(f.asked, scoping.Asked.Open) }

// wait exchanges files with the parent until nothing is open, and says why something still is.
func (f *fetching) wait(timeout time.Duration) (why string, err error) {
	ctx := f.cmd.Context()
	end := time.Now().Add(timeout)
	for {
		up, err := f.exchange(ctx)
		switch {
		case err != nil:
			return "", err
		case !f.open():
			return "", nil
		case !up:
			return fmt.Sprintf("no link to %s is up: the request goes with the next file to it, or the next stick", f.parent), nil
		case time.Now().Add(askAgainAfter).After(end):
			return fmt.Sprintf("not answered within %s: the answer comes with a later sync", timeout), nil
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(f.cmd.ErrOrStderr(), "omsync: the requests stay: they go with every file to %s until it has answered\n", f.parent)
			return "", ctx.Err()
		case <-time.After(askAgainAfter):
		}
	}
}

// exchange does what sync does, over the links to the parent alone, and looks how the requests stand then. up: one of them was.
func (f *fetching) exchange(ctx context.Context) (up bool, err error) {
	n, err := f.g.openAll(f.cmd, node.Change)
	if err != nil {
		return false, err
	}
	defer n.Close()
	err = f.overLinks(ctx, n, &up)
	if err != nil {
		return up, err
	}
	return up, scoping.Look(ctx, n, func(s *scoping.Session) (err error) {
		f.asked, err = s.Fetched(f.patients)
		return err
	})
}

func (f *fetching) overLinks(ctx context.Context, n *node.Node, up *bool) error {
	progress := f.cmd.ErrOrStderr()
	s := &syncing{node: n, out: progress, stderr: progress, quiet: true,
		files: &importing{node: n, out: progress, stderr: progress, terse: true, applied: map[string]bool{}}}
	for _, l := range n.Links {
		if users := l.Users(); len(users) == 0 || slices.Contains(users, f.parent) {
			s.links = append(s.links, l)
		}
	}
	if len(s.links) == 0 {
		return nil
	}
	down := map[string]bool{}
	s.isDown = func(link string) { down[link] = true }
	if err := s.end(runSync(ctx, s)); err != nil {
		return err
	}
	*up = slices.ContainsFunc(s.links, func(l config.Link) bool { return !down[l.URL] })
	return nil
}

// print says how each request stands. why: why some are open.
func (f *fetching) print(asJSON bool, why string) error {
	out := f.cmd.OutOrStdout()
	for _, a := range f.asked {
		err := error(nil)
		if asJSON {
			err = printJSON(out, a)
		} else {
			_, err = fmt.Fprintln(out, fetchSays(a, f.parent))
		}
		if err != nil {
			return err
		}
	}
	if !asJSON && f.open() {
		_, err := fmt.Fprintln(out, why)
		return err
	}
	return nil
}
