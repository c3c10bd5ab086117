package rowkey

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Rows that are named by their integers are looked up, and nothing is read between them, also where the server knows a table as the empty one that it was,
// and whatever is read of the rows.
func TestFrom(t *testing.T) {
	t.Parallel()
	db, cat := place(t, "CREATE TABLE obs (obs_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL, KEY (uuid)) ENGINE=InnoDB STATS_PERSISTENT=1, STATS_AUTO_RECALC=0")
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	obs := cat.Table("obs")
	keys := uuids(20_000)
	analyse := func() {
		if err := sqldb.Each(t.Context(), conn, "ANALYZE TABLE obs", func([]sql.RawBytes) error { return nil }); err != nil {
			t.Fatal(err)
		}
		dbtest.Exec(t, conn, "FLUSH TABLE obs")
	}
	analyse()
	dbtest.Exec(t, conn, "INSERT INTO obs (uuid) VALUES ('"+strings.Join(keys, "'), ('")+"')", "FLUSH TABLE obs")
	for _, statistics := range []string{"of before", "of now"} {
		for _, n := range []int{1, 2, 30, 1100, 2000} {
			var rows []journal.Row
			for i := range n {
				rows = append(rows, journal.Row{Int: int64(10*(n-i) - 3)})
			}
			for query, columns := range map[string][]*schema.Column{
				"SELECT t.obs_id, t.uuid ":     obs.KeyColumns,
				"SELECT t.uuid, t.uuid ":       {obs.Integer, obs.KeyColumns[0]},
				"SELECT t.obs_id, t.obs_id ":   {obs.Integer},
				"SELECT t.obs_id, '' ":         nil,
				"SELECT t.obs_id + 0, t.uuid ": nil,
			} {
				got := 0
				before := dbtest.Reads(t, conn)
				err := sqldb.Each(t.Context(), conn, query+From(obs, rows, columns...), func(r []sql.RawBytes) error {
					got++
					return nil
				})
				if read := dbtest.Reads(t, conn) - before; err != nil || got != n || read > 2*n+12 {
					t.Errorf("%s%s: %d rows of %d, %d read, %v", query, statistics, got, n, read, err)
				}
			}
			found, err := Of(t.Context(), conn, obs, append(rows, journal.Row{Int: 1_000_000}))
			if err != nil || len(found) != n {
				t.Errorf("%d keys of %d, %v", len(found), n, err)
			}
			for r, key := range found {
				if key != keys[r.Int-1] {
					t.Errorf("%d has the key %q", r.Int, key)
				}
			}
		}
		analyse()
	}
}
