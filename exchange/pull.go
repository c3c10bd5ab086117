package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/exchange/cards"
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
	record, err := attempts.Read(n.Home)
	if err != nil {
		return nil, err
	}
	p := &pulling{Node: n, seen: seen, record: record, inbox: inbox, have: have, moved: moved, found: &Pulled{Link: l}}
	for _, e := range entries {
		if err := p.take(ctx, e); err != nil {
			return p.found, errors.Join(err, record.Save())
		}
	}
	return p.found, record.Save()
}

// pulling is one pull over one link.
type pulling struct {
	*Node
	seen   *seen
	record *attempts.Record
	inbox  *transport.Folder
	have   map[string]int64 // bytes of the files that were in the inbox before
	moved  func(Transfer)
	found  *Pulled
}

func (p *pulling) note(err error) { p.found.Notes = append(p.found.Notes, err) }

// take brings a file into the inbox if it is for this node and not applied yet. The error is one that ends the pull.
func (p *pulling) take(ctx context.Context, e transport.Entry) error {
	l := p.found.Link
	if size, ok := p.have[e.Name]; ok && size == e.Size {
		p.found.InInbox = append(p.found.InInbox, e.Name)
		return nil
	}
	if f := p.record.Of(e.Name, e.Size); f.Dropped || f.Failed >= attempts.Most { // it is aside, or was thrown away
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
	if p.MaxFile > 0 && e.Size > p.MaxFile {
		p.note(fmt.Errorf("%s in %s has %d bytes, and a file may have %d at most: raise max_file if it is meant", printable(e.Name), l, e.Size, p.MaxFile))
		return nil
	}
	key := p.fetchKey(ctx, e)
	if verdict, until := p.record.Fetches[key].JudgeFetch(time.Now()); verdict == attempts.Wait {
		p.note(&DamageError{key, fmt.Errorf("%s in %s came damaged, and is looked at again at %s, or once it is replaced: %s", printable(e.Name), l,
			until.Local().Format("2006-01-02 15:04"), p.record.Fetches[key].Why)})
		return nil
	}
	if err := p.fetch(ctx, e, sender); errors.Is(err, cards.ErrFormer) {
		if h, e2 := headerInStore(ctx, l, e.Name); e2 == nil && h != nil && holdsNothingNew(h, sender) {
			p.found.Applied = append(p.found.Applied, e.Name)
			return nil
		}
		p.note(err)
		return nil
	} else if isDamage(err) {
		p.record.FetchFailed(key, sender.Name, err.Error(), time.Now())
		p.note(&DamageError{key, err})
		return nil
	} else if errors.Is(err, transport.ErrFull) { // a smaller one may fit
		p.note(err)
		return nil
	} else if err != nil {
		return err
	}
	p.record.Fetched(key)
	p.found.InInbox = append(p.found.InInbox, e.Name)
	return nil
}

// fetchKey returns the key of a file in the record of attempts: a good copy in its place has another, where the store tells them apart.
func (p *pulling) fetchKey(ctx context.Context, e transport.Entry) string {
	return fmt.Sprintf("%s in %s, %d bytes %s", e.Name, p.found.Link, e.Size, transport.Stamp(ctx, p.found.Link, e.Name))
}

// A DamageError is about a file in a store that is no whole batch of its sender. It is [batch.ErrSignature].
type DamageError struct {
	key string // of the file in its store
	err error
}

func (e *DamageError) Error() string { return e.err.Error() }

func (e *DamageError) Unwrap() []error { return []error{e.err, batch.ErrSignature} }

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
	check := func(r io.ReaderAt, size int64) error { return Check(r, size, p.Home, sender.Contact(), p.Name) }
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
	if err := Check(content, size, n.Home, from.Contact(), n.Name); err != nil {
		return err
	}
	inbox, err := Inbox(n.Home)
	if err != nil {
		return err
	}
	defer inbox.Close()
	return inbox.Put(ctx, name, content, size, nil)
}
