package schema

import (
	"slices"
	"strings"
)

// usual is to which table a column of a data model refers, where the database does not say so.
type usual struct {
	table string
	where string // a column of the referring table: without it the column refers to other
	other string
}

// parseUsual reads "TABLE", "TABLE where COLUMN else TABLE", or "" for a column that refers to nothing.
func parseUsual(text string) (usual, bool) {
	switch f := strings.Fields(text); {
	case len(f) == 0:
		return usual{}, true
	case len(f) == 1:
		return usual{table: f[0]}, true
	case len(f) == 5 && f[1] == "where" && f[3] == "else":
		return usual{f[0], f[2], f[4]}, true
	}
	return usual{}, false
}

// of is the table that a column of t refers to.
func (u usual) of(t *Table) string {
	if u.where != "" && t.Column(u.where) == nil {
		return u.other
	}
	return u.table
}

// addUndeclared links a column to what columns of its name refer to, where the database declares nothing of it. A rule for a pattern of
// tables is a guess by the name of the column.
func (p *Profile) addUndeclared(c *Catalogue, col *Column) {
	if p == nil || len(col.links) > 0 {
		return
	}
	type rule struct {
		usual
		exact, builtin bool
	}
	r, ok := lookup(p, col.Table.Name, func(l *layer, found func(string, rule)) {
		for _, r := range l.byColumn[strings.ToLower(col.Name)] {
			u, _ := parseUsual(r.text)
			found(r.pattern, rule{u, !strings.Contains(r.pattern, "*"), l.builtin})
		}
	})
	if !ok || col.numbersRows(r.exact) {
		return
	}
	if target := r.of(col.Table); target != "" {
		p.addReference(c, col, target, true, r.builtin)
	}
}

// undeclared is one rule of a layer for columns of a name.
type undeclared struct{ pattern, text string }

// sortUndeclared sorts the rules by column: each column of each table asks, and few have one.
func (l *layer) sortUndeclared() {
	l.byColumn = map[string][]undeclared{}
	for pattern, columns := range l.Undeclared {
		for name, text := range columns {
			name = strings.ToLower(name)
			l.byColumn[name] = append(l.byColumn[name], undeclared{pattern, text})
		}
	}
}

// numbersRows reports whether the column is the primary key, or a part of it, in a way that keeps it from being a reference. By a uuid
// the rows are known without it: it is their number. What the server counts up is a number too, and of a key of several columns no
// guess is made, since sites name rows to each other by it; but what the data model says of a table in full counts for both (exact).
func (c *Column) numbersRows(exact bool) bool {
	for _, ix := range c.Table.indexes {
		if ix.name == "PRIMARY" && slices.Contains(ix.columns, c) {
			return len(ix.columns) == 1 && c.Table.Column("uuid") != nil || !exact && (len(ix.columns) > 1 || c.AutoIncrement)
		}
	}
	return c.AutoIncrement
}

// Without is what becomes of a column's values from a peer that does not know that they refer to rows.
type Without uint8

const (
	TakeValues  Without = iota // they are what they are
	LeaveColumn                // they are numbers of rows there, and of other rows here
	LeaveTable                 // likewise, and no row is whole without
)

// WithoutKeys says what becomes of the values of a reference that only the profile knows, where no keys come with them.
func (c *Column) WithoutKeys() Without {
	switch {
	case c.Ref == nil || c.Ref.When != nil || c.Ref.ByName():
		return TakeValues
	case c.Nullable:
		return LeaveColumn
	}
	return LeaveTable
}
