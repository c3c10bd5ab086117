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
	answers, end := r.beside(ctx, indexQuery, ruleQuery, foreignKeyQuery)
	defer end() // a connection that is left in the middle of an answer is an error in the server's log
	take := func(i int, take func(answer)) func(context.Context) error {
		return func(context.Context) error {
			rows, err := answers[i]()
			if err == nil {
				take(rows)
			}
			return err
		}
	}
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"server version", r.server},
		{"tables", r.tables},
		{"columns", r.columns},
		{"indexes", take(0, r.indexes)},
		{"foreign key actions", take(1, r.rules)},
		{"foreign keys", take(2, r.foreignKeys)},
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

const indexQuery = `SELECT table_name, index_name, non_unique, column_name, sub_part, index_type
		FROM information_schema.statistics WHERE table_schema = ? ORDER BY table_name, index_name, seq_in_index`

func (r *reader) indexes(rows answer) {
	for _, row := range rows {
		name, kind := row[1].String, row[5].String
		t := r.cat.Table(row[0].String)
		if t == nil {
			continue
		}
		n := len(t.indexes)
		if n == 0 || t.indexes[n-1].name != name {
			t.indexes = append(t.indexes, index{name: name, unique: row[2].String == "0", lookup: kind == "BTREE" || kind == "HASH"})
			n++
		}
		ix := &t.indexes[n-1]
		ix.columns = append(ix.columns, t.Column(row[3].String))
		ix.prefix = ix.prefix || row[4].Valid
	}
}

const ruleQuery = `SELECT table_name, constraint_name, delete_rule, update_rule
		FROM information_schema.referential_constraints WHERE constraint_schema = ?`

func (r *reader) rules(rows answer) {
	r.actions = map[[2]string][2]string{}
	for _, row := range rows {
		r.actions[[2]string{row[0].String, row[1].String}] = [2]string{action(row[2].String), action(row[3].String)}
	}
}

const foreignKeyQuery = `SELECT table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
		FROM information_schema.key_column_usage WHERE table_schema = ? AND referenced_table_name IS NOT NULL
		ORDER BY table_name, constraint_name, ordinal_position`

func (r *reader) foreignKeys(rows answer) {
	composite := map[[2]string]int{}
	for _, row := range rows {
		table, name, column, toSchema, toTable, toColumn := row[0].String, row[1].String, row[2].String, row[3].String, row[4].String, row[5].String
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
