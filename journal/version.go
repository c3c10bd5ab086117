package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// Row is how this database alone knows a row: its integer primary key, or, in a table without one, the local key that
// the triggers write (schema.LocalKey).
type Row struct {
	Int int64
	Key string
}

// Entry is the versions of one live row.
type Entry struct {
	Row
	Groups []merge.Group
}

// rowList appends a derived table d(pk, k) of the rows.
func rowList(b []byte, rows []Row) []byte {
	b, _ = sqldb.AppendDerived(b, []string{"pk", "k"}, len(rows), 0, func(b []byte, row, column int) []byte {
		if column == 0 {
			return strconv.AppendInt(b, rows[row].Int, 10)
		}
		return sqldb.Binary(b, rows[row].Key)
	})
	return b
}

// keyList appends a derived table d(k) of keys as the index holds them.
func keyList(b []byte, keys []string) []byte {
	b, _ = sqldb.AppendDerived(b, []string{"k"}, len(keys), 0, func(b []byte, row, _ int) []byte {
		return sqldb.Binary(b, indexed(keys[row]))
	})
	return b
}

// Integers appends a derived table d(id) of numbers, at least one.
func Integers[T int64 | uint64](b []byte, numbers []T) []byte {
	b, _ = sqldb.AppendDerived(b, []string{"id"}, len(numbers), 0, func(b []byte, row, _ int) []byte {
		return fmt.Append(b, numbers[row])
	})
	return b
}

const versionColumns = "v.mask, v.time, v.author, v.epoch, v.frm"

