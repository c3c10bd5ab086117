package journal

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// ofBefore are rows of format 3: of a table of 70 columns, of which those after the 62nd share bit 63, and of one with few.
func ofBefore(t *testing.T) (statements []string) {
	t.Helper()
	var wide []Column
	for i := range 70 {
		wide = append(wide, Column{Name: fmt.Sprint("c", i+1), Bit: min(i+1, 63), Type: "int"})
	}
	columns := func(list []Column) string {
		b, err := encodeColumns(list)
		check(t, err)
		return string(sqldb.Binary(nil, string(b)))
	}
	waits := func(mask uint64) string {
		return fmt.Sprintf(`'{"version":1,"alive":true,"groups":[{"mask":3,"time":5,"author":"kisumu","epoch":7},{"mask":%d,"time":6,"author":"kisumu","epoch":7}],"row_ack":2,"acknowledged":0}'`, mask)
	}
	const shared = "9223372036854775808" // bit 63
	statements = []string{
		"INSERT INTO omsync_node VALUES (1, 'hub', 3, 17, '{\"version\":1,\"histories\":[4,5]}', 'none'), (2, 'kisumu', NULL, NULL, NULL, NULL)",
		"INSERT INTO omsync_table VALUES (5, 'wide', " + columns(wide) + ", NULL, 0, 18446744073709551615, 7, 1, 3, 0, NULL), " +
			"(6, 'few', " + columns(wide[:9]) + ", NULL, 0, 1023, 7, 1, 3, 0, NULL), (7, 'last', " + columns(wide[60:]) + ", NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL)",
		"INSERT INTO omsync_capture VALUES (11, 5, 2, 1, NULL, NULL, " + shared + ", '1970-01-01 00:00:00.000009')",
		"INSERT INTO omsync_version VALUES (5, -9, '', 1, 3, 1, 3, 0), (5, -9, '', " + shared + ", 4, 2, 4, 2), (5, 0, 'k', 18446744073709551615, 5, 2, 4, 2), (6, 1, '', 1023, 5, 1, 3, 0), (7, 1, '', " + shared + ", 5, 2, 3, 0)",
		"INSERT INTO omsync_waiting VALUES (1, 2, 5, 'a', NULL, 0, " + waits(1<<63|4) + ", '{\"version\":1}', 6, 'value', '', 0, '', '', 8, 8, 0), (2, 2, 6, 'b', NULL, 0, " + waits(4) + ", '{\"version\":1}', 6, 'value', '', 0, '', '', 8, 8, 0), " +
			`(3, 2, 6, 'c', NULL, 0, '{"version":1,"alive":false,"deletion":{"time":5,"author":"kisumu","epoch":7},"row_ack":2,"acknowledged":0}', '{"version":1}', 6, 'stamp', '', 0, '', '', 8, 8, 0)`,
	}
	var many []string // more than one statement reads
	for i := range chunk + 1 {
		many = append(many, fmt.Sprintf("(5, %d, '', %s, %d, 1, 3, 0)", 100+i, shared, i))
	}
	return append(statements, "INSERT INTO omsync_version VALUES "+strings.Join(many, ", "))
}

