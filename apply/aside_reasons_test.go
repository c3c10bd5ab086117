package apply_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

// differing are tables that hold each other in a row of four: what refers to an item waits with it, three levels deep.
var differing = []string{
	`CREATE TABLE item (item_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) CHARACTER SET utf8mb4 NULL, size INT NULL, day DATE NULL, kind ENUM('a','b','c') NULL,
		note LONGTEXT NULL, code VARCHAR(20) NULL, uuid CHAR(38) NOT NULL UNIQUE)`,
	"CREATE TABLE part (part_id INT AUTO_INCREMENT PRIMARY KEY, item_id INT NOT NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT of_item FOREIGN KEY (item_id) REFERENCES item (item_id))",
	"CREATE TABLE piece (piece_id INT AUTO_INCREMENT PRIMARY KEY, part_id INT NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT of_part FOREIGN KEY (part_id) REFERENCES part (part_id))",
	"CREATE TABLE crumb (crumb_id INT AUTO_INCREMENT PRIMARY KEY, piece_id INT NULL, beside INT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (piece_id) REFERENCES piece (piece_id), FOREIGN KEY (beside) REFERENCES crumb (crumb_id))",
}

// differingCase is one way in which a row finds no place.
type differingCase struct {
	narrow []string // makes the receiver differ
	good   []string // columns and values of a row that is taken
	bad    []string // and of one that is not
	waits  string   // reason and column
	says   string   // what can be done, in the reason's text
	mend   []string // lets the row in
	only   func(*dbtest.ServerInfo) bool
}

