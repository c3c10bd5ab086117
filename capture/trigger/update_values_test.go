package trigger

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

// Each update either changes the stored bytes, and the column is captured, or it does not, and nothing is.
func TestUpdatesByExactValue(t *testing.T) {
	w := watch(t, "", `CREATE TABLE v (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE,
		vc VARCHAR(50) NULL, ch CHAR(10) NULL, tx TEXT NULL, l1 VARCHAR(20) CHARACTER SET latin1 NULL, bi BINARY(4) NULL, vb VARBINARY(20) NULL, bl BLOB NULL,
		i INT NULL, bu BIGINT UNSIGNED NULL, z INT(6) ZEROFILL NULL, de DECIMAL(30,10) NULL, f FLOAT NULL, d DOUBLE NULL, bt BIT(64) NULL,
		y YEAR NULL, da DATE NULL, dt DATETIME(6) NULL, dt0 DATETIME NULL, ti TIME(3) NULL, ts TIMESTAMP NULL DEFAULT NULL, e ENUM('a','B','') NULL, s SET('x','y','z') NULL,
		g GEOMETRY NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci`)
	w.do("SET time_zone = 'SYSTEM', sql_mode = 'ALLOW_INVALID_DATES'", "INSERT INTO v (id, uuid) VALUES (1, 'u')")
	w.log()
	steps := []struct {
		column  string
		values  []string // each after the other; the first is set silently
		changes bool
	}{
		{"vc", []string{"'a'", "'A'", "'a'", "'a '", "'á'", "''", "NULL", "'😀'", "'😁'", "'-'"}, true},
		{"vc", []string{"'x'", "CONCAT('x')", "TRIM(' x ')"}, false},
		{"ch", []string{"'a'", "'A'", "NULL", "''"}, true},
		{"ch", []string{"'a'", "'a '"}, false}, // CHAR keeps no blanks at the end
		{"tx", []string{"REPEAT('x', 60000)", "CONCAT(REPEAT('x', 59999), 'X')", "NULL", "''"}, true},
		{"l1", []string{"'é'", "'e'", "'É'", "NULL"}, true},
		{"bi", []string{"x'00'", "x'01'", "NULL", "x''"}, true},
		{"vb", []string{"x'FF'", "x'FF00'", "x'FF20'", "x'', x'00'"[:3], "NULL"}, true},
		{"bl", []string{"x'FF'", "x'FFFE'", "''", "NULL"}, true},
		{"i", []string{"0", "NULL", "1", "-1", "2147483647"}, true},
		{"i", []string{"1", "'1'", "1.0"}, false},
		{"bu", []string{"18446744073709551615", "18446744073709551614", "9223372036854775807", "9223372036854775808"}, true},
		{"z", []string{"5", "'000005'"}, false},
		{"de", []string{"0.0000000001", "0.0000000002", "12345678901234567890.0000000001", "12345678901234567890.0000000002", "NULL"}, true},
		{"de", []string{"1.0", "1.00"}, false},
		{"f", []string{"1.1", "1.1000001", "NULL", "0"}, true},
		{"d", []string{"0.1", "0.1e0 + 1e-17", "0.3", "0.1e0 + 0.2e0", "NULL"}, true},
		{"bt", []string{"b'0'", "b'1'", "18446744073709551615", "18446744073709551614", "NULL"}, true},
		{"y", []string{"2000", "'0000'", "1999", "NULL", "0"}, true},
		{"da", []string{"'2020-01-01'", "'0000-00-00'", "NULL", "'2020-02-31'", "'2020-03-02'"}, true},
		{"dt", []string{"'2020-01-01'", "'2020-01-01 00:00:00.000001'", "'0000-00-00'", "NULL"}, true},
		{"dt0", []string{"'2020-01-01'", "'2020-01-01 00:00:00'", "'2020-01-01 00:00:00.4'"}, false},
		{"ti", []string{"'838:59:59'", "'-838:59:59'", "'00:00:00.001'", "NULL", "'00:00:00'"}, true},
		{"ts", []string{"'2020-10-25 12:00:00'", "'0000-00-00 00:00:00'", "NULL", "FROM_UNIXTIME(1700000000)"}, true},
		{"ts", []string{"FROM_UNIXTIME(1700000000)", "FROM_UNIXTIME(1700000000)"}, false},
		{"e", []string{"'a'", "'B'", "''", "NULL", "'nonsense'"}, true},
		{"e", []string{"'a'", "'A'", "1"}, false},
		{"e", []string{"''", "'nonsense'"}, true}, // the member '' and the error value: one text, two indexes
		{"s", []string{"'x'", "'x,y'", "''", "NULL"}, true},
		{"s", []string{"'x,y'", "'y,x'"}, false},
		{"g", []string{"ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(1 3)')", "NULL"}, true},
		{"g", []string{"ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(1 2)')"}, false},
	}
	for _, s := range steps {
		w.do("UPDATE v SET " + s.column + " = NULL")
		w.do("UPDATE v SET " + s.column + " = " + s.values[0])
		w.log()
		for _, v := range s.values[1:] {
			if s.changes {
				w.expect("UPDATE v SET "+s.column+" = "+v, "v U 1 "+s.column)
			} else {
				w.expect("UPDATE v SET " + s.column + " = " + v)
			}
		}
	}
}

