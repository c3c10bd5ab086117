package schema

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"
)

// Answers are what a server said of a database: all that [Build] makes a catalogue of. Others may keep them: the form is for encoding/gob.
type Answers struct {
	Database string
	Version  string // of the server
	Lower    bool   // it keeps the names of tables in small letters, or takes them for the same

	Tables, Columns, Indexes, Rules, ForeignKeys Answer
}

// Answer is what a query gave, row by row.
type Answer struct {
	Width  int      // values in each row
	Values []string // of all rows; "" for NULL
	Null   []bool   // for each value
}

// row is one row of an Answer.
type row struct {
	values []string
	null   []bool
}

func (r row) text(i int) string { return r.values[i] }

func (r row) value(i int) sql.NullString {
	return sql.NullString{String: r.values[i], Valid: !r.null[i]}
}

func (a *Answer) rows() iter.Seq[row] {
	return func(yield func(row) bool) {
		for i := 0; i < len(a.Values) && yield(row{a.Values[i : i+a.Width], a.Null[i : i+a.Width]}); i += a.Width {
		}
	}
}

// Columns are read by position: servers differ in the case of their names.
const (
	serverQuery = `SELECT VERSION(), @@lower_case_table_names`
	tableQuery  = `SELECT table_name, engine FROM information_schema.tables
		WHERE table_schema = ? AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name`
	columnQuery = `SELECT table_name, column_name, ordinal_position, column_default, is_nullable, data_type, column_type,
		character_maximum_length, character_set_name, collation_name, extra
		FROM information_schema.columns WHERE table_schema = ? ORDER BY table_name, ordinal_position`
	indexQuery = `SELECT table_name, index_name, non_unique, column_name, sub_part, index_type
		FROM information_schema.statistics WHERE table_schema = ? ORDER BY table_name, index_name, seq_in_index`
	ruleQuery = `SELECT table_name, constraint_name, delete_rule, update_rule
		FROM information_schema.referential_constraints WHERE constraint_schema = ?`
	foreignKeyQuery = `SELECT table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
		FROM information_schema.key_column_usage WHERE table_schema = ? AND referenced_table_name IS NOT NULL
		ORDER BY table_name, constraint_name, ordinal_position`
)

// Questions returns all that [Ask] asks: what answers other questions, another version of omsync's, is of no use to [Build].
func Questions() string {
	return strings.Join([]string{serverQuery, tableQuery, columnQuery, indexQuery, ruleQuery, foreignKeyQuery}, ";\n")
}

// question is what is asked about a database.
type question struct {
	what  string
	query string
	into  *Answer
}

// Ask asks information_schema six questions about a database, whatever the number of its tables: some of them over another connection meanwhile, where q is a pool.
// It needs the SELECT privilege on the tables to see them.
func Ask(ctx context.Context, q Querier, database string) (*Answers, error) {
	a := &Answers{Database: database}
	first := []question{{"tables", tableQuery, &a.Tables}, {"columns", columnQuery, &a.Columns}}
	second := []question{{"indexes", indexQuery, &a.Indexes}, {"foreign key actions", ruleQuery, &a.Rules}, {"foreign keys", foreignKeyQuery, &a.ForeignKeys}}
	if err := askServer(ctx, q, a); err != nil {
		return nil, fmt.Errorf("read server version of database %s: %w", database, err)
	}
	if _, pool := q.(*sql.DB); !pool {
		first, second = append(first, second...), nil
	}
	beside := make(chan error, 1)
	go func() { beside <- askAll(ctx, q, database, second) }()
	err := askAll(ctx, q, database, first)
	if err := cmp.Or(err, <-beside); err != nil { // a connection that is left in the middle of an answer is an error in the server's log
		return nil, err
	}
	return a, nil
}

func askServer(ctx context.Context, q Querier, a *Answers) error {
	var is Answer
	if err := (question{"server version", serverQuery, &is}).ask(ctx, q); err != nil {
		return err
	}
	for row := range is.rows() {
		a.Version, a.Lower = row.text(0), row.text(1) != "0"
	}
	return nil
}

func askAll(ctx context.Context, q Querier, database string, questions []question) error {
	for _, x := range questions {
		if err := x.ask(ctx, q, database); err != nil {
			return fmt.Errorf("read %s of database %s: %w", x.what, database, err)
		}
	}
	return nil
}

func (x question) ask(ctx context.Context, q Querier, args ...any) error {
	rows, err := q.QueryContext(ctx, x.query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	x.into.Width = len(names)
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for _, v := range values {
			x.into.Values, x.into.Null = append(x.into.Values, v.String), append(x.into.Null, !v.Valid)
		}
	}
	return rows.Err()
}
