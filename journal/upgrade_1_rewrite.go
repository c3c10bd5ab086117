package journal

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// recordSince1 is a column of records, which had another form in format 1.
type recordSince1 struct {
	table, column, was string // was: the column's name in format 1
	convert            func([]byte) ([]byte, error)
	empty              func() ([]byte, error)
}

func recordsSince1() []recordSince1 {
	linkFrom1 := func(b []byte) (merge.Link, error) {
		l, err := linkOfFormat1(b)
		if err != nil {
			return merge.Link{}, err
		}
		return *l, nil
	}
	return []recordSince1{
		recordOf("omsync_node", "earlier", "earlier", historiesOfFormat1, encodeHistories, decodeHistories),
		recordOf("omsync_table", "columns", "cols", columnsOfFormat1, encodeColumns, decodeColumns),
		recordOf("omsync_table", "flow", "flow", flowOfFormat1, encodeFlow, decodeFlow),
		recordOf("omsync_peer", "link", "link", linkFrom1, func(l merge.Link) ([]byte, error) { return encodeLink(&l) }, decodeLink),
		recordOf("omsync_peer", "requests", "asks", requestsOfFormat1, encodeRequests, decodeRequests),
	}
}

func recordOf[T any](table, column, was string, from1 func([]byte) (T, error), encode func(T) ([]byte, error), decode func([]byte) (T, error)) recordSince1 {
	return recordSince1{table, column, was, func(b []byte) ([]byte, error) {
		if hasVersion(b) { // an interrupted try wrote it
			_, err := decode(b)
			return b, err
		}
		v, err := from1(b)
		if err != nil {
			return nil, err
		}
		return encode(v)
	}, func() ([]byte, error) {
		var none T
		return encode(none)
	}}
}

// tryRecords sees, before anything is changed, whether every record can be brought to this format.
func tryRecords(ctx context.Context, u *upgrade) error {
	if u.format != 1 {
		return nil
	}
	for _, f := range recordsSince1() {
		columns, err := u.columns(ctx, f.table)
		if err != nil {
			return err
		}
		if !columns[f.was] {
			f.was = f.column
		}
		if _, err := u.converted(ctx, f, f.was); err != nil {
			return fmt.Errorf("%w; %s", err, untouched)
		}
	}
	return nil
}

// recordsFrom1 writes what format 1 stored as JSON without a version in the form of format 2.
func recordsFrom1(ctx context.Context, u *upgrade) error {
	return u.inTransaction(ctx, func() error {
		for _, f := range recordsSince1() {
			changed, err := u.converted(ctx, f, f.column)
			if err != nil {
				return err
			}
			for _, v := range changed {
				if _, err := u.c.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s = ? WHERE id = ?", f.table, f.column), v.text, v.id); err != nil {
					return fmt.Errorf("write %s.%s: %w", f.table, f.column, err)
				}
			}
		}
		return nil
	})
}

type convertedRecord struct {
	id   uint64
	text []byte
}

// converted returns the records of a column that have another form now. Of a peer that was removed nobody needs what cannot be read.
func (u *upgrade) converted(ctx context.Context, f recordSince1, column string) (changed []convertedRecord, err error) {
	removed := "0"
	if f.table == "omsync_peer" {
		removed = "state = 'removed'"
	}
	var bad error // not the server's
	query := fmt.Sprintf("SELECT id, name, %s, %s FROM %s WHERE %[1]s IS NOT NULL FOR UPDATE", column, removed, f.table)
	err = sqldb.Each(ctx, u.c, query, func(r []sql.RawBytes) error {
		text, err := f.convert(slices.Clone(r[2]))
		if err != nil && string(r[3]) == "1" {
			text, err = f.empty()
		}
		switch {
		case err != nil && bad == nil:
			bad = notConverted(f.table, column, sqldb.Uint(r[0]), string(r[1]), err)
		case err == nil && !bytes.Equal(text, r[2]):
			changed = append(changed, convertedRecord{sqldb.Uint(r[0]), text})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s.%s: %w", f.table, column, err)
	}
	return changed, bad
}

// notConverted says which record is in the way, and what a person can do.
func notConverted(table, column string, id uint64, name string, err error) error {
	err = fmt.Errorf("%s.%s of %s (id %d) cannot be brought to format %d: %w: restore the database from a backup", table, column, name, id, Format, err)
	if table == "omsync_peer" {
		return fmt.Errorf("%w, or remove this peer in the database (UPDATE omsync_peer SET state = 'removed' WHERE id = %d), run this again, and add the peer anew", err, id)
	}
	return err
}
