package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

func connected(t *testing.T, hubDDL, clinicDDL []string) (hub, clinic *sites.Site) {
	t.Helper()
	hub, clinic = sites.New(t, "hub", "none", hubDDL...), sites.New(t, "clinic", "none", clinicDDL...)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	return hub, clinic
}

func sees(t *testing.T, s *sites.Site, what, query, value string) {
	t.Helper()
	if got := s.One(query); got != value {
		t.Errorf("%s at %s: %q, not %q", what, s.Name, got, value)
	}
}

// The columns of a primary key may stand in another order at the other site, and those of a table without one too.
func TestKeyColumnsInAnotherOrder(t *testing.T) {
	t.Parallel()
	ddl := func(key, plain string) []string {
		return []string{"CREATE TABLE badge (badge VARCHAR(50) PRIMARY KEY, note VARCHAR(50))",
			"CREATE TABLE person (person_id INT PRIMARY KEY AUTO_INCREMENT, uuid CHAR(38) NOT NULL UNIQUE)",
			"CREATE TABLE person_badge (badge VARCHAR(50) NOT NULL, person_id INT NOT NULL, day DATE NOT NULL, note VARCHAR(20), PRIMARY KEY (" + key + "), FOREIGN KEY (badge) REFERENCES badge (badge), FOREIGN KEY (person_id) REFERENCES person (person_id))",
			"CREATE TABLE tag (" + plain + ", FOREIGN KEY (person_id) REFERENCES person (person_id))"}
	}
	hub, clinic := connected(t, ddl("badge, person_id, day", "a INT, b VARCHAR(20), person_id INT"), ddl("day, badge, person_id", "person_id INT, b VARCHAR(20), a INT"))
	clinic.SetOffset(100)
	hub.Exec("INSERT INTO badge VALUES ('blue', ''), ('red', '')", "INSERT INTO person VALUES (1, 'p-1'), (2, 'p-2')",
		"INSERT INTO person_badge VALUES ('blue', 1, '2026-01-02', 'x'), ('red', 2, '2026-01-03', 'y')", "INSERT INTO tag VALUES (7, 'seven', 1), (7, 'seven', 1), (NULL, NULL, 2)")
	sites.ExchangeTwice(hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		sees(t, s, "badges", "SELECT GROUP_CONCAT(CONCAT(badge, day, note, uuid) ORDER BY badge) FROM person_badge JOIN person USING (person_id)", "blue2026-01-02xp-1,red2026-01-03yp-2")
		sees(t, s, "tags", "SELECT GROUP_CONCAT(DISTINCT CONCAT(IFNULL(a, '-'), IFNULL(b, '-'), uuid) ORDER BY uuid) FROM tag JOIN person USING (person_id)", "7sevenp-1,--p-2")
	}
	clinic.Exec("UPDATE person_badge SET note = 'there' WHERE badge = 'blue'", "DELETE FROM person_badge WHERE badge = 'red'",
		"DELETE FROM tag WHERE a IS NULL", "INSERT INTO tag SELECT person_id, 'new', 9 FROM person WHERE uuid = 'p-2'")
	hub.Exec("UPDATE badge SET note = 'n'")
	sites.ExchangeTwice(hub, clinic)
	sees(t, hub, "the edit and the deletion", "SELECT GROUP_CONCAT(CONCAT(badge, note)) FROM person_badge", "bluethere")
	sees(t, hub, "tags", "SELECT GROUP_CONCAT(DISTINCT CONCAT(a, b, person_id) ORDER BY a) FROM tag", "7seven1,9new2")
	// A conflict is about one row, whatever the order.
	hub.Exec("UPDATE person_badge SET note = 'hub'")
	clinic.Exec("UPDATE person_badge SET note = 'clinic'")
	sites.ExchangeTwice(hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		sees(t, s, "who wins", "SELECT note FROM person_badge", "clinic")
		sees(t, s, "conflicts", "SELECT COUNT(*) FROM omsync_conflict", "1")
	}
	sites.Quiet(t, hub, clinic)
}