// Versions reads the entries of some rows of a table. Rows without an entry are not in the answer: the table's default
// is theirs.
func Versions(ctx context.Context, q sqldb.DB, tbl uint16, rows []Row, a *Authors) (map[Row][]merge.Group, error) {
	out := make(map[Row][]merge.Group, len(rows))
	err := chunks(rows, func(part []Row) error {
		b := append([]byte("SELECT d.pk, d.k, "+versionColumns+" FROM "), rowList(nil, part)...)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_version v FORCE INDEX (PRIMARY) ON v.tbl = %d AND v.pk = d.pk AND v.k = d.k", tbl)
		return sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			id := Row{sqldb.Int(r[0]), string(r[1])}
			out[id] = append(out[id], group(r[2:], a))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return out, nil
}

// VersionsBetween reads the entries of the rows of a table with an integer key from first to last.
func VersionsBetween(ctx context.Context, q sqldb.DB, tbl uint16, first, last int64, a *Authors) (map[Row][]merge.Group, error) {
	return readVersions(ctx, q, fmt.Sprintf("v.tbl = %d AND v.pk BETWEEN %d AND %d", tbl, first, last), a)
}

// AllVersions reads the entries of a table.
func AllVersions(ctx context.Context, q sqldb.DB, tbl uint16, a *Authors) (map[Row][]merge.Group, error) {
	return readVersions(ctx, q, fmt.Sprintf("v.tbl = %d", tbl), a)
}

func readVersions(ctx context.Context, q sqldb.DB, where string, a *Authors) (map[Row][]merge.Group, error) {
	out := map[Row][]merge.Group{}
	err := sqldb.Each(ctx, q, "SELECT v.pk, v.k, "+versionColumns+" FROM omsync_version v WHERE "+where, func(r []sql.RawBytes) error {
		id := Row{sqldb.Int(r[0]), string(r[1])}
		out[id] = append(out[id], group(r[2:], a))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return out, nil
}

// Newer lists the rows of a table that have an entry above epoch base which did not come from the peer.
func Newer(ctx context.Context, q sqldb.DB, tbl uint16, base uint64, peer merge.Peer) ([]Row, error) {
	var out []Row
	query := fmt.Sprintf("SELECT DISTINCT pk, k FROM omsync_version FORCE INDEX (tbl_epoch) WHERE tbl = %d AND epoch > %d AND frm <> %d ORDER BY pk, k", tbl, base, peer)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, Row{sqldb.Int(r[0]), string(r[1])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return out, nil
}

// NewerTables lists the tables with an entry or a tombstone above epoch base that did not come from the peer.
func NewerTables(ctx context.Context, q sqldb.DB, base uint64, peer merge.Peer) (live, dead map[uint16]bool, err error) {
	live, dead = map[uint16]bool{}, map[uint16]bool{}
	for from, into := range map[string]map[uint16]bool{"omsync_version": live, "omsync_tombstone": dead} {
		query := fmt.Sprintf("SELECT t.id FROM omsync_table t WHERE EXISTS (SELECT 1 FROM %s v FORCE INDEX (tbl_epoch) WHERE v.tbl = t.id AND v.epoch > %d AND v.frm <> %d)", from, base, peer)
		err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			into[uint16(sqldb.Uint(r[0]))] = true
			return nil
		})
		if err != nil {
			return nil, nil, fmt.Errorf("read versions: %w", err)
		}
	}
	return live, dead, nil
}

// PutVersions writes entries. Rows in old have entries already, which are replaced; an entry without groups is only
// taken away.
func PutVersions(ctx context.Context, q sqldb.DB, tbl uint16, old []Row, entries []Entry, a *Authors) error {
	err := chunks(old, func(part []Row) error {
		b := append([]byte("DELETE v FROM "), rowList(nil, part)...)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_version v FORCE INDEX (PRIMARY) ON v.tbl = %d AND v.pk = d.pk AND v.k = d.k", tbl)
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("replace versions: %w", err)
	}
	err = chunks(entries, func(part []Entry) error {
		b := []byte("INSERT INTO omsync_version (tbl, pk, k, mask, time, author, epoch, frm) VALUES ")
		n := len(b)
		for _, e := range part {
			for _, g := range e.Groups {
				if len(b) > n {
					b = append(b, ',')
				}
				b = append(b, '(')
				b = strconv.AppendUint(b, uint64(tbl), 10)
				b = append(b, ',')
				b = strconv.AppendInt(b, e.Int, 10)
				b = append(b, ',')
				b = sqldb.Binary(b, e.Key)
				b = append(b, ',')
				b = strconv.AppendUint(b, uint64(g.Mask), 10)
				b = append(b, ',')
				if b = appendVersion(b, g.Version, a); b == nil {
					return fmt.Errorf("no number for the author %q", g.Author)
				}
				b = append(b, ')')
			}
		}
		if len(b) == n {
			return nil
		}
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("write versions: %w", err)
	}
	return nil
}

func appendVersion(b []byte, v merge.Version, a *Authors) []byte {
	id := a.ID(v.Author)
	if id == 0 {
		return nil
	}
	b = strconv.AppendInt(b, v.Time, 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(id), 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, v.Epoch, 10)
	b = append(b, ',')
	return strconv.AppendUint(b, uint64(v.From), 10)
}

// longest is how long a key may be in an index; a longer one is kept beside its digest.
const longest = 700

// Tombstone is a deletion's version, under the key that means the same everywhere.
type Tombstone struct {
	Key string
	merge.Version
}

// Tombstones reads the deletions known of some keys of a table.
func Tombstones(ctx context.Context, q sqldb.DB, tbl uint16, keys []string, a *Authors) (map[string]merge.Version, error) {
	out := map[string]merge.Version{}
	err := chunks(keys, func(part []string) error {
		b := keyList([]byte("SELECT t.k, t.whole, t.time, t.author, t.epoch, t.frm FROM "), part)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_tombstone t FORCE INDEX (PRIMARY) ON t.tbl = %d AND t.k = d.k AND t.refused = 0", tbl)
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

// AnyTombstones says whether a table has deletions at all.
func AnyTombstones(ctx context.Context, q sqldb.DB, tbl uint16) (found bool, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT 1 FROM omsync_tombstone WHERE tbl = %d AND refused = 0 LIMIT 1", tbl), func([]sql.RawBytes) error {
		found = true
		return nil
	})
	return found, err
}

// NewerTombstones lists the deletions of a table above epoch base that did not come from the peer.
func NewerTombstones(ctx context.Context, q sqldb.DB, tbl uint16, base uint64, peer merge.Peer, a *Authors) ([]Tombstone, error) {
	var out []Tombstone
	query := fmt.Sprintf("SELECT k, whole, time, author, epoch, frm FROM omsync_tombstone FORCE INDEX (tbl_epoch) WHERE tbl = %d AND epoch > %d AND frm <> %d AND refused = 0 ORDER BY k", tbl, base, peer)
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

// RefusedDeletions lists the keys whose deletion was refused here after epoch base.
func RefusedDeletions(ctx context.Context, q sqldb.DB, tbl uint16, base uint64) (keys []string, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT k, whole FROM omsync_tombstone WHERE tbl = %d AND epoch > %d AND refused = 1", tbl, base), func(r []sql.RawBytes) error {
		keys = append(keys, whole(r))
		return nil
	})
	return keys, err
}

func putTombstones(ctx context.Context, q sqldb.DB, tbl uint16, dead []Tombstone, refused bool, a *Authors) error {
	err := chunks(dead, func(part []Tombstone) error {
		b := []byte("INSERT INTO omsync_tombstone (tbl, refused, k, whole, time, author, epoch, frm) VALUES ")
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
		b = append(b, " ON DUPLICATE KEY UPDATE time = VALUES(time), author = VALUES(author), epoch = VALUES(epoch), frm = VALUES(frm), refused = VALUES(refused)"...)
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("write deletions: %w", err)
	}
	return nil
}

// DropTombstones forgets deletions of rows that are back.
func DropTombstones(ctx context.Context, q sqldb.DB, tbl uint16, keys []string) error {
	err := chunks(keys, func(part []string) error {
		b := keyList([]byte("DELETE t FROM "), part)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_tombstone t FORCE INDEX (PRIMARY) ON t.tbl = %d AND t.k = d.k", tbl)
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("drop deletions: %w", err)
	}
	return nil
}
