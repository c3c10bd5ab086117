package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A Deleted is a row that was deleted, as it was.
type Deleted struct {
	Key           string     // canonical
	Content       Content    //
	AddedBy       merge.Peer // the peer that the row's existence came from; 0: it was made here
	merge.Version            // of the deletion; From is who deleted it
	DeletedAt     int64      // µs since 1970 UTC, by this node's clock
}

// MaxContent is how many bytes the record of a row may have: a longer one is not kept, nor one of more than half of what a statement
// may have on the server (max_allowed_packet), nor what MySQL 5.6 does not take because of the size of its redo log.
const MaxContent = 16 << 20

// deletedPortion is how many bytes of records are written or read at once, but for one that is longer alone.
const deletedPortion = 1 << 20

const deletedColumns = "row_key, whole_key, time, author, epoch, origin, added_by, deleted_at, content"

// KeepDeleted keeps rows of a table that are deleted in the transaction under way. It returns how many were too long to be kept, see
// [MaxContent]: of these only that they were deleted, so that they count (see [RecentDeletions], [DeletedAuthors]). The authors of the
// deletions must have their numbers.
func KeepDeleted(ctx context.Context, q sqldb.DB, tbl uint16, rows []Deleted, a *Authors) (tooLong int, err error) {
	k := deletedWriter{q: q, tbl: tbl, authors: a}
	for i := range rows {
		if err := k.add(ctx, &rows[i]); err != nil {
			return 0, fmt.Errorf("keep rows that are deleted: %w", err)
		}
	}
	if err := k.write(ctx); err != nil {
		return 0, fmt.Errorf("keep rows that are deleted: %w", err)
	}
	return k.tooLong, nil
}

// A deletedWriter writes rows into omsync_deleted, in portions.
type deletedWriter struct {
	q       sqldb.DB
	tbl     uint16
	authors *Authors
	b       []byte   // rows that are not written yet, with commas between them
	n       int      // how many
	last    *Deleted // the last of them
	tooLong int
}

// add takes a row, and writes those before it if they are a portion together.
func (k *deletedWriter) add(ctx context.Context, d *Deleted) error {
	content, err := k.record(ctx, d)
	if err != nil {
		return err
	}
	if len(k.b)+2*len(content) > deletedPortion { // a literal has up to two bytes for each
		if err := k.write(ctx); err != nil {
			return err
		}
	}
	return k.put(d, content)
}

// record returns the record of a row, or of one that is too long to be kept.
func (k *deletedWriter) record(ctx context.Context, d *Deleted) ([]byte, error) {
	if d.Content.Size() <= MaxContent {
		content, err := encodeContent(d.Content)
		if err != nil {
			return nil, err
		}
		if long, err := tooLongToKeep(ctx, k.q, content); err != nil || !long {
			return content, err
		}
	}
	k.tooLong++
	return encodeTooLong()
}

func (k *deletedWriter) put(d *Deleted, content []byte) error {
	b := k.b
	if k.n > 0 {
		b = append(b, ',')
	}
	b = fmt.Appendf(b, "(%d,", k.tbl)
	b = append(sqldb.Binary(b, indexed(d.Key)), ',')
	if len(d.Key) > longest {
		b = append(sqldb.Binary(b, d.Key), ',')
	} else {
		b = append(b, "NULL,"...)
	}
	b = sqldb.AppendString(append(b, "_binary"...), content)
	b = fmt.Appendf(b, ",%d,%d,", d.AddedBy, d.DeletedAt)
	if b = appendVersion(b, d.Version, k.authors); b == nil {
		return fmt.Errorf("no number for the author %q", d.Author)
	}
	k.b, k.n, k.last = append(b, ')'), k.n+1, d
	return nil
}

// write writes what was added since the last time. A row that the server does not take by itself is too long.
func (k *deletedWriter) write(ctx context.Context) error {
	if k.n == 0 {
		return nil
	}
	err := k.insert(ctx)
	if k.n == 1 && sqldb.ErrorNumber(err) == sqldb.ErrTooBigRow {
		k.tooLong++
		k.b, k.n = k.b[:0], 0
		var content []byte
		if content, err = encodeTooLong(); err != nil {
			return err
		}
		if err = k.put(k.last, content); err != nil {
			return err
		}
		err = k.insert(ctx)
	}
	k.b, k.n = k.b[:0], 0
	return err
}