// A server may write all names of tables in small letters; of columns too, a dump may.
func TestNamesInSmallLettersThere(t *testing.T) {
	t.Parallel()
	ddl := []string{"CREATE TABLE Nurse (Nurse_Id INT PRIMARY KEY AUTO_INCREMENT, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE Head_Nurse (Nurse_Id INT PRIMARY KEY, Since DATE, FOREIGN KEY (Nurse_Id) REFERENCES Nurse (Nurse_Id))",
		"CREATE TABLE Ward_Round (Round_Id INT PRIMARY KEY AUTO_INCREMENT, Title VARCHAR(50), Nurse_Id INT, UUID CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (Nurse_Id) REFERENCES Nurse (Nurse_Id))",
		"CREATE TABLE Round_Nurse (Round_Id INT, Nurse_Id INT, Note VARCHAR(20), PRIMARY KEY (Round_Id, Nurse_Id), FOREIGN KEY (Round_Id) REFERENCES Ward_Round (Round_Id), FOREIGN KEY (Nurse_Id) REFERENCES Nurse (Nurse_Id))"}
	var small []string
	for _, s := range ddl {
		small = append(small, strings.NewReplacer("Nurse", "nurse", "Head", "head", "Ward", "ward", "Round", "round", "Title", "title", "Id", "id", "UUID", "uuid", "Note", "note").Replace(s))
	}
	hub, clinic := connected(t, ddl, small)
	clinic.SetOffset(100)
	hub.Exec("INSERT INTO Nurse VALUES (7, 'n-1')", "INSERT INTO Head_Nurse VALUES (7, '2026-01-01')", "INSERT INTO Ward_Round VALUES (1, 'Morning', 7, 'r-1'), (2, 'Evening', 7, 'r-2')",
		"INSERT INTO Round_Nurse VALUES (1, 7, 'a'), (2, 7, 'b')")
	sites.ExchangeTwice(hub, clinic)
	sees(t, clinic, "what came", "SELECT GROUP_CONCAT(CONCAT(r.title, n.note, h.since) ORDER BY r.round_id) FROM ward_round r JOIN round_nurse n USING (round_id) JOIN head_nurse h ON h.nurse_id = r.nurse_id", "Morninga2026-01-01,Eveningb2026-01-01")
	clinic.Exec("UPDATE ward_round SET title = 'Noon' WHERE uuid = 'r-1'", "DELETE FROM round_nurse WHERE note = 'b'", "DELETE FROM ward_round WHERE uuid = 'r-2'")
	hub.Exec("UPDATE Ward_Round SET Title = 'Night' WHERE uuid = 'r-1'")
	sites.ExchangeTwice(hub, clinic)
	for _, q := range []string{"SELECT COUNT(*) FROM omsync_conflict", "SELECT COUNT(DISTINCT digest) FROM omsync_conflict"} {
		sees(t, hub, "the conflict", q, "1")
		sees(t, clinic, "the conflict", q, "1")
	}
	if a, b := hub.One("SELECT GROUP_CONCAT(Title) FROM Ward_Round"), clinic.One("SELECT GROUP_CONCAT(title) FROM ward_round"); a != b {
		t.Errorf("%s at the hub, %s at the clinic", a, b)
	}
	sees(t, hub, "deletions", "SELECT COUNT(*) FROM Round_Nurse", "1")
	// Tables that are switched on are asked for by the name there.
	hub.Exec("ALTER TABLE Ward_Round ADD Place VARCHAR(20)")
	hub.Follow()
	hub.Exec("UPDATE Ward_Round SET Place = 'here'")
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("ALTER TABLE ward_round ADD place VARCHAR(20)")
	clinic.Follow()
	clinic.Exec("INSERT INTO nurse (uuid) VALUES ('n-2')")
	sites.ExchangeTwice(hub, clinic)
	sees(t, clinic, "the new column", "SELECT place FROM ward_round", "here")
	sites.Quiet(t, hub, clinic)
}

// A database that was moved to a server which keeps names in another way goes on where it was.
func TestDatabaseMovedToSmallLetters(t *testing.T) {
	t.Parallel()
	ddl := []string{"CREATE TABLE Nurse (Nurse_Id INT PRIMARY KEY AUTO_INCREMENT, Name VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE)"}
	hub, clinic := connected(t, ddl, ddl)
	hub.Exec("INSERT INTO Nurse VALUES (7, 'a', 'n-1')")
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("RENAME TABLE Nurse TO moved", "RENAME TABLE moved TO nurse")
	clinic.Follow()
	clinic.Exec("UPDATE nurse SET Name = 'b'")
	clinic.Follow()
	sites.ExchangeTwice(hub, clinic)
	sees(t, hub, "the edit", "SELECT Name FROM Nurse", "b")
	sees(t, clinic, "the tables known", "SELECT GROUP_CONCAT(name) FROM omsync_table", "nurse")
	sees(t, hub, "no conflict", "SELECT COUNT(*) FROM omsync_conflict", "0")
	sites.Quiet(t, hub, clinic)
}

