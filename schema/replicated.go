package schema

import (
	"fmt"
	"slices"
	"strings"
)

// decideReplicated decides which tables and columns may leave the database.
//
// What becomes of a reference to a table that is not replicated:
//   - Its rows cannot be named (no usable key): a column that may be NULL is excluded, otherwise its table is not
//     replicated either: the number would point to some other row there.
//   - Its rows can be named but nobody else gets them (profile, storage engine): a column that may be NULL is excluded; one that
//     may not, or that is part of a key, is sent as the row's key all the same, since the other side may have the row from
//     elsewhere. A note says so.
//
// A dictionary that every site has from elsewhere is better given the direction "none" than put under "never": its tables
// are still replicated in principle, so references to them stay references.
func (c *Catalogue) decideReplicated(p *Profile) {
	for _, t := range c.Tables {
		switch {
		case p.never(t.Name):
			t.Why = "profile: never"
		case t.Engine != "InnoDB":
			t.Why = fmt.Sprintf("not InnoDB: %s has no transactions; ALTER TABLE %s ENGINE=InnoDB", t.Engine, Quote(t.Name))
		case t.Key != KeyNone:
			t.Replicated = true
		}
		for _, col := range t.Columns {
			col.exclude(c, p)
		}
	}
	for _, t := range c.Tables {
		for _, col := range t.Columns {
			col.dropUnnamed()
			col.dropTargets(c)
		}
	}
	for _, t := range c.Tables {
		for _, col := range t.Columns {
			col.resolveUnreplicated(c)
		}
	}
	for _, t := range c.Tables {
		for _, col := range t.KeyColumns {
			if isInteger(col.Type) && col.Ref == nil && len(t.KeyColumns) > 1 && t.Replicated && t.Key == KeyColumns && !t.overridden {
				c.note("%s.%s is part of the key and refers to nothing: if it is the number of a row, declare it in the profile: [references.%s] %s = \"table\"",
					t.Name, col.Name, tomlKey(t.Name), tomlKey(col.Name))
			}
		}
	}
}

// exclude decides what does not depend on other tables.
func (col *Column) exclude(c *Catalogue, p *Profile) {
	excluded := p.Excluded(col.Table.Name, col.Name) == ExcludeAlways
	switch {
	case col.Generated:
		col.Excluded = "generated"
	case col.Local:
		col.Excluded = "local number"
	case excluded && col.Key:
		c.note("%s.%s is part of the key: it cannot be excluded", col.Table.Name, col.Name)
	case excluded:
		col.Excluded = "profile: excluded"
	}
}

// dropUnnamed decides about a reference to rows that cannot be named.
func (col *Column) dropUnnamed() {
	r, t := col.Ref, col.Table
	if r == nil || r.named() {
		return
	}
	col.Ref = nil
	switch {
	case col.Excluded != "":
	case col.Nullable && !col.Key:
		col.Excluded = fmt.Sprintf("refers to %s, which has no usable key", r.To.Name)
	case t.Replicated:
		t.Replicated = false
		t.Why = fmt.Sprintf("lost reference: %s points to %s by %s, which means nothing elsewhere; give %s a key, or exclude the column in the profile",
			col.Name, r.To.Name, r.ToColumn.Name, r.To.Name)
	}
}

// resolveUnreplicated decides about a reference to rows that can be named but stay where they are. Which tables are replicated
// is decided by now.
func (col *Column) resolveUnreplicated(c *Catalogue) {
	r, t := col.Ref, col.Table
	if r == nil || r.When != nil || r.To.Replicated || !t.Replicated || col.Excluded != "" {
		return
	}
	if col.Nullable && !col.Key {
		col.Excluded = fmt.Sprintf("refers to %s, which does not travel", r.To.Name)
		return
	}
	c.note("%s.%s refers to %s, which does not travel (%s): rows arrive only where the other side has that row", t.Name, col.Name, r.To.Name, r.To.Why)
}

// dropTargets takes out of a conditional reference the tables whose rows cannot be named.
func (col *Column) dropTargets(c *Catalogue) {
	if col.Ref == nil || col.Ref.When == nil {
		return
	}
	for name, t := range col.Ref.When.Targets {
		if t.Key == KeyNone || t.Integer == nil {
			c.note("%s.%s: rows of %s cannot be named elsewhere: where it refers to them, its value travels as it is", col.Table.Name, col.Name, t.Name)
			delete(col.Ref.When.Targets, name)
		}
	}
	col.Ref.When.Patterns = slices.DeleteFunc(col.Ref.When.Patterns, func(p Pattern) bool {
		return p.To != nil && (p.To.Key == KeyNone || p.To.Integer == nil)
	})
	if len(col.Ref.Targets()) == 0 {
		col.Ref = nil
	}
}

func (c *Condition) tables() []*Table {
	var tables []*Table
	add := func(t *Table) {
		if t != nil && !slices.Contains(tables, t) {
			tables = append(tables, t)
		}
	}
	for _, t := range c.Targets {
		add(t)
	}
	for _, p := range c.Patterns {
		add(p.To)
	}
	slices.SortFunc(tables, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	return tables
}

// collectChildren fills Children, by name of table and position of column.
func (c *Catalogue) collectChildren() {
	for _, t := range c.Tables {
		for _, col := range t.Columns {
			refs := col.links
			if col.Ref != nil && !slices.Contains(refs, col.Ref) {
				refs = append(slices.Clone(refs), col.Ref)
			}
			for _, r := range refs {
				// A value that may be the number of a row (a setting) keeps no row from being deleted.
				if !r.Declared && r != col.Ref || r.When != nil && r.Beside {
					continue
				}
				for _, to := range r.Targets() {
					to.Children = append(to.Children, r)
				}
			}
		}
	}
}