func (k *deletedWriter) insert(ctx context.Context) error {
	const head = "INSERT INTO omsync_deleted (table_id, row_key, whole_key, content, added_by, deleted_at, time, author, epoch, origin) VALUES "
	return sqldb.Exec(ctx, k.q, head+string(k.b))
}

func tooLongToKeep(ctx context.Context, q sqldb.DB, content []byte) (bool, error) {
	if len(content) <= deletedPortion/4 {
		return false, nil
	}
	var packet int64
	err := sqldb.Each(ctx, q, "SELECT @@max_allowed_packet", func(r []sql.RawBytes) error { packet = sqldb.Int(r[0]); return nil })
	if err != nil {
		return false, fmt.Errorf("ask for max_allowed_packet: %w", err)
	}
	return int64(len(content)) > min(MaxContent, packet/2-1<<13), nil
}

// DeletedRows returns what is kept of rows with these keys: of each the last deletion, and nothing of a row that was too long to be kept
// then. The caller bounds how many it asks for: all that is found is held.
func DeletedRows(ctx context.Context, q sqldb.DB, tbl uint16, keys []string, a *Authors) (map[string]Deleted, error) {
	out := make(map[string]Deleted, len(keys))
	return out, EachDeleted(ctx, q, tbl, keys, a, func(d Deleted) error {
		out[d.Key] = d
		return nil
	})
}

