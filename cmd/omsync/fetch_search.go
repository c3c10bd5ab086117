package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/links"
	"github.com/omsync/omsync/node/scoping"
	"github.com/omsync/omsync/transport/web"
)

// search looks for --name at the parent, unless that patient is here. done: it said what it found, and that is all.
func (w *who) search(cmd *cobra.Command, g *global) (done bool, err error) {
	q, err := scoping.NewQuery(w.name, w.born)
	if err != nil {
		return false, err
	}
	n, err := g.openAll(cmd, node.Read)
	if err != nil {
		return false, err
	}
	defer n.Close()
	parent := ""
	err = scoping.Look(cmd.Context(), n, func(s *scoping.Session) (err error) {
		if parent, err = s.Parent(cmd.Context()); err == nil {
			_, err = s.Named(cmd.Context(), w.name, w.born)
		}
		return err
	})
	if !errors.Is(err, scoping.ErrNobody) {
		return false, err
	}
	for i := range n.Links {
		if l := &n.Links[i]; l.Peer == parent {
			return true, w.searchAt(cmd, n, l, web.Search{Given: q.Given, Family: q.Family, Born: q.Born})
		}
	}
	return false, failure.Hinted(err, "a search at %s needs a link to its server; a request by the identifier or the key does not", parent)
}

func (w *who) searchAt(cmd *cobra.Command, n *node.Node, l *config.Link, q web.Search) error {
	found, err := links.Search(cmd.Context(), n, l, q)
	if err != nil {
		return err
	}
	if w.asJSON {
		for _, p := range found {
			if err := printJSON(cmd.OutOrStdout(), p); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		return fmt.Errorf("no patient that %s knows is called %s and was born on %s", l.Peer, w.name, w.born)
	}
	t := newTable(cmd.OutOrStdout())
	fmt.Fprintln(t, "IDENTIFIER\tNAME\tBORN\tSEX\tCLINIC\tKEY")
	for _, p := range found {
		fmt.Fprintf(t, "%s\t%s %s.\t%d\t%s\t%s\t%s\n", or(p.Identifier), or(p.Given), or(p.Family), p.Born, or(p.Sex), or(p.Clinic), or(p.Key))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "ask for the one that you mean: omsync fetch KEY")
	return err
}

// or returns a text of the hub's as it may be printed; a dash: there is none.
func or(text string) string {
	if text == "" {
		return "-"
	}
	return failure.Printable(text)
}