// Two tables that are one at the other site are not mixed up.
func TestTwoTablesThatAreOneThere(t *testing.T) {
	t.Parallel()
	hub, clinic := connected(t, []string{"CREATE TABLE note (id INT PRIMARY KEY AUTO_INCREMENT, uuid CHAR(38) NOT NULL UNIQUE)", "CREATE TABLE Note (id INT PRIMARY KEY AUTO_INCREMENT, uuid CHAR(38) NOT NULL UNIQUE)"},
		[]string{"CREATE TABLE NOTE (id INT PRIMARY KEY AUTO_INCREMENT, uuid CHAR(38) NOT NULL UNIQUE)"})
	hub.Exec("INSERT INTO note VALUES (1, 'a')", "INSERT INTO Note VALUES (1, 'b')")
	for _, f := range hub.Export(clinic) {
		_, err := clinic.ImportErr(f)
		if err == nil || !strings.Contains(err.Error(), "are one table here") {
			t.Errorf("the import: %v", err)
		}
	}
	sees(t, clinic, "nothing came", "SELECT COUNT(*) FROM NOTE", "0")
}

// A table without a primary key has all its columns for a key: numbers with a point, texts longer than an index takes, every type; and rows
// that are equal throughout count as one.
func TestKeysOfEveryType(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE flat (id INT, n BIGINT UNSIGNED, d DOUBLE, f FLOAT, m DECIMAL(30,10), s LONGTEXT, b BLOB, e ENUM('x','y'), t TIMESTAMP(3) NULL, dt DATETIME(6), ti TIME(2), y YEAR, bi BIT(12), da DATE, uuid CHAR(38))"
	rest := ", 1.5, 'text', x'00ff', 'x', '2026-01-02 03:04:05.678', '2026-01-02 03:04:05.000001', '-12:30:15.25', 2026, b'101010101010', '2026-02-03'"
	ddl := []string{strings.Replace(table, ", uuid CHAR(38)", "", 1), "CREATE TABLE parted (id INT AUTO_INCREMENT, day DATE NOT NULL, v VARCHAR(20), uuid CHAR(38) NOT NULL, PRIMARY KEY (id, day), KEY (uuid)) PARTITION BY RANGE (YEAR(day)) (PARTITION p0 VALUES LESS THAN (2026), PARTITION p1 VALUES LESS THAN MAXVALUE)",
		"CREATE TABLE client (client_id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE)"}
	hub, clinic := connected(t, ddl, ddl)
	const all = ",1/36.6/0/-12:30:15.25/00FF,2/-0.0000001/3/-12:30:15.25/00FF,3/1e-300/2000/-12:30:15.25/00FF,4/1e300/-12:30:15.25/00FF,5/0/600/-12:30:15.25/00FF"
	row := func(id, d, f, s string) string {
		return "INSERT INTO flat VALUES (" + id + ", 18446744073709551615, " + d + ", " + f + strings.Replace(rest, "'text'", s, 1) + ")"
	}
	hub.Exec(row("1", "36.6", "0.1", "''"), row("2", "-1e-7", "1e-7", "'a,b'"), row("3", "1e-300", "1e-38", "REPEAT('long ', 400)"), row("4", "1e300", "-3e38", "NULL"),
		row("5", "0", "16777217", "REPEAT('é', 300)"), row("5", "0", "16777217", "REPEAT('é', 300)"), "INSERT INTO flat (id) VALUES (NULL)",
		"INSERT INTO parted VALUES (1, '2025-01-01', 'a', 'x-1'), (2, '2026-01-01', 'b', 'x-2'), (3, '2026-01-01', 'c', 'x-3')", "INSERT INTO client VALUES (1, 'before', 'c-1')")
	sites.ExchangeTwice(hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		sees(t, s, "what came", "SELECT GROUP_CONCAT(DISTINCT CONCAT_WS('/', id, d, LENGTH(s), ti, HEX(b)) ORDER BY id) FROM flat", all)
	}
	clinic.Exec("DELETE FROM flat WHERE id IN (1, 2, 5)", "UPDATE parted SET v = 'there' WHERE uuid = 'x-2'", "DELETE FROM parted WHERE uuid = 'x-3'",
		"UPDATE parted SET day = '2027-01-01' WHERE uuid = 'x-1'", "UPDATE client SET name = 'after'")
	sites.ExchangeTwice(hub, clinic)
	sees(t, hub, "the rest goes on", "SELECT name FROM client", "after")
	sees(t, hub, "deletions", "SELECT GROUP_CONCAT(IFNULL(id, '-') ORDER BY id) FROM flat", "-,3,4,5,5")
	sees(t, clinic, "what is warned of", fmt.Sprintf("SELECT %d", strings.Count(strings.Join(clinic.Warnings, ""), "too long to be kept whole")), "1")
	sees(t, hub, "partitions", "SELECT GROUP_CONCAT(CONCAT(day, v) ORDER BY day) FROM parted", "2026-01-01there,2027-01-01a")
	hub.Exec("UPDATE flat SET id = 30 WHERE id = 3", "DELETE FROM flat WHERE id IS NULL")
	sites.ExchangeTwice(hub, clinic)
	sees(t, clinic, "what was deleted and is too long to be told is kept", "SELECT GROUP_CONCAT(id ORDER BY id) FROM flat", "3,4,30")
	sites.Quiet(t, hub, clinic)
}

