package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// latePage is how many rows or deletions one query looks for.
const latePage = 2000

// LateEntries hands on the entries of a table that have a version later than limit, whole, some at a time, in order. The function may
// replace them.
func LateEntries(ctx context.Context, q sqldb.DB, tbl uint16, limit int64, a *Authors, each func([]Entry) error) error {
	after := "local_id >= -9223372036854775808"
	for {
		var rows []Row
		query := fmt.Sprintf("SELECT DISTINCT local_id, local_key FROM omsync_version WHERE table_id = %d AND time > %d AND %s ORDER BY local_id, local_key LIMIT %d",
			tbl, limit, after, latePage)
		err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			rows = append(rows, Row{sqldb.Int(r[0]), string(r[1])})
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for late versions: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		groups, err := Versions(ctx, q, tbl, rows, a)
		if err != nil {
			return err
		}
		entries := make([]Entry, len(rows))
		for i, r := range rows {
			entries[i] = Entry{r, groups[r]}
		}
		if err := each(entries); err != nil {
			return err
		}
		last := rows[len(rows)-1]
		after = fmt.Sprintf("local_id >= %d AND (local_id > %[1]d OR local_key > %[2]s)", last.Int, sqldb.Binary(nil, last.Key))
	}
}

// LateTombstones hands on the deletions of a table that are later than limit, some at a time, in order. The function may replace them.
func LateTombstones(ctx context.Context, q sqldb.DB, tbl uint16, limit int64, a *Authors, each func([]Tombstone) error) error {
	after := "''"
	for {
		var dead []Tombstone
		query := fmt.Sprintf("SELECT row_key, whole_key, time, author, epoch, origin FROM omsync_tombstone WHERE table_id = %d AND time > %d AND refused = 0 AND row_key > %s ORDER BY row_key LIMIT %d",
			tbl, limit, after, latePage)
		err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			dead = append(dead, Tombstone{whole(r), version(r[2:], a)})
			after = string(sqldb.Binary(nil, string(r[0])))
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for late deletions: %w", err)
		}
		if len(dead) == 0 {
			return nil
		}
		if err := each(dead); err != nil {
			return err
		}
	}
}
