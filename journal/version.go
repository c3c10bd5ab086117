package journal

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// A Row is how this database alone knows a row: its integer primary key, or, in a table without one, the local key that
// the triggers write (schema.LocalKey).
type Row struct {
	Int int64
	Key string
}

// An Entry is the versions of one live row.
type Entry struct {
	Row
	Groups []merge.Group
}

// rowList appends a derived table d(local_id, local_key) of the rows.
func rowList(b []byte, rows []Row) []byte {
	b, _ = sqldb.AppendDerived(b, []string{"local_id", "local_key"}, len(rows), 0, func(b []byte, row, column int) []byte {
		if column == 0 {
			return strconv.AppendInt(b, rows[row].Int, 10)
		}
		return sqldb.Binary(b, rows[row].Key)
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

const versionColumns = "v.column_mask, v.time, v.author, v.epoch, v.origin, v.added_by"

// Versions returns the entries of some rows of a table. Rows without an entry are not in the answer: the table's default
// is theirs.
func Versions(ctx context.Context, q sqldb.DB, tbl uint16, rows []Row, a *Authors) (map[Row][]merge.Group, error) {
	out := entries{}
	err := chunks(rows, func(part []Row) error {
		if first, last, ok := together(part); ok {
			var asked map[Row]bool // mostly there are none
			return eachVersion(ctx, q, between(tbl, first, last), func(r []sql.RawBytes) {
				if asked == nil {
					asked = make(map[Row]bool, len(part))
					for _, r := range part {
						asked[r] = true
					}
				}
				if asked[Row{Int: sqldb.Int(r[0])}] {
					out.add(r, a)
				}
			})
		}
		if !slices.ContainsFunc(part, func(r Row) bool { return r.Key != "" }) {
			where := fmt.Appendf(nil, "v.table_id = %d AND v.local_key = '' AND ", tbl)
			where = sqldb.AppendIn(where, "v.local_id", len(part), func(i int) int64 { return part[i].Int })
			return eachVersion(ctx, q, string(where), func(r []sql.RawBytes) { out.add(r, a) })
		}
		b := append([]byte("SELECT d.local_id, d.local_key, "+versionColumns+" FROM "), rowList(nil, part)...)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_version v FORCE INDEX (PRIMARY) ON v.table_id = %d AND v.local_id = d.local_id AND v.local_key = d.local_key", tbl)
		return sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			out.add(r, a)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return out.whole(), nil
}

// together returns the lowest and the highest integer of rows, where few others are between: these are read from end to end.
func together(rows []Row) (first, last int64, ok bool) {
	first, last = rows[0].Int, rows[0].Int
	for _, r := range rows {
		if r.Key != "" {
			return 0, 0, false
		}
		first, last = min(first, r.Int), max(last, r.Int)
	}
	return first, last, uint64(last-first) < 2*uint64(len(rows))
}

// entries are those of some rows, as they are read.
type entries map[Row][]merge.Group

// add takes in a row of omsync_version, with the local id and key before it.
func (e entries) add(r []sql.RawBytes, a *Authors) {
	id := Row{sqldb.Int(r[0]), string(r[1])}
	e[id] = append(e[id], group(r[2:], a))
}

// whole returns the entries with each group whole: one of many columns is stored in several rows.
func (e entries) whole() map[Row][]merge.Group {
	for id, groups := range e {
		if len(groups) > 1 && slices.ContainsFunc(groups, func(g merge.Group) bool { return g.IsWide() }) {
			e[id] = merge.Normalise(groups)
		}
	}
	return e
}

// VersionsBetween returns the entries of the rows of a table with an integer key from first to last.
func VersionsBetween(ctx context.Context, q sqldb.DB, tbl uint16, first, last int64, a *Authors) (map[Row][]merge.Group, error) {
	return readVersions(ctx, q, between(tbl, first, last), a)
}

func between(tbl uint16, first, last int64) string {
	return fmt.Sprintf("v.table_id = %d AND v.local_id BETWEEN %d AND %d", tbl, first, last)
}

// AllVersions returns the entries of a table.
func AllVersions(ctx context.Context, q sqldb.DB, tbl uint16, a *Authors) (map[Row][]merge.Group, error) {
	return readVersions(ctx, q, fmt.Sprintf("v.table_id = %d", tbl), a)
}

func readVersions(ctx context.Context, q sqldb.DB, where string, a *Authors) (map[Row][]merge.Group, error) {
	out := entries{}
	if err := eachVersion(ctx, q, where, func(r []sql.RawBytes) { out.add(r, a) }); err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return out.whole(), nil
}

// eachVersion hands the versions of some rows to f, with the local id and key before them.
func eachVersion(ctx context.Context, q sqldb.DB, where string, f func([]sql.RawBytes)) error {
	return sqldb.Each(ctx, q, "SELECT v.local_id, v.local_key, "+versionColumns+" FROM omsync_version v FORCE INDEX (PRIMARY) WHERE "+where, func(r []sql.RawBytes) error {
		f(r)
		return nil
	})
}

// Newer returns the rows of a table that have an entry above epoch base which did not come from the peer.
func Newer(ctx context.Context, q sqldb.DB, tbl uint16, base uint64, peer merge.Peer) ([]Row, error) {
	var out []Row
	query := fmt.Sprintf("SELECT DISTINCT local_id, local_key FROM omsync_version FORCE INDEX (tbl_epoch) WHERE table_id = %d AND epoch > %d AND origin <> %d ORDER BY local_id, local_key", tbl, base, peer)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, Row{sqldb.Int(r[0]), string(r[1])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return out, nil
}

// NewerTables returns the tables with an entry or a tombstone above epoch base that did not come from the peer.
func NewerTables(ctx context.Context, q sqldb.DB, base uint64, peer merge.Peer) (live, dead map[uint16]bool, err error) {
	live, dead = map[uint16]bool{}, map[uint16]bool{}
	for from, into := range map[string]map[uint16]bool{"omsync_version": live, "omsync_tombstone": dead} {
		if err := newerTables(ctx, q, from, base, peer, into); err != nil {
			return nil, nil, fmt.Errorf("read versions: %w", err)
		}
	}
	return live, dead, nil
}

// newerTables asks first for each table's last epoch, which is one look at an index, and then of the few that have a newer one whose it is. A server
// that is asked both at once reads all that there is.
func newerTables(ctx context.Context, q sqldb.DB, from string, base uint64, peer merge.Peer, into map[uint16]bool) error {
	var looks []string
	query := fmt.Sprintf("SELECT t.id FROM omsync_table t WHERE (SELECT v.epoch FROM %s v FORCE INDEX (tbl_epoch) WHERE v.table_id = t.id ORDER BY v.epoch DESC LIMIT 1) > %d", from, base)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		looks = append(looks, fmt.Sprintf("(SELECT table_id FROM %s FORCE INDEX (tbl_epoch) WHERE table_id = %s AND epoch > %d AND origin <> %d LIMIT 1)", from, r[0], base, peer))
		return nil
	})
	if err != nil || len(looks) == 0 {
		return err
	}
	return sqldb.Each(ctx, q, strings.Join(looks, " UNION ALL "), func(r []sql.RawBytes) error {
		into[uint16(sqldb.Uint(r[0]))] = true
		return nil
	})
}

// LastEntry returns the highest integer of the rows of a table that have an entry; the lowest that there is, if there are none.
func LastEntry(ctx context.Context, q sqldb.DB, tbl uint16) (last int64, err error) {
	last = math.MinInt64
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT local_id FROM omsync_version FORCE INDEX (PRIMARY) WHERE table_id = %d ORDER BY local_id DESC LIMIT 1", tbl), func(r []sql.RawBytes) error {
		last = sqldb.Int(r[0])
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read versions: %w", err)
	}
	return last, nil
}

// NotedTables returns the tables with an entry, and those with a tombstone.
func NotedTables(ctx context.Context, q sqldb.DB) (live, dead map[uint16]bool, err error) {
	live, dead = map[uint16]bool{}, map[uint16]bool{}
	for from, into := range map[string]map[uint16]bool{"omsync_version": live, "omsync_tombstone": dead} {
		err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT id FROM omsync_table t WHERE (SELECT 1 FROM %s v FORCE INDEX (PRIMARY) WHERE v.table_id = t.id LIMIT 1) = 1", from), func(r []sql.RawBytes) error {
			into[uint16(sqldb.Uint(r[0]))] = true
			return nil
		})
		if err != nil {
			return nil, nil, fmt.Errorf("read of which tables versions are: %w", err)
		}
	}
	return live, dead, nil
}

// Apart returns the rows of a table whose columns above merge.SharedBit and at it have several versions.
func Apart(ctx context.Context, q sqldb.DB, tbl uint16) ([]Row, error) {
	return readRows(ctx, q, fmt.Sprintf("SELECT local_id, local_key FROM omsync_version WHERE table_id = %d AND column_mask >= %d "+
		"GROUP BY local_id, local_key HAVING COUNT(DISTINCT time, author) > 1 ORDER BY local_id, local_key", tbl, uint64(1)<<merge.SharedBit))
}

// PutVersions writes entries. Rows in old have entries already, which are replaced; an entry without groups is only
// taken away.
func PutVersions(ctx context.Context, q sqldb.DB, tbl uint16, old []Row, entries []Entry, a *Authors) error {
	err := chunks(old, func(part []Row) error {
		b := append([]byte("DELETE v FROM "), rowList(nil, part)...)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_version v FORCE INDEX (PRIMARY) ON v.table_id = %d AND v.local_id = d.local_id AND v.local_key = d.local_key", tbl)
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("replace versions: %w", err)
	}
	for len(entries) > 0 {
		b := []byte("INSERT INTO omsync_version (table_id, local_id, local_key, column_mask, time, author, epoch, origin, added_by) VALUES ")
		none, n := len(b), 0
		for ; n < len(entries) && n < chunk && len(b) < maxStatement; n++ {
			if b, err = entries[n].literals(b, len(b) == none, tbl, a); err != nil {
				return fmt.Errorf("write versions: %w", err)
			}
		}
		if entries = entries[n:]; len(b) == none {
			continue
		}
		if err := sqldb.Exec(ctx, q, string(b)); err != nil {
			return fmt.Errorf("write versions: %w", err)
		}
	}
	return nil
}

// maxStatement is how long a statement gets, but for its last row.
const maxStatement = 1 << 20

// literals appends the rows of omsync_version of an entry.
func (e *Entry) literals(b []byte, first bool, tbl uint16, a *Authors) ([]byte, error) {
	for _, g := range e.Groups {
		for word := range g.Words() {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(b, '(')
			b = strconv.AppendUint(b, uint64(tbl), 10)
			b = append(b, ',')
			b = strconv.AppendInt(b, e.Int, 10)
			b = append(b, ',')
			b = sqldb.Binary(b, e.Key)
			b = append(b, ',')
			b = strconv.AppendUint(b, word, 10)
			b = append(b, ',')
			if b = appendVersion(b, g.Version, a); b == nil {
				return nil, fmt.Errorf("no number for the author %q", g.Author)
			}
			b = append(appendAdder(append(b, ','), word, g.Added), ')')
		}
	}
	return b, nil
}

// TouchVersions stamps every entry of a table one above what it was, as the stamper's own: it is merge.Stamper.Touch for all entries
// at once. The caller holds the gate.
func TouchVersions(ctx context.Context, q sqldb.DB, tbl uint16, s merge.Stamper, a *Authors) error {
	return sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE omsync_version SET time = time + 1, author = %d, epoch = %d, "+keepAdder+", origin = 0 WHERE table_id = %d", a.ID(s.Self), s.Epoch, tbl))
}

// DropVersionsWithoutRow forgets the entries of a table's rows that are there no more, but for those whose deletion was captured and is
// not sealed. The caller holds the gate.
func DropVersionsWithoutRow(ctx context.Context, q sqldb.DB, t *schema.Table, tbl uint16) error {
	return sqldb.Exec(ctx, q, fmt.Sprintf("DELETE v FROM omsync_version v LEFT JOIN %s t ON %s "+
		"LEFT JOIN (SELECT DISTINCT IFNULL(local_id, 0) AS local_id, IFNULL(local_key, '') AS local_key FROM omsync_capture WHERE table_id = %d AND operation = %d) c "+
		"ON c.local_id = v.local_id AND c.local_key = v.local_key WHERE v.table_id = %[3]d AND t.%[5]s IS NULL AND c.local_id IS NULL",
		schema.Quote(t.Name), sameRow(t, "v."), tbl, OpDelete, schema.Quote(t.LocalColumns[0].Name)))
}

// MoveDeletions has captured deletions of other tables, by their numbers, count as those of a table that was their copy, where the row is
// there no more. The rest of what was captured of them is not of this table: the copy was filled then. The caller holds the gate.
func MoveDeletions(ctx context.Context, q sqldb.DB, t *schema.Table, from []uint16, to uint16) error {
	for _, n := range from {
		err := sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE omsync_capture c LEFT JOIN %s t ON %s SET c.table_id = %d WHERE c.table_id = %d AND c.operation = %d AND t.%s IS NULL",
			schema.Quote(t.Name), sameRow(t, "c."), to, n, OpDelete, schema.Quote(t.LocalColumns[0].Name)))
		if err != nil {
			return fmt.Errorf("find what was deleted in %s: %w", t.Name, err)
		}
	}
	return nil
}

// sameRow is the condition that a row t of the table is the one that a row of omsync's, with that prefix, names.
func sameRow(t *schema.Table, prefix string) string {
	if t.Integer != nil {
		return "t." + schema.Quote(t.Integer.Name) + " = " + prefix + "local_id"
	}
	return schema.LocalKeySQL(t, "t.") + " = " + prefix + "local_key"
}

// appendAdder appends who added a row, if a word of a mask has its existence and that is stored.
func appendAdder(b []byte, word uint64, by merge.Adder) []byte {
	if !by.Stored || !merge.FromWord(word).Has(merge.Existence) {
		return append(b, "NULL"...)
	}
	return strconv.AppendUint(b, uint64(by.Peer), 10)
}

// hasExistence is the condition that a column_mask has a row's existence: bit 0, where bit 63 does not say that it is a further word.
const hasExistence = "column_mask & 9223372036854775809 = 1"

// keepAdder is an assignment for an UPDATE of omsync_version, to stand before one of the origin: who added a row stays.
const keepAdder = "added_by = IF(" + hasExistence + ", IFNULL(added_by, origin), NULL)"

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
