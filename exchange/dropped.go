package exchange

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/journal"
)

// DropWaiting takes rows from those that wait, and keeps a record of each, with what it holds: as long as deleted rows are kept, but a week at
// least, and of one peer as much as may wait. It returns how many there were, and how many older records had to go. The lock must be held.
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

// Revived says what came of rows that were dropped and are to be tried again.
type Revived struct {
	Rows    int64 // wait again, or are applied
	Stay    int64 // a later version of the row waits, or the row was to be deleted for a sender that may not want that any more
	Removed int64 // their sender was removed
	Applied int64 // wait no more
}

// RetryDropped has rows wait again that were dropped, and tries them. It calls each with what came of it. The lock must be held.
func (n *Node) RetryDropped(ctx context.Context, f journal.WaitingFilter, each func(*Result) error) (Revived, error) {
	var out Revived
	peers, err := journal.Peers(ctx, n.Journal.DB)
	if err != nil {
		return out, err
	}
	chosen, err := journal.CountDroppedOf(ctx, n.Journal.DB, f)
	if err != nil {
		return out, err
	}
	last, err := journal.LastWaiting(ctx, n.Journal.DB)
	if err != nil {
		return out, err
	}
	err = n.inTransaction(ctx, func(tx *sql.Tx) error {
		for _, p := range peers {
			if f.Peer != 0 && f.Peer != p.ID {
				continue
			}
			of := f
			of.Peer = p.ID
			revived, stay, err := journal.ReviveDropped(ctx, tx, of)
			if err != nil {
				return err
			}
			out.Rows, out.Stay = out.Rows+revived, out.Stay+stay
			rows, bytes, err := journal.WaitingSize(ctx, tx, p.ID)
			if err != nil {
				return err
			}
			if revived > 0 && (rows > apply.MaxWaitingRows || bytes > apply.MaxWaitingBytes) {
				return fmt.Errorf("more than %d rows, or %d MiB, of %s would wait: nothing was changed; choose fewer rows", apply.MaxWaitingRows, apply.MaxWaitingBytes>>20, p.Name)
			}
		}
		return nil
	})
	if err != nil {
		return Revived{}, err
	}
	out.Removed = chosen - out.Rows - out.Stay
	if out.Rows == 0 {
		return out, nil
	}
	out.Applied, err = n.RetryWaiting(ctx, journal.WaitingFilter{After: last}, each)
	return out, err
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
