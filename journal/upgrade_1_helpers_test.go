package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

// format1 makes a database with the tables of format 1 and the statements given, and returns it as omsync opens it.
func format1(t *testing.T, statements ...string) (db *sql.DB, dsn string) {
	t.Helper()
	ddl := append(statementsOf(t, "testdata/format1.sql"), "INSERT INTO omsync_node (id, name, format, history, earlier, profile) VALUES (1, 'hub', 1, 17, '[4,5]', 'none'), (2, 'kisumu', NULL, NULL, NULL, NULL)")
	_, dsn = dbtest.Server(t).Database(t, append(ddl, statements...)...)
	return open(t, dsn), dsn
}

// statementsOf returns the statements of a file.
func statementsOf(t *testing.T, path string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for s := range strings.SplitSeq(string(text), ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// filled are rows of every table of format 1.
func filled(t *testing.T) []string {
	literal := func(name string) string { return string(sqldb.Binary(nil, string(golden(t, name+"_1")))) }
	return []string{
		"INSERT INTO omsync_epoch VALUES (3, 18446744073709551615, 1, 1779494400000000), (4, 9, 0, 1779494400000001)",
		"INSERT INTO omsync_table VALUES (5, 'ward', " + literal("columns") + ", " + literal("flow") + ", 0, 7, 1779494400000000, 1, 3, 2), (6, 'bed', '[]', NULL, 1, NULL, NULL, NULL, NULL, NULL)",
		"INSERT INTO omsync_change VALUES (11, 5, 1, 3, NULL, NULL, 0, '2026-05-01 10:00:00.000001'), (12, 5, 2, 3, NULL, NULL, 6, '2026-05-01 10:00:00.000002'), (15, 5, 3, 3, NULL, 'w-3', 0, '2026-05-01 10:00:00.000003')",
		"INSERT INTO omsync_version VALUES (5, 1, '', 1, 1779494400000000, 1, 3, 0), (5, 1, '', 18446744073709551614, 1779494400000001, 2, 4, 2), (6, 0, 'a\\0b', 1, 0, 1, 3, 0)",
		"INSERT INTO omsync_tombstone VALUES (5, 'w-9', NULL, 0, 1779494400000000, 2, 4, 2), (5, 'long', REPEAT('x', 800), 1, 5, 1, 3, 0)",
		"INSERT INTO omsync_peer VALUES (2, 'kisumu', 'child', 'active', 'card', " + literal("link") + ", " + literal("requests") + ", 112, 106, 1, 2, NULL), (7, 'siaya', 'child', 'removed', '', " + literal("link") + ", NULL, 0, 0, NULL, NULL, NULL)",
		"INSERT INTO omsync_import VALUES (2, 105, 8, 3), (2, 106, 9, 4)",
		"INSERT INTO omsync_conflict VALUES (1, REPEAT('d', 16), 'ward', 'w-1', 'name', 'lost', 0, 3, 'hub', 4, 'kisumu', 5, 3, 0), (9, REPEAT('e', 16), 'ward', 'w-1', '', NULL, 1, 3, 'hub', 4, 'kisumu', 6, 4, 2)",
	}
}

func upgradeOptions() UpgradeOptions {
	return UpgradeOptions{Self: "hub", Say: func(string, ...any) {}, Triggers: func(context.Context, bool) error { return nil }}
}

// contents returns the rows of all tables of this format, as text.
func contents(t *testing.T, db *sql.DB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, l := range layouts() {
		err := sqldb.Each(t.Context(), db, "SELECT * FROM "+l.name, func(r []sql.RawBytes) error {
			out[l.name] = append(out[l.name], fmt.Sprintf("%q", r))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(out[l.name])
	}
	return out
}

// shape returns columns and keys of all omsync tables, one a line.
func shape(t *testing.T, db *sql.DB) (out []string) {
	t.Helper()
	for _, q := range []string{
		"SELECT table_name, ordinal_position, column_name, column_type, is_nullable, column_default, extra FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, 2",
		"SELECT table_name, index_name, seq_in_index, column_name, non_unique FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY 1, 2, 3",
	} {
		err := sqldb.Each(t.Context(), db, q, func(r []sql.RawBytes) error {
			out = append(out, fmt.Sprintf("%q", r))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// checkUpgraded compares the database with what must come of filled, and its tables with new ones.
func checkUpgraded(t *testing.T, db *sql.DB) {
	t.Helper()
	_, dsn := dbtest.Server(t).Database(t)
	fresh := open(t, dsn)
	if err := Create(t.Context(), fresh, Node{Name: "hub", Profile: "none", History: 1}); err != nil {
		t.Fatal(err)
	}
	if got, want := shape(t, db), shape(t, fresh); !slices.Equal(got, want) {
		t.Errorf("the tables are\n%s\nand new ones are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	record := func(name string) string { return fmt.Sprintf("%q", golden(t, name)) }
	link := record("link")
	want := map[string][]string{
		"omsync_node":    {fmt.Sprintf(`["1" "hub" "%d" "17" "{\"version\":1,\"histories\":[4,5]}" "none"]`, Format), `["2" "kisumu" "" "" "" ""]`},
		"omsync_epoch":   {`["3" "18446744073709551615" "1" "1779494400000000"]`, `["4" "9" "0" "1779494400000001"]`},
		"omsync_table":   {`["5" "ward" ` + record("columns") + ` ` + record("flow") + ` "0" "7" "1779494400000000" "1" "3" "2" "" "" ""]`, `["6" "bed" "{\"version\":1}" "" "1" "" "" "" "" "" "" "" ""]`},
		"omsync_capture": {`["11" "5" "1" "3" "" "" "0" "2026-05-01 10:00:00.000001"]`, `["12" "5" "2" "3" "" "" "6" "2026-05-01 10:00:00.000002"]`, `["15" "5" "3" "3" "" "w-3" "0" "2026-05-01 10:00:00.000003"]`},
		"omsync_version": {`["5" "1" "" "1" "1779494400000000" "1" "3" "0" ""]`, `["5" "1" "" "9223372036854775806" "1779494400000001" "2" "4" "2" ""]`, `["5" "1" "" "9223372036854775809" "1779494400000001" "2" "4" "2" ""]`,
			`["6" "0" "a\x00b" "1" "0" "1" "3" "0" ""]`},
		"omsync_tombstone": {`["5" "long" "` + strings.Repeat("x", 800) + `" "1" "5" "1" "3" "0"]`, `["5" "w-9" "" "0" "1779494400000000" "2" "4" "2"]`},
		"omsync_peer": {`["2" "kisumu" "child" "active" "card" ` + link + ` ` + record("requests") + ` "" "" "112" "106" "1" "2" ""]`,
			`["7" "siaya" "child" "removed" "" ` + link + ` "" "" "" "0" "0" "" "" ""]`},
		"omsync_import":   {`["2" "105" "8" "3"]`, `["2" "106" "9" "4"]`},
		"omsync_conflict": {`["1" "dddddddddddddddd" "ward" "w-1" "name" "lost" "0" "3" "hub" "4" "kisumu" "5" "3" "0" "" ""]`, `["9" "eeeeeeeeeeeeeeee" "ward" "w-1" "" "" "1" "3" "hub" "4" "kisumu" "6" "4" "2" "" ""]`},
	}
	got := contents(t, db)
	for _, l := range layouts() {
		if !slices.Equal(got[l.name], want[l.name]) {
			t.Errorf("%s has\n%s\nwant\n%s", l.name, strings.Join(got[l.name], "\n"), strings.Join(want[l.name], "\n"))
		}
	}
}

// super goes before privileges for an account that is also an administrator: where the server keeps a binary log, it may make triggers.
const super = "SUPER and "

// limited makes an account with these privileges on the database and returns it as omsync opens it for that account.
func limited(t *testing.T, dsn, privileges string) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	admin := open(t, dsn)
	random := make([]byte, 4)
	rand.Read(random)
	name := fmt.Sprintf("omsync_j%x", random)
	user := "'" + name + "'@'localhost'"
	privileges, isSuper := strings.CutPrefix(privileges, super)
	dbtest.Exec(t, admin, "CREATE USER "+user, "GRANT "+privileges+" ON `"+cfg.DBName+"`.* TO "+user)
	if isSuper {
		dbtest.Exec(t, admin, "GRANT SUPER ON *.* TO "+user)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), "DROP USER "+user); err != nil {
			t.Error(err)
		}
	})
	cfg.User, cfg.Passwd = name, ""
	return open(t, cfg.FormatDSN())
}

func shapeOf(t *testing.T, db *sql.DB, table string) (out []string) {
	for _, line := range shape(t, db) {
		if strings.HasPrefix(line, `["`+table+`"`) {
			out = append(out, line)
		}
	}
	return out
}
