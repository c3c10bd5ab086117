package schema_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/schema"
)

// localKeyTables are tables without an integer primary key, of every kind of column.
var localKeyTables = []string{
	`CREATE TABLE l_text (a VARCHAR(250) NULL, b CHAR(20) NULL, c TEXT NULL, l VARCHAR(100) CHARACTER SET latin1 NULL,
		e ENUM('a','é,-','') NULL, s SET('x','y') NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
	`CREATE TABLE l_bytes (a VARBINARY(300) NULL, b BINARY(5) NULL, c BLOB NULL, g POINT NULL, t BIT(64) NULL) ENGINE=InnoDB`,
	`CREATE TABLE l_number (a INT NULL, b BIGINT UNSIGNED NULL, z MEDIUMINT(8) UNSIGNED ZEROFILL NULL, d DECIMAL(30,8) NULL, f FLOAT NULL, g DOUBLE NULL, y YEAR NULL) ENGINE=InnoDB`,
	`CREATE TABLE l_time (a DATE NULL, b DATETIME(6) NULL, c TIME(2) NULL, t TIMESTAMP NULL DEFAULT NULL, u TIMESTAMP(3) NULL DEFAULT NULL) ENGINE=InnoDB`,
	`CREATE TABLE l_role (role VARCHAR(50) CHARACTER SET utf8 NOT NULL, n INT NOT NULL, PRIMARY KEY (role, n)) ENGINE=InnoDB`,
}

func localKeyValue(c *schema.Column) *rapid.Generator[any] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "-", ",", "a", "A", "a ", "é", "É", "e", "'", "\\", "%", "#", "\x00", " ", "\n"}),
		rapid.StringOfN(rapid.SampledFrom([]rune("aA é,-'#\\\x00")), 0, 20, -1))
	var g *rapid.Generator[any]
	switch c.Type {
	case "varchar", "char", "text":
		if c.Charset == "utf8mb4" {
			text = rapid.OneOf(text, rapid.Just("😀"), rapid.StringN(0, 20, -1))
		}
		long := rapid.Map(rapid.IntRange(1, int(min(c.Length, 400))), func(n int) string { return strings.Repeat("é", n) })
		g = rapid.Map(rapid.OneOf(text, text, long), func(s string) any { return cutRunes(s, int(c.Length)) })
	case "enum":
		g = rapid.Map(rapid.IntRange(1, 3), func(i int) any { return i })
	case "set":
		g = rapid.Map(rapid.IntRange(0, 3), func(i int) any { return i })
	case "varbinary", "binary", "blob":
		g = rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, int(min(c.Length, 400))), func(b []byte) any { return b })
	case "point":
		g = rapid.Map(rapid.Float64Range(-1e3, 1e3), func(f float64) any { return point(f) })
	case "bit", "bigint":
		g = rapid.Map(rapid.Uint64(), func(n uint64) any { return n })
	case "mediumint":
		g = rapid.Map(rapid.IntRange(0, 1<<24-1), func(n int) any { return n })
	case "int":
		g = rapid.Map(rapid.Int32(), func(n int32) any { return n })
	case "decimal":
		g = rapid.Map(rapid.Int64(), func(n int64) any { return fmt.Sprintf("%d.%08d", n, uint64(n)%100000000) })
	case "float":
		g = rapid.Map(rapid.Float32Range(-1e30, 1e30), func(f float32) any { return f })
	case "double":
		g = rapid.Map(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.Copysign(0, -1), -1e-40, 1e-30, 5e-31, 1e35, -1e300, 0.1})), func(f float64) any { return f })
	case "year":
		g = rapid.Map(rapid.SampledFrom([]string{"0000", "1901", "2000", "2155"}), func(s string) any { return s })
	case "date":
		g = rapid.Map(rapid.SampledFrom([]string{"0000-00-00", "1000-01-01", "9999-12-31", "2020-02-31", "2020-00-00"}), func(s string) any { return s })
	case "datetime":
		g = rapid.Map(rapid.SampledFrom([]string{"0000-00-00 00:00:00", "1000-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999"}), func(s string) any { return s })
	case "time":
		g = rapid.Map(rapid.SampledFrom([]string{"-838:59:59", "838:59:59", "00:00:00.01", "-00:00:00.5"}), func(s string) any { return s })
	case "timestamp":
		g = rapid.Map(rapid.SampledFrom([]string{"0000-00-00 00:00:00", "1970-01-01 00:00:01", "2020-10-25 00:30:00.250", "2020-10-25 01:30:00", "2038-01-19 03:14:07"}), func(s string) any { return s })
	default:
		panic(c.Type)
	}
	if c.Nullable {
		return rapid.OneOf(g, g, g, rapid.Just[any](nil))
	}
	return g
}

// point is handed to the server as WKB.
type point float64

func cutRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// The expression and the function make the same key of every value, and different keys of rows that differ; the session's
// time zone, character set and sql_mode change nothing. The three servers agree because each agrees with the function.
func TestLocalKey(t *testing.T) {
	server := dbtest.Server(t)
	name, _ := server.Database(t, localKeyTables...)
	db := server.Open(t, name)
	ctx := context.Background()
	cat, err := schema.Read(ctx, db, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	session := func(sets string) *sql.Conn {
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		dbtest.Exec(t, c, "SET sql_mode = 'ALLOW_INVALID_DATES', "+sets)
		return c
	}
	utc := session("time_zone = '+00:00'")
	dbtest.Exec(t, utc, "SET NAMES utf8mb4")
	other := session("time_zone = '+05:30', collation_connection = latin1_german2_ci, sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'")

	for _, table := range cat.Tables {
		t.Run(table.Name, func(t *testing.T) {
			var read []string
			for _, c := range table.LocalColumns {
				read = append(read, c.Select("t."))
			}
			quoted := schema.Quote(table.Name)
			query := "SELECT " + schema.LocalKeySQL(table, "t.") + " AS k, " + strings.Join(read, ", ") + " FROM " + quoted + " t"
			rapid.Check(t, func(rt *rapid.T) {
				var marks []string
				var values []any
				for _, c := range table.Columns {
					v := localKeyValue(c).Draw(rt, c.Name)
					mark := "?"
					if p, ok := v.(point); ok {
						mark, v = fmt.Sprintf("ST_GeomFromText('POINT(%g 2)')", float64(p)), nil
					} else {
						values = append(values, v)
					}
					marks = append(marks, mark)
				}
				if _, err := utc.ExecContext(ctx, "DELETE FROM "+quoted); err != nil {
					rt.Fatal(err)
				}
				if _, err := utc.ExecContext(ctx, "INSERT INTO "+quoted+" VALUES ("+strings.Join(marks, ", ")+")", values...); err != nil {
					rt.Fatal(err)
				}
				key, row := localKeyRow(rt, utc, query, len(table.LocalColumns))
				if got := schema.LocalKey(table, row); got != key || len(key) > 700 {
					rt.Fatalf("%q\n sql: %s\n  go: %s", row, key, got)
				}
				if elsewhere, _ := localKeyRow(rt, other, query, len(table.LocalColumns)); elsewhere != key {
					rt.Fatalf("%q\n in UTC, utf8mb4: %s\n in another session: %s", row, key, elsewhere)
				}
			})
		})
	}
}

func localKeyRow(t *rapid.T, c *sql.Conn, query string, n int) (string, [][]byte) {
	rows, err := c.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if !rows.Next() {
		t.Fatal("the row is not there", rows.Err())
	}
	raw := make([]sql.RawBytes, n+1)
	into := make([]any, n+1)
	for i := range raw {
		into[i] = &raw[i]
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(err)
	}
	values := make([][]byte, n)
	for i, v := range raw[1:] {
		values[i] = bytes.Clone(v)
	}
	return string(raw[0]), values
}