// EachDeleted hands on what DeletedRows returns, and holds a bounded part of it. f may use q itself.
func EachDeleted(ctx context.Context, q sqldb.DB, tbl uint16, keys []string, a *Authors, f func(Deleted) error) error {
	var ids []uint64
	err := chunks(keys, func(part []string) error {
		b := KeyList([]byte("SELECT MAX(t.id) FROM "), part)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_deleted t FORCE INDEX (table_id) ON t.table_id = %d AND t.row_key = d.row_key GROUP BY t.row_key", tbl)
		return sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			ids = append(ids, sqldb.Uint(r[0]))
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("look for rows that were deleted: %w", err)
	}
	return readDeleted(ctx, q, ids, a, func(_ uint16, d Deleted) error { return f(d) })
}

// DeletedAuthors returns who had added the rows with these keys that were deleted, by the last deletion of each. It knows that of rows too
// that were too long to be kept.
func DeletedAuthors(ctx context.Context, q sqldb.DB, tbl uint16, keys []string) (map[string]merge.Peer, error) {
	out, last := map[string]merge.Peer{}, map[string]uint64{}
	err := chunks(keys, func(part []string) error {
		b := KeyList([]byte("SELECT t.row_key, t.whole_key, t.id, t.added_by FROM "), part)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_deleted t FORCE INDEX (table_id) ON t.table_id = %d AND t.row_key = d.row_key", tbl)
		return sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			if key, id := whole(r), sqldb.Uint(r[2]); id > last[key] {
				out[key], last[key] = merge.Peer(sqldb.Uint(r[3])), id
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("look for rows that were deleted: %w", err)
	}
	return out, nil
}

// deletedPage is how many deletions are looked for at once.
const deletedPage = 1000

// A DeletedKey says of a kept row which one it is. What it held is for [DeletedByID] to read: it may be long.
type DeletedKey struct {
	ID            uint64
	Table         uint16
	Key           string     // canonical
	AddedBy       merge.Peer // as in [Deleted]
	merge.Version            // of the deletion
}

// DeletedBy hands to f what is kept of rows that came to be deleted by a peer (0: by this node's application) in this node's epochs from
// first to last, in the order of the deletions. Rows that were too long to be kept are not among them. f may use q itself.
func DeletedBy(ctx context.Context, q sqldb.DB, by merge.Peer, first, last uint64, a *Authors, f func(DeletedKey) error) error {
	for after := uint64(0); ; {
		var page []DeletedKey
		query := fmt.Sprintf("SELECT row_key, whole_key, time, author, epoch, origin, added_by, id, table_id, IF(LENGTH(content) <= %d, content, NULL) FROM omsync_deleted"+
			" WHERE origin = %d AND epoch BETWEEN %d AND %d AND id > %d ORDER BY id LIMIT %d", tooLongBytes, by, first, last, after, deletedPage)
		looked := 0
		err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			looked++
			after = sqldb.Uint(r[7])
			if r[9] != nil {
				if _, err := decodeContent(r[9]); errors.Is(err, errTooLong) {
					return nil
				}
			}
			page = append(page, DeletedKey{ID: after, Table: uint16(sqldb.Uint(r[8])), Key: whole(r), AddedBy: merge.Peer(sqldb.Uint(r[6])), Version: version(r[2:], a)})
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for rows that were deleted: %w", err)
		}
		for _, d := range page {
			if err := f(d); err != nil {
				return err
			}
		}
		if looked < deletedPage {
			return nil
		}
	}
}

// DeletedByID hands to f what is kept under these ids, in their order, and holds a bounded part of it. f may use q itself.
func DeletedByID(ctx context.Context, q sqldb.DB, ids []uint64, a *Authors, f func(Deleted) error) error {
	return readDeleted(ctx, q, ids, a, func(_ uint16, d Deleted) error { return f(d) })
}

// readDeleted reads what is kept under these ids and hands it on in their order, in portions that are bounded by their bytes.
func readDeleted(ctx context.Context, q sqldb.DB, ids []uint64, a *Authors, f func(uint16, Deleted) error) error {
	slices.Sort(ids)
	for len(ids) > 0 {
		n, err := deletedThatFit(ctx, q, ids[:min(len(ids), deletedPage)])
		if err != nil {
			return err
		}
		type numbered struct {
			tbl uint16
			Deleted
		}
		var page []numbered
		err = sqldb.Each(ctx, q, "SELECT "+deletedColumns+", table_id FROM omsync_deleted WHERE id IN ("+list(ids[:n])+") ORDER BY id", func(r []sql.RawBytes) error {
			d := Deleted{Key: whole(r), Version: version(r[2:], a), AddedBy: merge.Peer(sqldb.Uint(r[6])), DeletedAt: sqldb.Int(r[7])}
			var err error
			if d.Content, err = decodeContent(r[8]); errors.Is(err, errTooLong) {
				return nil
			}
			page = append(page, numbered{uint16(sqldb.Uint(r[9])), d})
			return err
		})
		if err != nil {
			return fmt.Errorf("read rows that were deleted: %w", err)
		}
		for _, d := range page {
			if err := f(d.tbl, d.Deleted); err != nil {
				return err
			}
		}
		ids = ids[n:]
	}
	return nil
}

// deletedThatFit returns how many of the first of these ids, at least one, have records that are read at once.
func deletedThatFit(ctx context.Context, q sqldb.DB, ids []uint64) (n int, err error) {
	bytes, full := int64(0), false
	err = sqldb.Each(ctx, q, "SELECT LENGTH(content) FROM omsync_deleted WHERE id IN ("+list(ids)+") ORDER BY id", func(r []sql.RawBytes) error {
		bytes += sqldb.Int(r[0])
		if full = full || n > 0 && bytes > deletedPortion; !full {
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read rows that were deleted: %w", err)
	}
	if !full { // what is gone meanwhile counts for nothing
		n = len(ids)
	}
	return n, nil
}

func list(ids []uint64) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, id)
	}
	return b.String()
}

// PruneDeleted forgets what is kept of rows that were deleted before a time (µs since 1970 UTC): the oldest, up to limit of them. It
// returns how many it forgot.
func PruneDeleted(ctx context.Context, q sqldb.DB, before int64, limit int) (int64, error) {
	r, err := q.ExecContext(ctx, fmt.Sprintf("DELETE FROM omsync_deleted WHERE deleted_at < %d ORDER BY deleted_at LIMIT %d", before, limit))
	if err != nil {
		return 0, fmt.Errorf("forget rows that were deleted: %w", err)
	}
	return r.RowsAffected()
}
