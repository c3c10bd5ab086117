package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// ChangedRows returns the entries of the rows of a table with an integer primary key that have one above epoch base, whomever that came from; nil,
// false if they are more than so many.
func ChangedRows(ctx context.Context, q sqldb.DB, tbl uint16, base uint64, most int, a *Authors) (_ map[Row][]merge.Group, ok bool, err error) {
	out := entries{}
	query := fmt.Sprintf("SELECT v.local_id, v.local_key, "+versionColumns+" FROM (SELECT DISTINCT local_id FROM omsync_version FORCE INDEX (tbl_epoch) "+
		"WHERE table_id = %d AND epoch > %d AND local_key = '' LIMIT %d) d STRAIGHT_JOIN omsync_version v FORCE INDEX (PRIMARY) ON v.table_id = %[1]d AND v.local_id = d.local_id AND v.local_key = ''", tbl, base, most+1)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out.add(r, a)
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read versions: %w", err)
	}
	return out.whole(), len(out) <= most, nil
}

// LastEpochs returns the highest epoch of an entry, and that of a tombstone, of each table that has any.
func LastEpochs(ctx context.Context, q sqldb.DB) (live, dead map[uint16]uint64, err error) {
	live, dead = map[uint16]uint64{}, map[uint16]uint64{}
	for from, into := range map[string]map[uint16]uint64{"omsync_version": live, "omsync_tombstone": dead} {
		err := sqldb.Each(ctx, q, fmt.Sprintf("SELECT table_id, MAX(epoch) FROM %s FORCE INDEX (tbl_epoch) GROUP BY table_id", from), func(r []sql.RawBytes) error {
			into[uint16(sqldb.Uint(r[0]))] = sqldb.Uint(r[1])
			return nil
		})
		if err != nil {
			return nil, nil, fmt.Errorf("read versions: %w", err)
		}
	}
	return live, dead, nil
}

// CountChildren returns how many children are exchanged with.
func CountChildren(ctx context.Context, q sqldb.DB) (n int, err error) {
	query := fmt.Sprintf("SELECT COUNT(*) FROM omsync_peer WHERE role = %s AND state = %s", sqldb.Binary(nil, string(access.Child)), sqldb.Binary(nil, string(access.Active)))
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		n = int(sqldb.Int(r[0]))
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read omsync_peer: %w", err)
	}
	return n, nil
}
