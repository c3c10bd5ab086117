package dbtest

import (
	"database/sql"
	"testing"
)

// Reads returns how many rows and entries of indexes a session has read so far: found by a key, or one after the other in an index.
func Reads(t testing.TB, c *sql.Conn) (sum int) {
	t.Helper()
	rows, err := c.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next', 'Handler_read_first')")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return sum
}
