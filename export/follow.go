package export

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/journal"
)

// canTell reports whether the peer is told how tables may go: its program reads that.
func (p *plan) canTell(peer *journal.Peer) bool {
	return peer.TellsRules() && p.features.Writable(peer.Heard).Has(features.Rules)
}

// rulesToTell returns what the peer has not heard yet of how tables may go; nil: nothing.
func (p *plan) rulesToTell() *batch.RulesItem {
	if e := p.peer.Rules.Epoch; !p.canTell(p.peer) || e == 0 || p.head.Base.Epoch >= e {
		return nil
	}
	item := &batch.RulesItem{}
	ways := p.j.Ways(p.peer)
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		w := ways[name]
		r := batch.TableRule{Table: name, Direction: w.Direction.String(), Staff: w.Staff, NotUp: w.NotUp, NotDown: w.NotDown}
		for _, s := range w.Rows {
			r.Rows = append(r.Rows, batch.RowRule(s))
		}
		item.Tables = append(item.Tables, r)
	}
	return item
}

// rulesChanged reports whether something of what may go to the peer is not as it was when that was last looked at.
func (p *plan) rulesChanged() bool {
	c := p.j.CompareRules(p.peer)
	return c.Changed || p.canTell(p.peer) && (!p.peer.Rules.Offered || p.peer.Rules.Epoch == 0 || p.peer.Rules.History != p.history.ID) || !p.canTell(p.peer) && p.peer.Rules.Offered
}

// followRules has the peer sent whole what goes to it since now, and asked for what is taken from it since now; and notes how tables go. A
// child is told what applies to it from a new epoch on.
func (p *plan) followRules(ctx context.Context, o Options) error {
	gate, err := p.j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer gate.Close()
	if err := journal.Gate(ctx, gate, true, o.Wait); err != nil {
		return err
	}
	defer gate.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	peer, err := journal.PeerByName(ctx, gate, p.peer.Name, true)
	if err != nil {
		return err
	}
	if peer == nil || peer.ID != p.peer.ID {
		return errors.New("the peer was removed meanwhile")
	}
	c := p.j.CompareRules(peer)
	tell := p.canTell(peer)
	if len(c.Sent)+len(c.Taken) > 0 || tell {
		at, err := journal.NextEpoch(ctx, gate, false, p.j.Now())
		if err != nil {
			return err
		}
		peer.Owe(c.Sent, at.Epoch, p.j.Now().UnixMicro())
		peer.Request(c.Taken, at.Epoch)
		if tell {
			peer.Rules.Epoch = at.Epoch
		}
	}
	peer.Rules.Seen, peer.Rules.Allowed, peer.Rules.Offered, peer.Rules.History = c.Now, c.Allowed, tell, p.history.ID
	if err := journal.SaveRules(ctx, gate, peer); err != nil {
		return err
	}
	if err := journal.SavePeer(ctx, gate, peer); err != nil {
		return err
	}
	_, err = gate.ExecContext(ctx, "COMMIT")
	return err
}
