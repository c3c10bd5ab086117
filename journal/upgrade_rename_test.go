package journal

import (
	"database/sql"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

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

// A copy that a killed run left beside a table which was restored since is never copied into it, also if the table is empty.
func TestStaleCopy(t *testing.T) {
	l := layoutOf("omsync_import")
	for _, privileges := range []string{"SELECT, INSERT, CREATE, DROP", "SELECT, INSERT, CREATE, DROP, ALTER"} {
		db, dsn := format1(t, l.create(l.name+copySuffix), "INSERT INTO "+l.name+copySuffix+" VALUES (1, 2, 3, 4)")
		c, err := limited(t, dsn, privileges).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 2 { // the second is of a run that goes on
			if err := (&upgrade{c: c}).rename(t.Context(), l, renamedTables(t)[l.name]); err != nil {
				t.Fatal(err)
			}
		}
		var rows int
		if err := db.QueryRow("SELECT COUNT(*) FROM omsync_import").Scan(&rows); err != nil || rows != 0 {
			t.Errorf("with %s: %d rows, %v", privileges, rows, err)
		}
		if left := shapeOf(t, db, l.name+copySuffix); len(left) > 0 {
			t.Errorf("with %s: the copy is still there", privileges)
		}
	}
}

func renamedTables(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, r := range renamedSince1() {
		out[r.table] = r.was
	}
	return out
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
