package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// longest is how long a key may be in an index; a longer one is kept beside its digest.
const longest = 700

// A Tombstone is a deletion's version, under the key that means the same everywhere.
type Tombstone struct {
	Key string
	merge.Version
}

// Tombstones returns the deletions known of some keys of a table.
func Tombstones(ctx context.Context, q sqldb.DB, tbl uint16, keys []string, a *Authors) (map[string]merge.Version, error) {
	out := map[string]merge.Version{}
	err := chunks(keys, func(part []string) error {
		b := KeyList([]byte("SELECT t.row_key, t.whole_key, t.time, t.author, t.epoch, t.origin FROM "), part)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_tombstone t FORCE INDEX (PRIMARY) ON t.table_id = %d AND t.row_key = d.row_key AND t.refused = 0", tbl)
		return sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			out[whole(r)] = version(r[2:], a)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read deletions: %w", err)
	}
	return out, nil
}

func whole(r []sql.RawBytes) string {
	if r[1] != nil {
		return string(r[1])
	}
	return string(r[0])
}

// AnyTombstones reports whether a table has deletions at all.
func AnyTombstones(ctx context.Context, q sqldb.DB, tbl uint16) (found bool, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT 1 FROM omsync_tombstone WHERE table_id = %d AND refused = 0 LIMIT 1", tbl), func([]sql.RawBytes) error {
		found = true
		return nil
	})
	return found, err
}

// NewerTombstones returns the deletions of a table above epoch base that did not come from the peer.
func NewerTombstones(ctx context.Context, q sqldb.DB, tbl uint16, base uint64, peer merge.Peer, a *Authors) ([]Tombstone, error) {
	var out []Tombstone
	query := fmt.Sprintf("SELECT row_key, whole_key, time, author, epoch, origin FROM omsync_tombstone FORCE INDEX (tbl_epoch) WHERE table_id = %d AND epoch > %d AND origin <> %d AND refused = 0 ORDER BY row_key", tbl, base, peer)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, Tombstone{whole(r), version(r[2:], a)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read deletions: %w", err)
	}
	return out, nil
}

// PutTombstones writes deletions, in place of earlier ones of the same keys.
func PutTombstones(ctx context.Context, q sqldb.DB, tbl uint16, dead []Tombstone, a *Authors) error {
	return putTombstones(ctx, q, tbl, dead, false, a)
}

// PutRefusedDeletions notes deletions that were refused here, of rows that therefore live: whatever the direction of the table,
// the row may go to the one who sent the deletion. The epoch is that of the refusal.
func PutRefusedDeletions(ctx context.Context, q sqldb.DB, tbl uint16, refused []Tombstone, a *Authors) error {
	return putTombstones(ctx, q, tbl, refused, true, a)
}

// RefusedDeletions returns the keys whose deletion was refused here after epoch base, by number of the table, of these tables.
func RefusedDeletions(ctx context.Context, q sqldb.DB, tables []uint16, base uint64) (map[uint16][]string, error) {
	out := map[uint16][]string{}
	if len(tables) == 0 {
		return out, nil
	}
	b := []byte("SELECT row_key, whole_key, table_id FROM omsync_tombstone FORCE INDEX (tbl_epoch) WHERE table_id IN (")
	for i, t := range tables {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(t), 10)
	}
	b = fmt.Appendf(b, ") AND epoch > %d AND refused = 1", base)
	err := sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
		t := uint16(sqldb.Uint(r[2]))
		out[t] = append(out[t], whole(r))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read refused deletions: %w", err)
	}
	return out, nil
}

func putTombstones(ctx context.Context, q sqldb.DB, tbl uint16, dead []Tombstone, refused bool, a *Authors) error {
	err := chunksOfTombstones(dead, func(part []Tombstone) error {
		b := []byte("INSERT INTO omsync_tombstone (table_id, refused, row_key, whole_key, time, author, epoch, origin) VALUES ")
		for i, d := range part {
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, "(%d,%t,", tbl, refused)
			b = append(sqldb.Binary(b, indexed(d.Key)), ',')
			if len(d.Key) > longest {
				b = append(sqldb.Binary(b, d.Key), ',')
			} else {
				b = append(b, "NULL,"...)
			}
			if b = appendVersion(b, d.Version, a); b == nil {
				return fmt.Errorf("no number for the author %q", d.Author)
			}
			b = append(b, ')')
		}
		b = append(b, " ON DUPLICATE KEY UPDATE time = VALUES(time), author = VALUES(author), epoch = VALUES(epoch), origin = VALUES(origin), refused = VALUES(refused)"...)
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("write deletions: %w", err)
	}
	return nil
}

// chunksOfTombstones is chunks, cut also where the keys would make a statement too long for a server.
func chunksOfTombstones(dead []Tombstone, f func([]Tombstone) error) error {
	for len(dead) > 0 {
		n, size := 0, 0
		for n < len(dead) && n < chunk && (n == 0 || size+len(dead[n].Key) <= 1<<19) {
			size += len(dead[n].Key)
			n++
		}
		if err := f(dead[:n]); err != nil {
			return err
		}
		dead = dead[n:]
	}
	return nil
}

// DropTombstones forgets deletions of rows that are back, and whose the rows were.
func DropTombstones(ctx context.Context, q sqldb.DB, tbl uint16, keys []string) error {
	err := chunks(keys, func(part []string) error {
		b := KeyList([]byte("DELETE t, o FROM "), part)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_tombstone t FORCE INDEX (PRIMARY) ON t.table_id = %d AND t.row_key = d.row_key"+
			" LEFT JOIN omsync_buried o FORCE INDEX (PRIMARY) ON o.table_id = %[1]d AND o.row_key = d.row_key", tbl)
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("drop deletions: %w", err)
	}
	return nil
}

// KeyList appends a derived table d(row_key) of keys as the index holds them.
func KeyList(b []byte, keys []string) []byte {
	b, _ = sqldb.AppendDerived(b, []string{"row_key"}, len(keys), 0, func(b []byte, row, _ int) []byte {
		return sqldb.Binary(b, indexed(keys[row]))
	})
	return b
}

// indexed returns a key as the index holds it.
func indexed(k string) string {
	if len(k) <= longest {
		return k
	}
	sum := sha256.Sum256([]byte(k))
	return k[:600] + "#" + hex.EncodeToString(sum[:])
}

// AppendKey appends the literals of row_key and whole_key of a key.
func AppendKey(b []byte, key string) []byte {
	b = append(sqldb.Binary(b, indexed(key)), ',')
	if len(key) > longest {
		return sqldb.Binary(b, key)
	}
	return append(b, "NULL"...)
}
