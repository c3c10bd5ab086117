package journal

import (
	"database/sql"
	"math"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

func TestVersions(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	tag := Row{Key: "a\x00b"}
	entries := []Entry{
		{Row{Int: 1}, []merge.Group{{Mask: merge.Bits(1), Version: stamped(10, "hub", 3, 0)}, {Mask: merge.Bits(6), Version: stamped(11, "kisumu", 4, 2)}}},
		{Row{Int: -2}, []merge.Group{{Mask: merge.Everything(), Version: stamped(0, "siaya", 5, 0)}}},
		{Row{Int: 9}, []merge.Group{{Mask: merge.Bits(1), Version: stamped(12, "hub", 5, 7)}}},
	}
	check(t, PutVersions(ctx, db, 5, nil, entries, a))
	check(t, PutVersions(ctx, db, 6, nil, []Entry{{tag, entries[0].Groups}}, a))
	same(t, "of some rows", must(Versions(ctx, db, 5, []Row{{Int: 1}, {Int: -2}, {Int: 3}}, a))(t),
		map[Row][]merge.Group{{Int: 1}: entries[0].Groups, {Int: -2}: entries[1].Groups})
	same(t, "of a row by its key", must(Versions(ctx, db, 6, []Row{tag, {Key: "a"}}, a))(t), map[Row][]merge.Group{tag: entries[0].Groups})
	same(t, "between", must(VersionsBetween(ctx, db, 5, -2, 1, a))(t), map[Row][]merge.Group{{Int: 1}: entries[0].Groups, {Int: -2}: entries[1].Groups})
	same(t, "of all", must(AllVersions(ctx, db, 6, a))(t), map[Row][]merge.Group{tag: entries[0].Groups})
	same(t, "newer for 2", must(Newer(ctx, db, 5, 3, 2))(t), []Row{{Int: -2}, {Int: 9}})
	same(t, "newer for 7", must(Newer(ctx, db, 5, 3, 7))(t), []Row{{Int: -2}, {Int: 1}})
	same(t, "newer than all", must(Newer(ctx, db, 5, 5, 1))(t), nil)

	dbtest.Exec(t, db, "INSERT INTO omsync_table (id, name, columns) VALUES (5, 'ward', '{\"version\":1}'), (6, 'tag', '{\"version\":1}'), (7, 'bed', '{\"version\":1}')")
	check(t, PutTombstones(ctx, db, 7, []Tombstone{{"b", stamped(1, "hub", 9, 2)}}, a))
	live, dead, err := NewerTables(ctx, db, 4, 1)
	check(t, err)
	same(t, "tables with newer rows", live, map[uint16]bool{5: true})
	same(t, "tables with newer deletions", dead, map[uint16]bool{7: true})
	if _, dead, _ = NewerTables(ctx, db, 4, 2); len(dead) > 0 {
		t.Error("a deletion is new to the one that it came from")
	}

	later := []Entry{{Row{Int: 1}, []merge.Group{{Mask: merge.Bits(7), Version: stamped(20, "hub", 8, 0)}}}, {Row{Int: 9}, nil}}
	check(t, PutVersions(ctx, db, 5, []Row{{Int: 1}, {Int: 9}}, later, a))
	same(t, "of all, replaced", must(AllVersions(ctx, db, 5, a))(t), map[Row][]merge.Group{{Int: 1}: later[0].Groups, {Int: -2}: entries[1].Groups})
	if err := PutVersions(ctx, db, 5, nil, []Entry{{Row{Int: 8}, []merge.Group{{Mask: merge.Bits(1), Version: stamped(1, "nobody", 1, 0)}}}}, a); err == nil {
		t.Error("an author without a number passed")
	}
}

// Entries of rows that lie apart are looked up, and nothing is read between them, also where the server knows the table as the empty one that it was.
func TestVersionsOfRowsApart(t *testing.T) {
	db, a := newNode(t)
	conn := must(db.Conn(t.Context()))(t)
	defer conn.Close()
	dbtest.Exec(t, conn, "ALTER TABLE omsync_version STATS_PERSISTENT=1, STATS_AUTO_RECALC=0")
	check(t, sqldb.Each(t.Context(), conn, "ANALYZE TABLE omsync_version", func([]sql.RawBytes) error { return nil }))
	var entries []Entry
	for i := range int64(8000) {
		entries = append(entries, Entry{Row{Int: 3*i - 100}, []merge.Group{{Mask: merge.Bits(1), Version: stamped(i, "hub", 3, 0)}, {Mask: merge.Bits(2), Version: stamped(i+1, "kisumu", 4, 2)}}})
	}
	check(t, PutVersions(t.Context(), conn, 5, nil, entries, a))
	named := Entry{Row{Key: "tag"}, entries[0].Groups}
	check(t, PutVersions(t.Context(), conn, 5, nil, []Entry{named}, a))
	check(t, PutVersions(t.Context(), conn, 6, nil, entries, a))
	dbtest.Exec(t, conn, "FLUSH TABLE omsync_version")
	for _, n := range []int{2, 40, 1500} {
		rows, want := []Row{{Int: -1000}}, map[Row][]merge.Group{}
		for i := range n {
			e := entries[(n-i)*5]
			rows = append(rows, e.Row, Row{Int: e.Int + 1}) // of the second there is none
			want[e.Row] = e.Groups
		}
		before := dbtest.Reads(t, conn)
		same(t, "of rows apart", must(Versions(t.Context(), conn, 5, rows, a))(t), want)
		if read := dbtest.Reads(t, conn) - before; read > 8*n+20 {
			t.Errorf("for %d of %d rows %d entries were read", n, len(rows), read)
		}
		want[named.Row] = named.Groups
		same(t, "of rows apart, and one by its key", must(Versions(t.Context(), conn, 5, append(rows, named.Row), a))(t), want)
	}
}

func TestIntegers(t *testing.T) {
	for want, got := range map[string][]byte{
		"(SELECT 7 id) d": Integers(nil, []int64{7}),
		"DELETE c FROM (SELECT 18446744073709551615 id UNION ALL SELECT 0) d":      Integers([]byte("DELETE c FROM "), []uint64{math.MaxUint64, 0}),
		"(SELECT -9223372036854775808 id UNION ALL SELECT 2 UNION ALL SELECT 2) d": Integers(nil, []int64{math.MinInt64, 2, 2}),
	} {
		if string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
