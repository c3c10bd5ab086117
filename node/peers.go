package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node/compared"
	"github.com/omsync/omsync/scopes"
)

// AddPeer makes a node a peer, in a role that [Node.CheckPeer] found free. A child that was removed and is added again has the scope that it had; of a
// parent this node asks again for whom it was told of. A peer whose keys were revoked has this card from now on, and goes on where it was.
func (n *Node) AddPeer(ctx context.Context, card keys.Card, as access.Role) error {
	before, err := journal.PeerByName(ctx, n.DB, card.Name, false)
	if err != nil {
		return err
	}
	if before != nil {
		return n.replaceCard(ctx, before, card)
	}
	// The number grows from one adding to the next, as package merge asks: it tells this link from an earlier one.
	number, err := journal.NextLink(ctx, n.DB, time.Now())
	if err != nil {
		return err
	}
	tx, err := n.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	p := &journal.Peer{Name: card.Name, Role: as, Card: card.Marshal(), Link: merge.Link{Number: number}}
	if err := journal.AddPeer(ctx, tx, p); err != nil {
		return err
	}
	if as == access.Child {
		err = scopes.Carry(ctx, tx, p.Name, p.ID)
	} else {
		err = scopes.AskAgain(ctx, n.Journal, tx)
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// replaceCard gives a peer whose keys were revoked a new card.
func (n *Node) replaceCard(ctx context.Context, p *journal.Peer, card keys.Card) error {
	// What waits of it was signed with the keys of before, and what waits for it is for them to read.
	if err := exchange.DiscardMail(ctx, n.Home, card.Name); err != nil {
		return err
	}
	c, err := cards.Read(n.Home, p.Name, p.Card)
	if err != nil {
		return err
	}
	if err := c.Replace(card); err != nil {
		return err
	}
	return n.savePeer(ctx, card.Name, func(p *journal.Peer) {
		p.Card, p.State = card.Marshal(), access.Active
		p.Link.HeaderDue, p.Link.Doubted = true, true
	})
}

// GaveCard notes that a peer was given the present card of this node.
func (n *Node) GaveCard(ctx context.Context, peer string, own keys.Card) error {
	p, err := journal.PeerByName(ctx, n.DB, peer, false)
	if err != nil || p == nil {
		return err
	}
	c, err := cards.Read(n.Home, p.Name, p.Card)
	if err != nil {
		return err
	}
	return c.Gave(own)
}

// RevokeKeys sees that nothing is taken any more that the present keys of a peer signed, and that nothing goes to it, until it has a new card. It works
// at once, beside any other run.
func (n *Node) RevokeKeys(ctx context.Context, name string) error {
	p, err := journal.PeerByName(ctx, n.DB, name, false)
	switch {
	case err != nil:
		return err
	case p == nil:
		return n.NoPeer(name)
	}
	c, err := cards.Read(n.Home, p.Name, p.Card)
	if err != nil {
		return err
	}
	if err := c.Revoke(); err != nil {
		return err
	}
	if err := n.SetPeerState(ctx, name, access.Suspended); err != nil {
		return err
	}
	return n.forgetInvitations(name)
}

// CheckPeer returns an error with a hint, a *failure.Failure, for what stands in the way of adding a peer. known: it is there
// already, the same.
func (n *Node) CheckPeer(ctx context.Context, card keys.Card, as access.Role) (known bool, err error) {
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return false, err
	}
	if cards.IsRevoked(n.Home, card) {
		return false, failure.Hinted(fmt.Errorf("the keys of this card of %s were revoked here", card.Name), "its people make new ones: omsync keys rotate, or init --new-keys where they are lost")
	}
	for _, p := range peers {
		c, err := cards.Read(n.Home, p.Name, p.Card)
		if err != nil {
			return false, err
		}
		switch {
		case p.Name == card.Name && p.Role == as && (c.Present == card.Fingerprint() || c.Next == card.Fingerprint()):
			return true, nil
		case p.Name == card.Name && p.Role == as && c.Revoked():
			return false, nil
		case p.Name == card.Name:
			return false, failure.Hinted(fmt.Errorf("there is a peer %s already, as %s, with another card or role", p.Name, p.Role),
				"omsync --home %s peer remove %s, if that one is no more", n.Home, p.Name)
		case as == access.Parent && p.Role == access.Parent:
			return false, failure.Hinted(fmt.Errorf("this node has a parent already: %s", p.Name), "nodes form a tree; remove that one first, or add this one as child")
		}
	}
	return false, nil
}

// ChoosePeers returns the peers of these names, which must be active, or all that are active.
func (n *Node) ChoosePeers(ctx context.Context, names []string) ([]*journal.Peer, error) {
	all, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		active := slices.DeleteFunc(all, func(p *journal.Peer) bool { return !p.State.Exchanges() })
		if len(active) == 0 {
			return nil, failure.Hinted(errors.New("this node has no active peer to export to"), "omsync --home %s peer add CARD --as parent|child", n.Home)
		}
		return active, nil
	}
	var out []*journal.Peer
	for _, name := range names {
		i := slices.IndexFunc(all, func(p *journal.Peer) bool { return p.Name == name })
		switch {
		case i < 0:
			return nil, n.NoPeer(name)
		case !all[i].State.Exchanges():
			return nil, failure.Hinted(fmt.Errorf("the peer %s is %s", name, all[i].State), "omsync --home %s peer resume %s", n.Home, name)
		case !slices.Contains(out, all[i]):
			out = append(out, all[i])
		}
	}
	return out, nil
}

