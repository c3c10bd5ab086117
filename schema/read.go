package schema

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Read returns the catalogue of database, corrected by the profile (nil: none): [Ask] and [Build].
func Read(ctx context.Context, q Querier, database string, p *Profile) (*Catalogue, error) {
	a, err := Ask(ctx, q, database)
	if err != nil {
		return nil, err
	}
	return Build(a, p)
}

// Build makes a catalogue of what the server answered, corrected by the profile (nil: none).
//
// Rules of the profile that do not fit the database are no error: one profile serves many versions of a data model. What a
// user's own rules miss is in [Catalogue.Notes].
func Build(a *Answers, p *Profile) (*Catalogue, error) {
	if p == nil {
		p = &Profile{Name: "none"}
	}
	r := &reader{cat: &Catalogue{Database: a.Database, lower: a.Lower, byName: map[string]*Table{}}, dialect: dialectOf(a.Version)}
	r.tables(a.Tables)
	if err := r.columns(a.Columns); err != nil {
		return nil, fmt.Errorf("read columns of database %s: %w", a.Database, err)
	}
	r.indexes(a.Indexes)
	r.rules(a.Rules)
	r.foreignKeys(a.ForeignKeys)
	if len(r.cat.Tables) == 0 {
		return nil, fmt.Errorf("database %s has no tables that this account can see: check the name and its SELECT privilege", a.Database)
	}
	build(r.cat, p)
	return r.cat, nil
}

type reader struct {
	cat     *Catalogue
	dialect dialect
	actions map[[2]string][2]string // table, constraint → on delete, on update
}

// index is one index; a part that is an expression has no column.
type index struct {
	name    string
	unique  bool
	lookup  bool // finds rows by value: not FULLTEXT or SPATIAL
	prefix  bool // some part holds the beginning of its column alone
	columns []*Column
}

func (r *reader) tables(a Answer) {
	for row := range a.rows() {
		if name := row.text(0); !strings.HasPrefix(strings.ToLower(name), "omsync_") {
			r.cat.add(&Table{Name: name, Engine: row.text(1)})
		}
	}
}

func (c *Catalogue) add(t *Table) {
	t.columns, t.Root, t.Position = map[string]*Column{}, t, -1
	c.Tables = append(c.Tables, t)
	name := t.Name
	if c.lower {
		name = strings.ToLower(name)
	}
	c.byName[name] = t
}

func (t *Table) add(c *Column) {
	c.Table = t
	t.Columns = append(t.Columns, c)
	t.columns[strings.ToLower(c.Name)] = c
	if c.AutoIncrement {
		t.AutoIncrement = c
	}
}

func (r *reader) columns(a Answer) error {
	for row := range a.rows() {
		t := r.cat.Table(row.text(0))
		if t == nil {
			continue // a view, or made since the tables were read
		}
		c := &Column{Name: row.text(1), Nullable: row.text(4) == "YES", Type: row.text(5), FullType: row.text(6),
			Charset: modernCharset(row.text(8)), Collation: modernCharset(row.text(9))}
		var err error
		if c.Ordinal, err = strconv.Atoi(row.text(2)); err != nil {
			return fmt.Errorf("the place of %s.%s: %w", t.Name, c.Name, err)
		}
		if length := row.text(7); length != "" {
			if c.Length, err = strconv.ParseInt(length, 10, 64); err != nil {
				return fmt.Errorf("the length of %s.%s: %w", t.Name, c.Name, err)
			}
		}
		r.dialect.normalise(c, row.value(3), row.text(10))
		t.add(c)
	}
	return nil
}

func (r *reader) indexes(a Answer) {
	for row := range a.rows() {
		name, kind := row.text(1), row.text(5)
		t := r.cat.Table(row.text(0))
		if t == nil {
			continue
		}
		n := len(t.indexes)
		if n == 0 || t.indexes[n-1].name != name {
			t.indexes = append(t.indexes, index{name: name, unique: row.text(2) == "0", lookup: kind == "BTREE" || kind == "HASH"})
			n++
		}
		ix := &t.indexes[n-1]
		ix.columns = append(ix.columns, t.Column(row.text(3)))
		ix.prefix = ix.prefix || row.value(4).Valid
	}
}

func (r *reader) rules(a Answer) {
	r.actions = map[[2]string][2]string{}
	for row := range a.rows() {
		r.actions[[2]string{row.text(0), row.text(1)}] = [2]string{action(row.text(2)), action(row.text(3))}
	}
}

func (r *reader) foreignKeys(a Answer) {
	composite := map[[2]string]int{}
	for row := range a.rows() {
		table, name, column, toSchema, toTable, toColumn := row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5)
		t := r.cat.Table(table)
		if t == nil || t.Column(column) == nil {
			continue
		}
		if !strings.EqualFold(toSchema, r.cat.Database) {
			r.cat.note("%s.%s refers to another database, %s: its value travels as it is", table, column, toSchema)
			continue
		}
		to := r.cat.Table(toTable)
		if to == nil || to.Column(toColumn) == nil {
			r.cat.note("%s.%s refers to %s.%s, which does not exist: its value travels as it is", table, column, toTable, toColumn)
			continue
		}
		id := [2]string{table, name}
		if composite[id]++; composite[id] == 2 {
			r.cat.note("%s: the foreign key %s has several columns: each is taken as a reference by itself", table, name)
		}
		t.Column(column).link(&Ref{
			To: to, ToColumn: to.Column(toColumn), Declared: true,
			OnDelete: r.actions[id][0], OnUpdate: r.actions[id][1],
		})
	}
}

func (c *Catalogue) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}
