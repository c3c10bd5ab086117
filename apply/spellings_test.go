package apply_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

// two makes a hub and a clinic with the same tables, whose integers differ.
func two(t *testing.T, profile string, tables ...string) (hub, clinic *sites.Site) {
	hub, clinic = sites.New(t, "hub", profile, tables...), sites.New(t, "clinic", profile, tables...)
	clinic.SetOffset(100)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	return hub, clinic
}

// holds compares what a query gives at both sites with what is due.
func holds(t *testing.T, query, want string, at ...*sites.Site) {
	t.Helper()
	for _, s := range at {
		if got := fmt.Sprint(s.Query(query)); got != want {
			t.Errorf("at %s, %s: %s, want %s", s.Name, query, got, want)
		}
	}
}

// A foreign key to the uuid of a table that has integers too finds its row, in the same batch and later.
func TestReferenceToUUIDBesideInteger(t *testing.T) {
	hub, clinic := two(t, "none",
		"CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE bed (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ward CHAR(38) NULL, FOREIGN KEY (ward) REFERENCES ward (uuid)) ENGINE=InnoDB")
	hub.Exec("INSERT INTO ward (uuid) VALUES ('w-1')", "INSERT INTO bed (uuid, ward) VALUES ('b-1', 'w-1')")
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO bed (uuid, ward) VALUES ('b-2', 'w-1')")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT uuid, ward FROM bed ORDER BY uuid", "[[b-1 w-1] [b-2 w-1]]", hub, clinic)
}

// A primary key that is the uuid of a row, or its key by the profile, is that also where the row has an integer too; and so are primary
// keys that are such keys in turn.
func TestPrimaryKeyOfTheNameOfARowWithAnInteger(t *testing.T) {
	hub, clinic := two(t, "[direction]\nboth = [\"*\"]\n[key]\nkind = [\"code\"]\n",
		"CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE note (ward CHAR(38) NOT NULL PRIMARY KEY, text VARCHAR(20), FOREIGN KEY (ward) REFERENCES ward (uuid)) ENGINE=InnoDB",
		"CREATE TABLE mark (note CHAR(38) NOT NULL PRIMARY KEY, n INT, FOREIGN KEY (note) REFERENCES note (ward)) ENGINE=InnoDB",
		"CREATE TABLE sign (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, note CHAR(38) NULL, mark CHAR(38) NULL, FOREIGN KEY (note) REFERENCES note (ward), FOREIGN KEY (mark) REFERENCES mark (note)) ENGINE=InnoDB",
		"CREATE TABLE kind (id INT AUTO_INCREMENT PRIMARY KEY, code INT NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE label (kind INT NOT NULL PRIMARY KEY, name VARCHAR(20), FOREIGN KEY (kind) REFERENCES kind (code)) ENGINE=InnoDB",
		"CREATE TABLE tag (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, label INT NULL, FOREIGN KEY (label) REFERENCES label (kind)) ENGINE=InnoDB")
	all := func(want string) {
		t.Helper()
		holds(t, "SELECT w.uuid, n.text, m.n, s.uuid FROM ward w JOIN note n ON n.ward = w.uuid LEFT JOIN mark m ON m.note = n.ward LEFT JOIN sign s ON s.note = n.ward AND s.mark <=> m.note ORDER BY 1", want, hub, clinic)
		holds(t, "SELECT COUNT(*) FROM omsync_waiting", "[[0]]", hub, clinic)
		sites.Same(t, hub, clinic)
	}
	kinds := "SELECT k.code, l.name, t.uuid FROM kind k JOIN label l ON l.kind = k.code LEFT JOIN tag t ON t.label = l.kind ORDER BY 1"
	hub.Exec("INSERT INTO ward (uuid) VALUES ('w-1'), ('w-2'), ('w-3')", "INSERT INTO note VALUES ('w-2', 'a'), ('w-3', 'b')", "INSERT INTO mark VALUES ('w-3', 7)", "INSERT INTO sign (uuid, note, mark) VALUES ('s-1', 'w-3', 'w-3'), ('s-2', 'w-2', NULL)",
		"INSERT INTO kind (code) VALUES (3), (1), (2)", "INSERT INTO label VALUES (1, 'one'), (3, 'three')", "INSERT INTO tag (uuid, label) VALUES ('t-1', 3), ('t-2', 1)")
	sites.ExchangeTwice(hub, clinic)
	all("[[w-2 a NULL s-2] [w-3 b 7 s-1]]")
	holds(t, kinds, "[[1 one t-2] [3 three t-1]]", hub, clinic)
	clinic.Exec("UPDATE note SET text = 'c' WHERE ward = 'w-2'", "INSERT INTO mark VALUES ('w-2', 8)", "UPDATE sign SET mark = 'w-2' WHERE uuid = 's-2'", "DELETE FROM sign WHERE uuid = 's-1'", "DELETE FROM mark WHERE note = 'w-3'",
		"INSERT INTO label VALUES (2, 'two')", "UPDATE tag SET label = 2 WHERE uuid = 't-1'", "DELETE FROM label WHERE kind = 3")
	sites.ExchangeTwice(hub, clinic)
	all("[[w-2 c 8 s-2] [w-3 b NULL NULL]]")
	holds(t, kinds, "[[1 one t-2] [2 two t-1]]", hub, clinic)
}

