package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport"
)

// Pulled is what Pull found in a store.
type Pulled struct {
	Link    *Link
	Applied []string // files for this node that were applied at an earlier run
	InInbox []string // files for this node that are in the inbox now
	Notes   []error  // about files that were left where they are
}

// Pull copies the files for this node from the link's store into the inbox, each as it was signed by its sender. What was found
// until an error is returned with it. moved is called after each file.
func (n *Node) Pull(ctx context.Context, l *Link, moved func(Transfer)) (*Pulled, error) {
	entries, err := l.List(ctx)
	if err != nil {
		return nil, err
	}
	seen, err := readSeen(n.Home)
	if err != nil {
		return nil, err
	}
	inbox, err := Inbox(n.Home)
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	files, err := inbox.List(ctx)
	if err != nil {
		return nil, err
	}
	have := map[string]int64{}
	for _, e := range files {
		have[e.Name] = e.Size
	}
	p := &pulling{Node: n, seen: seen, inbox: inbox, have: have, moved: moved, found: &Pulled{Link: l}}
	for _, e := range entries {
		if err := p.take(ctx, e); err != nil {
			return p.found, err
		}
	}
	return p.found, nil
}

// pulling is one pull over one link.
type pulling struct {
	*Node
	seen  *seen
	inbox *transport.Folder
	have  map[string]int64 // bytes of the files that were in the inbox before
	moved func(Transfer)
	found *Pulled
}

func (p *pulling) note(err error) { p.found.Notes = append(p.found.Notes, err) }

// take brings a file into the inbox if it is for this node and not applied yet. The error is one that ends the pull.
func (p *pulling) take(ctx context.Context, e transport.Entry) error {
	l := p.found.Link
	if size, ok := p.have[e.Name]; ok && size == e.Size {
		p.found.InInbox = append(p.found.InInbox, e.Name)
		return nil
	}
	if l.Bucket && !batch.MayBeFor(e.Name, p.Name) {
		return nil
	}
	sender, err := p.wantedFrom(ctx, e)
	if errors.Is(err, fs.ErrNotExist) { // taken away meanwhile
		return nil
	} else if err != nil || sender == nil {
		return err
	}
	if !MadeBy(e.Name, sender.Name, p.Name) { // the inbox takes no name that could be another node's
		p.note(fmt.Errorf("%s in %s was renamed: apply it by hand: omsync import FILE", printable(e.Name), l))
		return nil
	}
	if err := p.fetch(ctx, e, sender); isDamage(err) {
		p.note(err)
		return nil
	} else if err != nil {
		return err
	}
	p.found.InInbox = append(p.found.InInbox, e.Name)
	return nil
}

// isDamage reports whether an error is about the bytes of a batch.
func isDamage(err error) bool {
	return errors.Is(err, batch.ErrSignature) || errors.Is(err, batch.ErrTruncated) || errors.Is(err, batch.ErrCorrupt)
}

// wantedFrom returns the sender of a file that is for this node, from an active peer, and not applied yet; nil of others.
func (p *pulling) wantedFrom(ctx context.Context, e transport.Entry) (*journal.Peer, error) {
	l := p.found.Link
	name := l.Peer
	var h *batch.Header
	if l.shared() {
		var err error
		if h, err = headerInStore(ctx, l, e.Name); err != nil {
			return nil, err
		}
		if h == nil || h.Receiver != p.Name {
			return nil, nil
		}
		name = h.Sender
	}
	sender, err := journal.PeerByName(ctx, p.Journal.DB, name, false)
	if err != nil {
		return nil, err
	}
	if err := checkSender(sender, name); err != nil {
		p.note(fmt.Errorf("%s in %s: %w", e.Name, l, err))
		return nil, nil
	}
	switch {
	case h != nil && p.seen.applied(h, sender), h == nil && p.seen.appliedByName(e.Name, sender, p.Name):
		p.found.Applied = append(p.found.Applied, e.Name)
		return nil, nil
	}
	return sender, nil
}

func (p *pulling) fetch(ctx context.Context, e transport.Entry, sender *journal.Peer) error {
	bar := p.bar("from "+sender.Name, Bytes)
	defer bar.Done()
	began := time.Now()
	check := func(r io.ReaderAt, size int64) error { return Check(r, size, sender, p.Name) }
	if err := transport.Fetch(ctx, p.found.Link, e, p.inbox, check, func(done int64) { bar.Show(done, e.Size) }); err != nil {
		return err
	}
	p.moved(Transfer{Link: p.found.Link.String(), File: e.Name, Bytes: e.Size, Took: time.Since(began)})
	return nil
}

// RemoveApplied takes out of a store what Pull found there and is applied now. applied are the files that were. fs.ErrPermission:
// all that may be removed is; the others are not tried again with the same p.
func (n *Node) RemoveApplied(ctx context.Context, p *Pulled, applied map[string]bool) error {
	names, left := p.Applied, []string(nil)
	for _, name := range p.InInbox {
		if applied[name] {
			names = append(names, name)
		} else {
			left = append(left, name)
		}
	}
	var denied error
	for _, name := range names {
		switch err := p.Link.Remove(ctx, name); {
		case errors.Is(err, fs.ErrPermission):
			denied = err
		case err != nil:
			return err
		}
	}
	p.Applied, p.InInbox = nil, left
	return denied
}

// AcceptFile puts a file into the inbox that came beside a listing, as the answer to an upload may bring one. It must have the
// name and the signature of a batch of this peer.
func (n *Node) AcceptFile(ctx context.Context, from *journal.Peer, name string, content io.ReaderAt, size int64) error {
	if !MadeBy(name, from.Name, n.Name) {
		return fmt.Errorf("%w: that is no name of a batch of %s", ErrUntrusted, from.Name)
	}
	if err := Check(content, size, from, n.Name); err != nil {
		return err
	}
	inbox, err := Inbox(n.Home)
	if err != nil {
		return err
	}
	defer inbox.Close()
	return inbox.Put(ctx, name, content, size, nil)
}
