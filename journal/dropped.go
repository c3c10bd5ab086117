package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A Dropping says who decided that a row that waits is not to be tried any more.
type Dropping struct {
	By  string // the person, or what they did
	Why string // in their words; may be empty
	At  int64  // µs since 1970 UTC; 0: nobody did
}

// DropWaiting notes of rows that wait that they were dropped, and returns of how many. A row that was dropped waits in every respect
// (its sender's next version of it takes its place, and what goes to its sender of the row says that it is not applied), but nobody tries it.
func DropWaiting(ctx context.Context, q sqldb.DB, filter WaitingFilter, d Dropping) (int64, error) {
	filter.NotDropped = true
	r, err := q.ExecContext(ctx, "UPDATE omsync_waiting SET dropped_at = ?, dropped_by = ?, dropped_why = ?"+filter.where(), max(d.At, 1), Cut(d.By, 64), Cut(d.Why, 500))
	if err != nil {
		return 0, fmt.Errorf("drop rows that wait: %w", err)
	}
	return r.RowsAffected()
}

// UndropWaiting has rows be tried again that were dropped, and returns how many.
func UndropWaiting(ctx context.Context, q sqldb.DB, filter WaitingFilter) (int64, error) {
	filter.Dropped = true
	r, err := q.ExecContext(ctx, "UPDATE omsync_waiting SET dropped_at = 0, dropped_by = '', dropped_why = ''"+filter.where())
	if err != nil {
		return 0, fmt.Errorf("undo the dropping of rows that wait: %w", err)
	}
	return r.RowsAffected()
}

// A DroppedCount says how many rows of a peer were dropped.
type DroppedCount struct {
	Peer  merge.Peer
	Rows  int64
	Bytes int64
	Last  int64  // µs since 1970 UTC: when the last of them was dropped
	By    string // by whom
}

// CountDropped counts the rows that were dropped, by the peer that had sent them.
func CountDropped(ctx context.Context, q sqldb.DB) (out []DroppedCount, err error) {
	query := "SELECT c.peer_id, c.n, c.bytes, c.last, (SELECT MAX(dropped_by) FROM omsync_waiting d WHERE d.peer_id = c.peer_id AND d.dropped_at = c.last) " +
		"FROM (SELECT peer_id, COUNT(*) AS n, SUM(size) AS bytes, MAX(dropped_at) AS last FROM omsync_waiting WHERE dropped_at > 0 GROUP BY peer_id) c ORDER BY 1"
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, DroppedCount{merge.Peer(sqldb.Uint(r[0])), sqldb.Int(r[1]), sqldb.Int(r[2]), sqldb.Int(r[3]), string(r[4])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count rows that were dropped: %w", err)
	}
	return out, nil
}

// PruneDropped forgets rows that were dropped before a time (µs since 1970 UTC), up to limit of them, and returns how many.
func PruneDropped(ctx context.Context, q sqldb.DB, before int64, limit int) (int64, error) {
	return forgetDropped(ctx, q, fmt.Sprintf("dropped_at > 0 AND dropped_at < %d ORDER BY dropped_at LIMIT %d", before, limit))
}

// BoundDropped forgets those of a peer's rows that were dropped first, until there are no more rows, nor bytes of them, than it is told. It
// returns how many it forgot.
func BoundDropped(ctx context.Context, q sqldb.DB, peer merge.Peer, rows, bytes int64) (int64, error) {
	var n, sum, over int64
	query := fmt.Sprintf("SELECT size FROM omsync_waiting WHERE peer_id = %d AND dropped_at > 0 ORDER BY dropped_at DESC, id DESC", peer)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		n++
		if sum += sqldb.Int(r[0]); n > rows || sum > bytes {
			over++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look at rows that were dropped: %w", err)
	}
	if over == 0 {
		return 0, nil
	}
	return forgetDropped(ctx, q, fmt.Sprintf("peer_id = %d AND dropped_at > 0 ORDER BY dropped_at, id LIMIT %d", peer, over))
}

func forgetDropped(ctx context.Context, q sqldb.DB, which string) (int64, error) {
	r, err := q.ExecContext(ctx, "DELETE FROM omsync_waiting WHERE "+which)
	if err != nil {
		return 0, fmt.Errorf("forget rows that were dropped: %w", err)
	}
	return r.RowsAffected()
}
