package schema

import (
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
)

// named returns the direction that the profile gives a table by name, and whether it does.
func (p *Profile) named(table string) (access.Direction, bool) {
	if p.never(table) {
		return access.None, true
	}
	return lookup(p, table, func(l *layer, found func(string, access.Direction)) {
		for d, patterns := range map[access.Direction][]string{access.Both: l.Direction.Both, access.Down: l.Direction.Down, access.Add: l.Direction.Add,
			access.None: l.Direction.None, access.Up: l.Direction.Up} {
			for _, pattern := range patterns {
				found(pattern, d)
			}
		}
	})
}

// namedHere reports whether a file of this node's own gives the table its direction by name.
func (p *Profile) namedHere(table string) bool {
	if p == nil {
		return false
	}
	for _, l := range p.layers {
		if _, ok := (&Profile{layers: []*layer{l}}).named(table); ok && !l.builtin {
			return true
		}
	}
	return false
}

// staff reports whether the table has people who may work for the parent, or what belongs to these.
func (p *Profile) staff(table string) bool {
	staff, _ := lookup(p, table, func(l *layer, found func(string, bool)) {
		for _, pattern := range l.Direction.Staff {
			found(pattern, true)
		}
	})
	return staff
}

// rights reports whether rows of the table give people rights over the data.
func (p *Profile) rights(table string) bool {
	rights, _ := lookup(p, table, func(l *layer, found func(string, bool)) {
		for _, pattern := range l.Direction.Rights {
			found(pattern, true)
		}
	})
	return rights
}

// code reports whether the application runs what rows of the table hold.
func (p *Profile) code(table string) bool {
	code, _ := lookup(p, table, func(l *layer, found func(string, bool)) {
		for _, pattern := range l.Direction.Code {
			found(pattern, true)
		}
		for _, pattern := range l.Direction.NotCode {
			found(pattern, false)
		}
	})
	return code
}

// owners returns the tables to which rows must belong to go up by default, and those by way of which none belongs to them. The
// latest file that says either counts; none: all go up.
func (p *Profile) owners() (owners, apart []string) {
	if p == nil {
		return nil, nil
	}
	for _, l := range p.layers {
		if l.Direction.Owners != nil {
			owners = l.Direction.Owners
		}
		if l.Direction.NotBy != nil {
			apart = l.Direction.NotBy
		}
	}
	return owners, apart
}

// decideDirections decides which way each table goes, what gives rights and what is code.
func (c *Catalogue) decideDirections(p *Profile) {
	owners, apart := p.owners()
	belongs, owned := c.belonging(p, false), c.belonging(p, true)
	for _, t := range c.Tables {
		d, named := p.named(t.Name)
		if !named && len(owners) > 0 && !belongs[t] {
			d, t.DownByDefault = access.Down, true
		}
		t.DirectionHere = p.namedHere(t.Name)
		t.Owned = owned[t] && !matchesAny(apart, t.Name)
		t.Staff, t.NamesStaff = p.staff(t.Name), matchesAny(apart, t.Name)
		t.Rights, t.Code = p.rights(t.Name), p.code(t.Name)
		t.Direction = d
		if flows := (access.Table{Direction: d, Code: t.Code}).Flows(); flows != d {
			t.Direction = flows
			if named {
				c.note("%s holds code that the application runs: it goes down only, although the profile says %s; if it is no code, the profile's [direction] not_code says so", t.Name, d)
			}
		}
	}
	for _, t := range c.Tables {
		if t.DownByDefault && t.Replicated {
			c.noteNeeded(t)
		}
	}
}

// belonging finds the tables whose rows belong to an owner's: the owners, and whatever refers to one that belongs, with a column that may
// be NULL too (a note may be about a patient, a visit or an observation). A reference that holds in some rows only does not count, nor
// does one by way of a table that the profile says is apart (everything names the user who made it, and a user is a person), or that
// a child may not change, unless all are asked for.
func (c *Catalogue) belonging(p *Profile, all bool) map[*Table]bool {
	owners, apart := p.owners()
	belongs := map[*Table]bool{}
	var found []*Table
	add := func(t *Table) {
		if !belongs[t] {
			belongs[t] = true
			found = append(found, t)
		}
	}
	for _, t := range c.Tables {
		if matchesAny(owners, t.Name) {
			add(t)
		}
	}
	referring := c.referring()
	for len(found) > 0 {
		t := found[0]
		found = found[1:]
		if d, _ := p.named(t.Name); !all && d != access.Both && d != access.Up && !matchesAny(owners, t.Name) || matchesAny(apart, t.Name) {
			continue
		}
		for _, from := range referring[t] {
			add(from)
		}
	}
	return belongs
}

// referring returns the tables that refer to each table, by references that always hold.
func (c *Catalogue) referring() map[*Table][]*Table {
	out := map[*Table][]*Table{}
	for _, t := range c.Tables {
		for _, col := range t.Columns {
			for _, l := range col.links {
				if l.When == nil && !col.plain && !slices.Contains(out[l.To], t) {
					out[l.To] = append(out[l.To], t)
				}
			}
		}
	}
	return out
}

// noteNeeded notes that rows which go up refer to a table that goes down only because nobody named it: what a child adds to it stays
// there, and then those rows cannot be applied.
func (c *Catalogue) noteNeeded(t *Table) {
	var up []string
	for _, r := range t.Children {
		from := r.From.Table
		if from != t && from.Replicated && (from.Direction == access.Both || from.Direction == access.Add || from.Direction == access.Up) && r.From.Excluded == "" && !slices.Contains(up, from.Name) {
			up = append(up, from.Name)
		}
	}
	if len(up) > 0 {
		slices.Sort(up)
		c.note("%s goes down only, and rows that go up refer to it (%s): if children add rows to %[1]s, name it in the profile under [direction], in add or both, at both ends of the link", t.Name, strings.Join(up, ", "))
	}
}