// A uuid in capitals is found where the column tells them from small letters: its row is deleted elsewhere too, and comes back in small
// letters as the same.
func TestCapitalsWhereTheyCount(t *testing.T) {
	for _, index := range []string{", UNIQUE KEY (uuid)", ", KEY (uuid)", ""} {
		hub, clinic := two(t, "none", "CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), uuid CHAR(38) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL"+index+") ENGINE=InnoDB")
		hub.Exec("INSERT INTO ward (name, uuid) VALUES ('a', '1234AAAA'), ('b', '1234BBBB'), ('c', '1234cccc')")
		sites.Exchange(hub, clinic)
		clinic.Exec("DELETE FROM ward WHERE name = 'a'", "DELETE FROM ward WHERE name = 'b'", "INSERT INTO ward (name, uuid) VALUES ('new', '1234bbbb')")
		sites.ExchangeTwice(hub, clinic)
		holds(t, "SELECT name, LOWER(uuid) FROM ward ORDER BY uuid", "[[new 1234bbbb] [c 1234cccc]]", hub, clinic)
		holds(t, "SELECT COUNT(*) FROM omsync_waiting", "[[0]]", hub, clinic)
		// Of two rows that differ in nothing else the second stays.
		hub.Exec("INSERT INTO ward (name, uuid) VALUES ('second', '1234CCCC')")
		sites.Exchange(hub, clinic)
		clinic.Exec("UPDATE ward SET name = 'd' WHERE name = 'c'")
		sites.ExchangeTwice(hub, clinic)
		holds(t, "SELECT name FROM ward ORDER BY name", "[[d] [new]]", clinic)
		holds(t, "SELECT name FROM ward ORDER BY name", "[[d] [new] [second]]", hub)
	}
}