func TestTimestampsInAnyZone(t *testing.T) {
	w := watch(t, "", `CREATE TABLE v (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ts TIMESTAMP NULL DEFAULT NULL) ENGINE=InnoDB`,
		`CREATE TABLE bag (ts TIMESTAMP(2) NULL DEFAULT NULL, n INT) ENGINE=InnoDB`)
	w.do("SET time_zone = '+00:00', sql_mode = ''", "INSERT INTO v VALUES (1, 'u', '2020-10-25 00:30:00')", "INSERT INTO bag VALUES ('2020-10-25 00:30:00.5', 1)")
	first := w.log()
	w.do("SET time_zone = '+09:00'")
	w.expect("UPDATE v SET ts = '2020-10-25 09:30:00'") // the same moment
	w.expect("UPDATE v SET ts = '2020-10-25 10:30:00'", "v U 1 ts")
	want := []string{"bag D 1603585800.50,1", "bag I 1603585800.50,2"}
	if first[1] != "bag I 1603585800.50,1" {
		t.Errorf("local key of a TIMESTAMP: %s", first[1])
	}
	w.expect("UPDATE bag SET n = 2", want...)
	w.expect("UPDATE bag SET n = 3, ts = '0000-00-00 00:00:00'", "bag D 1603585800.50,2", "bag I 0.00,3")
	w.expect("UPDATE bag SET ts = NULL", "bag D 0.00,3", "bag I -,3")
}

// In the hour that comes twice a TIMESTAMP can change though it prints the same.
func TestTimestampInTheHourThatComesTwice(t *testing.T) {
	if os.Getenv(dbtest.EnvDSN) != "" {
		t.Skip("needs a server whose own time zone has summer time")
	}
	dir, err := os.MkdirTemp("", "omsync-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
	dsn, stop, err := dbtest.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop() })
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dbtest.Exec(t, db, "CREATE DATABASE z")
	db.Close()
	if db, err = sql.Open("mysql", strings.Replace(dsn, "/?", "/z?", 1)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	dbtest.Exec(t, db, changeTable, "CREATE TABLE v (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ts TIMESTAMP(1) NULL DEFAULT NULL) ENGINE=InnoDB")
	w := &watched{t: t, db: db}
	w.app = w.conn()
	w.read("z", "")
	w.install()
	w.do("INSERT INTO v VALUES (1, 'u', FROM_UNIXTIME(1603585800.5))")
	w.log()
	w.expect("UPDATE v SET ts = '2020-07-01 00:00:00'", "v U 1 ts")
	w.expect("UPDATE v SET ts = '2020-07-01 00:00:00'")
	w.do("UPDATE v SET ts = '2020-10-25 02:30:00.5'")
	w.log()
	var first string
	if err := w.app.QueryRowContext(t.Context(), "SELECT UNIX_TIMESTAMP(ts) FROM v").Scan(&first); err != nil {
		t.Fatal(err)
	}
	// The other of the two moments: from a session in UTC, which has no such hour.
	other := map[string]string{"1603585800.5": "01:30:00.5", "1603589400.5": "00:30:00.5"}[first]
	w.do("SET time_zone = '+00:00'")
	w.expect("UPDATE v SET ts = '2020-10-25 "+other+"'", "v U 1 ts")
	w.do("SET time_zone = 'SYSTEM'")
	w.expect("UPDATE v SET ts = FROM_UNIXTIME("+first+")", "v U 1 ts")
	w.expect("UPDATE v SET ts = NULL", "v U 1 ts")
	w.expect("UPDATE v SET ts = NULL")
}

func TestGeneratedColumnsAreIgnored(t *testing.T) {
	ddl := "CREATE TABLE v (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, b INT GENERATED ALWAYS AS (a + 1) %s, c INT) ENGINE=InnoDB"
	w := watchIf(t, func(w *watched) bool { return w.server.MariaDB || w.server.AtLeast(5, 7) }, "MySQL 5.6 has no generated columns",
		fmt.Sprintf(ddl, "STORED"))
	w.expect("INSERT INTO v (id, uuid, a) VALUES (1, 'u', 1)", "v I 1")
	w.expect("UPDATE v SET a = 5", "v U 1 a")
	w.expect("UPDATE v SET c = 5", "v U 1 c")
}

func TestJSON(t *testing.T) {
	w := watchIf(t, func(w *watched) bool { return w.server.MariaDB || w.server.AtLeast(5, 7) }, "MySQL 5.6 has no JSON",
		"CREATE TABLE v (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, j JSON) ENGINE=InnoDB", "CREATE TABLE bag (j JSON) ENGINE=InnoDB")
	w.expect(`INSERT INTO v VALUES (1, 'u', '{"a":1}')`, "v I 1")
	w.expect(`UPDATE v SET j = '{"a":1.0}'`, "v U 1 j")
	w.expect(`UPDATE v SET j = '{"A":1.0}'`, "v U 1 j")
	w.expect(`UPDATE v SET j = '{"A":1.0}'`)
	w.expect(`UPDATE v SET j = NULL`, "v U 1 j")
	w.expect(`INSERT INTO bag VALUES ('[1]')`, "bag I 5B315D")
}

// watchIf skips the test unless the server has what it is about.
func watchIf(t *testing.T, has func(*watched) bool, why string, ddl ...string) *watched {
	t.Helper()
	if w := (&watched{t: t, server: dbtest.Server(t)}); !has(w) {
		t.Skip(why)
	}
	return watch(t, "", ddl...)
}
