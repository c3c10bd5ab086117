package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// A Removed is a row that the application deleted, as a trigger wrote it.
type Removed struct {
	ID    uint64
	Table uint16
	Row
	At   int64 // as [Change.At] of the deletion
	Size int64 // bytes of the content
}

// AnyRemoved reports whether a trigger wrote what a row held.
func AnyRemoved(ctx context.Context, q sqldb.DB) (any bool, err error) {
	defer letGoOf(ctx, q, "omsync_removed")
	err = sqldb.Each(ctx, q, "SELECT 1 FROM omsync_removed LIMIT 1", func([]sql.RawBytes) error { any = true; return nil })
	if err != nil {
		return false, fmt.Errorf("look for rows that were deleted: %w", err)
	}
	return any, nil
}

// RemovedRows returns up to limit rows that triggers wrote, after one, in their order, without what they held.
func RemovedRows(ctx context.Context, q sqldb.DB, after uint64, limit int) (out []Removed, err error) {
	defer letGoOf(ctx, q, "omsync_removed")
	query := fmt.Sprintf("SELECT id, table_id, local_id, local_key, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', removed_at), LENGTH(content) FROM omsync_removed "+
		"WHERE id > %d ORDER BY id LIMIT %d", after, limit)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, Removed{ID: sqldb.Uint(r[0]), Table: uint16(sqldb.Uint(r[1])), Row: Row{sqldb.Int(r[2]), string(r[3])}, At: sqldb.Int(r[4]), Size: sqldb.Int(r[5])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read rows that were deleted: %w", err)
	}
	return out, nil
}

// RemovedContents hands on what the rows with these ids held, in their order, as schema.ContentSQL makes it. f keeps nothing of it.
func RemovedContents(ctx context.Context, q sqldb.DB, ids []uint64, f func(id uint64, content []byte) error) error {
	defer letGoOf(ctx, q, "omsync_removed")
	err := sqldb.Each(ctx, q, "SELECT id, content FROM omsync_removed WHERE id IN ("+list(ids)+") ORDER BY id", func(r []sql.RawBytes) error {
		return f(sqldb.Uint(r[0]), r[1])
	})
	if err != nil {
		return fmt.Errorf("read rows that were deleted: %w", err)
	}
	return nil
}

// KeepRemoved writes what some rows of a table hold, as a trigger would at a deletion of them, that is to follow: the session's clock must
// stand still between the two. Rows that are too long are left out.
func KeepRemoved(ctx context.Context, q sqldb.DB, t *schema.Table, tbl uint16, where string) error {
	columns, value := schema.Contents(t), func(c *schema.Column) string { return schema.Quote(c.Name) }
	local, id := "local_key", schema.LocalKeySQL(t, "")
	if t.Integer != nil {
		local, id = "local_id", schema.Quote(t.Integer.Name)
	}
	content := schema.ContentSQL(columns, value)
	_, err := q.ExecContext(ctx, fmt.Sprintf("INSERT INTO omsync_removed (table_id, %s, removed_at, content) SELECT %d, %s, UTC_TIMESTAMP(6), %s FROM %s WHERE (%s) AND %s <= %d AND %[4]s IS NOT NULL",
		local, tbl, id, content, schema.Quote(t.Name), where, schema.SizeSQL(columns, value), schema.MaxContent))
	if err != nil {
		return fmt.Errorf("keep rows of %s that are to be deleted: server error %d", t.Name, sqldb.ErrorNumber(err))
	}
	return nil
}

// DropRemoved deletes what triggers wrote of rows, by its ids: as [DropChanges] does, in the one shape for which no trigger waits.
func DropRemoved(ctx context.Context, q sqldb.DB, ids []uint64) error {
	return chunks(ids, func(part []uint64) error {
		b := Integers([]byte("DELETE c FROM "), part)
		b = append(b, " STRAIGHT_JOIN omsync_removed c FORCE INDEX (PRIMARY) ON c.id = d.id"...)
		if _, err := q.ExecContext(ctx, string(b)); err != nil {
			return fmt.Errorf("drop what was kept of rows: %w", err)
		}
		return nil
	})
}
