package exchange

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/journal"
)

// DropWaiting has rows wait that nobody tries any more. They are kept as long as deleted rows, but a week at least, and of one peer as much as
// may wait. It returns how many were dropped, and how many older ones had to go. The lock must be held.
func (n *Node) DropWaiting(ctx context.Context, f journal.WaitingFilter, d journal.Dropping) (dropped, forgotten int64, err error) {
	err = n.inTransaction(ctx, func(tx *sql.Tx) error {
		if dropped, err = journal.DropWaiting(ctx, tx, f, d); err != nil || dropped == 0 {
			return err
		}
		counts, err := journal.CountDropped(ctx, tx)
		if err != nil {
			return err
		}
		for _, c := range counts {
			if c.Rows <= apply.MaxWaitingRows && c.Bytes <= apply.MaxWaitingBytes {
				continue
			}
			gone, err := journal.BoundDropped(ctx, tx, c.Peer, apply.MaxWaitingRows, apply.MaxWaitingBytes)
			if err != nil {
				return err
			}
			forgotten += gone
		}
		return nil
	})
	return dropped, forgotten, err
}

// Undropped says what came of rows that were dropped and are tried again.
type Undropped struct {
	Rows    int64 // wait again, or are applied
	Away    int64 // stay dropped: their sender is suspended, or was removed
	Applied int64 // wait no more
}

// RetryDropped has rows be tried again that were dropped, now and with each import. It calls each with what came of it. The lock must be held.
func (n *Node) RetryDropped(ctx context.Context, f journal.WaitingFilter, each func(*Result) error) (Undropped, error) {
	var out Undropped
	var ids []uint64
	peers, err := journal.Peers(ctx, n.Journal.DB)
	if err != nil {
		return out, err
	}
	f.Dropped = true
	chosen, err := journal.WaitingIDs(ctx, n.Journal.DB, f)
	if err != nil {
		return out, err
	}
	for _, p := range peers {
		if f.Peer != 0 && f.Peer != p.ID || !p.State.Exchanges() {
			continue
		}
		of := f
		of.Peer = p.ID
		theirs, err := journal.WaitingIDs(ctx, n.Journal.DB, of)
		if err != nil {
			return out, err
		}
		ids = append(ids, theirs...)
	}
	out.Away = int64(len(chosen) - len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	which := journal.WaitingFilter{IDs: ids}
	err = n.inTransaction(ctx, func(tx *sql.Tx) error {
		if out.Rows, err = journal.UndropWaiting(ctx, tx, which); err != nil {
			return err
		}
		return enoughRoom(ctx, tx, peers)
	})
	if err != nil {
		return Undropped{}, err
	}
	out.Applied, err = n.RetryWaiting(ctx, which, each)
	return out, err
}

// enoughRoom is nil if no peer has more rows that wait than it may.
func enoughRoom(ctx context.Context, tx *sql.Tx, peers []*journal.Peer) error {
	for _, p := range peers {
		rows, bytes, err := journal.WaitingSize(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		if rows > apply.MaxWaitingRows || bytes > apply.MaxWaitingBytes {
			return fmt.Errorf("more than %d rows, or %d MiB, of %s would wait: nothing was changed; choose fewer rows", apply.MaxWaitingRows, apply.MaxWaitingBytes>>20, p.Name)
		}
	}
	return nil
}

func (n *Node) inTransaction(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := n.Journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