func differingCases() map[string]differingCase {
	mysql := func(major, minor int) func(*dbtest.ServerInfo) bool {
		return func(s *dbtest.ServerInfo) bool { return !s.MariaDB && s.AtLeast(major, minor) }
	}
	checked := func(s *dbtest.ServerInfo) bool { return s.MariaDB || s.AtLeast(8, 1) }
	const signal = "CREATE TRIGGER app_%s BEFORE %[1]s ON item FOR EACH ROW IF NEW.size > 100 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'patient Wanjiru is too large'; END IF"
	return map[string]differingCase{
		"unique, and the other row gets another value": {nil, []string{"code", "'A'"}, []string{"code", "'X'"}, "unique ", "change one of them", []string{"UPDATE item SET code = 'Y' WHERE uuid = 'here'"}, nil},
		"unique, and the other row is deleted":         {nil, []string{"code", "'A'"}, []string{"code", "'X'"}, "unique ", "change one of them", []string{"DELETE FROM item WHERE uuid = 'here'"}, nil},
		"unique, and the index is dropped":             {nil, []string{"code", "'A'"}, []string{"code", "'X'"}, "unique ", "change one of them", []string{"DROP INDEX one_code ON item"}, nil},
		"too long": {[]string{"ALTER TABLE item MODIFY name VARCHAR(12) CHARACTER SET utf8mb4 NULL"}, []string{"name", "'short'"}, []string{"name", "'more than twelve'"}, "value name", "widen the column",
			[]string{"ALTER TABLE item MODIFY name VARCHAR(60) CHARACTER SET utf8mb4 NULL"}, nil},
		"too long by blanks": {[]string{"ALTER TABLE item MODIFY name VARCHAR(12) CHARACTER SET utf8mb4 NULL"}, []string{"name", "'short '"}, []string{"name", "'twelve chars\\r\\n'"}, "value name", "widen the column",
			[]string{"ALTER TABLE item MODIFY name VARCHAR(60) CHARACTER SET utf8mb4 NULL"}, nil},
		"a long text, too long by blanks": {[]string{"ALTER TABLE item MODIFY note TINYTEXT CHARACTER SET utf8 NULL"}, []string{"note", "CONCAT(REPEAT('é', 127), ' ')"}, []string{"note", "CONCAT(REPEAT('é', 127), '  ')"}, "value note", "widen the column",
			[]string{"ALTER TABLE item MODIFY note LONGTEXT NULL"}, nil},
		"a fraction": {[]string{"ALTER TABLE item MODIFY name DECIMAL(6,2) NULL"}, []string{"name", "'1.25'"}, []string{"name", "'1.255'"}, "value name", "widen the column",
			[]string{"ALTER TABLE item MODIFY name VARCHAR(60) CHARACTER SET utf8mb4 NULL"}, nil},
		"a fraction of a second": {[]string{"ALTER TABLE item MODIFY name DATETIME NULL"}, []string{"name", "'2026-01-31 10:00:00'"}, []string{"name", "'2026-01-31 10:00:00.7'"}, "value name", "widen the column",
			[]string{"ALTER TABLE item MODIFY name VARCHAR(60) CHARACTER SET utf8mb4 NULL"}, nil},
		"a day with a time": {[]string{"ALTER TABLE item MODIFY name DATE NULL"}, []string{"name", "'2026-01-31'"}, []string{"name", "'2026-01-31 10:00:00'"}, "value name", "widen the column",
			[]string{"ALTER TABLE item MODIFY name VARCHAR(60) CHARACTER SET utf8mb4 NULL"}, nil},
		"characters": {[]string{"ALTER TABLE item MODIFY name VARCHAR(60) CHARACTER SET latin1 NULL"}, []string{"name", "'é'"}, []string{"name", "CONVERT(X'E6BCA2' USING utf8mb4)"}, "value name", "such as utf8mb4",
			[]string{"ALTER TABLE item MODIFY name VARCHAR(60) CHARACTER SET utf8mb4 NULL"}, nil},
		"out of range": {[]string{"ALTER TABLE item MODIFY size TINYINT NULL"}, []string{"size", "127"}, []string{"size", "128"}, "value size", "widen the column",
			[]string{"ALTER TABLE item MODIFY size INT NULL"}, nil},
		"not in the list": {[]string{"ALTER TABLE item MODIFY kind ENUM('a','b') NULL"}, []string{"kind", "'b'"}, []string{"kind", "'c'"}, "value kind", "as it is at the sender",
			[]string{"ALTER TABLE item MODIFY kind ENUM('a','b','c') NULL"}, nil},
		"no date": {[]string{"ALTER TABLE item MODIFY name DATE NULL"}, []string{"name", "'2026-01-31'"}, []string{"name", "'soon'"}, "value name", "as it is at the sender",
			[]string{"ALTER TABLE item MODIFY name VARCHAR(60) CHARACTER SET utf8mb4 NULL"}, nil},
		"NULL": {[]string{"ALTER TABLE item MODIFY size INT NOT NULL"}, []string{"size", "1"}, []string{"size", "NULL"}, "value size", "let the column take NULL",
			[]string{"ALTER TABLE item MODIFY size INT NULL"}, nil},
		"CHECK": {[]string{"ALTER TABLE item ADD CONSTRAINT small CHECK (size < 100)"}, []string{"size", "99"}, []string{"size", "100"}, "value ", "the CHECK here",
			[]string{"ALTER TABLE item DROP CONSTRAINT small"}, checked},
		"SIGNAL": {[]string{fmt.Sprintf(signal, "INSERT"), fmt.Sprintf(signal, "UPDATE")}, []string{"size", "99"}, []string{"size", "101"}, "value ", "the trigger here",
			[]string{"DROP TRIGGER app_INSERT", "DROP TRIGGER app_UPDATE"}, nil},
		"no JSON for MariaDB": {[]string{"ALTER TABLE item MODIFY note JSON NULL"}, []string{"note", `'{"a": 1}'`}, []string{"note", "'{'"}, "value note", "the CHECK here",
			[]string{"ALTER TABLE item MODIFY note LONGTEXT NULL"}, func(s *dbtest.ServerInfo) bool { return s.MariaDB }},
		"no JSON for MySQL": {[]string{"ALTER TABLE item MODIFY note JSON NULL"}, []string{"note", `'{"a": 1}'`}, []string{"note", "'{'"}, "value note", "as it is at the sender",
			[]string{"ALTER TABLE item MODIFY note LONGTEXT NULL"}, mysql(8, 0)},
		"a generated column that is too short": {[]string{"ALTER TABLE item ADD short VARCHAR(5) AS (name) STORED"}, []string{"name", "'abcde'"}, []string{"name", "'abcdef'"}, "value short", "widen the column",
			[]string{"ALTER TABLE item DROP COLUMN short"}, checked},
		"a generated column that only one row may have": {[]string{"ALTER TABLE item ADD whole VARCHAR(70) AS (CONCAT(code, 'x')) STORED", "DROP INDEX one_code ON item", "CREATE UNIQUE INDEX one_whole ON item (whole)"},
			[]string{"code", "'A'"}, []string{"code", "'X'"}, "unique ", "change one of them", []string{"UPDATE item SET code = 'Y' WHERE uuid = 'here'"}, checked},
	}
}

// waitingByTable lists what waits at a site in the order of rows.
func waitingByTable(s *sites.Site) string {
	var out []string
	for _, r := range s.Query("SELECT w.reason, w.column_name, w.row_key FROM omsync_waiting w JOIN omsync_table t ON t.id = w.table_id ORDER BY FIELD(t.name, 'item', 'part', 'piece', 'crumb'), w.row_key") {
		out = append(out, strings.Join(r, " "))
	}
	return strings.Join(out, ", ")
}

