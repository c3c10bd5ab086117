package exchange

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/keys/rotation"
)

// Cards returns which cards count with a peer.
func (n *Node) Cards(p *journal.Peer) (*cards.Peer, error) { return cards.Read(n.Home, p.Name, p.Card) }

// keyList returns the node's keys as the rules know them, the newest first.
func keyList(id *keys.Identity) []rotation.Key {
	out := []rotation.Key{{Card: id.Card().Fingerprint()}}
	for _, f := range id.Former() {
		out[len(out)-1].Since = f.Until.UnixMicro()
		out = append(out, rotation.Key{Card: f.Card().Fingerprint()})
	}
	return out
}

// ownIdentity returns the keys of a place in keyList.
func ownIdentity(id *keys.Identity, at int) *keys.Identity {
	if at == 0 {
		return id
	}
	return id.Former()[at-1].Identity
}

// Signers returns the keys of a node by which a peer may know it: first those that it signs with now.
func Signers(id *keys.Identity, p *journal.Peer, c *cards.Peer) []*keys.Identity {
	at := rotation.Choose(keyList(id), c.Has, int64(p.Link.Number)).Sign
	out := []*keys.Identity{ownIdentity(id, at)}
	for i := range keyList(id) {
		if i != at {
			out = append(out, ownIdentity(id, i))
		}
	}
	return out
}

// sealing is how a file for a peer is encrypted and signed, and what its header says of the two nodes' keys.
type sealing struct {
	to    keys.Card
	by    *keys.Identity
	texts []string
}

func (n *Node) sealing(p *journal.Peer) (*sealing, error) {
	c, err := n.Cards(p)
	if err != nil {
		return nil, err
	}
	choice := rotation.Choose(keyList(n.Keys), c.Has, int64(p.Link.Number))
	s := &sealing{to: c.Card(), by: ownIdentity(n.Keys, choice.Sign), texts: []string{batch.HasCard(c.Present)}}
	if c.Next != "" {
		s.texts = append(s.texts, batch.HasCard(c.Next))
	}
	if choice.Name >= 0 {
		s.texts = append(s.texts, batch.NewCard(ownIdentity(n.Keys, choice.Name).Card().Keys())...)
	}
	return s, nil
}

// mayTake reports whether a peer takes what one of this node's keys signed, as far as is known.
func (n *Node) mayTake(p *journal.Peer, c *cards.Peer, card string) bool {
	if slices.Contains(c.Has, card) {
		return true
	}
	own := keyList(n.Keys)
	return own[rotation.Choose(own, c.Has, int64(p.Link.Number)).Sign].Card == card
}

// hearCards takes in what the header of a file says of cards. signed is the card whose key signed it.
func (n *Node) hearCards(ctx context.Context, p *journal.Peer, c *cards.Peer, signed string, h *batch.Header, report *apply.Report) error {
	said := rotation.Header{Signed: signed, Has: h.Cards(), History: h.History, Epoch: h.Upto.Epoch, Time: h.Time}
	switch report.Outcome {
	case apply.Applied, apply.Covered:
		said.Counts = rotation.All
	case apply.Gap:
		said.Counts = rotation.Said
	}
	own := keyList(n.Keys)
	before := own[rotation.Choose(own, c.Has, int64(p.Link.Number)).Sign].Card
	heard, err := c.Hear(said, h.NewCard())
	if err != nil {
		return err
	}
	if next, ok := c.NextCard(); ok && heard.Named {
		report.Notes = append(report.Notes, p.Name+" has new keys, with the fingerprint "+next.Fingerprint()+": if its people know nothing of that, somebody else has its keys (omsync peer revoke "+p.Name+")")
	}
	if heard.Has && !n.mayTake(p, c, before) { // it was restored, or this node was: what waits for it is signed with keys that it does not take
		if err := EmptyOutbox(ctx, n.Home, p.Name); err != nil {
			return err
		}
	}
	if stored := c.Card().Marshal(); heard != (cards.Heard{}) || !bytes.Equal(stored, p.Card) {
		p.Card = stored
		return n.changePeer(ctx, p.Name, func(p *journal.Peer) bool {
			p.Card, p.Link.HeaderDue = stored, true // it is to know
			return true
		})
	}
	return nil
}

// holdsNothingNew reports whether a file holds nothing that is not applied, going by its header.
func holdsNothingNew(h *batch.Header, sender *journal.Peer) bool {
	return h.History == sender.Link.History && h.Upto.Epoch <= sender.Link.Applied.Epoch
}

// isApplied reports whether all of a file is applied, going by its header.
func (r *importRun) isApplied(ctx context.Context, f *Incoming) (bool, error) {
	p, err := journal.PeerByName(ctx, r.Journal.DB, f.sender.Name, false)
	return p != nil && holdsNothingNew(f.header, p), err
}

// changePeer changes what is stored of a peer, if change says so.
func (n *Node) changePeer(ctx context.Context, peer string, change func(*journal.Peer) bool) error {
	tx, err := n.Journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	p, err := journal.PeerByName(ctx, tx, peer, true)
	if err != nil || p == nil || !change(p) {
		return err
	}
	if err := journal.SavePeer(ctx, tx, p); err != nil {
		return err
	}
	return tx.Commit()
}

// RotateKeys makes new keys for this node. Its peers hear of them by its next files.
func (n *Node) RotateKeys(ctx context.Context, kind keys.Kind) error {
	peers, err := journal.Peers(ctx, n.Journal.DB)
	if err != nil {
		return err
	}
	at := n.Journal.Now().UnixMicro()
	for _, p := range peers { // whoever is added from now on is given the new card
		at = max(at, int64(p.Link.Number)+1)
	}
	id, err := keys.Rotate(n.Home, n.Name, kind, time.UnixMicro(at))
	if err != nil {
		return err
	}
	n.Keys = id
	for _, p := range peers {
		if err := n.changePeer(ctx, p.Name, func(p *journal.Peer) bool {
			p.Link.HeaderDue = true
			return true
		}); err != nil {
			return err
		}
	}
	return nil
}

// KeysFor returns the fingerprints of those of this node's cards that are in use with a peer: it signs by one, and the peer encrypts to one.
func (n *Node) KeysFor(p *journal.Peer) ([]string, error) {
	c, err := n.Cards(p)
	if err != nil {
		return nil, err
	}
	return append(slices.Clone(c.Has), Signers(n.Keys, p, c)[0].Card().Fingerprint()), nil
}

// ForgetKeys removes those of this node's former keys that no peer uses, and that are not to be kept any longer. It returns how many.
func (n *Node) ForgetKeys(ctx context.Context, now time.Time) (int, error) {
	if len(n.Keys.Former()) == 0 {
		return 0, nil
	}
	peers, err := journal.Peers(ctx, n.Journal.DB)
	if err != nil {
		return 0, err
	}
	used := map[string]bool{}
	for _, p := range peers {
		of, err := n.KeysFor(p)
		if err != nil {
			return 0, err
		}
		for _, card := range of {
			used[card] = true
		}
	}
	spare := rotation.Spare(keyList(n.Keys), func(card string) bool { return used[card] }, now)
	for _, f := range n.Keys.Former() {
		if slices.ContainsFunc(spare, func(k rotation.Key) bool { return k.Card == f.Card().Fingerprint() }) {
			if err := keys.Forget(n.Home, f); err != nil {
				return 0, err
			}
		}
	}
	return len(spare), nil
}
