package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/harmonise"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/match/sheet"
	"github.com/omsync/omsync/node"
)

// keep checks the decisions of a file and keeps them, all or none.
func (o *matchOptions) keep(cmd *cobra.Command, n *node.Node, x *exchange.Node, p *journal.Peer, there *harmonise.There, kept []match.Decision) error {
	in := cmd.InOrStdin()
	if o.decide != "-" {
		f, _, err := openFile(o.decide)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	decisions, err := sheet.ReadCSV(in)
	if err != nil {
		return fmt.Errorf("%s: %w", o.decide, err)
	}
	late := p.Link.Applied.Epoch > 0 || p.Link.HasSent()
	if late {
		if decisions, err = lateDecisions(p, kept, decisions); err != nil {
			return err
		}
	}
	m, err := x.Match(cmd.Context(), p, there.Side, nil)
	if err != nil {
		return err
	}
	if problems := m.Check(decisions); len(problems) > 0 {
		var list failure.List
		const most = 50
		for _, problem := range problems[:min(len(problems), most)] {
			list = append(list, fmt.Errorf("%s: %w", o.decide, problem))
		}
		if len(problems) > most {
			list = append(list, fmt.Errorf("%s: … and %d more lines that cannot be taken", o.decide, len(problems)-most))
		}
		list = append(list, errors.New("no decision of the file was kept"))
		return list
	}
	if late {
		if err := x.DecideLate(cmd.Context(), p, kept, decisions); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s added; omsync --home %s match --show lists what is decided\n", count(int64(len(decisions)), "decision"), n.Home)
		return err
	}
	all := match.Merge(kept, decisions)
	if problems := m.Check(slices.Clone(all)); len(problems) > 0 { // those that were kept may no longer fit
		return failure.Hinted(fmt.Errorf("what was decided before does not fit these decisions: %w", problems[0]), "omsync --home %s match --show lists it; write open in the line of a decision to take it back", n.Home)
	}
	if err := x.Decide(cmd.Context(), p, all); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s kept; omsync --home %s match --show lists what is decided\n", count(int64(len(all)), "decision"), n.Home)
	return err
}

// lateDecisions returns those decisions that were not taken yet, once rows were exchanged with a peer. What was decided before stands: rows
// have come and gone by it.
func lateDecisions(p *journal.Peer, kept, decisions []match.Decision) (fresh []match.Decision, err error) {
	for _, d := range decisions {
		before := slices.ContainsFunc(kept, func(k match.Decision) bool {
			return k.Table == d.Table && match.Shown(k.Here) == match.Shown(d.Here) && k.Kind == d.Kind && (d.Kind == match.Send || match.Shown(k.There) == match.Shown(d.There))
		})
		switch {
		case before:
		case d.Kind == match.Same || d.Kind == match.Apart:
			fresh = append(fresh, d)
		default:
			return nil, failure.Hinted(fmt.Errorf("line %d: rows have been exchanged with %s: what was decided before stands, and only same and keep apart can be added", d.Line, p.Name), "correct rows in OpenMRS, at the site that may change them")
		}
	}
	return fresh, nil
}