// Each reason why a row waits, with three levels of rows below it, whichever side sends. What else the file has is applied. Once it is mended,
// all of it comes in, and the sites are equal.
func TestEachReasonAndItsMending(t *testing.T) {
	server := dbtest.Server(t)
	for name, c := range differingCases() {
		for _, up := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, up %v", name, up), func(t *testing.T) {
				if c.only != nil && !c.only(server) {
					t.Skip("not on this server")
				}
				hub, clinic := sites.New(t, "hub", "none", differing...), sites.New(t, "clinic", "none", differing...)
				waits(hub, clinic)
				from, to := hub, clinic
				if up {
					from, to = clinic, hub
				}
				to.Exec("CREATE UNIQUE INDEX one_code ON item (code)", "INSERT INTO item (code, size, uuid) VALUES ('X', 1, 'here')")
				to.Exec(c.narrow...)
				from.SetOffset(1000)
				hub.Init()
				clinic.Init()
				hub.Connect(clinic)
				sites.Exchange(hub, clinic)
				c.check(t, from, to)
			})
		}
	}
}

// check sends rows that are taken and rows that are not, a new one and one that is there, mends, and expects equal sites.
func (c differingCase) check(t *testing.T, from, to *sites.Site) {
	t.Helper()
	from.Exec("INSERT INTO item ("+c.good[0]+", uuid) VALUES ("+c.good[1]+", 'i-0')", "UPDATE item SET size = 5 WHERE uuid = 'here'")
	from.Send(to)
	if got := waitingRows(to); got != "" {
		t.Fatalf("waiting before anything is wrong: %s", got)
	}
	below := func(item, n string) []string {
		return []string{"INSERT INTO part (item_id, uuid) SELECT item_id, 'pa-" + n + "' FROM item WHERE uuid = '" + item + "'",
			"INSERT INTO piece (part_id, uuid) SELECT part_id, 'pi-" + n + "' FROM part WHERE uuid = 'pa-" + n + "'",
			"INSERT INTO crumb (piece_id, uuid) SELECT piece_id, 'c-" + n + "' FROM piece WHERE uuid = 'pi-" + n + "'"}
	}
	from.Exec("INSERT INTO item (" + c.bad[0] + ", uuid) VALUES (" + c.bad[1] + ", 'i-1')")
	from.Exec(below("i-1", "1")...)
	from.Exec(below("i-0", "0")...)
	from.Exec("INSERT INTO crumb (beside, uuid) SELECT crumb_id, 'c-2' FROM crumb WHERE uuid = 'c-1'")
	r := from.Send(to)[0]
	want := c.waits + " i-1, reference item_id pa-1, reference part_id pi-1, reference piece_id c-1, reference beside c-2"
	if got := waitingByTable(to); got != want {
		t.Errorf("waiting: %s, want %s", got, want)
	}
	if r.Waiting != 5 || r.Inserted != 3 {
		t.Errorf("%+v", r)
	}
	text := to.One("SELECT text FROM omsync_waiting WHERE row_key = 'i-1'")
	if !strings.Contains(text, c.says) || strings.Contains(text, "more than twelve") || strings.Contains(text, "Wanjiru") {
		t.Errorf("the reason says %q, and should say %q and no value", text, c.says)
	}
	if c.bad[1] != "'X'" { // an edit of a row that is there leaves it as it was
		from.Exec("UPDATE item SET " + c.bad[0] + " = " + c.bad[1] + " WHERE uuid = 'i-0'")
		from.Send(to)
		if got := waitingByTable(to); got != c.waits+" i-0, "+want {
			t.Errorf("waiting: %s, want i-0 and %s", got, want)
		}
	}
	if err := to.Retry(); err != nil {
		t.Fatal(err)
	}
	if got := to.One("SELECT COUNT(*) FROM omsync_waiting"); got != "5" && got != "6" {
		t.Errorf("%s rows wait after a retry in vain: %s", got, waitingRows(to))
	}
	to.Exec(c.mend...)
	to.Follow()
	if err := to.Retry(); err != nil {
		t.Fatal(err)
	}
	if got := waitingRows(to); got != "" {
		t.Errorf("waiting after the mending: %s", got)
	}
	allSettled(t, from, to)
	if n := to.One("SELECT COUNT(*) FROM crumb"); n != "3" {
		t.Errorf("%s crumbs", n)
	}
}

