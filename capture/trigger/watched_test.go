package trigger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

const changeTable = `CREATE TABLE omsync_capture (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
	table_id SMALLINT UNSIGNED NOT NULL, operation TINYINT UNSIGNED NOT NULL, local_id BIGINT NULL, local_key VARBINARY(700) NULL, deleted_key VARBINARY(255) NULL,
	column_mask BIGINT UNSIGNED NOT NULL DEFAULT 0, changed_at DATETIME(6) NOT NULL) ENGINE=InnoDB`

const removedTable = `CREATE TABLE omsync_removed (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
	table_id SMALLINT UNSIGNED NOT NULL, local_id BIGINT NULL, local_key VARBINARY(700) NULL, removed_at DATETIME(6) NOT NULL, content LONGBLOB NOT NULL) ENGINE=InnoDB`

// watched is a database under capture, with one connection that plays the application.
type watched struct {
	t      testing.TB
	server *dbtest.ServerInfo
	db     *sql.DB
	app    *sql.Conn
	cat    *schema.Catalogue
	metas  []*journal.Table
	byID   map[uint16]*journal.Table
}

// watch makes a database of the tables in ddl, with triggers. The profile is TOML, empty for none.
func watch(t testing.TB, profile string, ddl ...string) *watched {
	t.Helper()
	server := dbtest.Server(t)
	name, _ := server.Database(t, append([]string{changeTable, removedTable}, ddl...)...)
	w := &watched{t: t, server: server, db: server.Open(t, name)}
	w.app = w.conn()
	w.read(name, profile)
	w.install()
	return w
}

func (w *watched) conn() *sql.Conn {
	w.t.Helper()
	c, err := w.db.Conn(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// read reads the catalogue and gives every column its bit, as a seal does.
func (w *watched) read(name, profile string) {
	w.t.Helper()
	p, err := schema.ParseProfile("test", []byte(profile), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.catalogue(name, p)
}

func (w *watched) catalogue(name string, p *schema.Profile) {
	w.t.Helper()
	var err error
	if w.cat, err = schema.Read(context.Background(), w.db, name, p); err != nil {
		w.t.Fatal(err)
	}
	if w.byID == nil {
		w.byID = map[uint16]*journal.Table{}
	}
	for _, t := range w.cat.Tables {
		if !t.Replicated {
			continue
		}
		m := w.meta(t.Name)
		if m == nil {
			m = &journal.Table{ID: uint16(len(w.metas) + 1), Name: t.Name, Whole: true}
			w.metas = append(w.metas, m)
			w.byID[m.ID] = m
		}
		m.Owners = (&journal.Journal{Catalogue: w.cat}).OwnerColumns(t)
		for _, c := range t.Columns {
			if !c.Generated && !movesRow(c) {
				m.Assign(c.Name, c.FullType)
			}
		}
	}
}

func (w *watched) meta(table string) *journal.Table {
	i := slices.IndexFunc(w.metas, func(m *journal.Table) bool { return m.Name == table })
	if i < 0 {
		return nil
	}
	return w.metas[i]
}

func (w *watched) install() []string {
	w.t.Helper()
	c := w.conn()
	defer c.Close()
	made, err := Install(context.Background(), c, w.cat, w.metas)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func (w *watched) do(statements ...string) {
	w.t.Helper()
	dbtest.Exec(w.t, w.app, statements...)
}

// log returns what was captured and clears it: "table op local key [old key] [columns]", op one of I, U, D.
func (w *watched) log() []string {
	w.t.Helper()
	rows, err := w.db.Query("SELECT table_id, operation, local_id, local_key, deleted_key, column_mask FROM omsync_capture ORDER BY id")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var tbl uint16
		var op int
		var pk, k, u sql.NullString
		var mask uint64
		if err := rows.Scan(&tbl, &op, &pk, &k, &u, &mask); err != nil {
			w.t.Fatal(err)
		}
		if pk.Valid == k.Valid {
			w.t.Errorf("a change row of %s with pk %v and k %v: exactly one of them says which row", w.byID[tbl].Name, pk, k)
		}
		line := fmt.Sprintf("%s %c %s%s", w.byID[tbl].Name, "?IUDUW"[op], pk.String, k.String)
		if u.Valid {
			line += " " + u.String
		}
		if op == journal.OpUpdate || op == opUpdateMore {
			line += " " + w.columns(tbl, op, mask)
		} else if op == journal.OpWas {
			line += fmt.Sprint("=", int64(mask))
		} else if mask != 0 {
			w.t.Errorf("%s: mask %x with op %d", line, mask, op)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	dbtest.Exec(w.t, w.db, "DELETE FROM omsync_capture")
	return out
}

// opUpdateMore is the operation of an update of columns above bit 62.
const opUpdateMore = 4

func (w *watched) columns(tbl uint16, op int, word uint64) string {
	if op == journal.OpUpdate && fmt.Sprint(word) == allColumns {
		return "all"
	}
	mask := merge.Bits(word)
	if op == opUpdateMore {
		mask = merge.FromWord(word)
	}
	var names []string
	for _, c := range w.byID[tbl].Columns {
		if mask.Has(c.Bit) {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ",")
}

// expect runs statements and compares what was captured, in any order.
func (w *watched) expect(statement string, want ...string) {
	w.t.Helper()
	w.do(statement)
	got := w.log()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("%s\n got: %q\nwant: %q", statement, got, want)
	}
}

func (w *watched) names() []string {
	w.t.Helper()
	rows, err := w.db.Query("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() ORDER BY 1")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func (w *watched) missing() (missing, outdated []string) {
	w.t.Helper()
	missing, outdated, err := Compare(context.Background(), w.db, w.cat, w.metas)
	if err != nil {
		w.t.Fatal(err)
	}
	return missing, outdated
}

func (w *watched) several() bool {
	return w.server.MariaDB && w.server.AtLeast(10, 2) || !w.server.MariaDB && w.server.AtLeast(5, 7)
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
