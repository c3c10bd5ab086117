package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport"
)

// Link is a way to exchange files with peers.
type Link struct {
	transport.Store
	Name   string   // its address, as users know it
	Peers  []string // whom it is to be used for; none: all
	Peer   string   // the one peer at its other end; "" for a store that all use
	Bucket bool     // a store that all use, where each look into a file is a request
	// Refusal tells why the peer would not apply a file that it was just sent; "" if it did, or has not said. nil: nobody tells.
	Refusal func(file string) string
}

func (l *Link) String() string { return l.Name }

// shared says whether other nodes' files are in the store too.
func (l *Link) shared() bool { return l.Peer == "" }

// Moved is a file that went over a link.
type Moved struct {
	Link, File string
	Bytes      int64
	Took       time.Duration
	Refused    string // why the peer would not apply it; "" if it did, or has not said
}

// Push copies what waits in the outboxes of peers into the link's store, and takes out of it what this node put there and
// is no longer needed. Files that are there, or went there before, are not sent again. state learns what was sent; the
// caller saves it. moved is called after each file.
func (n *Node) Push(ctx context.Context, l *Link, peers []*journal.Peer, state *State, moved func(Moved)) error {
	var there map[string]int64
	if l.shared() {
		entries, err := l.List(ctx)
		if err != nil {
			return err
		}
		there = map[string]int64{}
		for _, e := range entries {
			there[e.Name] = e.Size
		}
	}
	for _, p := range peers {
		if !leads(l.Peers, p.Name) || !l.shared() && l.Peer != p.Name {
			continue
		}
		if err := n.push(ctx, l, p, there, state, moved); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) push(ctx context.Context, l *Link, p *journal.Peer, there map[string]int64, state *State, moved func(Moved)) error {
	b, err := n.openOutbox(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	state.keep(p.Name, b.files)
	for _, f := range b.files {
		sent := slices.Contains(state.Sent[p.Name][f.Name], l.String())
		if l.shared() {
			if size, ok := there[f.Name]; ok && size == f.Size {
				if !sent {
					state.sent(p.Name, f.Name, l.String())
				}
				continue
			}
		} else if sent {
			continue
		}
		if err := n.put(ctx, l, b, f, state, moved); err != nil {
			return err
		}
		if !sent {
			state.sent(p.Name, f.Name, l.String())
		}
	}
	return n.clean(ctx, l, p, there, b.files)
}

func (n *Node) put(ctx context.Context, l *Link, b *outbox, f waiting, state *State, moved func(Moved)) error {
	file, size, err := b.Open(ctx, f.Name)
	if errors.Is(err, fs.ErrNotExist) { // replaced meanwhile, or taken
		return nil
	} else if err != nil {
		return err
	}
	defer file.Close()
	// The receiver would refuse it each time, when all of it had gone over the link.
	self := &journal.Peer{Name: n.Name, Card: n.Keys.Card().Marshal()}
	if err := Check(file, size, self, b.peer.Name); bad(err) {
		file.Close()
		err = fmt.Errorf("%s in the outbox is damaged, or of older keys; the next run makes what waits for %s anew: %w", f.Name, b.peer.Name, err)
		for _, f := range b.files { // what builds on it is of no use without it
			err = errors.Join(err, b.Remove(ctx, f.Name))
		}
		return err
	} else if err != nil {
		return err
	}
	bar := n.bar("to "+b.peer.Name, Bytes)
	defer bar.Done()
	began := time.Now()
	if err := l.Put(ctx, f.Name, file, size, func(done int64) { bar.Show(done, size) }); err != nil {
		return err
	}
	m := Moved{Link: l.String(), File: f.Name, Bytes: size, Took: time.Since(began)}
	if l.Refusal != nil {
		m.Refused = l.Refusal(f.Name)
		state.link(m.Link).Refused = m.Refused
	}
	moved(m)
	return nil
}

// clean takes out of a shared store those of this node's files for a peer that the peer has applied, or that files which
// wait, and are there now, replace. there is what the store held before.
func (n *Node) clean(ctx context.Context, l *Link, p *journal.Peer, there map[string]int64, left []waiting) error {
	node, err := journal.LoadNode(ctx, n.Journal.DB)
	if err != nil {
		return err
	}
	for name := range there {
		if !MadeBy(name, n.Name, p.Name) || slices.ContainsFunc(left, func(f waiting) bool { return f.Name == name }) {
			continue
		}
		h, err := n.peek(ctx, l, name)
		if err != nil || h == nil || h.Sender != n.Name || h.Receiver != p.Name {
			continue // gone meanwhile, or not what its name says
		}
		if rows(h) && acked(h, p, node.History) || slices.ContainsFunc(left, func(f waiting) bool { return replaces(f.header, h, p) }) {
			// What another account put there stays: it does no harm.
			if err := l.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	return nil
}

// peek reads the header of a file in a store; nil if it is no batch.
func (n *Node) peek(ctx context.Context, s transport.Store, name string) (*batch.Header, error) {
	r, _, err := s.Get(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	broken := &failing{r: r}
	h, err := kept(batch.ReadHeader(broken))
	if err != nil && broken.err != nil {
		return nil, fmt.Errorf("read %s: %w", name, broken.err)
	}
	return h, nil
}

// failing remembers what went wrong with the reading itself.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// MadeBy says whether a file's name is one that sender gives to a batch for receiver. No name is so for two pairs of nodes:
// one node's files do not replace another's.
func MadeBy(name, sender, receiver string) bool {
	_, ok := reach(name, sender, receiver)
	return ok
}

// reach is the epoch up to which a batch goes that sender has given this name.
func reach(name, sender, receiver string) (upto uint64, ok bool) {
	rest, ok := strings.CutPrefix(name, sender+"-to-"+receiver+"-")
	m := endOfName.FindStringSubmatch(rest)
	if !ok || m == nil {
		return 0, false
	}
	upto, err := strconv.ParseUint(m[1], 10, 64)
	return upto, err == nil
}

// endOfName is how package capture ends the names of batches.
var endOfName = regexp.MustCompile(`^[0-9]{10,}-([0-9]{10,})-[0-9a-f]{6}(-part[0-9]{4,})?\.omsync$`)

// Pulled is what Pull found in a store.
type Pulled struct {
	Link    *Link
	Settled []string // files for this node that were applied at an earlier run
	Here    []string // files for this node that are in the inbox now
	Notes   []error  // about files that were left where they are
}

// Pull copies the files for this node from the link's store into the inbox, each as it was signed by its sender.
func (n *Node) Pull(ctx context.Context, l *Link, moved func(Moved)) (*Pulled, error) {
	entries, err := l.List(ctx)
	if err != nil {
		return nil, err
	}
	already, err := readSeen(n.Home)
	if err != nil {
		return nil, err
	}
	inbox, err := Inbox(n.Home)
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	have := map[string]int64{}
	files, err := inbox.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range files {
		have[e.Name] = e.Size
	}
	out := &Pulled{Link: l}
	for _, e := range entries {
		if size, ok := have[e.Name]; ok && size == e.Size {
			out.Here = append(out.Here, e.Name)
			continue
		}
		if l.Bucket && !strings.Contains(e.Name, "-to-"+n.Name+"-") {
			continue
		}
		sender, err := n.forMe(ctx, l, e, already, out)
		if errors.Is(err, fs.ErrNotExist) { // taken away meanwhile
			continue
		} else if err != nil {
			return out, err
		}
		if sender == nil {
			continue
		}
		if !MadeBy(e.Name, sender.Name, n.Name) { // the inbox takes no name that could be another node's
			out.Notes = append(out.Notes, fmt.Errorf("%s in %s was renamed: apply it by hand: omsync import FILE", printable(e.Name), l))
			continue
		}
		if err := n.fetch(ctx, l, e, inbox, sender, moved); err != nil {
			if bad(err) {
				out.Notes = append(out.Notes, err)
				continue
			}
			return out, err
		}
		out.Here = append(out.Here, e.Name)
	}
	return out, nil
}

// bad says whether an error is about the bytes of a batch.
func bad(err error) bool {
	return errors.Is(err, batch.ErrSignature) || errors.Is(err, batch.ErrTruncated) || errors.Is(err, batch.ErrCorrupt)
}

// forMe finds out whether a file is for this node and not applied yet; then it answers the sender.
func (n *Node) forMe(ctx context.Context, l *Link, e transport.Entry, already *seen, out *Pulled) (*journal.Peer, error) {
	name := l.Peer
	var h *batch.Header
	if l.shared() {
		var err error
		if h, err = n.peek(ctx, l, e.Name); err != nil {
			return nil, err
		}
		if h == nil || h.Receiver != n.Name {
			return nil, nil
		}
		name = h.Sender
	}
	p, err := journal.PeerByName(ctx, n.Journal.DB, name, false)
	if err != nil {
		return nil, err
	}
	switch {
	case p == nil:
		out.Notes = append(out.Notes, fmt.Errorf("%s in %s: %w", e.Name, l, &SenderError{Name: name}))
		return nil, nil
	case p.State != access.Active:
		out.Notes = append(out.Notes, fmt.Errorf("%s in %s: %w", e.Name, l, &SenderError{name, p.State}))
		return nil, nil
	case h != nil && already.settled(h, p), h == nil && already.settledName(e.Name, p, n.Name):
		out.Settled = append(out.Settled, e.Name)
		return nil, nil
	}
	return p, nil
}

func (n *Node) fetch(ctx context.Context, l *Link, e transport.Entry, inbox *transport.Folder, sender *journal.Peer, moved func(Moved)) error {
	bar := n.bar("from "+sender.Name, Bytes)
	defer bar.Done()
	began := time.Now()
	check := func(r io.ReaderAt, size int64) error { return Check(r, size, sender, n.Name) }
	if err := transport.Fetch(ctx, l, e, inbox, check, func(done int64) { bar.Show(done, e.Size) }); err != nil {
		return err
	}
	moved(Moved{Link: l.String(), File: e.Name, Bytes: e.Size, Took: time.Since(began)})
	return nil
}

// Clear takes out of a store what Pull found there and is applied now. settled are the files that were. fs.ErrPermission: all
// that may be removed is; the others are not tried again with the same p.
func (n *Node) Clear(ctx context.Context, p *Pulled, settled map[string]bool) error {
	names, here := p.Settled, []string(nil)
	for _, name := range p.Here {
		if settled[name] {
			names = append(names, name)
		} else {
			here = append(here, name)
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
	p.Settled, p.Here = nil, here
	return denied
}

// Take puts a file into the inbox that came beside a listing, as the answer to an upload may bring one.
func (n *Node) Take(ctx context.Context, from *journal.Peer, name string, content io.ReaderAt, size int64) error {
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
