package exchange

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
)

// orKeptPart returns, for a batch that is too new for this program, the part of its header that every format keeps: the file is its
// receiver's like any other, and waits for the program that reads it. Other headers and errors it returns as they are.
func orKeptPart(h *batch.Header, err error) (*batch.Header, error) {
	var tooNew *batch.TooNewError
	if errors.As(err, &tooNew) {
		return &batch.Header{Sender: tooNew.Sender, Receiver: tooNew.Receiver}, nil
	}
	return h, err
}

// readable returns a *batch.TooNewError for a file that only a later omsync reads. What says so is signed by the sender.
func (r *importRun) readable(ctx context.Context, f *Incoming) error {
	if !f.tooNew && batch.CheckNeeds(f.header, r.Features.Names()) == nil {
		return nil
	}
	file, size, err := f.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	if err := batch.Probe(file, size); err != nil {
		return err
	}
	verify, err := r.verifier(f.sender)
	if err != nil {
		return err
	}
	h, err := batch.Verify(file, size, verify)
	if err == nil && h.ForMatching() {
		return errors.New("it is for omsync match, and holds nothing to apply: omsync match --from FOLDER compares with it")
	}
	if err == nil && h.IsDigest() { // this program does not read it, or does not compare by itself
		return errors.New("it is for omsync verify, and holds nothing to apply: omsync verify --from FOLDER compares with it")
	}
	if err == nil {
		err = batch.CheckNeeds(h, r.Features.Names())
	}
	if info, e := file.Stat(); e == nil && errors.Is(err, batch.ErrTooNew) && !r.o.DryRun {
		err = errors.Join(err, r.answer(ctx, f.sender.Name, info.ModTime()))
	}
	return err
}

// answer has a header go to a peer whose file is too new, if none went since the file came: the peer takes this node's program for
// another than it is.
func (n *Node) answer(ctx context.Context, peer string, came time.Time) error {
	return n.changePeer(ctx, peer, func(p *journal.Peer) bool {
		p.Link.HeaderDue = true
		return p.Link.LastHeader.At < came.UnixMicro()
	})
}

// reachesNoFurther reports whether a file of the inbox is too new, failed before or waits for a person, and, by its name, goes no further than what is applied here: its
// sender has sent what it holds in another form.
func (n *Node) reachesNoFurther(ctx context.Context, r *Result) bool {
	var wait *WaitError
	var many *apply.DeletionsError
	if !errors.Is(r.Err, batch.ErrTooNew) && !errors.As(r.Err, &wait) && !errors.As(r.Err, &many) {
		return false
	}
	p, err := journal.PeerByName(ctx, n.Journal.DB, r.Header.Sender, false)
	return err == nil && p != nil && n.nameReached(r.Name, p)
}

// nameReached reports whether a file of a peer, by its name, goes no further than what is applied here.
func (n *Node) nameReached(file string, p *journal.Peer) bool {
	name, err := batch.ParseFileName(filepath.Base(file))
	return err == nil && name.Between(p.Name, n.Name) && name.Upto <= p.Link.Applied.Epoch
}

// reads reports whether a peer has said that it reads all that a batch for it may use.
func reads(p *journal.Peer, h *batch.Header) bool {
	return !slices.ContainsFunc(h.Needs(), func(n batch.Need) bool { return !slices.Contains(p.Heard.Reads, n.Feature) })
}
