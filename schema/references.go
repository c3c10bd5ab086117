package schema

import (
	"cmp"
	"slices"
	"strings"
)

// addReferences adds the references that only the profile knows to the columns' links. One for a table named in full stands
// before the foreign keys of the database, one for a pattern of tables only counts where there is none.
func (p *Profile) addReferences(c *Catalogue) {
	for _, t := range c.Tables {
		for _, col := range t.Columns {
			p.addConditional(c, col)
			if col.conditional() {
				continue
			}
			target, exact, builtin, ok := p.reference(t.Name, col.Name)
			switch {
			case !ok:
				p.addUndeclared(c, col)
			case !exact && len(col.links) > 0:
			case target == "":
				col.plain = true
			default:
				p.addReference(c, col, target, false, builtin)
			}
		}
	}
}

func (c *Column) conditional() bool {
	return slices.ContainsFunc(c.links, func(r *Ref) bool { return r.When != nil })
}

// first puts a link before the others.
func (c *Column) first(r *Ref) {
	c.link(r)
	if i := slices.Index(c.links, r); i > 0 {
		c.links = slices.Insert(slices.Delete(c.links, i, i+1), 0, r)
	}
}

func (p *Profile) reference(table, column string) (target string, exact, builtin, ok bool) {
	type rule struct {
		target         string
		exact, builtin bool
	}
	r, ok := lookup(p, table, func(l *layer, found func(string, rule)) {
		for pattern, columns := range l.References {
			for name, target := range columns {
				if strings.EqualFold(name, column) {
					found(pattern, rule{target, !strings.Contains(pattern, "*"), l.builtin})
				}
			}
		}
	})
	return r.target, r.exact, r.builtin, ok
}

// addReference links a column to the row number of another table, or to the column that is its whole key. beside: as one that is sent
// beside the value.
func (p *Profile) addReference(c *Catalogue, col *Column, target string, beside, builtin bool) {
	to := c.Named(target)
	if to == nil {
		if !builtin {
			c.note("%s.%s: the profile makes it refer to %s, which does not exist", col.Table.Name, col.Name, target)
		}
		return
	}
	toColumn := to.known(p)
	if toColumn == nil || isInteger(toColumn.Type) != isInteger(col.Type) {
		if !builtin {
			c.note("%s.%s: the profile makes it refer to %s, whose rows are not known by one column of its type", col.Table.Name, col.Name, to.Name)
		}
		return
	}
	if toColumn != col {
		col.first(&Ref{To: to, ToColumn: toColumn, Beside: beside})
	}
}

// known returns the one column that a reference to the table would hold: its primary key, or the key that the profile names.
func (t *Table) known(p *Profile) *Column {
	for _, ix := range t.indexes {
		if ix.name == "PRIMARY" && len(ix.columns) == 1 {
			return ix.columns[0]
		}
	}
	if key := p.key(t.Name); len(key) == 1 {
		return t.Column(key[0])
	}
	return nil
}

func (p *Profile) addConditional(c *Catalogue, col *Column) {
	type rule struct {
		conditional
		builtin bool
	}
	r, ok := lookup(p, col.Table.Name, func(l *layer, found func(string, rule)) {
		for pattern, columns := range l.Conditional {
			for name, cond := range columns {
				if strings.EqualFold(name, col.Name) {
					found(pattern, rule{cond, l.builtin})
				}
			}
		}
	})
	if !ok {
		return
	}
	when := &Condition{Lookup: col.Table, Targets: map[string]*Table{}}
	if r.Via != "" {
		via := col.Table.Column(r.Via)
		if via == nil || len(via.links) == 0 {
			if !r.builtin {
				c.note("%s.%s: the profile decides by way of %s, which refers to no table", col.Table.Name, col.Name, r.Via)
			}
			return
		}
		when.Via, when.Lookup = via, via.links[0].To
	}
	if when.LookupColumn = when.Lookup.Column(r.Column); when.LookupColumn == nil {
		if !r.builtin {
			c.note("%s.%s: the profile decides by %s.%s, which does not exist", col.Table.Name, col.Name, when.Lookup.Name, r.Column)
		}
		return
	}
	if isText(col.Type) || isInteger(col.Type) {
		when.addTargets(c, r.Targets)
	}
	if len(when.tables()) > 0 {
		col.links = slices.Insert(col.links, 0, &Ref{From: col, When: when, Beside: r.Beside})
	}
}