// Whatever the table is like, of rows with one uuid the first alone is sent, in whichever letters it is written: where the first comes
// later, where a row gets the uuid of another by an edit, and where the first goes.
func TestOneUUIDTwiceInAnyTable(t *testing.T) {
	for _, table := range []string{ // of two rows the one with the smaller code is the first
		"(code VARCHAR(20) NOT NULL PRIMARY KEY, uuid VARCHAR(64) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL UNIQUE)",
		"(code VARCHAR(20) NOT NULL PRIMARY KEY, uuid VARCHAR(64) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL, KEY (uuid))",
		"(code VARCHAR(20) NOT NULL, k0 INT NOT NULL DEFAULT 1, k1 INT NOT NULL DEFAULT 2, uuid CHAR(36) CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL, PRIMARY KEY (code, k0, k1))",
		"(code VARCHAR(20) NOT NULL, uuid VARCHAR(36) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL, s INT, d INT, t INT)",
		"(code VARCHAR(20) NOT NULL, uuid VARCHAR(36) CHARACTER SET latin1 COLLATE latin1_bin NULL UNIQUE)",
	} {
		hub, clinic := two(t, "none", "CREATE TABLE ward "+table+" ENGINE=InnoDB")
		const query = "SELECT code, LOWER(TRIM(uuid)) FROM ward ORDER BY code"
		step := func(want string, work ...string) {
			t.Helper()
			hub.Exec(work...)
			sites.ExchangeTwice(hub, clinic)
			holds(t, query, want, clinic)
			holds(t, "SELECT COUNT(*) FROM omsync_waiting", "[[0]]", hub, clinic)
			sites.Quiet(t, hub, clinic)
		}
		insert := func(code, uuid string) string {
			return fmt.Sprintf("INSERT INTO ward (code, uuid) VALUES ('%s', '%s')", code, uuid)
		}
		step("[[c ab1]]", insert("c", "ab1"))
		step("[[b ab1]]", insert("b", "AB1"))
		step("[[b ab1] [d ab3] [e ab2] [g ab6] [h ab7]]", insert("d", "ab3"), insert("e", "ab2"), insert("g", "ab6"), insert("h", "ab7"))
		step("[[b ab1] [d ab2] [g ab6]]", "UPDATE ward SET uuid = 'AB2' WHERE code = 'd'", "UPDATE ward SET uuid = 'AB6' WHERE code = 'h'")
		clinic.Exec("UPDATE ward SET code = 'a' WHERE code = 'b'")
		step("[[a ab1] [d ab2] [g ab6]]")
		holds(t, query, "[[a ab1] [c ab1] [d ab2] [e ab2] [g ab6] [h ab6]]", hub)
		step("[[c ab1] [d ab2]]", "DELETE FROM ward WHERE code IN ('a', 'g')", "DELETE FROM ward WHERE code = 'h'")
		step("[[c ab1] [d ab4] [e ab2]]", "UPDATE ward SET uuid = 'ab4' WHERE code = 'd'")
		step("[[c ab1] [d ab4]]", "UPDATE ward SET uuid = 'AB4' WHERE code = 'e'")
		step("[[c ab1]]", "DELETE FROM ward WHERE code IN ('d', 'e')")
		sites.Same(t, hub, clinic)
	}
}

// Without a primary key, rows that are equal throughout count as one: they go once, and are changed and deleted together.
func TestEqualRowsWithAUUID(t *testing.T) {
	for _, null := range []string{"NOT NULL", "NULL"} {
		hub, clinic := two(t, "none", "CREATE TABLE ward (name VARCHAR(20), uuid CHAR(36) "+null+") ENGINE=InnoDB")
		hub.Exec("INSERT INTO ward VALUES ('a', 'w-1'), ('a', 'w-1'), ('A', 'w-1'), ('b', 'w-2')")
		sites.ExchangeTwice(hub, clinic)
		holds(t, "SELECT name, uuid FROM ward ORDER BY uuid", "[[A w-1] [b w-2]]", clinic)
		hub.Exec("DELETE FROM ward WHERE BINARY name = 'A'")
		sites.ExchangeTwice(hub, clinic)
		holds(t, "SELECT name, uuid FROM ward ORDER BY uuid", "[[a w-1] [b w-2]]", clinic)
		clinic.Exec("UPDATE ward SET name = 'c' WHERE name = 'a'")
		sites.ExchangeTwice(hub, clinic)
		holds(t, "SELECT name, uuid FROM ward ORDER BY uuid", "[[c w-1] [c w-1] [b w-2]]", hub)
		hub.Exec("DELETE FROM ward WHERE name = 'c' LIMIT 1")
		sites.ExchangeTwice(hub, clinic)
		holds(t, "SELECT name, uuid FROM ward ORDER BY uuid", "[[c w-1] [b w-2]]", hub, clinic)
		hub.Exec("INSERT INTO ward VALUES ('c', 'w-1')")
		clinic.Exec("DELETE FROM ward WHERE name = 'c'")
		sites.ExchangeTwice(hub, clinic)
		sites.Same(t, hub, clinic)
		sites.Quiet(t, hub, clinic)
	}
}

