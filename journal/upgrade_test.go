package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"reflect"
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
	text, err := os.ReadFile("testdata/format1.sql")
	if err != nil {
		t.Fatal(err)
	}
	var ddl []string
	for s := range strings.SplitSeq(string(text), ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			ddl = append(ddl, s)
		}
	}
	ddl = append(ddl, "INSERT INTO omsync_node (id, name, format, history, earlier, profile) VALUES (1, 'hub', 1, 17, '[4,5]', 'none'), (2, 'kisumu', NULL, NULL, NULL, NULL)")
	_, dsn = dbtest.Server(t).Database(t, append(ddl, statements...)...)
	return open(t, dsn), dsn
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, _, err := sqldb.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
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
	return UpgradeOptions{Self: "hub", Say: func(string, ...any) {}, Triggers: func(context.Context) error { return nil }}
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
		"omsync_node":    {`["1" "hub" "2" "17" "{\"version\":1,\"histories\":[4,5]}" "none"]`, `["2" "kisumu" "" "" "" ""]`},
		"omsync_epoch":   {`["3" "18446744073709551615" "1" "1779494400000000"]`, `["4" "9" "0" "1779494400000001"]`},
		"omsync_table":   {`["5" "ward" ` + record("columns") + ` ` + record("flow") + ` "0" "7" "1779494400000000" "1" "3" "2"]`, `["6" "bed" "{\"version\":1}" "" "1" "" "" "" "" ""]`},
		"omsync_capture": {`["11" "5" "1" "3" "" "" "0" "2026-05-01 10:00:00.000001"]`, `["12" "5" "2" "3" "" "" "6" "2026-05-01 10:00:00.000002"]`, `["15" "5" "3" "3" "" "w-3" "0" "2026-05-01 10:00:00.000003"]`},
		"omsync_version": {`["5" "1" "" "1" "1779494400000000" "1" "3" "0"]`, `["5" "1" "" "18446744073709551614" "1779494400000001" "2" "4" "2"]`,
			`["6" "0" "a\x00b" "1" "0" "1" "3" "0"]`},
		"omsync_tombstone": {`["5" "long" "` + strings.Repeat("x", 800) + `" "1" "5" "1" "3" "0"]`, `["5" "w-9" "" "0" "1779494400000000" "2" "4" "2"]`},
		"omsync_peer": {`["2" "kisumu" "child" "active" "card" ` + link + ` ` + record("requests") + ` "" "112" "106" "1" "2" ""]`,
			`["7" "siaya" "child" "removed" "" ` + link + ` "" "" "0" "0" "" "" ""]`},
		"omsync_import":   {`["2" "105" "8" "3"]`, `["2" "106" "9" "4"]`},
		"omsync_conflict": {`["1" "dddddddddddddddd" "ward" "w-1" "name" "lost" "0" "3" "hub" "4" "kisumu" "5" "3" "0"]`, `["9" "eeeeeeeeeeeeeeee" "ward" "w-1" "" "" "1" "3" "hub" "4" "kisumu" "6" "4" "2"]`},
	}
	got := contents(t, db)
	for _, l := range layouts() {
		if !slices.Equal(got[l.name], want[l.name]) {
			t.Errorf("%s has\n%s\nwant\n%s", l.name, strings.Join(got[l.name], "\n"), strings.Join(want[l.name], "\n"))
		}
	}
}

