package conflicts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/conflicts/rules"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo"
)

// maxDeep is how many references a label follows, maxText how many bytes of each value it shows, and maxAsked how many rows are looked at
// for whose they are.
const maxDeep, maxText, maxAsked = 5, 60, 20_000

// labels says of rows how people call them. What it has found it remembers.
type labels struct {
	q     sqldb.DB
	j     *journal.Journal
	known map[rowOf]label
	asked int
}

// rowOf is a row of this database.
type rowOf struct {
	t *schema.Table
	journal.Row
}

// label is what a row is called, and the row that all belongs to at the end.
type label struct {
	text  string
	owner rowOf
}

func newLabels(q sqldb.DB, j *journal.Journal) *labels {
	return &labels{q: q, j: j, known: map[rowOf]label{}}
}

// of returns how people call a row: of one that nobody says that of, or that is not here, its key.
func (l *labels) of(ctx context.Context, table, key string) (string, error) {
	found, err := l.label(ctx, table, key)
	if err != nil || found.text != "" {
		return found.text, err
	}
	if t := l.j.Catalogue.Table(table); t != nil {
		return journal.PrintableKey(t, key), nil
	}
	return plain(key), nil
}

// label finds what a row is called, and whose it is.
func (l *labels) label(ctx context.Context, table, key string) (label, error) {
	t := l.j.Catalogue.Table(table)
	if t == nil || !t.Replicated || l.j.Tables[t.Name] == nil || l.j.Profile.Called(t.Name) == nil {
		return label{}, nil
	}
	at, here, err := undo.LookUp(ctx, l.q, t, key)
	if err != nil {
		return label{}, err
	}
	if here {
		return l.row(ctx, rowOf{t, at}, 0)
	}
	kept, err := journal.DeletedRows(ctx, l.q, l.j.Tables[t.Name].ID, []string{key}, l.j.Authors)
	if err != nil {
		return label{}, err
	}
	return l.describe(ctx, t, func(column string) (string, *rowOf, error) {
		v := kept[key].Content[column]
		to := l.j.Catalogue.Table(v.Table)
		switch {
		case v.Text == nil:
			return "", nil, nil
		case to == nil:
			return *v.Text, nil, nil
		}
		at, here, err := undo.LookUp(ctx, l.q, to, *v.Text)
		if err != nil || !here {
			return "", nil, err
		}
		return "", &rowOf{to, at}, nil
	}, rowOf{}, 0)
}

// row finds what a row that is here is called.
func (l *labels) row(ctx context.Context, r rowOf, deep int) (label, error) {
	if known, ok := l.known[r]; ok {
		return known, nil
	}
	called := l.j.Profile.Called(r.t.Name)
	if called == nil || deep == maxDeep {
		return label{owner: r}, nil
	}
	values := map[string]*string{}
	var columns []*schema.Column
	for _, name := range append(slices.Clone(called.Values), called.Of) {
		if c := r.t.Column(name); c != nil && !slices.Contains(columns, c) {
			columns = append(columns, c)
		}
	}
	if len(columns) > 0 {
		query := ""
		for _, c := range columns {
			query += ", " + c.Select("")
		}
		err := sqldb.Each(ctx, l.q, "SELECT "+query[2:]+" FROM "+schema.Quote(r.t.Name)+" WHERE "+rowkey.Where(r.t, []journal.Row{r.Row}), func(v []sql.RawBytes) error {
			for i, c := range columns {
				if v[i] != nil {
					s := string(v[i])
					values[c.Name] = &s
				}
			}
			return nil
		})
		if err != nil {
			return label{}, fmt.Errorf("read what a row of %s is called: %w", r.t.Name, err)
		}
	}
	out, err := l.describe(ctx, r.t, func(name string) (string, *rowOf, error) {
		c := r.t.Column(name)
		if c == nil || values[c.Name] == nil {
			return "", nil, nil
		}
		if c.Ref == nil || c.Ref.When != nil || c.Ref.ByName() || c.Ref.To.Integer == nil {
			return *values[c.Name], nil, nil
		}
		return "", &rowOf{c.Ref.To, journal.Row{Int: sqldb.Int([]byte(*values[c.Name]))}}, nil
	}, r, deep)
	if err == nil {
		l.known[r] = out
	}
	return out, err
}

// describe puts together what a row is called. value gives a column's value, or the row that it refers to.
func (l *labels) describe(ctx context.Context, t *schema.Table, value func(column string) (string, *rowOf, error), self rowOf, deep int) (label, error) {
	called := l.j.Profile.Called(t.Name)
	out := label{owner: self}
	var words []string
	for _, name := range called.Values {
		text, to, err := value(name)
		if err == nil && to != nil {
			var of label
			of, err = l.row(ctx, *to, deep+1)
			text = of.text
		}
		if err != nil {
			return label{}, err
		}
		if c := t.Column(name); c != nil && text != "" {
			words = append(words, shown(c, text))
		}
	}
	for _, by := range called.By {
		if self.t == nil {
			break
		}
		text, err := l.by(ctx, called, by, self)
		if err != nil {
			return label{}, err
		}
		if text != "" {
			words = append(words, text)
		}
	}
	out.text = strings.Join(words, ", ")
	if called.Of == "" {
		return out, nil
	}
	_, to, err := value(called.Of)
	if err != nil || to == nil {
		return out, err
	}
	of, err := l.row(ctx, *to, deep+1)
	if err != nil {
		return label{}, err
	}
	out.owner = of.owner
	switch {
	case out.text == "":
		out.text = of.text
	case of.text != "":
		out.text += " of " + of.text
	}
	return out, nil
}