// Of rows with NULL in a unique index each is found by its other values.
func TestNULLInAUniqueIndex(t *testing.T) {
	hub, clinic := two(t, "none", "CREATE TABLE tag (name VARCHAR(20) NOT NULL, ward VARCHAR(20) CHARACTER SET utf8 COLLATE utf8_bin NULL, place INT NULL, UNIQUE KEY (ward), UNIQUE KEY (place)) ENGINE=InnoDB")
	hub.Exec("INSERT INTO tag VALUES ('a', NULL, NULL), ('b', NULL, NULL), ('c', NULL, 1), ('d', 'x', NULL), ('e', NULL, NULL)")
	sites.ExchangeTwice(hub, clinic)
	for _, name := range []string{"b", "c", "d", "e"} {
		clinic.Exec("DELETE FROM tag WHERE name = '" + name + "'")
		sites.ExchangeTwice(hub, clinic)
		holds(t, "SELECT COUNT(*) FROM tag WHERE name = '"+name+"'", "[[0]]", hub)
	}
	hub.Exec("INSERT INTO tag VALUES ('e', NULL, NULL)", "UPDATE tag SET name = 'a2' WHERE name = 'a'")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT name, ward, place FROM tag ORDER BY name", "[[a2 NULL NULL] [e NULL NULL]]", hub, clinic)
}

// Large numbers without a sign are looked for as they are, beside others and beside NULL: the largest that has a sign is another row.
func TestLargeNumbersWithoutASign(t *testing.T) {
	hub, clinic := two(t, "none", "CREATE TABLE tag (n BIGINT UNSIGNED NULL, place INT NULL) ENGINE=InnoDB",
		"CREATE TABLE kind (code BIGINT UNSIGNED NOT NULL, part INT NOT NULL DEFAULT 1, name VARCHAR(20), PRIMARY KEY (code, part)) ENGINE=InnoDB")
	hub.Exec("INSERT INTO tag VALUES (5, NULL), (18446744073709551615, NULL), (9223372036854775807, NULL), (18446744073709551614, 1), (NULL, 2)",
		"INSERT INTO kind (code, name) VALUES (5, 'a'), (18446744073709551615, 'b'), (9223372036854775807, 'c'), (9223372036854775808, 'd')")
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("DELETE FROM tag WHERE n = 18446744073709551615", "DELETE FROM tag WHERE n = 5", "UPDATE tag SET place = 3 WHERE n = 18446744073709551614",
		"UPDATE kind SET name = CONCAT(name, name)", "DELETE FROM kind WHERE code IN (5, 9223372036854775808)")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT n, place FROM tag ORDER BY n", "[[NULL 2] [9223372036854775807 NULL] [18446744073709551614 3]]", hub, clinic)
	holds(t, "SELECT code, name FROM kind ORDER BY code", "[[9223372036854775807 cc] [18446744073709551615 bb]]", hub, clinic)
}

// The bytes of a uuid are no letters.
func TestBinaryUUID(t *testing.T) {
	hub, clinic := two(t, "none", "CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), uuid BINARY(16) NOT NULL UNIQUE) ENGINE=InnoDB")
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('A', x'41414141414141414141414141414141'), ('a', x'61616161616161616161616161616161'), ('b', x'ff41ff41ff41ff41ff41ff41ff41ff41'), ('c', x'fe41fe41fe41fe41fe41fe41fe41fe41')")
	sites.Exchange(hub, clinic)
	clinic.Exec("DELETE FROM ward WHERE uuid IN (x'41414141414141414141414141414141', x'ff41ff41ff41ff41ff41ff41ff41ff41')")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT name FROM ward ORDER BY name", "[[a] [c]]", hub, clinic)
}

