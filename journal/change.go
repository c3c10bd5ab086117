package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// What a trigger saw.
const (
	OpInsert = 1
	OpUpdate = 2
	OpDelete = 3
	// opUpdateMore is an update of columns whose bits are above 62: one for each word of merge.Mask.Words. It is read as OpUpdate.
	opUpdateMore = 4
	// OpWas is what a row said of its owners before a change that follows: one for each column of Table.Owners.
	OpWas = 5
)

// A Change is one line that a trigger wrote.
type Change struct {
	ID    uint64
	Table uint16
	Op    int
	Row
	// DeletedKey is what identified a deleted row at every node, where its local id or key does not say it: the value of its key
	// column, nearly always a uuid, or of several the text that schema.KeySQL makes of them. nil: there is none.
	DeletedKey *string
	Mask       merge.Mask
	// Was is, of OpWas, what a column held: the number of the row to which it referred, 0 where it was NULL. Column is its name.
	Was    int64
	Column string
	At     int64 // µs since 1970 UTC by the server's clock
}

const changeColumns = "id, table_id, operation, local_id, local_key, deleted_key, column_mask, " +
	"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', changed_at)"

// Changes returns up to limit changes of all tables, oldest first.
func Changes(ctx context.Context, q sqldb.DB, limit int) ([]Change, error) {
	return readChanges(ctx, q, fmt.Sprintf("ORDER BY id LIMIT %d", limit))
}

// TableChanges returns all changes of one table, oldest first, without what rows said of their owners before.
func TableChanges(ctx context.Context, q sqldb.DB, tbl uint16) ([]Change, error) {
	return readChanges(ctx, q, fmt.Sprintf("WHERE table_id = %d AND operation <> %d ORDER BY id", tbl, OpWas))
}