// forgetInvitations sees that a peer which is removed does not come back by the token that it joined with.
func (n *Node) forgetInvitations(name string) error {
	dir := n.invitationsFolder()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	invitations, err := enrol.OpenInvitations(dir)
	if err != nil {
		return err
	}
	return invitations.Forget(name)
}

// SetPeerState changes a peer's state. One that is removed does not come back by the token that it joined with, and its mail goes.
func (n *Node) SetPeerState(ctx context.Context, name string, state access.State) error {
	if state == access.Active {
		if err := n.checkNotRevoked(ctx, name); err != nil {
			return err
		}
	}
	for state != access.Removed {
		err := n.savePeer(ctx, name, func(p *journal.Peer) { p.State = state })
		if sqldb.IsLockConflict(err) && ctx.Err() == nil { // an import of its file is under way, and may take long
			continue
		}
		return err
	}
	if err := n.forgetInvitations(name); err != nil {
		return err
	}
	found, err := journal.RemovePeer(ctx, n.DB, name)
	if err != nil {
		return err
	}
	if !found {
		return n.NoPeer(name)
	}
	return errors.Join(compared.Forget(n.Home, name), exchange.ForgetPeer(ctx, n.Home, name))
}

// DropWaitingOfRemoved drops what waits of peers that were removed: nobody tries it any more, and a peer that is added anew sends all it has. It
// returns how many rows there were. The lock must be held.
func (n *Node) DropWaitingOfRemoved(ctx context.Context) (int64, error) {
	tx, err := n.DB.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	dropped, err := journal.DropWaiting(ctx, tx, journal.WaitingFilter{Removed: true}, journal.Dropping{By: "omsync peer remove", At: time.Now().UnixMicro()})
	if err != nil {
		return 0, err
	}
	return dropped, tx.Commit()
}

// checkNotRevoked returns an error for a peer that has no card since its keys were revoked.
func (n *Node) checkNotRevoked(ctx context.Context, name string) error {
	p, err := journal.PeerByName(ctx, n.DB, name, false)
	if err != nil || p == nil {
		return err
	}
	c, err := cards.Read(n.Home, p.Name, p.Card)
	if err == nil && c.Revoked() {
		err = failure.Hinted(fmt.Errorf("the keys of %s were revoked here", name), "it goes on with a new card: omsync --home %s peer add CARD --as %s, or omsync invite %s", n.Home, p.Role, name)
	}
	return err
}

// savePeer changes a peer in a transaction: imports write to the same row.
func (n *Node) savePeer(ctx context.Context, name string, change func(*journal.Peer)) error {
	tx, err := n.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	p, err := journal.PeerByName(ctx, tx, name, true)
	if err != nil {
		return err
	}
	if p == nil {
		return n.NoPeer(name)
	}
	change(p)
	if err := journal.SavePeer(ctx, tx, p); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("save the peer %s: %w", name, err)
	}
	return nil
}

// NoPeer returns the error that there is no peer of a name.
func (n *Node) NoPeer(name string) error {
	return failure.Hinted(fmt.Errorf("there is no peer %.40q", name), "omsync --home %s peer list", n.Home)
}

// Invitations opens the node's invitations, and makes their folder if it is missing.
func (n *Node) Invitations() (*enrol.Invitations, error) {
	return enrol.OpenInvitations(n.invitationsFolder())
}

func (n *Node) invitationsFolder() string { return filepath.Join(n.Home, "invitations") }

// CheckToken returns an error unless the token is of the node's parent, if it has one. Ask before the hub is asked: otherwise the
// hub would have a child from then on that will never be one.
func (n *Node) CheckToken(ctx context.Context, token enrol.Token) error {
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if p.Role != access.Parent {
			continue
		}
		c, err := cards.Read(n.Home, p.Name, p.Card)
		if err != nil {
			return err
		}
		if next, ok := c.NextCard(); !token.From(c.Card()) && !(ok && token.From(next)) && !c.Revoked() {
			return failure.Hinted(fmt.Errorf("this node has a parent already, %s, and the token is not of its present card", p.Name),
				"omsync --home %s peer remove %s, if it is to have another, or that one has new keys", n.Home, p.Name)
		}
	}
	return nil
}

// MatchPeer returns the peer of that name, or the only parent, to match with.
func (n *Node) MatchPeer(ctx context.Context, name string) (*journal.Peer, error) {
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	var found []*journal.Peer
	for _, p := range peers {
		if p.Name == name || name == "" && p.Role == access.Parent {
			found = append(found, p)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case name != "":
		return nil, n.NoPeer(name)
	case len(found) == 0:
		return nil, failure.Hinted(errors.New("this node has no parent to compare with"), "omsync --home %s peer add CARD --as parent; or say --peer NAME", n.Home)
	}
	return nil, failure.Hinted(errors.New("this node has several parents"), "say --peer NAME")
}

// KeepPeer says which of two copies of a peer is the peer.
func (n *Node) KeepPeer(ctx context.Context, name string, history uint64) error {
	kept := false
	if err := n.savePeer(ctx, name, func(p *journal.Peer) { kept = p.Link.Keep(history) }); err != nil {
		return err
	}
	if !kept {
		return failure.Hinted(fmt.Errorf("%s has no two copies at work, of which one has the history %016x", name, history), "omsync status -v says which two there are")
	}
	return nil
}