// Where the server counts up a part of the primary key, the versions of a row that came are kept under the number that it got.
func TestCountedPartOfThePrimaryKey(t *testing.T) {
	hub, clinic := two(t, "none", "CREATE TABLE ward (id INT NOT NULL AUTO_INCREMENT, place INT NOT NULL, name VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE, PRIMARY KEY (id, place)) ENGINE=InnoDB")
	hub.Exec("INSERT INTO ward (place, name, uuid) VALUES (1, 'a', 'w-1'), (1, 'b', 'w-2'), (2, 'c', 'w-3')")
	sites.Exchange(hub, clinic)
	hub.Exec("DELETE FROM ward WHERE uuid = 'w-1'")
	clinic.Exec("UPDATE ward SET name = 'new', place = 7 WHERE uuid = 'w-2'")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT place, name, uuid FROM ward ORDER BY uuid", "[[7 new w-2] [2 c w-3]]", hub, clinic)
}

// Rows of a table without a primary key are told apart by their bytes: of what a collation takes for equal one alone is deleted.
func TestRowsThatACollationTakesForEqual(t *testing.T) {
	hub, clinic := two(t, "none", "CREATE TABLE tag (ward VARCHAR(20) CHARACTER SET utf8 COLLATE utf8_general_ci NULL) ENGINE=InnoDB")
	hub.Exec("INSERT INTO tag VALUES ('a'), ('b')")
	clinic.Exec("INSERT INTO tag VALUES ('A'), ('á'), ('a '), ('B')")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT ward FROM tag ORDER BY BINARY ward", "[[A] [B] [a] [a ] [b] [á]]", hub, clinic)
	hub.Exec("DELETE FROM tag WHERE BINARY ward = 'a'")
	clinic.Exec("DELETE FROM tag WHERE BINARY ward = 'B'")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT ward FROM tag ORDER BY BINARY ward", "[[A] [a ] [b] [á]]", hub, clinic)
}

// The first value of a block is an empty text, and a text looks like what stands for NULL in keys: neither is NULL elsewhere.
func TestTextsThatAreNoNULL(t *testing.T) {
	hub, clinic := two(t, "none", "CREATE TABLE setting (place VARCHAR(20) NOT NULL, name VARCHAR(20) NOT NULL, value VARCHAR(20), PRIMARY KEY (place, name)) ENGINE=InnoDB",
		"CREATE TABLE kind (name VARBINARY(20) NOT NULL PRIMARY KEY) ENGINE=InnoDB",
		"CREATE TABLE item (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, kind VARBINARY(20) NOT NULL, FOREIGN KEY (kind) REFERENCES kind (name)) ENGINE=InnoDB")
	hub.Exec("INSERT INTO setting VALUES ('', '', 'x')", `INSERT INTO kind VALUES (x'1e4e'), (x'1e1e4e'), (x'1e1f')`, "INSERT INTO item VALUES (1, 'i-1', x'1e4e'), (2, 'i-2', x'1e1e4e')")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT place, name, value FROM setting", "[[  x]]", hub, clinic)
	holds(t, "SELECT uuid, HEX(kind) FROM item JOIN kind ON kind.name = item.kind ORDER BY uuid", "[[i-1 1E4E] [i-2 1E1E4E]]", hub, clinic)
	clinic.Exec("DELETE FROM item WHERE uuid = 'i-1'", "DELETE FROM kind WHERE name = x'1e4e'", "DELETE FROM setting")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT HEX(name) FROM kind ORDER BY name", "[[1E1E4E] [1E1F]]", hub, clinic)
	holds(t, "SELECT COUNT(*) FROM setting", "[[0]]", hub, clinic)
}

