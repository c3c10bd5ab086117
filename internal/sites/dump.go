package sites

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/schema"
)

// Dumped is what a site holds that others should hold too: by table, the rows' keys, and column. NULLs are left out; a
// reference is the key of its row, "" if there is no such row.
type Dumped map[string]map[string]map[string]string

// dumper reads whole tables.
type dumper struct {
	s       *Site
	tables  map[*schema.Table][]dumpedRow
	keys    map[*schema.Table]map[string]string // by value of the referenced column
	going   map[*schema.Table]bool
	waiting map[*schema.Table]map[string]bool // by integer: the row has no key, or refers to a row that has none
}

// dumpedRow holds the columns' values; NULLs are left out.
type dumpedRow map[*schema.Column]string

// Dump reads every table that travels. What is excluded, withheld, a local number, or comes with an insert alone is left
// out, and so are rows that a filter keeps here or that nothing identifies elsewhere, and rows that refer to the latter. Of rows with the same key the second
// has "#2" at the end of its key.
func (s *Site) Dump() Dumped {
	s.t.Helper()
	d := &dumper{s: s, tables: map[*schema.Table][]dumpedRow{}, keys: map[*schema.Table]map[string]string{}, going: map[*schema.Table]bool{}, waiting: map[*schema.Table]map[string]bool{}}
	out := Dumped{}
	for _, t := range s.J.Catalogue.Tables {
		if !t.Replicated {
			continue
		}
		rows := map[string]map[string]string{}
		for _, r := range d.rows(t) {
			key, ok := d.key(t, r)
			if !ok || d.stays(t, r) || d.waits(t, r) {
				continue
			}
			at := key
			for n := 2; rows[at] != nil; n++ {
				at = fmt.Sprintf("%s#%d", key, n)
			}
			rows[at] = d.values(t, r)
		}
		out[t.Name] = rows
	}
	return out
}

