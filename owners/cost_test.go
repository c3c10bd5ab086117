package owners

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// meter is one session that counts the rows that the server reads for its statements, and keeps the statements.
type meter struct {
	*sql.Conn
	queries []string
}

func newMeter(t *testing.T, p *place) *meter {
	t.Helper()
	conn, err := p.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &meter{Conn: conn}
}

func (m *meter) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	m.queries = append(m.queries, query)
	return m.Conn.QueryContext(ctx, query, args...)
}

// reads is how many rows and entries of indexes the session has read so far.
func (m *meter) reads(t *testing.T) (n int) {
	t.Helper()
	err := sqldb.Each(t.Context(), m.Conn, "SHOW SESSION STATUS LIKE 'Handler_read%'", func(r []sql.RawBytes) error {
		if !strings.Contains(string(r[0]), "retry") && !strings.Contains(string(r[0]), "deleted") {
			n += int(sqldb.Int(r[1]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// during returns how many rows were read while f ran, without those that counting reads.
func (m *meter) during(t *testing.T, f func() error) int {
	t.Helper()
	a := m.reads(t)
	b := m.reads(t)
	if err := f(); err != nil {
		t.Fatal(err)
	}
	return m.reads(t) - b - (b - a)
}

// plan fails unless each part of a statement finds rows of tables by a look-up in an index, of the rows before it.
func (m *meter) plan(t *testing.T, query string, db *place) {
	t.Helper()
	rows, err := m.Conn.QueryContext(t.Context(), "EXPLAIN "+traditional(db)+query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	row, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range row {
		into[i] = &row[i]
	}
	looked := 0
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		at := func(name string) string {
			return row[slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })].String
		}
		table := at("table")
		if table == "" || table == "NULL" || strings.HasPrefix(table, "<") || table == "d" || at("type") == "system" { // literals, and what is made of them
			continue
		}
		looked++
		if kind := at("type"); kind != "ref" && kind != "eq_ref" && kind != "const" && kind != "ref_or_null" {
			t.Errorf("%s is read by %s, key %s, %s rows: %s\nin %.300s", table, kind, at("key"), at("rows"), at("extra"), query)
		}
	}
	if err := rows.Err(); err != nil || looked == 0 {
		t.Errorf("%d tables looked at, %v, in %.300s", looked, err, query)
	}
}

// traditional makes MySQL 8 and later explain as a table, whatever the session's default is.
func traditional(p *place) string {
	var version string
	if p.db.QueryRow("SELECT VERSION()").Scan(&version) == nil && !strings.Contains(version, "MariaDB") && version >= "5.7" || strings.HasPrefix(version, "9") {
		return "FORMAT=TRADITIONAL "
	}
	return ""
}

// What is read follows the patients asked for and their rows, in every table, and each look-up has its index: also where 20 of some thousand
// patients are asked for, and where few rows are.
func TestCostOfOwners(t *testing.T) {
	p := generated(t, "2.6", 3000)
	patients := integers(t, p.db, "SELECT patient_id FROM patient ORDER BY 1")
	some := patients[len(patients)/2:][:20]
	m := newMeter(t, p)
	total, found := 0, 0
	for _, x := range p.cat.Tables {
		o := p.Of(x)
		if o.Kind != schema.Owned {
			continue
		}
		deepest := 0
		for _, path := range o.Paths {
			deepest += len(path)
		}
		all := len(p.all(t, x))
		var rows []journal.Row
		read := m.during(t, func() error {
			return Rows(t.Context(), m, p.Owners, x, some, func(page []journal.Row) error {
				rows = append(rows, page...)
				return nil
			})
		})
		total, found = total+read, found+len(rows)
		// The literals, made and read; the owners; on each step a row, and the entry after the last; what is ordered, written and read.
		limit := 10*len(o.Paths)*len(some) + (4+6*deepest)*max(len(rows), len(some)*deepest) + 20
		if read > limit {
			t.Errorf("%s: %d rows read for %d of %d, more than %d", x.Name, read, len(rows), all, limit)
		}
		if all > 10000 && read > all/10 {
			t.Errorf("%s: %d rows read for %d of %d: that follows the table", x.Name, read, len(rows), all)
		}
		list := p.all(t, x)
		list = list[:min(50, len(list))]
		up := m.during(t, func() error {
			_, err := Of(t.Context(), m, p.Owners, x, list)
			return err
		})
		if limit := len(list)*(6+4*deepest) + 20; up > limit {
			t.Errorf("%s: %d rows read for the owners of %d: more than %d", x.Name, up, len(list), limit)
		}
	}
	for _, q := range m.queries {
		m.plan(t, q, p)
	}
	t.Logf("%d rows of 20 of %d patients: %d read; %d statements explained", found, len(patients), total, len(m.queries))
	if found < 20*15 {
		t.Errorf("only %d rows found", found)
	}
}

// A table whose rows are known by a key of several columns is asked by the numbers in that key, also where it has no primary key or holds text
// too; and a column that refers without an index says so.
func TestKeysOfOtherTables(t *testing.T) {
	p := newPlace(t, "none", "[owner]\ntable = \"customer\"\n[references.letter]\ncustomer_id = \"customer\"\n",
		"CREATE TABLE customer (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, customer_id INT NOT NULL, FOREIGN KEY (customer_id) REFERENCES customer (id)) ENGINE=InnoDB",
		"CREATE TABLE kind (code VARCHAR(10) PRIMARY KEY) ENGINE=InnoDB",
		"CREATE TABLE visit_pair (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b), FOREIGN KEY (a) REFERENCES visit (id), FOREIGN KEY (b) REFERENCES visit (id)) ENGINE=InnoDB",
		"CREATE TABLE visit_kind (visit_id INT NOT NULL, code VARCHAR(10) NOT NULL, PRIMARY KEY (visit_id, code), FOREIGN KEY (visit_id) REFERENCES visit (id), FOREIGN KEY (code) REFERENCES kind (code)) ENGINE=InnoDB",
		"CREATE TABLE loose (visit_id INT NOT NULL, note VARCHAR(10), FOREIGN KEY (visit_id) REFERENCES visit (id)) ENGINE=InnoDB",
		"CREATE TABLE letter (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, customer_id INT) ENGINE=InnoDB",
		"INSERT INTO customer VALUES (1, 'c-1'), (2, 'c-2'), (3, 'c-3')",
		"INSERT INTO visit VALUES (11, 'v-1', 1), (12, 'v-2', 2), (13, 'v-3', 1)",
		"INSERT INTO kind VALUES ('a'), ('A,b')",
		"INSERT INTO visit_pair VALUES (11, 12), (12, 11), (11, 13)",
		"INSERT INTO visit_kind VALUES (11, 'a'), (12, 'A,b'), (11, 'A,b')",
		"INSERT INTO loose VALUES (11, 'x'), (11, 'x'), (12, NULL)",
		"INSERT INTO letter VALUES (1, 'l-1', 1), (2, 'l-2', NULL), (3, 'l-3', 7)")
	m := newMeter(t, p)
	for name, want := range map[string][2]int{ // rows that there are, and rows of customer 1
		"customer": {3, 1}, "visit": {3, 2}, "visit_pair": {3, 2}, "visit_kind": {3, 2}, "loose": {2, 1}, "letter": {3, 1},
	} {
		x := p.cat.Table(name)
		rows := p.all(t, x)
		ends, err := Of(t.Context(), m, p.Owners, x, rows)
		if err != nil || len(ends) != want[0] {
			t.Errorf("%s: %d rows found by their keys, want %d; %v", name, len(ends), want[0], err)
		}
		var own []journal.Row
		for page := range 2 { // by many and by one at a time
			own = nil
			n := []bounds{usual(), {1, 1, 1}}[page]
			if err := n.rows(t.Context(), m, p.Owners, x, []int64{1}, func(rows []journal.Row) error { own = append(own, rows...); return nil }); err != nil {
				t.Fatal(err)
			}
			if len(own) != want[1] {
				t.Errorf("%s: %d rows of the customer, want %d: %v", name, len(own), want[1], own)
			}
		}
		for _, r := range own {
			if !slices.Contains(ends[r].Owners, 1) {
				t.Errorf("%s: %v is found downward and belongs to %v", name, r, ends[r])
			}
		}
	}
	if got, _ := Of(t.Context(), m, p.Owners, p.cat.Table("letter"), []journal.Row{{Int: 2}, {Int: 3}, {Int: 4}}); len(got) != 2 || got[journal.Row{Int: 2}].Owners != nil || got[journal.Row{Int: 2}].Others != nil || !slices.Equal(got[journal.Row{Int: 3}].Others, []int64{7}) {
		t.Errorf("letters of nobody: %v", got)
	}
	for _, q := range m.queries {
		if strings.Contains(q, "visit_pair") || strings.Contains(q, "visit_kind") || strings.Contains(q, "loose") {
			m.plan(t, q, p)
		}
	}
	for table, want := range map[string]bool{"visit": true, "letter": false} {
		if got := p.Of(p.cat.Table(table)).Paths[0][0].Indexed(); got != want {
			t.Errorf("%s: indexed %t, want %t", table, got, want)
		}
	}
	stop := fmt.Errorf("enough")
	if err := Rows(t.Context(), m, p.Owners, p.cat.Table("visit"), []int64{1}, func([]journal.Row) error { return stop }); err != stop {
		t.Errorf("the error of the one who takes the pages became %v", err)
	}
}

// Rows are looked up by their integers, also in a table to which many came at once: a server that takes it for small would rather read it from end
// to end.
func TestRowsAreLookedUp(t *testing.T) {
	const all = 1 << 12
	fill := []string{"CREATE TABLE thing (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB STATS_PERSISTENT=1 STATS_AUTO_RECALC=0", "INSERT INTO thing VALUES (1, 't-1')"}
	for have := 1; have < all; have *= 2 {
		fill = append(fill, fmt.Sprintf("INSERT INTO thing SELECT id + %d, CONCAT('t-', id + %[1]d) FROM thing", have))
	}
	p := newPlace(t, "none", "", fill...)
	m := newMeter(t, p)
	for _, some := range []int{2, 900} {
		rows := make([]journal.Row, some)
		for i := range rows {
			rows[i].Int = int64(1 + i*all/some)
		}
		var keys map[journal.Row]string
		read := m.during(t, func() (err error) {
			keys, err = rowkey.Of(t.Context(), m, p.cat.Table("thing"), rows)
			return err
		})
		if len(keys) != some || keys[rows[1]] != fmt.Sprint("t-", rows[1].Int) {
			t.Errorf("%d keys of %d rows, that of %d is %q", len(keys), some, rows[1].Int, keys[rows[1]])
		}
		if read > 4*some { // the literals are written and read too
			t.Errorf("%d rows read for the keys of %d of %d", read, some, all)
		}
	}
}