// by returns the values of the first of the rows that refer to a row by a column.
func (l *labels) by(ctx context.Context, called *schema.Called, by schema.CalledBy, r rowOf) (string, error) {
	t := l.j.Catalogue.Table(by.Table)
	if t == nil || t.Column(by.Column) == nil || r.t.Integer == nil {
		return "", nil
	}
	var query, order []string
	for _, name := range by.Values {
		if c := t.Column(name); c != nil {
			query = append(query, c.Select(""))
		}
	}
	if len(query) == 0 {
		return "", nil
	}
	if c := t.Column(called.Retired); c != nil {
		order = append(order, schema.Quote(c.Name)+" <> 0")
	}
	if c := t.Column(called.First); c != nil {
		order = append(order, schema.Quote(c.Name)+" = 0")
	}
	if t.Integer != nil {
		order = append(order, schema.Quote(t.Integer.Name))
	}
	sorted := ""
	if len(order) > 0 {
		sorted = " ORDER BY " + strings.Join(order, ", ")
	}
	var words []string
	err := sqldb.Each(ctx, l.q, fmt.Sprintf("SELECT %s FROM %s WHERE %s = %d%s LIMIT 1", strings.Join(query, ", "), schema.Quote(t.Name), schema.Quote(by.Column), r.Int, sorted), func(v []sql.RawBytes) error {
		for _, x := range v {
			if text := plain(string(x)); text != "" {
				words = append(words, text)
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read what a row of %s is called: %w", r.t.Name, err)
	}
	return strings.Join(words, " "), nil
}

// shown is a value as a label has it: of a time, the minute.
func shown(c *schema.Column, text string) string {
	if (c.Type == "datetime" || c.Type == "timestamp") && len(text) > len("2006-01-02 15:04") {
		return plain(text[:len("2006-01-02 15:04")])
	}
	return plain(text)
}

// plain is a text with nothing in it that a terminal obeys, and not too long.
func plain(text string) string {
	return journal.Cut(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "?")), maxText)
}

// errAsked means that too many rows were looked at.
var errAsked = errors.New("there are too many conflicts to look for those of one patient among them: say --table or --since too")

// patient returns a function that tells whether a conflict is about a row of the one who has an identifier; "": of anybody.
func (l *labels) patient(ctx context.Context, identifier string) (func(context.Context, *rules.Conflict) (bool, error), error) {
	if identifier == "" {
		return func(context.Context, *rules.Conflict) (bool, error) { return true, nil }, nil
	}
	rows := map[rowOf]bool{}
	known := 0
	for name, by := range l.j.Profile.KnownBy() {
		of, t := l.j.Catalogue.Table(name), l.j.Catalogue.Table(by.Table)
		if of == nil || t == nil || t.Column(by.Column) == nil || t.Column(by.Values[0]) == nil {
			continue
		}
		known++
		value := t.Column(by.Values[0])
		query := fmt.Sprintf("SELECT %s FROM %s WHERE %s = %s", schema.Quote(by.Column), schema.Quote(t.Name), schema.Quote(value.Name), value.AppendLiteral(nil, []byte(identifier)))
		err := sqldb.Each(ctx, l.q, query, func(v []sql.RawBytes) error {
			rows[rowOf{of, journal.Row{Int: sqldb.Int(v[0])}}] = true
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for the identifier: %w", err)
		}
	}
	switch {
	case known == 0:
		return nil, errors.New("the profile does not say by what people look for a patient (known_by)")
	case len(rows) == 0:
		return nil, errors.New("nobody here has that identifier")
	}
	return func(ctx context.Context, c *rules.Conflict) (bool, error) {
		if l.asked++; l.asked > maxAsked {
			return false, errAsked
		}
		found, err := l.label(ctx, c.Table, c.Key)
		return err == nil && rows[found.owner], err
	}, nil
}

// Namer says how people call rows of this database. What it has found it remembers.
type Namer struct{ l *labels }

// NewNamer returns a namer that reads there.
func NewNamer(q sqldb.DB, j *journal.Journal) *Namer { return &Namer{newLabels(q, j)} }

// Name returns how people call the row of a key: of one that nobody says that of, or that is not here, its key.
func (n *Namer) Name(ctx context.Context, table, key string) (string, error) {
	return n.l.of(ctx, table, key)
}