func (d *dumper) rows(t *schema.Table) []dumpedRow {
	d.s.t.Helper()
	if rows, ok := d.tables[t]; ok {
		return rows
	}
	var list []string
	for _, c := range t.Columns {
		list = append(list, c.Select(""))
	}
	rows, err := d.s.node.QueryContext(context.Background(), "SELECT "+strings.Join(list, ", ")+" FROM "+schema.Quote(t.Name))
	if err != nil {
		d.s.t.Fatalf("dump %s of %s: %v", t.Name, d.s.Name, err)
	}
	defer rows.Close()
	out := []dumpedRow{}
	for rows.Next() {
		values, into := make([][]byte, len(t.Columns)), make([]any, len(t.Columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			d.s.t.Fatal(err)
		}
		r := dumpedRow{}
		for i, v := range values {
			if v != nil {
				r[t.Columns[i]] = string(v)
			}
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		d.s.t.Fatal(err)
	}
	d.tables[t] = out
	return out
}

// key joins the parts of a row's key; ok is false if one is NULL or refers to nothing.
func (d *dumper) key(t *schema.Table, r dumpedRow) (key string, ok bool) {
	var parts []string
	for _, c := range t.KeyColumns {
		v, here := r[c]
		switch {
		case !here && t.Key == schema.KeyAll:
			v = "NULL"
		case !here:
			return "", false
		case c.Ref != nil:
			if v, here = d.target(c, r, v); !here {
				return "", false
			}
		default:
			v = strings.ToLower(v)
		}
		parts = append(parts, v)
	}
	return strings.Join(parts, "/"), len(parts) > 0
}

// target is the key of the row that a value refers to.
func (d *dumper) target(c *schema.Column, r dumpedRow, v string) (key string, ok bool) {
	to := c.Ref.To
	if c.Ref.When != nil {
		if to = d.conditional(c.Ref.When, r); to == nil || strings.Trim(v, "0123456789") != "" {
			return v, true
		}
		key, ok = d.index(to, to.Integer)[strings.TrimLeft(v, "0")]
		return key, ok
	}
	key, ok = d.index(to, c.Ref.ToColumn)[strings.ToLower(v)]
	return key, ok
}

// conditional is the table that the row's condition picks, nil if the value is plain.
func (d *dumper) conditional(w *schema.Condition, r dumpedRow) *schema.Table {
	if w.Via == nil {
		return w.Target(r[w.LookupColumn])
	}
	for _, l := range d.rows(w.Lookup) {
		if l[w.Via.Ref.ToColumn] == r[w.Via] {
			return w.Target(l[w.LookupColumn])
		}
	}
	return nil
}

// index is the keys of a table's rows by the value of the column that references hold.
func (d *dumper) index(t *schema.Table, by *schema.Column) map[string]string {
	if m, ok := d.keys[t]; ok {
		return m
	}
	m := map[string]string{}
	d.keys[t] = m // a table whose key leads round to itself finds nothing, rather than not coming back
	for _, r := range d.rows(t) {
		if key, ok := d.key(t, r); ok {
			m[strings.ToLower(r[by])] = key
		}
	}
	return m
}

func (d *dumper) values(t *schema.Table, r dumpedRow) map[string]string {
	out := map[string]string{}
	for _, c := range t.Columns {
		v, ok := r[c]
		switch {
		case !ok, c.Generated, c.Local, c.Key, c.InsertOnly, c.Excluded != "", d.s.Profile.Excluded(t.Name, c.Name) != schema.ExcludeNever:
			continue
		case c.Ref != nil:
			v, _ = d.target(c, r, v)
		}
		out[c.Name] = v
	}
	return out
}

// waits reports whether a row refers to one that nothing identifies elsewhere, by way of others if need be.
func (d *dumper) waits(t *schema.Table, r dumpedRow) bool {
	for _, c := range t.Columns {
		v, ok := r[c]
		if !ok || c.Ref == nil || c.Excluded != "" || c.Ref.When == nil && c.Ref.ByName() {
			continue
		}
		to := c.Ref.To
		if c.Ref.When != nil {
			if to = d.conditional(c.Ref.When, r); to == nil {
				continue
			}
		}
		if d.nameless(to)[strings.TrimLeft(v, "0")] {
			return true
		}
	}
	return false
}

// nameless returns the integers of a table's rows that stay where they are.
func (d *dumper) nameless(t *schema.Table) map[string]bool {
	if m, ok := d.waiting[t]; ok {
		return m
	}
	m := map[string]bool{}
	d.waiting[t] = m // a cycle: what is known so far
	if t.Integer == nil || t.Key == schema.KeyNone {
		return m
	}
	for more := true; more; { // rows of a table may refer to others of it
		more = false
		for _, r := range d.rows(t) {
			if _, ok := d.key(t, r); !m[r[t.Integer]] && (!ok || d.waits(t, r)) {
				m[r[t.Integer]], more = true, true
			}
		}
	}
	return m
}

// stays reports whether the profile's filter keeps the row here.
func (d *dumper) stays(t *schema.Table, r dumpedRow) bool {
	f := d.s.Profile.RowFilter(t.Name)
	if f == nil {
		return false
	}
	c := t.Column(f.Column)
	return c != nil && f.Match(r[c])
}

// Rows counts the rows.
func (d Dumped) Rows() (n int) {
	for _, rows := range d {
		n += len(rows)
	}
	return n
}

// Same compares what two sites hold, in the tables that travel at both in some direction, by key. except names what may
// differ: "table", "table.column", or "table/key" for one row.
func Same(t testing.TB, a, b *Site, except ...string) {
	t.Helper()
	Differ(t, a.Name, a.shared(b), b.Name, b.shared(a), except...)
}

// Apart returns the rows that two sites do not hold alike, in the tables that travel at both in some direction, each as "table key".
func Apart(a, b *Site) map[string]bool {
	a.t.Helper()
	out := map[string]bool{}
	here, there := a.shared(b), b.shared(a)
	for _, table := range union(here, there) {
		for _, key := range union(here[table], there[table]) {
			x, y := here[table][key], there[table][key]
			if x == nil || y == nil || !maps.Equal(x, y) {
				out[table+" "+key] = true
			}
		}
	}
	return out
}

// shared is the dump without the tables that do not travel between the two.
func (s *Site) shared(other *Site) Dumped {
	s.t.Helper()
	d := s.Dump()
	for name := range d {
		there := other.J.Catalogue.Table(name)
		if there == nil || !there.Replicated || s.J.Catalogue.Table(name).Direction == access.None || there.Direction == access.None {
			delete(d, name)
			continue
		}
		for _, row := range d[name] {
			for column := range row {
				if c := there.Column(column); c == nil || c.Excluded != "" || other.Profile.Excluded(name, column) != schema.ExcludeNever {
					delete(row, column)
				}
			}
		}
	}
	return d
}

// shown is how many differences are worth reading.
const shown = 12

// Differ fails the test with the first differences between two dumps.
func Differ(t testing.TB, aName string, a Dumped, bName string, b Dumped, except ...string) {
	t.Helper()
	n := 0
	say := func(format string, args ...any) {
		if n++; n <= shown {
			t.Errorf(format, args...)
		}
	}
	for _, table := range union(a, b) {
		if slices.Contains(except, table) {
			continue
		}
		for _, key := range union(a[table], b[table]) {
			x, y := a[table][key], b[table][key]
			switch {
			case slices.Contains(except, table+"/"+key):
			case x == nil:
				say("%s %s is at %s alone: %v", table, key, bName, y)
			case y == nil:
				say("%s %s is at %s alone: %v", table, key, aName, x)
			default:
				for _, c := range union(x, y) {
					if v, w := value(x, c), value(y, c); v != w && !slices.Contains(except, table+"."+c) {
						say("%s %s, %s: %s at %s, %s at %s", table, key, c, v, aName, w, bName)
					}
				}
			}
		}
	}
	if n > shown {
		t.Errorf("… and %d more differences between %s and %s", n-shown, aName, bName)
	}
}

func union[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func value(row map[string]string, column string) string {
	v, ok := row[column]
	if !ok {
		return "NULL"
	}
	return fmt.Sprintf("%.80q", v)
}