func TestUpgrade(t *testing.T) {
	db, _ := format1(t, filled(t)...)
	said := 0
	o := upgradeOptions()
	o.Say = func(format string, args ...any) {
		if said++; !strings.Contains(fmt.Sprintf(format, args...), "from format 1 to 2") {
			t.Errorf("said %q", fmt.Sprintf(format, args...))
		}
	}
	for _, want := range []bool{true, false} {
		upgraded, err := Upgrade(t.Context(), db, o)
		if err != nil || upgraded != want {
			t.Fatalf("%t, %v", upgraded, err)
		}
		checkUpgraded(t, db)
	}
	if said != 1 {
		t.Errorf("said %d times what happens", said)
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

// The privileges that omsync asks for have no ALTER among them: tables are copied.
func TestUpgradeWithoutALTER(t *testing.T) {
	db, dsn := format1(t, filled(t)...)
	account := limited(t, dsn, super+"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES")
	if _, err := Upgrade(t.Context(), account, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	checkUpgraded(t, db)
}

// blocked reports whether the server lets administrators alone make triggers.
func blocked(t *testing.T, db *sql.DB) (is bool) {
	t.Helper()
	var log, trust bool
	if err := db.QueryRow("SELECT @@log_bin, @@log_bin_trust_function_creators").Scan(&log, &trust); err != nil {
		t.Fatal(err)
	}
	return log && !trust
}

// Whatever the account lacks, it is told before anything is changed, and the old program still works.
func TestUpgradeWithoutTriggers(t *testing.T) {
	db, dsn := format1(t, filled(t)...)
	for _, c := range []struct {
		privileges string
		want       string
		skip       bool
	}{
		{super + "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, LOCK TABLES", "TRIGGER privilege", false},
		{"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, LOCK TABLES, TRIGGER", "log_bin_trust_function_creators", !blocked(t, db)},
	} {
		t.Run(c.want, func(t *testing.T) {
			if c.skip {
				t.Skip("any account may make triggers on this server")
			}
			before := fmt.Sprint(shapeOf(t, db, "omsync_version"), shapeOf(t, db, "omsync_peer"))
			_, err := Upgrade(t.Context(), limited(t, dsn, c.privileges), upgradeOptions())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%v", err)
			}
			if _, format, err := stored(t.Context(), db); err != nil || format != 1 {
				t.Errorf("the format is %d, %v", format, err)
			}
			if after := fmt.Sprint(shapeOf(t, db, "omsync_version"), shapeOf(t, db, "omsync_peer")); after != before {
				t.Errorf("tables were changed: %s", after)
			}
		})
	}
	if _, err := Upgrade(t.Context(), db, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	checkUpgraded(t, db)
}

func shapeOf(t *testing.T, db *sql.DB, table string) (out []string) {
	for _, line := range shape(t, db) {
		if strings.HasPrefix(line, `["`+table+`"`) {
			out = append(out, line)
		}
	}
	return out
}

var errKilled = errors.New("killed")

// An upgrade that ends after any step is gone on with: each run here ends one step later than the one before, and so does each step
// again what was done already. Until the end every program refuses the tables, once they are claimed.
func TestUpgradeKilledAfterEachStep(t *testing.T) {
	for _, privileges := range []string{"", super + "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES"} {
		t.Run(map[bool]string{true: "all rights", false: "no ALTER"}[privileges == ""], func(t *testing.T) {
			db, dsn := format1(t, filled(t)...)
			account := db
			if privileges != "" {
				account = limited(t, dsn, privileges)
			}
			o := upgradeOptions()
			steps := upgradeSteps()
			for i, s := range steps {
				o.After = func(step string) error {
					if step == s.name {
						return errKilled
					}
					return nil
				}
				if _, err := Upgrade(t.Context(), account, o); !errors.Is(err, errKilled) {
					t.Fatalf("killed after step %d, %s: %v", i, s.name, err)
				}
				var other *FormatError
				_, err := LoadNode(t.Context(), db)
				switch last := i == len(steps)-1; {
				case last && err != nil:
					t.Errorf("after the last step: %v", err)
				case !last && (!errors.As(err, &other) || !other.Old()):
					t.Errorf("after %s: %v", s.name, err)
				}
			}
			checkUpgraded(t, db)
		})
	}
}

// Each step has its name once: an interruption is told by it.
func TestUpgradeStepsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	last := 0
	for _, s := range upgradeSteps() {
		if s.name == "" || seen[s.name] || s.from < last || s.from >= Format {
			t.Errorf("step %q from format %d", s.name, s.from)
		}
		seen[s.name], last = true, s.from
	}
}

// A copy under way when the process died is begun again or gone on with, wherever it was.
func TestCopyGoesOn(t *testing.T) {
	l := layoutOf("omsync_import")
	was := map[string]string{"peer_id": "peer", "sender_epoch": "epoch", "sender_token": "token", "own_epoch": "own"}
	const old = "CREATE TABLE omsync_import (peer SMALLINT UNSIGNED NOT NULL, epoch BIGINT UNSIGNED NOT NULL, token BIGINT UNSIGNED NOT NULL, own BIGINT UNSIGNED NOT NULL, PRIMARY KEY (peer, own, epoch)) ENGINE=InnoDB"
	rows := func(table string) string { return "INSERT INTO " + table + " VALUES (1, 2, 3, 4), (1, 3, 5, 5)" }
	for name, ddl := range map[string][]string{
		"not begun":            {old, rows(l.name)},
		"an empty copy":        {old, rows(l.name), l.create(l.name + copySuffix)},
		"a copy, not dropped":  {old, rows(l.name), l.create(l.name + copySuffix), rows(l.name + copySuffix)},
		"a copy alone":         {l.create(l.name + copySuffix), rows(l.name + copySuffix)},
		"a copy and a new one": {l.create(l.name), l.create(l.name + copySuffix), rows(l.name + copySuffix)},
		"copied back":          {l.create(l.name), rows(l.name), l.create(l.name + copySuffix), rows(l.name + copySuffix)},
		"done":                 {l.create(l.name), rows(l.name)},
	} {
		t.Run(name, func(t *testing.T) {
			_, dsn := dbtest.Server(t).Database(t, ddl...)
			admin := open(t, dsn)
			for _, db := range []*sql.DB{limited(t, dsn, "SELECT, INSERT, CREATE, DROP"), admin} {
				c, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := (&upgrade{c: c}).rename(t.Context(), l, was); err != nil {
					t.Fatal(err)
				}
				var got []string
				sqldb.Each(t.Context(), admin, "SELECT peer_id, sender_epoch, sender_token, own_epoch FROM omsync_import ORDER BY 2", func(r []sql.RawBytes) error {
					got = append(got, fmt.Sprintf("%s", r))
					return nil
				})
				if !reflect.DeepEqual(got, []string{"[1 2 3 4]", "[1 3 5 5]"}) {
					t.Errorf("%q", got)
				}
			}
			if left := shapeOf(t, admin, l.name+copySuffix); len(left) > 0 {
				t.Error("the copy is still there")
			}
		})
	}
}

func TestRenameOfATableThatIsLost(t *testing.T) {
	_, dsn := dbtest.Server(t).Database(t)
	c, err := open(t, dsn).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = (&upgrade{c: c}).rename(t.Context(), layoutOf("omsync_import"), map[string]string{"peer_id": "peer"})
	if err == nil || !strings.Contains(err.Error(), "restore it") {
		t.Errorf("%v", err)
	}
}

// What an old trigger wrote comes before what a new one did, and what both wrote counts once.
func TestMoveChanges(t *testing.T) {
	db, _ := format1(t,
		"INSERT INTO omsync_change VALUES (1, 5, 1, 3, NULL, NULL, 0, '2026-05-01 10:00:00.000001'), (2, 5, 2, 3, NULL, NULL, 6, '2026-05-01 10:00:00.000005'), (3, 6, 3, NULL, 'k', 'u', 0, '2026-05-01 10:00:00.000006'), (9, 5, 2, 4, NULL, NULL, 2, '2026-05-01 10:00:00.000007')")
	o := upgradeOptions()
	o.Triggers = func(ctx context.Context) error {
		return sqldb.Exec(ctx, db,
			"INSERT INTO omsync_capture (table_id, operation, local_id, column_mask, changed_at) VALUES (5, 2, 3, 6, '2026-05-01 10:00:00.000005')",
			"INSERT INTO omsync_capture (table_id, operation, local_key, deleted_key, changed_at) VALUES (6, 3, 'k', 'u', '2026-05-01 10:00:00.000006')",
			"INSERT INTO omsync_capture (table_id, operation, local_id, column_mask, changed_at) VALUES (5, 2, 3, 6, '2026-05-01 10:00:00.000008')")
	}
	if _, err := Upgrade(t.Context(), db, o); err != nil {
		t.Fatal(err)
	}
	changes, err := Changes(t.Context(), db, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		u := "-"
		if c.UUID != nil {
			u = *c.UUID
		}
		got = append(got, fmt.Sprintf("%d %d %d %s %s %d .%d", c.Table, c.Op, c.Int, c.Key, u, c.Mask, c.At%10))
	}
	want := []string{"5 1 3  - 0 .1", "5 2 4  - 2 .7", "5 2 3  - 6 .5", "6 3 0 k u 0 .6", "5 2 3  - 6 .8"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if changes[1].ID >= captureStart || changes[2].ID <= captureStart {
		t.Errorf("ids %d and %d, not on both sides of %d", changes[1].ID, changes[2].ID, uint64(captureStart))
	}
}

// While a trigger still writes to the old table it stays, and so do the changes.
func TestMoveChangesWaitsForTheTriggers(t *testing.T) {
	db, _ := format1(t, append(filled(t), "CREATE TABLE ward (id INT PRIMARY KEY) ENGINE=InnoDB",
		"CREATE TRIGGER omsync_old AFTER INSERT ON ward FOR EACH ROW INSERT INTO omsync_change (tbl, op, pk, at) VALUES (5, 1, NEW.id, UTC_TIMESTAMP(6))")...)
	_, err := Upgrade(t.Context(), db, upgradeOptions())
	if err == nil || !strings.Contains(err.Error(), "omsync_old on ward") {
		t.Fatalf("%v", err)
	}
	dbtest.Exec(t, db, "INSERT INTO ward VALUES (1)")
	dbtest.Exec(t, db, "DROP TRIGGER omsync_old")
	if _, err := Upgrade(t.Context(), db, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	if n, err := CountChanges(t.Context(), db); err != nil || n != 4 {
		t.Errorf("%d changes, %v", n, err)
	}
}

func TestFormatsThatAreNotOurs(t *testing.T) {
	for _, c := range []struct {
		format int
		old    bool
		parts  []string
	}{
		{1, true, []string{"format 1", "omsync sync", "upgrades them to format 2"}},
		{underWay + 1, true, []string{"was not finished", "omsync sync"}},
		{3, false, []string{"format 3", "formats up to 2", "install the newer omsync"}},
		{underWay + 2, false, []string{"formats up to 2", "install the newer omsync"}},
		{underWay + 3, false, []string{"format 3", "formats up to 2", "install the newer omsync"}},
	} {
		t.Run(fmt.Sprint(c.format), func(t *testing.T) {
			db, _ := format1(t, fmt.Sprintf("UPDATE omsync_node SET format = %d WHERE id = 1", c.format))
			var other *FormatError
			_, err := LoadNode(t.Context(), db)
			if !errors.As(err, &other) || other.Old() != c.old {
				t.Fatalf("%v", err)
			}
			for _, p := range c.parts {
				if !strings.Contains(err.Error(), p) {
					t.Errorf("%q lacks %q", err, p)
				}
			}
			name, err := NodeName(t.Context(), db)
			if c.old && (err != nil || name != "hub") || !c.old && !errors.As(err, &other) {
				t.Errorf("the name is %q, %v", name, err)
			}
			if c.old {
				return
			}
			before := shape(t, db)
			if _, err := Upgrade(t.Context(), db, upgradeOptions()); !errors.As(err, &other) {
				t.Errorf("an upgrade: %v", err)
			}
			if !slices.Equal(shape(t, db), before) {
				t.Error("the upgrade changed tables")
			}
		})
	}
}

func TestUpgradeOfAnotherNode(t *testing.T) {
	db, _ := format1(t)
	o := upgradeOptions()
	o.Self = "kisumu"
	if _, err := Upgrade(t.Context(), db, o); err == nil || !strings.Contains(err.Error(), "belongs to the node hub") {
		t.Errorf("%v", err)
	}
	_, dsn := dbtest.Server(t).Database(t)
	if _, err := Upgrade(t.Context(), open(t, dsn), o); !errors.Is(err, ErrNone) {
		t.Errorf("of no node: %v", err)
	}
}

// Drop leaves nothing of an upgrade that was interrupted anywhere.
func TestDropOfAnUnfinishedUpgrade(t *testing.T) {
	db, _ := format1(t, layoutOf("omsync_version").create("omsync_version"+copySuffix))
	o := upgradeOptions()
	o.After = func(string) error { return errKilled }
	if _, err := Upgrade(t.Context(), db, o); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if err := Drop(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if left := shape(t, db); len(left) > 0 {
		t.Errorf("left: %s", strings.Join(left, "\n"))
	}
}