// addTargets adds what the profile says of values: of whole ones where it names a dot or a `*`, of their last part otherwise.
func (w *Condition) addTargets(c *Catalogue, targets map[string]string) {
	for value, name := range targets {
		to := c.Named(name)
		switch {
		case strings.ContainsAny(value, ".*"):
			if to != nil || name == "" {
				w.Patterns = append(w.Patterns, Pattern{value, to})
			}
		case to != nil:
			w.Targets[value] = to
		}
	}
	slices.SortFunc(w.Patterns, func(a, b Pattern) int {
		return cmp.Or(cmp.Compare(Specificity(b.Value), Specificity(a.Value)), strings.Compare(a.Value, b.Value))
	})
}

// addNotes notes which names in a user's own files fit no table or column of the database.
func (p *Profile) addNotes(c *Catalogue) {
	for _, l := range p.layers {
		if l.builtin {
			continue
		}
		l.tables(func(pattern, where string, columns ...string) {
			found := false
			for _, t := range c.Tables {
				if !Matches(pattern, t.Name) {
					continue
				}
				found = true
				for _, column := range columns {
					if t.Column(column) == nil && !strings.Contains(pattern, "*") {
						c.note("profile %s: %s: table %s has no column %s", l.origin, where, t.Name, column)
					}
				}
			}
			if !found {
				c.note("profile %s: %s: no table is called %s", l.origin, where, pattern)
			}
		})
	}
}

// tables calls see for each table that the file names, with the columns that it names there.
func (l *layer) tables(see func(pattern, where string, columns ...string)) {
	for _, list := range []struct {
		where    string
		patterns []string
	}{
		{"never", l.Never}, {"travel", l.Travel}, {"direction.both", l.Direction.Both}, {"direction.down", l.Direction.Down},
		{"direction.add", l.Direction.Add}, {"direction.none", l.Direction.None}, {"direction.up", l.Direction.Up}, {"direction.rights", l.Direction.Rights},
		{"direction.owners", l.Direction.Owners}, {"direction.not_by", l.Direction.NotBy}, {"direction.staff", l.Direction.Staff},
		{"direction.code", l.Direction.Code}, {"direction.not_code", l.Direction.NotCode},
	} {
		for _, pattern := range list.patterns {
			see(pattern, list.where)
		}
	}
	for pattern, columns := range l.Key {
		see(pattern, "key", columns...)
	}
	l.naturalTables(see)
	for pattern, e := range l.Exclude {
		see(pattern, "exclude", slices.Concat(e.Up, e.Always, e.Never)...)
	}
	for pattern, columns := range l.References {
		for column := range columns {
			see(pattern, "references", column)
		}
	}
	for pattern, columns := range l.Undeclared {
		for column := range columns {
			see(pattern, "undeclared", column)
		}
	}
	for pattern, columns := range l.Conditional {
		for column := range columns {
			see(pattern, "conditional", column)
		}
	}
	for pattern, f := range l.Filter {
		see(pattern, "filter", f.Column)
	}
	for pattern, s := range l.Secret {
		see(pattern, "secret", s.Columns...)
		if s.Roles != "" {
			see(s.Roles, "secret", s.Row, s.Role)
		}
	}
	for _, pattern := range l.Owner.Nobody {
		see(pattern, "owner.nobody")
	}
	for pattern := range l.Owner.By {
		see(pattern, "owner.by")
	}
	for pattern, n := range l.Names {
		see(pattern, "names", n.Columns...)
	}
	l.tablesOfCommands(see)
}

// tablesOfCommands calls see for those tables that only single commands look at.
func (l *layer) tablesOfCommands(see func(pattern, where string, columns ...string)) {
	for pattern, d := range l.Distinct {
		see(pattern, "distinct", d.Columns...)
	}
	if l.NewClinic != nil {
		for table, r := range l.NewClinic.Only {
			see(table, "new_clinic.only", r.Column)
		}
		for table, column := range l.NewClinic.With {
			see(table, "new_clinic.with", column)
		}
	}
}
