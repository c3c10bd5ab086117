package exchange

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/harmonise"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
)

// knownPairs returns the aliases for a peer that no decision can change any more: until its first load is applied, what was decided is what the
// decisions say.
func (n *Node) knownPairs(ctx context.Context, p *journal.Peer) (out []match.Pair, err error) {
	tables := map[uint16]string{}
	for name, t := range n.Journal.Tables {
		tables[t.ID] = name
	}
	err = journal.PeerAliases(ctx, n.Journal.DB, p.ID, func(a journal.Alias) error {
		if a.From != journal.AliasDecided || p.Link.Applied.Epoch > 0 {
			out = append(out, match.Pair{Table: tables[a.Table], Here: a.Own, There: a.Their})
		}
		return nil
	})
	return out, err
}

// Decide keeps what people decided about rows here and at a peer, in place of all that was decided before. The decisions must be ones that
// [match.Comparison.Check] takes, and nothing of the peer may be applied yet.
func (n *Node) Decide(ctx context.Context, p *journal.Peer, decisions []match.Decision) error {
	aliases, err := n.decidedAliases(p, decisions)
	if err != nil {
		return err
	}
	tx, err := n.Journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	before := map[uint16][]string{}
	err = journal.PeerAliases(ctx, tx, p.ID, func(a journal.Alias) error {
		if a.From == journal.AliasDecided {
			before[a.Table] = append(before[a.Table], a.Their)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for table, theirs := range before {
		if err := journal.DropAliases(ctx, tx, p.ID, journal.AliasDecided, table, theirs); err != nil {
			return err
		}
	}
	if err := journal.PutAliases(ctx, tx, aliases); err != nil {
		return err
	}
	return n.saveDecisions(ctx, p, decisions, func() error { return tx.Commit() })
}

// saveDecisions keeps decisions, and then what follows from them: without the aliases, the same file can be given again.
func (n *Node) saveDecisions(ctx context.Context, p *journal.Peer, decisions []match.Decision, commit func() error) error {
	if err := harmonise.SaveDecisions(n.Home, &harmonise.Decided{Peer: p.Name, Link: p.Link.Number, Decisions: decisions}); err != nil {
		return err
	}
	if err := commit(); err != nil {
		return err
	}
	return n.keepAliases(ctx)
}

// DecideLate keeps decisions that came after the peer's first load was applied here, or after rows had gone there: that two rows are one, or
// that they are not. They must be ones that [match.Comparison.Check] takes. What refers to a row that got another name at the peer is sent
// again: there it waits for a key that never comes.
func (n *Node) DecideLate(ctx context.Context, p *journal.Peer, kept, decisions []match.Decision) error {
	aliases, err := n.decidedAliases(p, decisions)
	if err != nil {
		return err
	}
	if _, err := capture.Seal(ctx, n.Journal, n.Wait); err != nil {
		return err
	}
	gate, err := n.Journal.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer gate.Close()
	if err := journal.Gate(ctx, gate, false, n.Wait); err != nil {
		return err
	}
	defer gate.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err := n.Journal.Reload(ctx, gate); err != nil {
		return err
	}
	rules, err := n.Journal.Deciding(ctx, gate, p)
	if err != nil {
		return err
	}
	epoch, err := journal.NextEpoch(ctx, gate, true, n.Journal.Now())
	if err != nil {
		return err
	}
	resent := false
	for _, a := range aliases {
		taken, some, err := n.Journal.PairLate(ctx, gate, p, rules, a, epoch.Epoch)
		if err != nil {
			return err
		}
		if !taken {
			return fmt.Errorf("the row %s cannot become %s any more: %s has had it from here, or had the other one here: correct rows in OpenMRS, at the site that may change them", match.Shown(a.Own), match.Shown(a.Their), p.Name)
		}
		resent = resent || some
	}
	if !resent {
		if err := journal.DropEpoch(ctx, gate, epoch.Epoch); err != nil {
			return err
		}
	}
	if err := journal.PutAliases(ctx, gate, aliases); err != nil {
		return err
	}
	return n.saveDecisions(ctx, p, match.Merge(kept, decisions), func() error {
		_, err := gate.ExecContext(ctx, "COMMIT")
		return err
	})
}

// decidedAliases returns the aliases that decisions make.
func (n *Node) decidedAliases(p *journal.Peer, decisions []match.Decision) (out []journal.Alias, err error) {
	for _, d := range decisions {
		if d.Kind != match.Same {
			continue
		}
		t := n.Journal.Catalogue.Table(d.Table)
		if t == nil || n.Journal.Tables[t.Root.Name] == nil || !journal.HasAliases(t.Root) {
			return nil, fmt.Errorf("line %d: rows of %s have no keys of their own: decide about the rows that they belong to", d.Line, d.Table)
		}
		if len(d.Here) > journal.MaxAliasKey || len(d.There) > journal.MaxAliasKey {
			return nil, fmt.Errorf("line %d: a key of more than %d bytes: rename the row at one of the two sites", d.Line, journal.MaxAliasKey)
		}
		out = append(out, journal.Alias{Peer: p.ID, Table: n.Journal.Tables[t.Root.Name].ID, Their: d.There, Own: d.Here, From: journal.AliasDecided, At: n.Journal.Now().UnixMicro()})
	}
	return out, nil
}

// decidedApart returns what says of two rows whether a person decided that they are not one, or that the one here is new for the peer; nil:
// nobody did.
func (n *Node) decidedApart(p *journal.Peer) (func(table, own, their string) bool, error) {
	decisions, err := harmonise.LoadDecisions(n.Home, p.Name, p.Link.Number)
	if err != nil || len(decisions) == 0 {
		return nil, err
	}
	type row struct{ root, own, their string }
	apart := map[row]bool{}
	for _, d := range decisions {
		if t := n.Journal.Catalogue.Table(d.Table); t != nil && (d.Kind == match.Apart || d.Kind == match.Send) {
			apart[row{t.Root.Name, d.Here, d.There}] = true
		}
	}
	return func(table, own, their string) bool {
		t := n.Journal.Catalogue.Table(table)
		return t != nil && (apart[row{t.Root.Name, own, their}] || apart[row{t.Root.Name, own, ""}])
	}, nil
}
