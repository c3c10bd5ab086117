package exchange

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/transport"
)

const (
	// gatherLimit is how much may wait for a peer, in bytes, that is still exported anew, together with what is new. More is left
	// as it is, since some of it may be on its way, and what is new goes into a file of its own.
	gatherLimit = 1 << 20
	// maxWaiting is how many files may wait before they are gathered all the same.
	maxWaiting = 32
)

// outbox is what waits for one peer.
type outbox struct {
	*transport.Folder
	peer  *journal.Peer
	files []mailFile
}

// openOutbox reads what waits for a peer.
func (n *Node) openOutbox(ctx context.Context, p *journal.Peer) (*outbox, error) {
	folder, err := Outbox(n.Home, p.Name)
	if err != nil {
		return nil, err
	}
	b := &outbox{Folder: folder, peer: p}
	if b.files, err = listMail(ctx, folder); err != nil {
		folder.Close()
		return nil, err
	}
	return b, nil
}

// FillOutbox exports to a peer's outbox what is in no file there yet, and returns the files that it made. A few small files
// become one; large ones are left as they are, for a part of one may have been sent. What the peer has acknowledged goes. Full loads are
// split into parts of partSize bytes; 0: one file.
func (n *Node) FillOutbox(ctx context.Context, p *journal.Peer, partSize int64) ([]export.Batch, error) {
	b, err := n.openOutbox(ctx, p)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	waiting, size, err := n.removeSpent(ctx, b)
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
	if build && (size <= gatherLimit || waiting >= maxWaiting) {
		all, err := n.Export(ctx, p, b.Folder, ExportOptions{PartSize: partSize})
		if err != nil {
			return append(made, all...), err
		}
		if len(all) > 0 {
			made = all
		}
	}
	return made, b.removeReplaced(ctx, made[len(made)-1].File)
}

// holdsLast reports whether the last batch made for the peer is in the outbox.
func (b *outbox) holdsLast() bool {
	ends := b.peer.Link.ExportEnds
	return len(ends) > 0 && slices.ContainsFunc(b.files, func(f mailFile) bool { return merge.Position(f.header.Upto) == ends[len(ends)-1] })
}

// removeSpent removes from an outbox what nobody waits for. It returns how many of the files left the peer has not
// acknowledged, and the bytes of those that an export would hold again.
func (n *Node) removeSpent(ctx context.Context, b *outbox) (waiting int, size int64, err error) {
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
		spent := false
		switch {
		case !reads(b.peer, h): // it is made anew without what the peer no longer reads
			spent = true
		case h.Link != b.peer.Link.Number: // the peer was removed and added again: it takes nothing of before
			spent = true
		case h.History != node.History: // this node was restored: the peer may still take, and give back, what was lost
			spent = sent
		case acknowledged(h, b.peer, node.History): // the header may still have something to say, but no large file is kept for it
			spent = sent || mayHoldRows(h) && f.Size > gatherLimit
		default:
			waiting++
			if h.Base.Epoch != 0 { // a full load is made once: what is exported later builds on it
				size += f.Size
			}
		}
		if spent {
			if err := b.Remove(ctx, f.Name); err != nil {
				return 0, 0, err
			}
		}
	}
	return waiting, size, nil
}

// removeReplaced removes the files that a new one replaces.
func (b *outbox) removeReplaced(ctx context.Context, name string) error {
	h, err := headerIn(ctx, b.Folder, name)
	if errors.Is(err, fs.ErrNotExist) { // the server's caller has taken it already
		return nil
	} else if err != nil {
		return err
	}
	files, err := listMail(ctx, b.Folder)
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
