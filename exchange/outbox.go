package exchange

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/transport"
)

const (
	// gather is how much may wait for a peer, in bytes, that is still exported anew, together with what is new. More is left
	// as it is, since some of it may be on its way, and what is new goes into a file of its own.
	gather = 1 << 20
	// maxWaiting is how many files may wait before they are gathered all the same.
	maxWaiting = 32
)

// Inbox opens the folder for files that came, which is made if need be.
func Inbox(home string) (*transport.Folder, error) { return mailFolder(home, "inbox") }

// Outbox opens the folder with what waits for a peer, which is made if need be.
func Outbox(home, peer string) (*transport.Folder, error) { return mailFolder(home, "outbox", peer) }

func mailFolder(parts ...string) (*transport.Folder, error) {
	path := filepath.Join(parts...)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return transport.OpenFolder(path)
}

// Forget throws away the mail to and from a peer that was removed.
func Forget(ctx context.Context, home, peer string) error {
	for _, open := range []func() (*transport.Folder, error){
		func() (*transport.Folder, error) { return Inbox(home) },
		func() (*transport.Folder, error) { return Outbox(home, peer) },
	} {
		folder, err := open()
		if err != nil {
			return err
		}
		defer folder.Close()
		files, err := read(ctx, folder)
		if err != nil {
			return err
		}
		for _, f := range files {
			if f.header.Sender != peer && f.header.Receiver != peer {
				continue
			}
			if err := folder.Remove(ctx, f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// waiting is a file in an outbox.
type waiting struct {
	transport.Entry
	header *batch.Header
}

// outbox is what waits for one peer.
type outbox struct {
	*transport.Folder
	peer  *journal.Peer
	files []waiting
}

// openOutbox reads what waits for a peer.
func (n *Node) openOutbox(ctx context.Context, p *journal.Peer) (*outbox, error) {
	folder, err := Outbox(n.Home, p.Name)
	if err != nil {
		return nil, err
	}
	b := &outbox{Folder: folder, peer: p}
	if b.files, err = read(ctx, folder); err != nil {
		folder.Close()
		return nil, err
	}
	return b, nil
}

// read lists a folder with the headers of its files. Files that are no batches are passed over.
func read(ctx context.Context, folder *transport.Folder) ([]waiting, error) {
	entries, err := folder.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []waiting
	for _, e := range entries {
		h, err := headerIn(ctx, folder, e.Name)
		if err != nil {
			continue
		}
		out = append(out, waiting{e, h})
	}
	return out, nil
}

// Senders lists who the files of a folder say that they are from.
func Senders(ctx context.Context, folder *transport.Folder) ([]string, error) {
	files, err := read(ctx, folder)
	var out []string
	for _, f := range files {
		if !slices.Contains(out, f.header.Sender) {
			out = append(out, f.header.Sender)
		}
	}
	return out, err
}

func headerIn(ctx context.Context, folder *transport.Folder, name string) (*batch.Header, error) {
	f, _, err := folder.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return kept(batch.ReadHeader(f))
}

// acked says whether the peer has said that it has applied what a batch of this node takes it to.
func acked(h *batch.Header, p *journal.Peer, history uint64) bool {
	return h.Link == p.Link.Number && h.History == history && h.Upto.Epoch <= p.Link.Acked.Epoch
}

// rows says whether a batch may hold more than its header.
func rows(h *batch.Header) bool { return h.Upto != h.Base }

// holds says whether a batch holds all that an earlier one of the same sender to the same receiver holds.
func holds(h, old *batch.Header) bool { return follows(h, old) && h.Base.Epoch <= old.Base.Epoch }

// replaces says whether a batch holds all that an earlier one holds and the peer, to whom both are, may lack.
func replaces(h, old *batch.Header, p *journal.Peer) bool {
	return holds(h, old) || follows(h, old) && old.Upto.Epoch <= p.Link.Acked.Epoch
}

// follows says whether a batch, whole in one file, was made later than another over the same link, and reaches as far.
func follows(h, old *batch.Header) bool {
	return h.Sender == old.Sender && h.Receiver == old.Receiver && h.History == old.History && h.Link == old.Link && h.Load == 0 &&
		h.Time > old.Time && h.Upto.Epoch >= old.Upto.Epoch
}

// Post exports to a peer's outbox what is in no file there yet. A few small files become one; large ones are left alone, for
// some of them may be half-way. What the peer has acknowledged goes.
func (n *Node) Post(ctx context.Context, p *journal.Peer, partSize int64) ([]export.Batch, error) {
	b, err := n.openOutbox(ctx, p)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	waiting, size, err := n.tidy(ctx, b)
	if err != nil {
		return nil, err
	}
	// Only on what is here can the next file build: a batch that went another way may be slower than this one.
	build := waiting > 0 && b.holdsLast()
	made, err := n.Export(ctx, p, b.Folder, ExportOptions{PartSize: partSize, SinceSent: build})
	if err != nil || len(made) == 0 {
		return made, err
	}
	for _, e := range made {
		size += e.Bytes
	}
	if build && (size <= gather || waiting >= maxWaiting) {
		all, err := n.Export(ctx, p, b.Folder, ExportOptions{PartSize: partSize})
		if err != nil {
			return append(made, all...), err
		}
		if len(all) > 0 {
			made = all
		}
	}
	return made, b.replace(ctx, made[len(made)-1].File)
}

// holdsLast says whether the last batch made for the peer is in the outbox.
func (b *outbox) holdsLast() bool {
	ends := b.peer.Link.ExportEnds
	return len(ends) > 0 && slices.ContainsFunc(b.files, func(f waiting) bool { return merge.Position(f.header.Upto) == ends[len(ends)-1] })
}

// tidy removes from an outbox what nobody waits for. It answers how many of the files left the peer has not acknowledged, and
// the bytes of those that an export would hold again.
func (n *Node) tidy(ctx context.Context, b *outbox) (waiting int, size int64, err error) {
	node, err := journal.LoadNode(ctx, n.Journal.DB)
	if err != nil {
		return 0, 0, err
	}
	state, err := ReadState(n.Home)
	if err != nil {
		return 0, 0, err
	}
	for _, f := range b.files {
		h, sent := f.header, len(state.Sent[b.peer.Name][f.Name]) > 0
		over := false
		switch {
		case !reads(b.peer, h): // it is made anew without what the peer no longer reads
			over = true
		case h.Link != b.peer.Link.Number: // the peer was removed and added again: it takes nothing of before
			over = true
		case h.History != node.History: // this node was restored: the peer may still take, and give back, what was lost
			over = sent
		case acked(h, b.peer, node.History): // the header may still have something to say, but not at any price
			over = sent || rows(h) && f.Size > gather
		default:
			waiting++
			if h.Base.Epoch != 0 { // a full load is made once: what is exported later builds on it
				size += f.Size
			}
		}
		if over {
			if err := b.Remove(ctx, f.Name); err != nil {
				return 0, 0, err
			}
		}
	}
	return waiting, size, nil
}

// replace removes the files that a new one replaces.
func (b *outbox) replace(ctx context.Context, name string) error {
	h, err := headerIn(ctx, b.Folder, name)
	if errors.Is(err, fs.ErrNotExist) { // the server's caller has taken it already
		return nil
	} else if err != nil {
		return err
	}
	files, err := read(ctx, b.Folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name != name && replaces(h, f.header, b.peer) {
			if err := b.Remove(ctx, f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
