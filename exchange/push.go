package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
)

// Push copies what waits in the outboxes of peers into the link's store, and takes out of it what this node put there and
// is no longer needed. Files that are there, or went there before, are not sent again. state learns what was sent; the
// caller saves it. moved is called after each file.
func (n *Node) Push(ctx context.Context, l *Link, peers []*journal.Peer, state *State, moved func(Transfer)) error {
	stored, err := l.storedSizes(ctx)
	if err != nil {
		return err
	}
	p := &pushing{Node: n, link: l, stored: stored, state: state, moved: moved}
	for _, peer := range peers {
		if !serves(l.Peers, peer.Name) || !l.shared() && l.Peer != peer.Name {
			continue
		}
		if err := p.pushTo(ctx, peer); err != nil {
			return err
		}
	}
	return nil
}

// storedSizes lists a shared store: the bytes of each file by its name. Of one peer's own store nothing needs to be known.
func (l *Link) storedSizes(ctx context.Context) (map[string]int64, error) {
	if !l.shared() {
		return nil, nil
	}
	entries, err := l.List(ctx)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		sizes[e.Name] = e.Size
	}
	return sizes, nil
}

// pushing is one push over one link.
type pushing struct {
	*Node
	link   *Link
	stored map[string]int64 // what a shared store held before: see storedSizes
	state  *State
	moved  func(Transfer)
}

func (p *pushing) pushTo(ctx context.Context, peer *journal.Peer) error {
	b, err := p.openOutbox(ctx, peer)
	if err != nil {
		return err
	}
	defer b.Close()
	p.state.forgetAllBut(peer.Name, b.files)
	for _, f := range b.files {
		sent := slices.Contains(p.state.Sent[peer.Name][f.Name], p.link.String())
		there := sent
		if p.link.shared() {
			size, stored := p.stored[f.Name]
			there = stored && size == f.Size
		}
		if !there {
			if err := p.put(ctx, b, f); err != nil {
				return err
			}
		}
		if !sent {
			p.state.recordSent(peer.Name, f.Name, p.link.String())
		}
	}
	if err := p.pushDigest(ctx, peer); err != nil {
		return err
	}
	return p.clean(ctx, peer, b.files)
}

func (p *pushing) put(ctx context.Context, b *outbox, f mailFile) error {
	file, size, err := b.Open(ctx, f.Name)
	if errors.Is(err, fs.ErrNotExist) { // replaced meanwhile, or taken
		return nil
	} else if err != nil {
		return err
	}
	defer file.Close()
	// The receiver would refuse it each time, when all of it had gone over the link.
	if err := p.checkOwn(file, size, b.peer); isDamage(err) {
		file.Close()
		err = fmt.Errorf("%s in the outbox is damaged, or of older keys; the next run makes what waits for %s anew: %w", f.Name, b.peer.Name, err)
		for _, f := range b.files { // what builds on it is of no use without it
			err = errors.Join(err, b.Remove(ctx, f.Name))
		}
		return err
	} else if err != nil {
		return err
	}
	bar := p.bar("to "+b.peer.Name, Bytes)
	defer bar.Done()
	began := time.Now()
	if err := p.link.Put(ctx, f.Name, file, size, func(done int64) { bar.Show(done, size) }); err != nil {
		return err
	}
	t := Transfer{Link: p.link.String(), File: f.Name, Bytes: size, Took: time.Since(began)}
	if p.link.Refusal != nil {
		t.Refused = p.link.Refusal(f.Name)
		p.state.link(t.Link).Refused = t.Refused
	}
	p.moved(t)
	return nil
}

// checkOwn checks a file for a peer: that it is whole, and signed with keys by which the peer takes it.
func (n *Node) checkOwn(r io.ReaderAt, size int64, peer *journal.Peer) error {
	c, err := n.Cards(peer)
	if err != nil {
		return err
	}
	return checkFile(r, size, func(h *batch.Header, message, signature []byte) error {
		if err := checkNames(h, n.Name, peer.Name); err != nil {
			return err
		}
		for _, id := range Signers(n.Keys, peer, c) {
			if card := id.Card(); n.mayTake(peer, c, card.Fingerprint()) && card.VerifySignature(message, signature) == nil {
				return nil
			}
		}
		return keys.ErrSignature
	})
}

// clean takes out of a shared store those of this node's files for a peer that the peer has applied, or that files which
// wait, and are there now, replace.
func (p *pushing) clean(ctx context.Context, peer *journal.Peer, waiting []mailFile) error {
	node, err := journal.LoadNode(ctx, p.Journal.DB)
	if err != nil {
		return err
	}
	for name := range p.stored {
		if !MadeBy(name, p.Name, peer.Name) || slices.ContainsFunc(waiting, func(f mailFile) bool { return f.Name == name }) {
			continue
		}
		h, err := headerInStore(ctx, p.link, name)
		if err != nil || h == nil || h.Sender != p.Name || h.Receiver != peer.Name {
			continue // gone meanwhile, or not what its name says
		}
		if keepsDigest(h, p.Journal.Now()) {
			continue
		}
		if mayHoldRows(h) && acknowledged(h, peer, node.History) ||
			slices.ContainsFunc(waiting, func(f mailFile) bool { return replaces(f.header, h, peer) }) {
			// What another account put there stays: it does no harm.
			if err := p.link.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	return nil
}
