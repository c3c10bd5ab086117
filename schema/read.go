package schema

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Read returns the catalogue of database, corrected by the profile (nil: none). It asks information_schema six questions,
// whatever the number of tables, and needs the SELECT privilege on the tables to see them.
//
// Rules of the profile that do not fit the database are no error: one profile serves many versions of a data model. What a
// user's own rules miss is in [Catalogue.Notes].
func Read(ctx context.Context, q Querier, database string, p *Profile) (*Catalogue, error) {
	if p == nil {
		p = &Profile{Name: "none"}
	}
	r := &reader{q: q, cat: &Catalogue{Database: database, byName: map[string]*Table{}}}
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"server version", r.server},
		{"tables", r.tables},
		{"columns", r.columns},
		{"indexes", r.indexes},
		{"foreign key actions", r.rules},
		{"foreign keys", r.foreignKeys},
	} {
		if err := step.run(ctx); err != nil {
			return nil, fmt.Errorf("read %s of database %s: %w", step.what, database, err)
		}
	}
	if len(r.cat.Tables) == 0 {
		return nil, fmt.Errorf("database %s has no tables that this account can see: check the name and its SELECT privilege", database)
	}
	build(r.cat, p)
	return r.cat, nil
}

type reader struct {
	q       Querier
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

// each runs a query and calls scan for each row. Columns are read by position: servers differ in the case of their names.
func (r *reader) each(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	rows, err := r.q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *reader) server(ctx context.Context) error {
	return r.each(ctx, `SELECT VERSION(), @@lower_case_table_names`, func(rows *sql.Rows) error {
		var version string
		var lower int
		if err := rows.Scan(&version, &lower); err != nil {
			return err
		}
		r.dialect, r.cat.lower = dialectOf(version), lower != 0
		return nil
	})
}

func (r *reader) tables(ctx context.Context) error {
	return r.each(ctx, `SELECT table_name, engine FROM information_schema.tables
		WHERE table_schema = ? AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name`,
		func(rows *sql.Rows) error {
			var name string
			var engine sql.NullString
			if err := rows.Scan(&name, &engine); err != nil {
				return err
			}
			if !strings.HasPrefix(strings.ToLower(name), "omsync_") {
				r.cat.add(&Table{Name: name, Engine: engine.String})
			}
			return nil
		}, r.cat.Database)
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

func (r *reader) columns(ctx context.Context) error {
	return r.each(ctx, `SELECT table_name, column_name, ordinal_position, column_default, is_nullable, data_type, column_type,
		character_maximum_length, character_set_name, collation_name, extra
		FROM information_schema.columns WHERE table_schema = ? ORDER BY table_name, ordinal_position`,
		func(rows *sql.Rows) error {
			var table, nullable, extra string
			var def, charset, collation sql.NullString
			var length sql.NullInt64
			c := &Column{}
			if err := rows.Scan(&table, &c.Name, &c.Ordinal, &def, &nullable, &c.Type, &c.FullType, &length, &charset, &collation, &extra); err != nil {
				return err
			}
			t := r.cat.Table(table)
			if t == nil {
				return nil // a view, or made since the tables were read
			}
			c.Nullable = nullable == "YES"
			c.Length = length.Int64
			c.Charset, c.Collation = modernCharset(charset.String), modernCharset(collation.String)
			r.dialect.normalise(c, def, extra)
			t.add(c)
			return nil
		}, r.cat.Database)
}

func (r *reader) indexes(ctx context.Context) error {
	return r.each(ctx, `SELECT table_name, index_name, non_unique, column_name, sub_part, index_type
		FROM information_schema.statistics WHERE table_schema = ? ORDER BY table_name, index_name, seq_in_index`,
		func(rows *sql.Rows) error {
			var table, name, kind string
			var notUnique bool
			var column sql.NullString
			var part sql.NullInt64
			if err := rows.Scan(&table, &name, &notUnique, &column, &part, &kind); err != nil {
				return err
			}
			t := r.cat.Table(table)
			if t == nil {
				return nil
			}
			n := len(t.indexes)
			if n == 0 || t.indexes[n-1].name != name {
				t.indexes = append(t.indexes, index{name: name, unique: !notUnique, lookup: kind == "BTREE" || kind == "HASH"})
				n++
			}
			ix := &t.indexes[n-1]
			ix.columns = append(ix.columns, t.Column(column.String))
			ix.prefix = ix.prefix || part.Valid
			return nil
		}, r.cat.Database)
}

func (r *reader) rules(ctx context.Context) error {
	r.actions = map[[2]string][2]string{}
	return r.each(ctx, `SELECT table_name, constraint_name, delete_rule, update_rule
		FROM information_schema.referential_constraints WHERE constraint_schema = ?`,
		func(rows *sql.Rows) error {
			var table, name, del, upd string
			if err := rows.Scan(&table, &name, &del, &upd); err != nil {
				return err
			}
			r.actions[[2]string{table, name}] = [2]string{action(del), action(upd)}
			return nil
		}, r.cat.Database)
}

func (r *reader) foreignKeys(ctx context.Context) error {
	composite := map[[2]string]int{}
	err := r.each(ctx, `SELECT table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
		FROM information_schema.key_column_usage WHERE table_schema = ? AND referenced_table_name IS NOT NULL
		ORDER BY table_name, constraint_name, ordinal_position`,
		func(rows *sql.Rows) error {
			var table, name, column, toSchema, toTable, toColumn string
			if err := rows.Scan(&table, &name, &column, &toSchema, &toTable, &toColumn); err != nil {
				return err
			}
			t := r.cat.Table(table)
			if t == nil || t.Column(column) == nil {
				return nil
			}
			if !strings.EqualFold(toSchema, r.cat.Database) {
				r.cat.note("%s.%s refers to another database, %s: its value travels as it is", table, column, toSchema)
				return nil
			}
			to := r.cat.Table(toTable)
			if to == nil || to.Column(toColumn) == nil {
				r.cat.note("%s.%s refers to %s.%s, which does not exist: its value travels as it is", table, column, toTable, toColumn)
				return nil
			}
			id := [2]string{table, name}
			if composite[id]++; composite[id] == 2 {
				r.cat.note("%s: the foreign key %s has several columns: each is taken as a reference by itself", table, name)
			}
			t.Column(column).link(&Ref{
				To: to, ToColumn: to.Column(toColumn), Declared: true,
				OnDelete: r.actions[id][0], OnUpdate: r.actions[id][1],
			})
			return nil
		}, r.cat.Database)
	return err
}

func (c *Catalogue) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}