func readChanges(ctx context.Context, q sqldb.DB, which string) ([]Change, error) {
	var out []Change
	err := sqldb.Each(ctx, q, "SELECT "+changeColumns+" FROM omsync_capture "+which, func(r []sql.RawBytes) error {
		c := Change{ID: sqldb.Uint(r[0]), Table: uint16(sqldb.Uint(r[1])), Op: int(sqldb.Uint(r[2])),
			Row: Row{sqldb.Int(r[3]), string(r[4])}, At: sqldb.Int(r[7])}
		if c.Op == OpWas {
			c.Was, c.Column = int64(sqldb.Uint(r[6])), string(r[5])
			out = append(out, c)
			return nil
		}
		c.Op, c.Mask = captured(c.Op, sqldb.Uint(r[6]))
		if r[5] != nil {
			u := string(r[5])
			c.DeletedKey = &u
		}
		out = append(out, c)
		return nil
	})
	letGo(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return out, nil
}

// captured returns what a trigger saw, and the columns that it says. In an update's own number bit 63 stands for all columns above bit 62:
// where a trigger names a column that is gone, and in what the triggers wrote before each such column had a bit.
func captured(op int, word uint64) (int, merge.Mask) {
	if op == opUpdateMore {
		return OpUpdate, merge.FromWord(word)
	}
	m := merge.Bits(word)
	if m.IsWide() {
		m = m.Or(merge.Everything().Without(merge.Bits(1<<63 - 1)))
	}
	return op, m
}

// A CapturedUpdate is how omsync_capture says that an update changed a column.
type CapturedUpdate struct {
	Op     int
	Which  uint64 // what the number has that says which word of a mask it is
	Column uint64 // and its bit for the column
}

// CaptureUpdate returns how an update of the column with a bit is noted. Columns with the same operation and word have one number.
func CaptureUpdate(bit int) CapturedUpdate {
	m := merge.Bit(bit)
	if !m.IsWide() {
		return CapturedUpdate{Op: OpUpdate, Column: m.Word()}
	}
	u := CapturedUpdate{Op: opUpdateMore}
	for word := range m.Words() {
		u.Which, u.Column = word&^merge.WordColumns, word&merge.WordColumns
	}
	return u
}

// letGo makes omsync_capture as if it had not been read, after each statement that reads it. MariaDB remembers with each of its handles
// of a table which statement used it last, and LOCK TABLES may be given such a handle: then the application's own statements on the
// locked tables would fail with error 1442, since the triggers of different events write to one table. It forgets that where a statement
// fires a trigger (MDEV sources, close_thread_tables; tried on 10.11), and so there is one on omsync_capture that does nothing, and this
// statement, which touches no row, uses eight handles: others, as a backup, may have left some too. Without the trigger, and on MySQL,
// it is without effect; so is an error.
func letGo(ctx context.Context, q sqldb.DB) { letGoOf(ctx, q, "omsync_capture") }

// letGoOf does the same for another table that triggers write to.
func letGoOf(ctx context.Context, q sqldb.DB, table string) {
	q.ExecContext(ctx, strings.ReplaceAll("DELETE a FROM t a, t b, t c, t d, t e, t f, t g, t h WHERE FALSE", "t ", table+" "))
}

// CountChanges returns the number of changes not sealed yet, without what rows said of their owners before.
func CountChanges(ctx context.Context, q sqldb.DB) (n int64, err error) {
	defer letGo(ctx, q)
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT COUNT(*) FROM omsync_capture WHERE operation <> %d", OpWas), func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil })
	return n, err
}

// OldestChange returns when the oldest change was made that is not sealed yet; zero: there is none.
func OldestChange(ctx context.Context, q sqldb.DB) (at time.Time, err error) {
	defer letGo(ctx, q)
	query := fmt.Sprintf("SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', MIN(changed_at)) FROM omsync_capture WHERE operation <> %d", OpWas)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		if r[0] != nil {
			at = time.UnixMicro(sqldb.Int(r[0])).UTC()
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the oldest change: %w", err)
	}
	return at, nil
}

// HasCapture reports whether omsync_capture, into which the triggers write, is there.
func HasCapture(ctx context.Context, q sqldb.DB) (bool, error) {
	defer letGo(ctx, q)
	err := sqldb.Each(ctx, q, "SELECT 1 FROM omsync_capture LIMIT 1", func([]sql.RawBytes) error { return nil })
	if sqldb.ErrorNumber(err) == sqldb.ErrNoSuchTable {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at omsync_capture: %w", err)
	}
	return true, nil
}

// DropChanges deletes changes by their ids: in the one shape that takes record locks only, so that the application's
// triggers never wait. The count must match: a change that is no longer there was somebody else's.
func DropChanges(ctx context.Context, q sqldb.DB, ids []uint64) error {
	return chunks(ids, func(part []uint64) error {
		b := Integers([]byte("DELETE c FROM "), part)
		b = append(b, " STRAIGHT_JOIN omsync_capture c FORCE INDEX (PRIMARY) ON c.id = d.id"...)
		r, err := q.ExecContext(ctx, string(b))
		if err != nil {
			return fmt.Errorf("drop changes: %w", err)
		}
		if n, err := r.RowsAffected(); err != nil || n != int64(len(part)) {
			return fmt.Errorf("drop changes: %d of %d were there (%v)", n, len(part), err)
		}
		return nil
	})
}

// LastCaptured returns the id of the newest change that the transaction sees; 0: there is none.
func LastCaptured(ctx context.Context, q sqldb.DB) (id uint64, err error) {
	defer letGo(ctx, q)
	err = sqldb.Each(ctx, q, "SELECT MAX(id) FROM omsync_capture", func(r []sql.RawBytes) error { id = sqldb.Uint(r[0]); return nil })
	return id, err
}

// CapturedOps returns what the triggers of a table noted after a change, each kind once.
func CapturedOps(ctx context.Context, q sqldb.DB, table uint16, after uint64) (ops []int, err error) {
	defer letGo(ctx, q)
	query := fmt.Sprintf("SELECT DISTINCT operation FROM omsync_capture WHERE id > %d AND table_id = %d", after, table)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { ops = append(ops, int(sqldb.Int(r[0]))); return nil })
	return ops, err
}

// CaptureBacklog returns how many changes are not sealed yet, up to a limit, and when the oldest was made (µs since 1970 UTC; 0: there is none).
func CaptureBacklog(ctx context.Context, q sqldb.DB, limit int) (n, oldest int64, err error) {
	defer letGo(ctx, q)
	query := fmt.Sprintf("SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM omsync_capture LIMIT %d) c), (SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', changed_at) FROM omsync_capture ORDER BY id LIMIT 1)", limit)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { n, oldest = sqldb.Int(r[0]), sqldb.Int(r[1]); return nil })
	return n, oldest, err
}