// A table that one site lacks has only the rows wait that refer to its rows, and those below them; when it is made there, all of them come
// in: whether it is the table in the middle of a row of references or the first of them, and whichever side lacks it.
func TestRowsWaitForATable(t *testing.T) {
	for _, table := range []string{"item", "part", "piece"} {
		for _, up := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, up %v", table, up), func(t *testing.T) {
				hub, clinic := sites.New(t, "hub", "none", differing...), sites.New(t, "clinic", "none", differing...)
				waits(hub, clinic)
				from, to := hub, clinic
				if up {
					from, to = clinic, hub
				}
				made := to.Query("SHOW CREATE TABLE " + table)[0][1]
				to.Exec("SET foreign_key_checks = 0", "DROP TABLE "+table)
				from.SetOffset(1000)
				hub.Init()
				clinic.Init()
				hub.Connect(clinic)
				sites.Exchange(hub, clinic)
				from.Exec("INSERT INTO item (name, uuid) VALUES ('a', 'i-1')", "INSERT INTO part (item_id, uuid) SELECT item_id, 'pa-1' FROM item",
					"INSERT INTO piece (part_id, uuid) SELECT part_id, 'pi-1' FROM part", "INSERT INTO piece (uuid) VALUES ('pi-2')",
					"INSERT INTO crumb (piece_id, uuid) SELECT piece_id, REPLACE(uuid, 'pi', 'c') FROM piece")
				r := from.Send(to)[0]
				want := map[string]string{"item": "schema item_id pa-1, reference part_id pi-1, reference piece_id c-1", "part": "schema part_id pi-1, reference piece_id c-1",
					"piece": "schema piece_id c-1, schema piece_id c-2"}[table]
				if got := waitingByTable(to); got != want || r.Inserted == 0 {
					t.Errorf("waiting: %s, want %s; %+v", got, want, r)
				}
				to.Exec(made)
				to.Follow()
				allSettled(t, from, to)
				if n := to.One("SELECT COUNT(*) FROM crumb JOIN piece USING (piece_id)"); n != "2" {
					t.Errorf("%s crumbs", n)
				}
			})
		}
	}
}

// A column that one site needs and the other lacks stops nothing: rows come in without it, and its values follow when it is made.
func TestColumnThatOneSiteLacks(t *testing.T) {
	for _, up := range []bool{false, true} {
		t.Run(fmt.Sprintf("up %v", up), func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", "none", differing...), sites.New(t, "clinic", "none", differing...)
			waits(hub, clinic)
			from, to := hub, clinic
			if up {
				from, to = clinic, hub
			}
			from.SetOffset(1000)
			from.Exec("ALTER TABLE item ADD weight INT NOT NULL")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.Exchange(hub, clinic)
			from.Exec("INSERT INTO item (name, weight, uuid) VALUES ('a', 7, 'i-1')", "INSERT INTO part (item_id, uuid) SELECT item_id, 'pa-1' FROM item")
			to.Exec("INSERT INTO item (name, uuid) VALUES ('b', 'i-2')", "INSERT INTO part (item_id, uuid) SELECT item_id, 'pa-2' FROM item")
			sites.Exchange(hub, clinic)
			for _, s := range []*sites.Site{hub, clinic} {
				if n := s.One("SELECT COUNT(*) FROM part"); n != "2" || waitingRows(s) != "" {
					t.Errorf("%s parts at %s, waiting: %s", n, s.Name, waitingRows(s))
				}
			}
			to.Exec("ALTER TABLE item ADD weight INT NOT NULL")
			to.Follow()
			allSettled(t, from, to)
			if got := to.One("SELECT weight FROM item WHERE uuid = 'i-1'"); got != "7" {
				t.Errorf("the weight is %s", got)
			}
		})
	}
}

