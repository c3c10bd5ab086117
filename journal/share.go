package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// Changed is what a row of a table with an integer primary key is known by, but for stamps.
type Changed struct {
	ID          int64
	Epoch, Born uint64 // the highest epoch of its versions; that of its existence
	Involves    []merge.Peer
}

// ChangedRows returns the rows of a table that have an entry above epoch base, whomever it came from; nil, false if they are more than so many.
func ChangedRows(ctx context.Context, q sqldb.DB, tbl uint16, base uint64, most int) (_ []Changed, ok bool, err error) {
	var order []int64
	rows := map[int64]*merge.Row{}
	query := fmt.Sprintf("SELECT v.local_id, v.column_mask, v.epoch, v.origin, v.added_by FROM (SELECT DISTINCT local_id FROM omsync_version FORCE INDEX (tbl_epoch) "+
		"WHERE table_id = %d AND epoch > %d AND local_key = '' LIMIT %d) d STRAIGHT_JOIN omsync_version v FORCE INDEX (PRIMARY) ON v.table_id = %[1]d AND v.local_id = d.local_id AND v.local_key = ''", tbl, base, most+1)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		id := sqldb.Int(r[0])
		row := rows[id]
		if row == nil {
			row = &merge.Row{Known: true, Alive: true}
			rows[id], order = row, append(order, id)
		}
		v := merge.Version{Epoch: sqldb.Uint(r[2]), From: merge.Peer(sqldb.Uint(r[3]))}
		if r[4] != nil {
			v.Added = merge.Adder{Stored: true, Peer: merge.Peer(sqldb.Uint(r[4]))}
		}
		row.Groups = append(row.Groups, merge.Group{Mask: merge.FromWord(sqldb.Uint(r[1])), Version: v})
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read versions: %w", err)
	}
	if len(order) > most {
		return nil, false, nil
	}
	out := make([]Changed, 0, len(order))
	for _, id := range order {
		c := Changed{ID: id, Involves: rows[id].Involves()}
		for _, g := range rows[id].Groups {
			c.Epoch = max(c.Epoch, g.Epoch)
			if g.Has(merge.Existence) {
				c.Born = g.Epoch
			}
		}
		out = append(out, c)
	}
	return out, true, nil
}

// LastTombstones returns the highest epoch of a tombstone of each table that has any.
func LastTombstones(ctx context.Context, q sqldb.DB) (map[uint16]uint64, error) {
	out := map[uint16]uint64{}
	err := sqldb.Each(ctx, q, "SELECT table_id, MAX(epoch) FROM omsync_tombstone FORCE INDEX (tbl_epoch) GROUP BY table_id", func(r []sql.RawBytes) error {
		out[uint16(sqldb.Uint(r[0]))] = sqldb.Uint(r[1])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read omsync_tombstone: %w", err)
	}
	return out, nil
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