// Each type of column alone, and beside an integer, may be all that tells a row: it is found again, and its deletion finds it.
func TestKeyOfOneType(t *testing.T) {
	t.Parallel()
	types := []struct{ typ, values string }{
		{"DOUBLE", "(0.1), (-1e-7), (1e30), (123456.789), (0)"}, {"FLOAT", "(0.1), (1e-7), (16777217), (-3e30)"}, {"DECIMAL(30,10)", "(1.5), (-0.0000000001)"},
		{"BIGINT UNSIGNED", "(9223372036854775807), (0)"}, {"VARCHAR(50)", "('-'), ('a,b'), ('é'), ('trail ')"}, {"LONGTEXT", "('long'), ('text')"}, {"BLOB", "(x'00ff'), (x'00')"},
		{"BINARY(4)", "(x'00ff'), (x'01')"}, {"ENUM('x','y')", "('x'), ('y')"}, {"SET('x','y')", "('x,y'), ('y')"}, {"TIMESTAMP(3) NULL", "('2026-01-02 03:04:05.678'), (NULL)"}, {"TIMESTAMP NULL", "('2026-01-02 03:04:05')"},
		{"DATETIME(6)", "('2026-01-02 03:04:05.000001'), ('2026-01-02')"}, {"TIME(2)", "('-12:30:15.25'), ('838:59:59')"}, {"YEAR", "(2026), (1901)"},
		{"BIT(12)", "(b'101010101010'), (b'0')"}, {"BIT(1)", "(b'1')"}, {"DATE", "('2026-02-03')"},
	}
	var ddl []string
	for i, x := range types {
		ddl = append(ddl, fmt.Sprintf("CREATE TABLE t%d (v %s)", i, x.typ))
	}
	hub, clinic := connected(t, ddl, ddl)
	for i, x := range types {
		hub.Exec(fmt.Sprintf("INSERT INTO t%d VALUES %s", i, x.values))
	}
	sites.ExchangeTwice(hub, clinic)
	for i := range types {
		hub.Exec(fmt.Sprintf("INSERT INTO t%d VALUES (NULL)", i))
	}
	hub.Exec("UPDATE omsync_version SET epoch = (SELECT MAX(id) + 1 FROM omsync_epoch)") // it all goes again
	sites.ExchangeTwice(hub, clinic)
	for i, x := range types {
		n := strings.Count(x.values, "(") + 1
		if strings.Contains(x.values, "NULL") {
			n--
		}
		sees(t, clinic, x.typ+": rows that came again", fmt.Sprintf("SELECT COUNT(DISTINCT IFNULL(v, '(NULL)')) FROM t%d", i), fmt.Sprint(n))
		clinic.Exec(fmt.Sprintf("DELETE FROM t%d", i))
	}
	sites.ExchangeTwice(hub, clinic)
	for i, x := range types {
		sees(t, hub, x.typ+": rows that were deleted", fmt.Sprintf("SELECT COUNT(*) FROM t%d", i), "0")
	}
}
