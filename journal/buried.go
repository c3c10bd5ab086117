package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// MaxOwnerKey is how many bytes the row key of an owner has at most: nobody with a longer one can be in a scope.
const MaxOwnerKey = longest

// MaxOwners is how many owners are kept of one row that was deleted, or of which a conflict is recorded. Of a row with more, nobody knows
// whose it was.
const MaxOwners = 64

// A Grave says whose a deleted row was.
type Grave struct {
	Key    string   // of the row, canonical
	Owners []string // row keys of owners
}

// Bury keeps with deletions of rows of a table whose the rows were, in place of what was kept of the same rows before.
func Bury(ctx context.Context, q sqldb.DB, tbl uint16, graves []Grave) error {
	if err := dropBuried(ctx, q, tbl, graves); err != nil {
		return err
	}
	const head = "INSERT INTO omsync_buried (table_id, row_key, n, owner_key) VALUES "
	b := []byte(head)
	write := func() error {
		if len(b) == len(head) {
			return nil
		}
		if err := sqldb.Exec(ctx, q, string(b)); err != nil {
			return fmt.Errorf("note whose deleted rows were: %w", err)
		}
		b = b[:len(head)]
		return nil
	}
	for _, g := range graves {
		if !fitOwners(g.Owners) {
			continue
		}
		for n, o := range g.Owners {
			if len(b) > len(head) {
				b = append(b, ',')
			}
			b = append(sqldb.Binary(fmt.Appendf(b, "(%d,", tbl), indexed(g.Key)), fmt.Sprintf(",%d,", n)...)
			b = append(sqldb.Binary(b, o), ')')
			if len(b) > maxStatement {
				if err := write(); err != nil {
					return err
				}
			}
		}
	}
	return write()
}

func dropBuried(ctx context.Context, q sqldb.DB, tbl uint16, graves []Grave) error {
	keys := make([]string, len(graves))
	for i, g := range graves {
		keys[i] = g.Key
	}
	err := chunks(keys, func(part []string) error {
		b := KeyList([]byte("DELETE t FROM "), part)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_buried t FORCE INDEX (PRIMARY) ON t.table_id = %d AND t.row_key = d.row_key", tbl)
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("note whose deleted rows were: %w", err)
	}
	return nil
}

// Buried returns whose deleted rows of a table were, by the keys of those of which that is known.
func Buried(ctx context.Context, q sqldb.DB, tbl uint16, keys []string) (map[string][]string, error) {
	out, by := map[string][]string{}, map[string]string{}
	err := chunks(keys, func(part []string) error {
		clear(by)
		for _, k := range part {
			by[indexed(k)] = k
		}
		b := KeyList([]byte("SELECT t.row_key, t.owner_key FROM "), part)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_buried t FORCE INDEX (PRIMARY) ON t.table_id = %d AND t.row_key = d.row_key ORDER BY t.row_key, t.n", tbl)
		return sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			k := by[string(r[0])]
			out[k] = append(out[k], string(r[1]))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read whose deleted rows were: %w", err)
	}
	return out, nil
}

// BuriedTables returns the tables of whose deleted rows it is known whose they were.
func BuriedTables(ctx context.Context, q sqldb.DB) (map[uint16]bool, error) {
	out := map[uint16]bool{}
	err := sqldb.Each(ctx, q, "SELECT t.id FROM omsync_table t WHERE EXISTS (SELECT 1 FROM omsync_buried b FORCE INDEX (PRIMARY) WHERE b.table_id = t.id)", func(r []sql.RawBytes) error {
		out[uint16(sqldb.Uint(r[0]))] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read whose deleted rows were: %w", err)
	}
	return out, nil
}

// TombstonesOf returns the deletions of rows of a table that belonged to one of some owners, and perhaps to others besides.
func TombstonesOf(ctx context.Context, q sqldb.DB, tbl uint16, owners []string, a *Authors) ([]Tombstone, error) {
	var out []Tombstone
	seen := map[string]bool{}
	err := chunks(owners, func(part []string) error {
		b, _ := sqldb.AppendDerived([]byte("SELECT t.row_key, t.whole_key, t.time, t.author, t.epoch, t.origin FROM "), []string{"owner_key"}, len(part), 0, func(b []byte, row, _ int) []byte {
			return sqldb.Binary(b, part[row])
		})
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_buried o FORCE INDEX (owner) ON o.owner_key = d.owner_key AND o.table_id = %d"+
			" STRAIGHT_JOIN omsync_tombstone t FORCE INDEX (PRIMARY) ON t.table_id = %[1]d AND t.row_key = o.row_key AND t.refused = 0", tbl)
		return sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			if key := whole(r); !seen[key] {
				seen[key] = true
				out = append(out, Tombstone{key, version(r[2:], a)})
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read deletions of owners' rows: %w", err)
	}
	return out, nil
}

// fitOwners reports whether owners have room in omsync_buried and omsync_conflict.
func fitOwners(owners []string) bool {
	for _, o := range owners {
		if len(o) > MaxOwnerKey {
			return false
		}
	}
	return len(owners) <= MaxOwners
}

// encodeOwners returns owners as omsync_conflict.owners holds them; "" if they have no room there.
func encodeOwners(owners []string) string {
	if !fitOwners(owners) {
		return ""
	}
	var b []byte
	for _, o := range owners {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(o))), o...)
	}
	return string(b)
}

// decodeOwners reads what encodeOwners wrote. Of what it cannot have written it returns nothing: then nobody knows whose the row was.
func decodeOwners(b []byte) (owners []string) {
	for len(b) > 0 {
		if len(b) < 2 {
			return nil
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; len(b) < n {
			return nil
		}
		owners, b = append(owners, string(b[:n])), b[n:]
	}
	return owners
}

// AnyScope reports whether a child has a scope.
func AnyScope(ctx context.Context, q sqldb.DB) (any bool, err error) {
	err = sqldb.Each(ctx, q, "SELECT 1 FROM omsync_scope_peer WHERE own = 1 LIMIT 1", func([]sql.RawBytes) error { any = true; return nil })
	if err != nil {
		return false, fmt.Errorf("read of scopes: %w", err)
	}
	return any, nil
}