// Columns that shared a bit have one each afterwards, and all of them the version that they shared. Killed after each step, it is gone on with.
func TestUpgradeOfFormat3(t *testing.T) {
	for _, privileges := range []string{"", fewPrivileges} {
		t.Run(map[bool]string{true: "all rights", false: "no ALTER"}[privileges == ""], func(t *testing.T) {
			ctx := t.Context()
			_, dsn := dbtest.Server(t).Database(t, append(statementsOf(t, "testdata/format3.sql"), ofBefore(t)...)...)
			db := open(t, dsn)
			account := db
			if privileges != "" {
				account = limited(t, dsn, privileges)
			}
			var few []string
			check(t, sqldb.Each(ctx, db, "SELECT versions FROM omsync_waiting WHERE table_id = 6", func(r []sql.RawBytes) error {
				few = append(few, string(r[0]))
				return nil
			}))
			upgradeKilledAfter(t, account, slices.Concat(stepsFrom3(), stepsFrom4(), stepsFrom5(), stepsFrom6()))
			_, err := Upgrade(ctx, account, upgradeOptions())
			check(t, err)

			_, dsn = dbtest.Server(t).Database(t)
			fresh := open(t, dsn)
			check(t, Create(ctx, fresh, Node{Name: "hub", Profile: "none", History: 1}))
			if got, want := shape(t, db), shape(t, fresh); !slices.Equal(got, want) {
				t.Errorf("the tables are\n%s\nand new ones are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			a := must(LoadAuthors(ctx, db))(t)
			tables := must(LoadTables(ctx, db, a))(t)
			above := merge.Mask{}
			for i := range 70 {
				if bit := tables["wide"].Bit(fmt.Sprint("c", i+1)); bit != i+1 {
					t.Errorf("column %d has bit %d", i+1, bit)
				}
				if i >= 62 {
					above = above.Or(merge.Bit(i + 1))
				}
			}
			same(t, "the default version", tables["wide"].Default, merge.Group{Mask: merge.Bits(1<<63 - 1).Or(above), Version: stamped(7, "hub", 3, 0)})
			same(t, "that of few columns", tables["few"].Default, merge.Group{Mask: merge.Bits(1023), Version: stamped(7, "hub", 3, 0)})
			if tables["few"].Bit("c9") != 9 || tables["last"].Bit("c62") != 62 || tables["last"].Bit("c70") != 70 {
				t.Errorf("other bits: %+v %+v", tables["few"], tables["last"])
			}
			versions := must(AllVersions(ctx, db, 5, a))(t)
			same(t, "a row's versions", versions[Row{Int: -9}], []merge.Group{{Mask: merge.Bits(1), Version: stamped(3, "hub", 3, 0)}, {Mask: above, Version: stamped(4, "kisumu", 4, 2)}})
			same(t, "of all columns", versions[Row{Key: "k"}], []merge.Group{{Mask: merge.Bits(1<<63 - 1).Or(above), Version: stamped(5, "kisumu", 4, 2)}})
			for i := range chunk + 1 {
				same(t, "of many rows", versions[Row{Int: int64(100 + i)}], []merge.Group{{Mask: above, Version: stamped(int64(i), "hub", 3, 0)}})
			}
			same(t, "of few columns", must(AllVersions(ctx, db, 6, a))(t), map[Row][]merge.Group{{Int: 1}: {{Mask: merge.Bits(1023), Version: stamped(5, "hub", 3, 0)}}})
			if m := must(Changes(ctx, db, 5))(t)[0].Mask; m.And(above) != above || m.Has(62) {
				t.Errorf("a change of before is of %v", m)
			}
			var waiting []merge.SentGroup
			check(t, Waiting(ctx, db, WaitingFilter{}, func(w WaitingRow) error {
				waiting = append(waiting, w.Groups...)
				return nil
			}))
			sent := func(m merge.Mask, time int64) merge.SentGroup {
				return merge.SentGroup{Mask: m, Sent: merge.Sent{Stamp: merge.Stamp{Time: time, Author: "kisumu"}, Epoch: 7}}
			}
			same(t, "rows that wait", waiting, []merge.SentGroup{sent(merge.Bits(3), 5), sent(above.Or(merge.Bits(4)), 6), sent(merge.Bits(3), 5), sent(merge.Bits(4), 6)})
			check(t, sqldb.Each(ctx, db, "SELECT versions FROM omsync_waiting WHERE table_id = 6 ORDER BY id LIMIT 1", func(r []sql.RawBytes) error {
				if string(r[0]) != few[0] {
					t.Errorf("a row that waits in a table of few columns is now %s", r[0])
				}
				return nil
			}))
			check(t, sqldb.Each(ctx, db, "SELECT id, size, LENGTH(versions) + LENGTH(content), deletion FROM omsync_waiting", func(r []sql.RawBytes) error {
				if sqldb.Uint(r[1]) != sqldb.Uint(r[2]) || (sqldb.Uint(r[3]) == 1) != (sqldb.Uint(r[0]) == 3) {
					t.Errorf("row %s that waits has the size %s, is %s, and whether it is a deletion is %s", r[0], r[1], r[2], r[3])
				}
				return nil
			}))
		})
	}
}

// A version of any columns comes back as one, and takes as many rows as its mask has words.
func TestVersionsOfManyColumns(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	all := merge.Mask{}
	for _, n := range []int{62, 63, 64, 65, 130, 1000, merge.MaxBit} {
		for bit := range n + 1 {
			all = all.Or(merge.Bit(bit))
		}
		even := merge.Mask{}
		for bit := 0; bit <= n; bit += 2 {
			even = even.Or(merge.Bit(bit))
		}
		want := []merge.Group{{Mask: even, Version: stamped(1, "hub", 3, 0)}, {Mask: all.Without(even), Version: stamped(2, "siaya", 4, 7)}}
		row := Row{Int: int64(n)}
		check(t, PutVersions(ctx, db, 5, nil, []Entry{{row, want}}, a))
		got := must(Versions(ctx, db, 5, []Row{row}, a))(t)
		same(t, fmt.Sprint(n), merge.Normalise(got[row]), want)
		w := &Table{Name: fmt.Sprint("t", n), Default: want[1]}
		check(t, SaveColumns(ctx, db, w))
		check(t, SaveDefault(ctx, db, w, a))
		same(t, fmt.Sprint("default of ", n), must(LoadTables(ctx, db, a))(t)[w.Name].Default, want[1])
		rows := 0
		if err := db.QueryRow("SELECT COUNT(*) FROM omsync_version WHERE local_id = ?", n).Scan(&rows); err != nil || n == 62 && rows != 2 || rows > 66 {
			t.Errorf("%d columns take %d rows, %v", n, rows, err)
		}
	}
	if got := must(Apart(ctx, db, 5))(t); len(got) == 0 || slices.Contains(got, Row{Int: 62}) || !slices.Contains(got, Row{Int: 64}) || slices.Contains(got, Row{Int: 63}) {
		t.Errorf("apart: %v", got)
	}
}
