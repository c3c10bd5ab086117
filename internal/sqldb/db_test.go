package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

// Values of each type read the same by either way, and a reader that has enough leaves the connection as it was.
func TestEachValue(t *testing.T) {
	server := dbtest.Server(t)
	_, dsn := server.Database(t)
	db, _, err := Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dbtest.Exec(t, c, "CREATE TABLE v (a TINYINT, b BIGINT, c BIGINT UNSIGNED, d INT(5) UNSIGNED ZEROFILL, e DECIMAL(20,5), f FLOAT, g DOUBLE, h BIT(12), i YEAR, j DATE, k DATETIME(3), l TIME(2), m TIMESTAMP NULL, "+
		"n VARCHAR(30) CHARACTER SET latin1, o TEXT CHARACTER SET utf8mb4, p LONGBLOB, q ENUM('x','y'), r SET('x','y'), s BINARY(4))",
		"INSERT INTO v VALUES (-1, -9223372036854775808, 18446744073709551615, 7, -1.5, 0.1, 1e300, b'101', 1999, '0000-00-00', '2001-02-03 04:05:06.789', '-800:00:00.25', '2001-02-03 04:05:06', 'é', '€', x'00ff', 'y', 'x,y', 'ab')",
		"INSERT INTO v VALUES (0, 0, 0, 0, 0, -0.0, 5e-324, b'0', 0, '9999-12-31', '0000-00-00 00:00:00', '0:0:0', NULL, '', '', '', 'x', '', '')",
		"INSERT INTO v VALUES (127, 1, 1, 99999, 99999.99999, 3.4e38, -1e15, b'111111111111', 2155, '2001-01-01', '2001-01-01 00:00:00', '838:59:59', '1970-01-02 00:00:00', 'a', 'b', 'c', 'x', 'x', 'abcd')",
		"INSERT INTO v VALUES ("+"NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
	const query = "SELECT v.*, f*1e0 FROM v"
	var want, got [][]string
	text := func(v []byte, null bool) string {
		if null {
			return "NULL"
		}
		return "'" + string(v) + "'"
	}
	err = Each(t.Context(), c, query, func(row []sql.RawBytes) error {
		var out []string
		for _, v := range row {
			out = append(out, text(v, v == nil))
		}
		want = append(want, out)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(ctx context.Context) error {
		got = nil
		return EachValue(ctx, c, query, func(row []driver.Value) error {
			var out []string
			for _, v := range row {
				out = append(out, text(AppendText(nil, v), v == nil))
			}
			got = append(got, out)
			return nil
		})
	}
	enough := errors.New("enough")
	if err := EachValue(t.Context(), c, query, func([]driver.Value) error { return enough }); err != enough {
		t.Errorf("a reader that has enough: %v", err)
	}
	if err := EachValue(t.Context(), c, "SELECT nothing", nil); err == nil {
		t.Error("a statement that errs")
	}
	if err := read(t.Context()); err != nil || len(got) != 4 || !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v\n%q\nwant\n%q", err, got, want)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := read(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}