// What a clinic stamped years ahead waits at the hub, with three levels of rows below it that were made when its clock was right again; and
// comes in once the hub's clock has come nearer.
func TestRowsWaitForTheClock(t *testing.T) {
	hub, clinic := sites.New(t, "hub", "none", differing...), sites.New(t, "clinic", "none", differing...)
	waits(hub, clinic)
	clinic.SetOffset(1000)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	clinic.Exec("INSERT INTO item (name, uuid) VALUES ('a', 'i-0')")
	sites.Exchange(hub, clinic)
	const year = 365 * 24 * time.Hour
	clinic.SetClock(11 * year)
	clinic.Exec("INSERT INTO item (name, uuid) VALUES ('b', 'i-1')", "UPDATE item SET name = 'c' WHERE uuid = 'i-0'")
	clinic.Seal()
	clinic.SetClock(0)
	clinic.Exec("INSERT INTO part (item_id, uuid) SELECT item_id, REPLACE(uuid, 'i-', 'pa-') FROM item",
		"INSERT INTO piece (part_id, uuid) SELECT part_id, REPLACE(uuid, 'pa-', 'pi-') FROM part", "INSERT INTO crumb (piece_id, uuid) SELECT piece_id, REPLACE(uuid, 'pi-', 'c-') FROM piece")
	r := clinic.Send(hub)[0]
	const want = "stamp  i-0, stamp  i-1, reference item_id pa-1, reference part_id pi-1, reference piece_id c-1"
	if got := waitingByTable(hub); got != want || r.Inserted != 3 {
		t.Errorf("waiting: %s, want %s; %+v", got, want, r)
	}
	if text := hub.One("SELECT text FROM omsync_waiting WHERE row_key = 'i-1'"); !strings.Contains(text, "more than 10 years later than the clock here") {
		t.Errorf("the reason says %q", text)
	}
	hub.Exec("UPDATE item SET size = 3 WHERE uuid = 'i-0'")
	sites.Exchange(hub, clinic)
	hub.SetClock(2 * year)
	if err := hub.Retry(); err != nil {
		t.Fatal(err)
	}
	allSettled(t, hub, clinic)
	if got := hub.One("SELECT CONCAT(name, size) FROM item WHERE uuid = 'i-0'"); got != "c3" {
		t.Errorf("the row is %s", got)
	}
}

// Rows that the table does not take wait at once, new ones and edits among many: the import does not begin again, and the versions of what stays
// as it is stay too.
func TestRowsWaitAtOnce(t *testing.T) {
	hub, clinic := sites.New(t, "hub", "none", differing...), sites.New(t, "clinic", "none", differing...)
	waits(hub, clinic)
	hub.Features = features.Present().Without(features.ShortKeys) // a file with short keys is read twice
	clinic.SetOffset(100_000)
	hub.Exec("CREATE UNIQUE INDEX one_code ON item (code)", "ALTER TABLE item MODIFY size TINYINT NULL", "INSERT INTO item (code, uuid) VALUES ('x0', 'h-0'), ('X7', 'h-7'), ('x1999', 'h-9')")
	clinic.Exec(items(0, 2000, "NULL", "NULL"))
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("UPDATE item SET size = IF(uuid IN ('i-5', 'i-700'), 1000, 1), kind = 'a' WHERE uuid LIKE 'i-%'")
	clinic.Exec(items(2000, 4000, "CONCAT('x', n - 2000)", "IF(n % 500 = 3, 1000, 1)"))
	began := 0
	hub.Options = func(o *apply.Options) {
		o.Decrypt = func(r io.Reader) (io.Reader, error) { began++; return r, nil }
	}
	r := clinic.Send(hub)[0]
	if r.Inserted != 1993 || r.Updated != 1998 || r.Waiting != 9 {
		t.Errorf("%+v", r)
	}
	if began != 1 {
		t.Errorf("the import began %d times", began)
	}
	if got := waitingByTable(hub); !strings.Contains(got, "value size i-5,") || !strings.Contains(got, "value size i-700") || strings.Count(got, "value size i-") != 6 || strings.Count(got, "unique  i-") != 3 {
		t.Errorf("waiting: %s", got)
	}
	if n := hub.One("SELECT COUNT(*) FROM item WHERE uuid IN ('i-5', 'i-700') AND size IS NULL AND kind IS NULL"); n != "2" {
		t.Errorf("%s of 2 rows are as they were", n)
	}
	hub.Exec("ALTER TABLE item MODIFY size INT NULL", "UPDATE item SET code = NULL WHERE uuid LIKE 'h-%'")
	hub.Follow()
	if err := hub.Retry(); err != nil {
		t.Fatal(err)
	}
	if got := waitingRows(hub); got != "" {
		t.Errorf("waiting after the mending: %s", got)
	}
	allSettled(t, hub, clinic)
}

// items is a statement that makes rows from one number up to another, with expressions for code and size in which n is the number.
func items(from, to int, code, size string) string {
	const ten = "(SELECT 0 i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	return fmt.Sprintf(`INSERT INTO item (code, size, uuid) SELECT %s, %s, CONCAT('i-', n)
		FROM (SELECT a.i + 10 * b.i + 100 * c.i + 1000 * d.i n FROM %[3]s a, %[3]s b, %[3]s c, %[3]s d) numbers WHERE n >= %d AND n < %d`, code, size, ten, from, to)
}