// A row whose primary key comes changed gets the references whose rows come after it, and keeps its versions; also where its turn comes at
// the end, since it takes a value that another row still has.
func TestReferenceOfARowWhosePrimaryKeyChanges(t *testing.T) {
	hub, clinic := two(t, "[direction]\nboth = [\"*\"]\n[key]\nkind = [\"name\"]\n", "CREATE TABLE kind (code VARCHAR(20) NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE, place INT UNIQUE, parent VARCHAR(20), n INT, "+
		"FOREIGN KEY (parent) REFERENCES kind (name)) ENGINE=InnoDB")
	hub.Exec("INSERT INTO kind VALUES ('1', 'a', NULL, NULL, 1), ('2', 'b', 7, NULL, 1), ('3', 'c', 8, NULL, 1)")
	sites.Exchange(hub, clinic)
	clinic.Exec("UPDATE kind SET place = NULL WHERE name = 'c'", "UPDATE kind SET code = '22', place = 8 WHERE name = 'b'", "UPDATE kind SET place = 7 WHERE name = 'c'",
		"INSERT INTO kind VALUES ('90', 'z', NULL, NULL, 1)", "UPDATE kind SET code = '11', parent = 'z' WHERE name = 'a'", "UPDATE kind SET parent = 'z' WHERE name = 'b'")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT code, name, place, parent FROM kind ORDER BY name", "[[11 a NULL z] [22 b 8 z] [3 c 7 NULL] [90 z NULL NULL]]", hub, clinic)
	holds(t, "SELECT COUNT(*) FROM omsync_waiting", "[[0]]", hub, clinic)
	hub.Exec("UPDATE kind SET n = 2")
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("UPDATE kind SET n = 3 WHERE name = 'b'")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT name, n FROM kind ORDER BY name", "[[a 2] [b 3] [c 2] [z 2]]", hub, clinic)
	holds(t, "SELECT COUNT(*) FROM omsync_conflict", "[[0]]", hub, clinic)
}

// In a table without a primary key, a row that was there is gone for the peers too where the application first adds one that is equal to it.
func TestEqualRowsThatGoTogether(t *testing.T) {
	hub, clinic := two(t, "none", "CREATE TABLE tag (name VARCHAR(20) NOT NULL) ENGINE=InnoDB", "CREATE TABLE ward (name VARCHAR(20) NOT NULL, uuid CHAR(36) NOT NULL) ENGINE=InnoDB")
	clinic.Exec("INSERT INTO tag VALUES ('a'), ('b')", "INSERT INTO ward VALUES ('a', 'w-1'), ('b', 'w-2')")
	sites.ExchangeTwice(hub, clinic)
	hub.SetClock(2 * time.Hour)
	hub.Exec("INSERT INTO tag VALUES ('c')", "INSERT INTO ward VALUES ('c', 'w-3')")
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("INSERT INTO tag VALUES ('a'), ('c')", "UPDATE tag SET name = 'd' WHERE name = 'a'", "INSERT INTO ward VALUES ('a', 'w-1'), ('c', 'w-3')", "DELETE FROM ward WHERE name = 'a'")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT DISTINCT name FROM tag ORDER BY name", "[[b] [c] [d]]", hub, clinic)
	holds(t, "SELECT DISTINCT name FROM ward ORDER BY name", "[[b] [c]]", hub, clinic)
	clinic.Exec("DELETE FROM tag WHERE name = 'c'", "DELETE FROM ward WHERE name = 'c'")
	sites.ExchangeTwice(hub, clinic)
	holds(t, "SELECT DISTINCT name FROM tag ORDER BY name", "[[b] [d]]", hub, clinic)
	holds(t, "SELECT DISTINCT name FROM ward", "[[b]]", hub, clinic)
	holds(t, "SELECT COUNT(*) FROM omsync_conflict", "[[0]]", hub, clinic)
	sites.Quiet(t, hub, clinic)
}
