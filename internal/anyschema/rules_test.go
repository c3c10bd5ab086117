package anyschema

import (
	"slices"
	"strings"
)

// decide says what travels and what identifies rows, by the rules of "Identity of rows" in docs/design.md.
func (m *model) decide() {
	for _, x := range m.tables {
		x.order[0], x.order[1] = slices.Clone(x.order[0]), slices.Clone(x.order[1])
		switch {
		case len(x.key) > 0:
			x.identity = x.key
		case x.uuid != nil:
			x.identity = []*column{x.uuid}
		case len(x.primary()) > 0:
			x.identity = x.primary()
		default:
			x.whole = true
			for _, c := range x.columns {
				if c.generated == "" && !c.auto {
					x.identity = append(x.identity, c)
				}
			}
		}
		for _, c := range x.columns {
			c.local = (c.auto || c == x.integer()) && !slices.Contains(x.key, c)
		}
	}
	for _, x := range m.tables { // a number that refers to a row is none of the table's own
		for _, c := range x.columns {
			c.local = c.local && c.target() == nil
		}
	}
	for _, x := range m.tables {
		if x.why == "" {
			x.checkKey(nil)
		}
	}
	for _, x := range m.tables {
		for _, c := range x.columns {
			if r := c.target(); r != nil && r.t.noKey() && !c.local {
				if c.null && !slices.Contains(x.identity, c) {
					c.excluded = true
				} else if x.why == "" {
					x.why = "lost reference"
				}
			} else if c.leadsNowhere() {
				if c.null && !slices.Contains(x.identity, c) {
					c.excluded = true
				} else if x.why == "" {
					x.why = "lost reference"
				}
			}
		}
	}
	for _, x := range m.tables {
		for _, c := range x.columns {
			if r := c.target(); r != nil && r.t.why != "" && c.null && !slices.Contains(x.identity, c) {
				c.excluded = true
			}
		}
	}
}

// primary is the primary key, or the smallest unique index over NOT NULL columns that stands in for it.
func (x *table) primary() []*column {
	if len(x.pk) > 0 {
		return x.pk
	}
	var best []*column
	for _, u := range x.sortedUniques() {
		if !slices.ContainsFunc(u, func(c *column) bool { return c.null }) && (best == nil || len(u) < len(best)) {
			best = u
		}
	}
	return best
}

// sortedUniques are the unique indexes by name.
func (x *table) sortedUniques() [][]*column {
	out := slices.Clone(x.uniques)
	slices.SortFunc(out, func(a, b []*column) int { return strings.Compare(indexName(a), indexName(b)) })
	return out
}

func indexName(u []*column) string { return "u_" + u[0].name }

// integer is the primary key if that is one integer column.
func (x *table) integer() *column {
	if p := x.primary(); len(p) == 1 && p[0].typ.kind == "integer" {
		return p[0]
	}
	return nil
}

func (x *table) noKey() bool { return strings.HasPrefix(x.why, "no usable key") }

// target is the column that a reference is to, at a row that can be named: the integer of a table, or the one column that is its whole
// key; by way of other references if need be. nil: the value is plain.
func (c *column) target() *column {
	for seen := []*column{c}; c.ref != nil; c = c.ref.to {
		to := c.ref.to
		if to == to.t.integer() || len(to.t.identity) == 1 && to.t.identity[0] == to {
			if to == seen[0] {
				return nil
			}
			return to
		}
		if slices.Contains(seen, to) {
			return nil
		}
		seen = append(seen, to)
	}
	return nil
}

// leadsNowhere reports whether the column refers to a number that means nothing elsewhere.
func (c *column) leadsNowhere() bool {
	return c.ref != nil && c.target() == nil && c.ref.to.local
}

// checkKey finds out whether the key of a table means the same everywhere.
func (x *table) checkKey(above []*table) {
	if slices.Contains(above, x) {
		x.why = "no usable key: a circle"
		return
	}
	for _, c := range x.identity {
		if c.local {
			x.why = "no usable key: " + c.name + " is a number"
			return
		}
		if to := c.target(); to != nil {
			if to.t.why == "" {
				to.t.checkKey(append(above, x))
			}
			if to.t.noKey() {
				x.why = "no usable key: by way of " + to.t.names[0]
				return
			}
		}
	}
	if len(x.identity) == 0 {
		x.why = "no usable key: none"
	}
}
