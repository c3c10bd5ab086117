package schema

import (
	"fmt"
	"slices"
	"strings"
)

// build turns what was read into the finished catalogue. The order matters: keys need the references, references need to
// know which columns are keys, and what is replicated needs both.
func build(c *Catalogue, p *Profile) {
	slices.SortFunc(c.Tables, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	p.addReferences(c)
	for _, t := range c.Tables {
		t.findPrimaryKey()
		t.chooseKey(c, p)
	}
	c.resolveReferences()
	c.dropUnusableKeys()
	for _, t := range c.Tables {
		t.finishKey()
	}
	c.decideReplicated(p)
	c.collectChildren()
	c.decideDirections(p)
	c.decideOwners(p)
	c.order = orderTables(c.Tables)
	p.addNotes(c)
	slices.Sort(c.Notes)
	c.Notes = slices.Compact(c.Notes)
}

// link adds a place where c may point to. Several foreign keys to one column count once, with the action that changes most.
func (c *Column) link(r *Ref) {
	r.From = c
	for _, l := range c.links {
		if l.When == nil && r.When == nil && l.ToColumn == r.ToColumn {
			l.OnDelete, l.OnUpdate = stronger(l.OnDelete, r.OnDelete), stronger(l.OnUpdate, r.OnUpdate)
			l.Declared = l.Declared || r.Declared
			return
		}
	}
	c.links = append(c.links, r)
}

func stronger(a, b string) string {
	rank := func(s string) int {
		return slices.Index([]string{"", "RESTRICT", "SET DEFAULT", "SET NULL", "CASCADE"}, s)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// findPrimaryKey takes the primary key, or without one the smallest unique index over whole NOT NULL columns: rows are then
// as well known by it. All other unique indexes go to Unique.
func (t *Table) findPrimaryKey() {
	best := -1
	for i, ix := range t.indexes {
		if slices.Contains(ix.columns, nil) {
			continue // an expression
		}
		if ix.name == "PRIMARY" {
			best = i
			break
		}
		nullable := slices.ContainsFunc(ix.columns, func(c *Column) bool { return c.Nullable })
		if ix.unique && !nullable && !ix.prefix && (best < 0 || len(ix.columns) < len(t.indexes[best].columns)) {
			best = i
		}
	}
	for i, ix := range t.indexes {
		switch {
		case i == best:
			t.PrimaryKey = ix.columns
		case ix.unique && !slices.Contains(ix.columns, nil):
			t.Unique = append(t.Unique, ix.columns)
		}
	}
	t.LocalColumns = t.PrimaryKey
	if len(t.PrimaryKey) == 0 {
		t.LocalColumns = slices.DeleteFunc(slices.Clone(t.Columns), func(c *Column) bool { return c.Generated })
	}
	if len(t.PrimaryKey) == 1 && isInteger(t.PrimaryKey[0].Type) {
		t.Integer = t.PrimaryKey[0]
	}
	for _, c := range t.Columns {
		c.UUIDColumn = strings.EqualFold(c.Name, "uuid") && holdsUUID(c)
	}
}

// holdsUUID reports whether a column of that name can be one: text of 32 characters or more (OpenMRS uses up to 38), 16 bytes, or
// MariaDB's own type.
func holdsUUID(c *Column) bool {
	if c.Generated || slices.ContainsFunc(c.links, func(l *Ref) bool { return l.Declared }) {
		return false
	}
	switch c.Type {
	case "char", "varchar":
		return c.Length >= 32
	case "binary", "varbinary":
		return c.Length >= 16
	}
	return c.Type == "uuid"
}

// chooseKey sets KeyColumns and a first guess at Key, from the table alone.
func (t *Table) chooseKey(c *Catalogue, p *Profile) {
	if names := p.key(t.Name); len(names) > 0 {
		for _, name := range names {
			if k := t.Column(name); k != nil {
				t.KeyColumns = append(t.KeyColumns, k)
			}
		}
		if len(t.KeyColumns) == len(names) {
			t.Key, t.overridden = KeyColumns, true
			return
		}
		c.note("%s: the profile's key (%s) names columns that the table does not have: it is left out", t.Name, strings.Join(names, ", "))
		t.KeyColumns = nil
	}
	for _, col := range t.Columns {
		if col.UUIDColumn {
			t.Key, t.KeyColumns = KeyUUID, []*Column{col}
			return
		}
	}
	// A primary key that the server made up (sql_generate_invisible_primary_key) is none that the application knows.
	if made := len(t.PrimaryKey) == 1 && t.PrimaryKey[0].invisible && t.PrimaryKey[0].AutoIncrement; len(t.PrimaryKey) > 0 && !made {
		t.Key, t.KeyColumns = KeyColumns, t.PrimaryKey
		return
	}
	t.Key = KeyAll
	for _, col := range t.Columns {
		if !col.Generated && !col.AutoIncrement {
			t.KeyColumns = append(t.KeyColumns, col)
		}
	}
}

// isNumber reports whether c is the table's own integer key or counter, of which the profile does not say that it is a key.
func (c *Column) isNumber() bool {
	return (c.AutoIncrement || c == c.Table.Integer) && !(c.Table.overridden && slices.Contains(c.Table.KeyColumns, c))
}

func (c *Catalogue) resolveReferences() {
	for _, t := range c.Tables {
		for _, col := range t.Columns {
			col.Ref = col.resolve(nil)
		}
	}
	for _, t := range c.Tables {
		for _, col := range t.Columns {
			col.Local = col.isNumber() && col.Ref == nil
		}
	}
}

// resolve finds what a column refers to: the first of its links that leads to the integer or the only key column of a table,
// by way of other references if need be (a composite foreign key to a table of pairs). A Ref to a local number that is
// neither (decideReplicated decides about it) comes last; nil is a plain value.
func (c *Column) resolve(seen []*Column) *Ref {
	var lost *Ref
	if c.plain {
		return nil
	}
	for _, l := range c.links {
		if l.ToColumn == c || slices.Contains(seen, l.ToColumn) && l.When == nil {
			continue
		}
		if l.When != nil || l.ToColumn == l.To.Integer || len(l.To.KeyColumns) == 1 && l.To.KeyColumns[0] == l.ToColumn {
			return l
		}
		if far := l.ToColumn.resolve(append(seen, c)); far != nil && far.When == nil {
			return &Ref{From: c, To: far.To, ToColumn: far.ToColumn, Beside: l.Beside || far.Beside}
		}
		if l.ToColumn.isNumber() && lost == nil {
			lost = l
		}
	}
	return lost
}

// named reports whether the row that r points to can be named: its table has a key, and r points to what rows are known by.
func (r *Ref) named() bool {
	return r.When != nil || r.To.Key != KeyNone && (r.ToColumn == r.To.Integer || len(r.To.KeyColumns) == 1 && r.To.KeyColumns[0] == r.ToColumn)
}

// dropUnusableKeys sets Key to KeyNone where a part of the key means nothing elsewhere.
func (c *Catalogue) dropUnusableKeys() {
	const open, done = 1, 2
	state := map[*Table]int{}
	var check func(t *Table)
	check = func(t *Table) {
		state[t] = open
		defer func() { state[t] = done }()
		why := ""
		for _, k := range t.KeyColumns {
			switch {
			case k.Local && len(t.KeyColumns) == 1:
				why = fmt.Sprintf("%s is a number of this database alone", k.Name)
			case k.Local:
				why = fmt.Sprintf("%s, a part of the primary key, is a number of this database alone", k.Name)
			case k.Ref == nil || k.Ref.When != nil:
				continue
			default:
				if state[k.Ref.To] == 0 {
					check(k.Ref.To)
				}
				if state[k.Ref.To] == open {
					why = fmt.Sprintf("%s leads by way of %s back to %s", k.Name, k.Ref.To.Name, t.Name)
				} else if !k.Ref.named() {
					why = fmt.Sprintf("%s refers to %s, which has no usable key", k.Name, k.Ref.To.Name)
				}
			}
			if why != "" {
				break
			}
		}
		if len(t.KeyColumns) == 0 {
			why = "no column says which row it is"
		}
		if why != "" {
			t.Key = KeyNone
			t.Why = fmt.Sprintf("no usable key: %s; add a uuid column, or name its key in the profile: [key] %s = [\"column\"]", why, tomlKey(t.Name))
		}
	}
	for _, t := range c.Tables {
		if state[t] == 0 {
			check(t)
		}
	}
	for _, t := range c.Tables {
		if t.Key == KeyNone {
			t.KeyColumns = nil
		}
	}
}

// finishKey fills in what follows from a key that is settled.
func (t *Table) finishKey() {
	for _, c := range t.Columns {
		c.InsertOnly = c.UUIDColumn && t.overridden && !slices.Contains(t.KeyColumns, c)
	}
	if t.Key == KeyNone {
		return
	}
	for _, k := range t.KeyColumns {
		k.Key = true
	}
	if r := t.parent(); r != nil {
		t.Key = KeyParent
		t.Root = r.To
		for p := r.To.parent(); p != nil; p = p.To.parent() {
			t.Root = p.To
		}
	}
	for _, ix := range t.indexes {
		if !ix.lookup || slices.Contains(ix.columns, nil) {
			continue
		}
		inKey := 0
		for inKey < len(ix.columns) && slices.Contains(t.KeyColumns, ix.columns[inKey]) {
			inKey++
		}
		unique := ix.unique && inKey == len(ix.columns)
		t.KeyUnique = t.KeyUnique || unique
		t.KeyIndexed = t.KeyIndexed || unique || inKey == len(t.KeyColumns)
	}
}

// parent returns the reference by which a row's key is that of another row: what the two share here is the integer, or the name where
// there is none. Keys that lead back to themselves are gone by now.
func (t *Table) parent() *Ref {
	if t.Key != KeyNone && !t.overridden && len(t.PrimaryKey) == 1 && len(t.KeyColumns) == 1 && t.KeyColumns[0] == t.PrimaryKey[0] {
		if r := t.KeyColumns[0].Ref; r != nil && r.When == nil && (r.To.Integer == nil || !r.ByName()) {
			return r
		}
	}
	return nil
}
