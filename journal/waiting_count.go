package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A WaitingCount says how many rows wait for one reason.
type WaitingCount struct {
	Peer   merge.Peer
	Table  uint16
	Reason ReasonCode
	Rows   int64
	Bytes  int64
	Since  int64  // µs since 1970 UTC, of the oldest
	Text   string // of one of them
}

// CountWaitingUpTo counts the rows of a peer that wait and were not dropped, as far as that number.
func CountWaitingUpTo(ctx context.Context, q sqldb.DB, peer merge.Peer, most int) (n int64, err error) {
	query := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM omsync_waiting FORCE INDEX (tried) WHERE peer_id = %d AND dropped_at = 0 LIMIT %d) some", peer, most)
	if err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil }); err != nil {
		return 0, fmt.Errorf("count rows that wait: %w", err)
	}
	return n, nil
}

// CountWaitingRows counts the rows that wait and were not dropped, by peer, table and reason; the most frequent first.
func CountWaitingRows(ctx context.Context, q sqldb.DB) (out []WaitingCount, err error) {
	query := "SELECT c.*, (SELECT text FROM omsync_waiting w FORCE INDEX (counted) WHERE w.peer_id = c.peer_id AND w.table_id = c.table_id AND w.reason = c.reason AND w.dropped_at = 0 LIMIT 1) " +
		"FROM (SELECT peer_id, table_id, reason, COUNT(*) AS n, SUM(size) AS bytes, MIN(since) AS since FROM omsync_waiting FORCE INDEX (counted) WHERE dropped_at = 0 GROUP BY peer_id, table_id, reason) c ORDER BY 4 DESC, 1, 2, 3"
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, WaitingCount{merge.Peer(sqldb.Uint(r[0])), uint16(sqldb.Uint(r[1])), ReasonCode(r[2]), sqldb.Int(r[3]), sqldb.Int(r[4]), sqldb.Int(r[5]), string(r[6])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count rows that wait: %w", err)
	}
	return out, nil
}

// WaitingSize returns how many rows of a peer wait and were not dropped, and the bytes of them.
func WaitingSize(ctx context.Context, q sqldb.DB, peer merge.Peer) (rows, bytes int64, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT COUNT(*), IFNULL(SUM(size), 0) FROM omsync_waiting FORCE INDEX (counted) WHERE peer_id = %d AND dropped_at = 0", peer), func(r []sql.RawBytes) error {
		rows, bytes = sqldb.Int(r[0]), sqldb.Int(r[1])
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count rows that wait: %w", err)
	}
	return rows, bytes, nil
}

// CountWaitingDeletions returns how many deletions of rows of a table wait that a peer sent.
func CountWaitingDeletions(ctx context.Context, q sqldb.DB, peer merge.Peer, table uint16) (n int64, err error) {
	query := fmt.Sprintf("SELECT COUNT(*) FROM omsync_waiting FORCE INDEX (counted) WHERE peer_id = %d AND table_id = %d AND deletion = 1", peer, table)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil })
	if err != nil {
		return 0, fmt.Errorf("count deletions that wait: %w", err)
	}
	return n, nil
}
