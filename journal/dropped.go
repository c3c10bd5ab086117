package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A Dropping says who decided that rows that wait are to wait no more.
type Dropping struct {
	By  string // the person, or what they did
	Why string // in their words; may be empty
	At  int64  // µs since 1970 UTC
}

// A DroppedRow is a row that waited and was dropped. It is kept for a while, so that it can wait again.
type DroppedRow struct {
	WaitingRow // its ID is that of the record
	Dropping
}

// DropWaiting takes rows from those that wait and keeps a record of each, with what it holds. It returns how many there were. q must be in
// a transaction that no import is beside.
func DropWaiting(ctx context.Context, q sqldb.DB, filter WaitingFilter, d Dropping) (int64, error) {
	r, err := q.ExecContext(ctx, "INSERT INTO omsync_dropped ("+waitingStored+", dropped_at, dropped_by, why) SELECT "+waitingStored+", ?, ?, ? FROM omsync_waiting"+filter.where()+" ORDER BY id",
		d.At, Cut(d.By, 64), Cut(d.Why, 500))
	if err != nil {
		return 0, fmt.Errorf("keep what is dropped: %w", err)
	}
	kept, err := r.RowsAffected()
	if err != nil {
		return 0, err
	}
	gone, err := ForgetWaiting(ctx, q, filter)
	if err == nil && gone != kept {
		err = fmt.Errorf("%d rows waited and %d were kept: nothing was dropped", gone, kept)
	}
	return gone, err
}

// Dropped hands the records of rows that were dropped to f, the last ones first. f must not use q.
func Dropped(ctx context.Context, q sqldb.DB, filter WaitingFilter, f func(DroppedRow) error) error {
	query := "SELECT " + waitingColumns + ", dropped_at, dropped_by, why FROM omsync_dropped" + filter.where() + " ORDER BY id DESC"
	if filter.Limit > 0 {
		query += fmt.Sprint(" LIMIT ", filter.Limit)
	}
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		w, err := waitingRow(r)
		if err != nil {
			return err
		}
		return f(DroppedRow{w, Dropping{At: sqldb.Int(r[16]), By: string(r[17]), Why: string(r[18])}})
	})
	if err != nil {
		return fmt.Errorf("read rows that were dropped: %w", err)
	}
	return nil
}

// reviveAtOnce is how many rows one statement has wait again.
const reviveAtOnce = 1000

// ReviveDropped has rows wait again that were dropped, and takes away their records. It returns how many there are of each of the two:
// those that wait again, and those that do not: a later version of the row waits, or the row was to be deleted for a sender that may not
// want that any more. Those that wait again have higher numbers than all others. q must be in a transaction that no import is beside.
func ReviveDropped(ctx context.Context, q sqldb.DB, filter WaitingFilter) (revived, stay int64, err error) {
	var ids []uint64
	var all int64
	query := "SELECT MAX(IF(w.id IS NULL AND d.never = 0, d.id, 0)), COUNT(*) FROM (SELECT id, peer_id, lost, table_id, row_key, (lost > 0 AND " + isDeletion + ") AS never FROM omsync_dropped" + filter.where() + ") d " +
		"LEFT JOIN omsync_waiting w ON w.peer_id = d.peer_id AND w.lost = d.lost AND w.table_id = d.table_id AND w.row_key = d.row_key GROUP BY d.peer_id, d.lost, d.table_id, d.row_key ORDER BY 1"
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		all += sqldb.Int(r[1])
		if id := sqldb.Uint(r[0]); id > 0 {
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("read rows that were dropped: %w", err)
	}
	for len(ids) > 0 {
		n := min(len(ids), reviveAtOnce)
		where := (&WaitingFilter{IDs: ids[:n]}).where()
		err := sqldb.Exec(ctx, q, "INSERT INTO omsync_waiting ("+waitingStored+") SELECT "+waitingStored+" FROM omsync_dropped"+where+" ORDER BY id", "DELETE FROM omsync_dropped"+where)
		if err != nil {
			return 0, 0, fmt.Errorf("have rows wait again: %w", err)
		}
		revived += int64(n)
		ids = ids[n:]
	}
	return revived, all - revived, nil
}

// A DroppedCount says how many rows of a peer were dropped.
type DroppedCount struct {
	Peer  merge.Peer
	Rows  int64
	Bytes int64
	Last  int64 // µs since 1970 UTC
	By    string
}

// CountDropped counts the records of rows that were dropped, by the peer that had sent them.
func CountDropped(ctx context.Context, q sqldb.DB) (out []DroppedCount, err error) {
	query := "SELECT c.peer_id, c.n, c.bytes, d.dropped_at, d.dropped_by FROM (SELECT peer_id, COUNT(*) AS n, SUM(LENGTH(content) + LENGTH(versions)) AS bytes, MAX(id) AS last FROM omsync_dropped GROUP BY peer_id) c " +
		"JOIN omsync_dropped d ON d.id = c.last ORDER BY 1"
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, DroppedCount{merge.Peer(sqldb.Uint(r[0])), sqldb.Int(r[1]), sqldb.Int(r[2]), sqldb.Int(r[3]), string(r[4])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count rows that were dropped: %w", err)
	}
	return out, nil
}

// CountDroppedOf returns how many records the filter chooses.
func CountDroppedOf(ctx context.Context, q sqldb.DB, f WaitingFilter) (n int64, err error) {
	err = sqldb.Each(ctx, q, "SELECT COUNT(*) FROM omsync_dropped"+f.where(), func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil })
	if err != nil {
		return 0, fmt.Errorf("count rows that were dropped: %w", err)
	}
	return n, nil
}

// PruneDropped forgets records of rows that were dropped before a time (µs since 1970 UTC), up to limit of them, and returns how many.
func PruneDropped(ctx context.Context, q sqldb.DB, before int64, limit int) (int64, error) {
	r, err := q.ExecContext(ctx, fmt.Sprintf("DELETE FROM omsync_dropped WHERE dropped_at < %d ORDER BY dropped_at LIMIT %d", before, limit))
	if err != nil {
		return 0, fmt.Errorf("forget rows that were dropped: %w", err)
	}
	return r.RowsAffected()
}

// BoundDropped forgets the oldest records of a peer's rows until there are no more rows, nor bytes of them, than it is told. It returns how
// many it forgot.
func BoundDropped(ctx context.Context, q sqldb.DB, peer merge.Peer, rows, bytes int64) (int64, error) {
	var n, sum int64
	var last uint64 // that is forgotten
	query := fmt.Sprintf("SELECT id, LENGTH(content) + LENGTH(versions) FROM omsync_dropped WHERE peer_id = %d ORDER BY id DESC", peer)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		n++
		if sum += sqldb.Int(r[1]); last == 0 && (n > rows || sum > bytes) {
			last = sqldb.Uint(r[0])
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look at rows that were dropped: %w", err)
	}
	if last == 0 {
		return 0, nil
	}
	r, err := q.ExecContext(ctx, fmt.Sprintf("DELETE FROM omsync_dropped WHERE peer_id = %d AND id <= %d", peer, last))
	if err != nil {
		return 0, fmt.Errorf("forget rows that were dropped: %w", err)
	}
	return r.RowsAffected()
}
