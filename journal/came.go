package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// FirstEpoch returns the first of this node's epochs that was made at a time or later, by this node's clock; 0: there is none.
func FirstEpoch(ctx context.Context, q sqldb.DB, since time.Time) (epoch uint64, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT MIN(id) FROM omsync_epoch WHERE created_at >= %d", since.UnixMicro()), func(r []sql.RawBytes) error {
		epoch = sqldb.Uint(r[0])
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look for the epochs since %s: %w", since.Format(time.DateTime), err)
	}
	return epoch, nil
}

// CameSince returns up to limit rows of a table that have an entry with a version from a peer, or one made here, or one of a row that the
// peer added, since an own epoch.
func CameSince(ctx context.Context, q sqldb.DB, tbl uint16, first uint64, peer merge.Peer, limit int) (out []Row, err error) {
	query := fmt.Sprintf("SELECT DISTINCT local_id, local_key FROM omsync_version FORCE INDEX (tbl_epoch) WHERE table_id = %d AND epoch >= %d AND (origin IN (0, %d) OR added_by = %[3]d) ORDER BY local_id, local_key LIMIT %[4]d",
		tbl, first, peer, limit)
	return readRows(ctx, q, query)
}

// WithoutEntry returns up to limit rows of a table that have no entry: the table's default version is theirs.
func WithoutEntry(ctx context.Context, q sqldb.DB, t *schema.Table, tbl uint16, limit int) ([]Row, error) {
	same := "v.local_key = " + schema.LocalKeySQL(t, "t.")
	if t.Integer != nil {
		same = "v.local_id = t." + schema.Quote(t.Integer.Name) + " AND v.local_key = ''"
	}
	query := fmt.Sprintf("SELECT %s FROM %s t LEFT JOIN omsync_version v ON v.table_id = %d AND %s WHERE v.table_id IS NULL LIMIT %d",
		Identity(t, "t."), schema.Quote(t.Name), tbl, same, limit)
	return readRows(ctx, q, query)
}

func readRows(ctx context.Context, q sqldb.DB, query string) (out []Row, err error) {
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, Row{sqldb.Int(r[0]), string(r[1])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return out, nil
}

// A LostValue says of a conflict record which column lost to what. Its value is for [ConflictValue] to read: it may be long.
type LostValue struct {
	ID                 uint64
	Table, Key, Column string
	Loser, Winner      merge.Stamp
	From               merge.Peer // the peer that told of it; 0: it was recorded here
}

// LostSince hands to f the values that lost in this node's epochs from first on, with deletions left out.
func LostSince(ctx context.Context, q sqldb.DB, first uint64, f func(LostValue)) error {
	query := fmt.Sprintf("SELECT id, table_name, row_key, column_name, loser_time, loser_author, winner_time, winner_author, origin FROM omsync_conflict"+
		" WHERE epoch >= %d AND deletion = 0 AND column_name <> ''", first)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		f(LostValue{ID: sqldb.Uint(r[0]), Table: string(r[1]), Key: string(r[2]), Column: string(r[3]),
			Loser:  merge.Stamp{Time: sqldb.Int(r[4]), Author: string(r[5])},
			Winner: merge.Stamp{Time: sqldb.Int(r[6]), Author: string(r[7])}, From: merge.Peer(sqldb.Uint(r[8]))})
		return nil
	})
	if err != nil {
		return fmt.Errorf("read conflicts: %w", err)
	}
	return nil
}

// ConflictValue returns the value of a conflict record; nil: NULL.
func ConflictValue(ctx context.Context, q sqldb.DB, id uint64) (value *string, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT value FROM omsync_conflict WHERE id = %d", id), func(r []sql.RawBytes) error {
		if r[0] != nil {
			s := string(r[0])
			value = &s
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read a conflict: %w", err)
	}
	return value, nil
}
