package schema

import (
	"slices"
	"strings"
)

// OwnerKind says whether rows of a table have owners.
type OwnerKind uint8

const (
	Everybodys OwnerKind = iota // no owner: what the sites share, such as concepts, places, users. They go by their direction alone
	Owned                       // those that its paths lead to; a row whose paths all lead nowhere is nobody's
	Nobodys                     // they may be an owner's, and nothing says whose: no row is sent to a site that may have some owners only
)

// String returns the kind as commands print it.
func (k OwnerKind) String() string { return []string{"everybody", "owner", "nobody"}[k] }

// A Step leads from a row to the one that it refers to: From, in the row, holds the value that To has in the other one.
type Step struct{ From, To *Column }

// Indexed reports whether an index finds the rows that lead to one: without it, what belongs to an owner is found by reading the whole table.
func (s Step) Indexed() bool { return s.From.Table.ForceIndex([]*Column{s.From}) != "" }

// A Path leads from a row of a table to its owner. The last step always leads to the integer primary key of the owner table: what the row
// before holds is an owner if there is such a row, and none if it is NULL, names no row, or names one that is no owner (a person who is
// no patient). The path of an owner's own row has no step.
type Path []Step

// String names the columns, as in "encounter_id → encounter.patient_id".
func (p Path) String() string {
	var parts []string
	for i, s := range p {
		name := s.From.Name
		if i > 0 {
			name = s.From.Table.Name + "." + name
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, " → ")
}

// Ownership says to whom the rows of a table belong. The owners of a row are all those to which its paths lead, together.
type Ownership struct {
	Kind  OwnerKind
	Paths []Path // of Owned, one or more
	Why   string // in words, for the other kinds
	// Names are, of everybody's, the columns that name a row which shares an owner's key: by users.person_id everybody knows some persons,
	// who are staff.
	Names []*Column
}

// Columns returns the columns with which the paths begin, each once: what a row itself says of whose it is. An owner's own row has none.
func (o Ownership) Columns() (columns []*Column) {
	for _, p := range o.Paths {
		if len(p) > 0 && !slices.Contains(columns, p[0].From) {
			columns = append(columns, p[0].From)
		}
	}
	return columns
}

// String says in words to whom rows belong.
func (o Ownership) String() string {
	if o.Kind != Owned {
		return o.Kind.String() + ": " + o.Why
	}
	var paths []string
	for _, p := range o.Paths {
		if len(p) == 0 {
			return "itself"
		}
		paths = append(paths, p.String())
	}
	return strings.Join(paths, ", ")
}

// Owners says of every table to whom its rows belong. It is constant.
type Owners struct {
	Table *Table // whose rows are owners (patient); nil: the profile names none, and every table is everybody's
	// Bases are the tables whose key the owner table has (person): the number of an owner is the number of a row there, and not all rows
	// there are owners.
	Bases []*Table

	of map[*Table]Ownership
}

// Of returns to whom the rows of a table belong.
func (o *Owners) Of(t *Table) Ownership { return o.of[t] }

// Leads returns to which column of which table a path leads from a column with which one begins. From the key that rows share with owners, it
// leads to the owner.
func (o *Owners) Leads(c *Column) *Column {
	if c == c.Table.Integer && slices.Contains(o.Bases, c.Table) {
		return o.Table.Integer
	}
	if r := c.leads(); r != nil {
		return r.ToColumn
	}
	return nil
}

// LeadsOver reports whether a path leads to rows of a table: those of owners, those that share their keys, and what lies between.
func (o *Owners) LeadsOver(t *Table) bool {
	if t == o.Table || slices.Contains(o.Bases, t) {
		return true
	}
	for _, of := range o.of {
		for _, p := range of.Paths {
			if slices.ContainsFunc(p, func(s Step) bool { return s.To.Table == t }) {
				return true
			}
		}
	}
	return false
}

// Owners returns to whom the rows of each table belong. An error is a rule of a file of this node's own that is wrong: until it is
// mended nobody can say whose the rows are.
func (c *Catalogue) Owners() (*Owners, error) { return c.owners, c.ownersErr }
