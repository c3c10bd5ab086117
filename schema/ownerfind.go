package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
)

// maxSteps is how many steps the paths of one table have together: a server joins 61 tables at most, and each step is one.
const maxSteps = 24

// finder finds the paths of all tables. Each table gets columns by which its rows belong, and what these lead to passes on its own.
type finder struct {
	c       *Catalogue
	p       *Profile
	out     *Owners
	apart   []string // tables through which nothing belongs
	by      map[*Table][]*Column
	said    map[*Table]ownerRule // what the profile says by name
	cost    map[*Table]cost      // of the shortest path; a table without one is not in it
	kind    map[*Table]Ownership // settled without a path
	open    []*Table             // whose paths are being put together
	problem error
}

// cost orders paths: fewer columns that may be NULL first, then fewer steps.
type cost struct{ nullable, steps int }

func (a cost) compare(b cost) int {
	return cmp.Or(cmp.Compare(a.nullable, b.nullable), cmp.Compare(a.steps, b.steps))
}

// decideOwners finds to whom the rows of each table belong. Directions are decided by now.
func (c *Catalogue) decideOwners(p *Profile) {
	c.owners = &Owners{of: map[*Table]Ownership{}}
	for _, t := range c.Tables {
		c.owners.of[t] = Ownership{Why: "the profile names no owners"}
	}
	rule := p.ownerTable()
	if rule.table == "" {
		return
	}
	f := &finder{c: c, p: p, out: c.owners, by: map[*Table][]*Column{}, said: map[*Table]ownerRule{}, cost: map[*Table]cost{}, kind: map[*Table]Ownership{}}
	_, f.apart = p.owners()
	t := c.Named(rule.table)
	switch {
	case t == nil:
		f.fail(rule, "owner.table", "no table is called %s", rule.table)
	case t.Integer == nil:
		f.fail(rule, "owner.table", "rows of %s are not known by one integer: only such a table can have owners", t.Name)
	default:
		f.find(t)
	}
	if f.problem != nil {
		c.ownersErr = f.problem
		c.note("%v", f.problem)
	}
}

func (f *finder) find(owner *Table) {
	f.out.Table = owner
	for at := owner; at.parent() != nil && len(f.out.Bases) < len(f.c.Tables); {
		at = at.parent().To
		f.out.Bases = append(f.out.Bases, at)
	}
	for _, t := range f.c.Tables {
		f.listen(t)
	}
	f.shortenAll()
	for t, rule := range f.said { // in this version of the data model it leads nowhere
		if _, ok := f.cost[t]; !ok && rule.from.builtin {
			delete(f.said, t)
		}
	}
	f.shortenAll()
	for _, t := range f.c.Tables {
		if f.said[t].columns == nil && !f.isOwner(t) {
			f.by[t] = f.best(t)
		}
	}
	for _, t := range f.c.Tables {
		f.out.of[t] = f.settle(t)
	}
	for changed := true; changed; {
		changed = false
		for _, t := range f.c.Tables {
			changed = f.doubt(t) || changed
		}
	}
	for t, o := range f.out.of {
		for _, col := range t.Columns {
			if r := col.leads(); o.Kind == Everybodys && r != nil && slices.Contains(f.out.Bases, r.To) {
				o.Names = append(o.Names, col)
			}
		}
		f.out.of[t] = o
	}
}

// shortenAll looks for shorter paths until there are none.
func (f *finder) shortenAll() {
	for changed := true; changed; {
		changed = false
		for _, t := range f.c.Tables {
			changed = f.shorten(t) || changed
		}
	}
}

// isOwner reports whether a number of a row of the table is an owner's.
func (f *finder) isOwner(t *Table) bool { return t == f.out.Table || slices.Contains(f.out.Bases, t) }

// listen takes in what the profile says of a table by name.
func (f *finder) listen(t *Table) {
	if f.isOwner(t) {
		f.cost[t] = cost{}
		return
	}
	rule, ok := f.p.ownerRule(t.Name)
	switch {
	case !ok && matchesAny(f.apart, t.Name):
		f.kind[t] = Ownership{Kind: Everybodys, Why: "who did it, where, or about what: shared by all"}
	case !ok:
	case rule.nobody:
		f.kind[t] = Ownership{Kind: Nobodys, Why: "may be part of somebody's records, and no reference says whose"}
	case len(rule.columns) == 0:
		f.kind[t] = Ownership{Kind: Everybodys, Why: "the profile says so"}
	default:
		for _, name := range rule.columns {
			col := t.Column(name)
			switch {
			case col == nil:
				f.failExact(rule, t, "the table has no column %s", name)
			case col.leads() == nil && col.conditional():
				f.failExact(rule, t, "%s refers to a table in some rows only, and no path goes by that", name)
			case col.leads() == nil && col.refers() != nil:
				f.failExact(rule, t, "%s may name several rows of %s, which has no unique index on %s", name, col.refers().To.Name, col.refers().ToColumn.Name)
			case col.leads() == nil:
				f.failExact(rule, t, "%s refers to no table: say to which under [references.%s]", name, tomlKey(t.Name))
			case col.leads().To == t:
				f.failExact(rule, t, "%s refers to rows of the same table, which leads to no owner", name)
			default:
				f.by[t] = append(f.by[t], col)
			}
		}
		if len(f.by[t]) > 0 {
			f.said[t] = rule
		}
	}
}

// leads returns the reference that the column is in every row that has a value, if it names one row; nil: none.
func (c *Column) leads() *Ref {
	if r := c.refers(); r != nil && r.To.once(r.ToColumn) {
		return r
	}
	return nil
}

// once reports whether a value of the column is there once.
func (t *Table) once(c *Column) bool {
	only := func(ix []*Column) bool { return len(ix) == 1 && ix[0] == c }
	return only(t.PrimaryKey) || slices.ContainsFunc(t.Unique, only)
}

// refers returns the reference that the column is in every row that has a value, though it may name several rows; nil: none.
func (c *Column) refers() *Ref {
	switch {
	case c.plain:
	case c.Ref != nil && c.Ref.When == nil:
		return c.Ref
	case c.Ref == nil && len(c.links) > 0 && c.links[0].When == nil:
		return c.links[0] // to rows that have no key elsewhere; they have one here
	}
	return nil
}

// through returns what a path by way of a column costs.
func (f *finder) through(col *Column) (cost, bool) {
	r := col.leads()
	if r == nil || r.To == col.Table {
		return cost{}, false
	}
	rest, ok := f.cost[r.To]
	if !ok {
		return cost{}, false
	}
	rest.steps++
	if col.Nullable {
		rest.nullable++
	}
	return rest, true
}

// candidates are the columns by which rows of a table may belong.
func (f *finder) candidates(t *Table) []*Column {
	if _, settled := f.kind[t]; settled || f.isOwner(t) {
		return nil
	}
	if f.said[t].columns != nil {
		return f.by[t]
	}
	return t.Columns
}

// shorten looks for a shorter path of a table.
func (f *finder) shorten(t *Table) (shorter bool) {
	for _, col := range f.candidates(t) {
		if n, ok := f.through(col); ok {
			if old, known := f.cost[t]; !known || n.compare(old) < 0 {
				f.cost[t], shorter = n, true
			}
		}
	}
	return shorter
}

// best returns by which columns rows of a table belong that the profile does not name: those that refer to an owner itself, or else to what
// shares its key, all of them; or the one with which the shortest path begins, by name among equals.
func (f *finder) best(t *Table) []*Column {
	var equal, owners []*Column
	for _, col := range f.candidates(t) {
		if n, ok := f.through(col); ok && n == f.cost[t] {
			equal = append(equal, col)
			if col.leads().To == f.out.Table {
				owners = append(owners, col)
			}
		}
	}
	slices.SortFunc(equal, func(a, b *Column) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	switch {
	case len(equal) == 0:
		return nil
	case len(owners) > 0:
		return owners
	case f.isOwner(equal[0].leads().To):
		return equal
	}
	return equal[:1]
}

// settle puts together what is known of a table.
func (f *finder) settle(t *Table) Ownership {
	if o, ok := f.kind[t]; ok {
		return o
	}
	f.open = f.open[:0]
	paths, lost := f.paths(t)
	steps := 0
	for _, p := range paths {
		steps += len(p)
	}
	switch {
	case steps > maxSteps:
		f.failExact(f.said[t], t, "its paths have %d steps together, more than %d: name fewer columns", steps, maxSteps)
		return Ownership{Kind: Nobodys, Why: "too far from any owner"}
	case len(paths) > 0:
		return Ownership{Kind: Owned, Paths: paths}
	case lost != nil:
		return Ownership{Kind: Nobodys, Why: "belongs to " + lost.Name + ", of which nothing says whose it is"}
	}
	return f.without(t)
}

// without says what a table is that has no path. Where the profile sends up by default what belongs to somebody, a table that it sends up by
// name is taken for a part of somebody's records too.
func (f *finder) without(t *Table) Ownership {
	owners, _ := f.p.owners()
	if len(owners) > 0 && (t.Direction == access.Both || t.Direction == access.Up) {
		return Ownership{Kind: Nobodys, Why: "goes up, and no reference says whose it is"}
	}
	return Ownership{Kind: Everybodys, Why: "leads to no owner"}
}

// doubt makes a table nobody's that would be everybody's and refers to one that is not: to a nobody's, or to somebody's by a column that may
// name several rows.
func (f *finder) doubt(t *Table) bool {
	if _, settled := f.kind[t]; settled || f.out.of[t].Kind != Everybodys {
		return false
	}
	for _, col := range t.Columns {
		r := col.refers()
		switch {
		case r == nil || r.To == t:
		case f.out.of[r.To].Kind == Nobodys:
			f.out.of[t] = Ownership{Kind: Nobodys, Why: fmt.Sprintf("%s refers to %s, of which nothing says whose it is", col.Name, r.To.Name)}
			return true
		case f.out.of[r.To].Kind == Owned && col.leads() == nil:
			f.out.of[t] = Ownership{Kind: Nobodys, Why: fmt.Sprintf("%s may name several rows of %s", col.Name, r.To.Name)}
			return true
		}
	}
	return false
}

// paths returns the paths of a table, each once; lost is a table to which it belongs and which has none because it is nobody's.
func (f *finder) paths(t *Table) (paths []Path, lost *Table) {
	switch {
	case t == f.out.Table:
		return []Path{{}}, nil
	case f.isOwner(t):
		return []Path{{{t.Integer, f.out.Table.Integer}}}, nil
	}
	f.open = append(f.open, t)
	defer func() { f.open = f.open[:len(f.open)-1] }()
	for _, col := range f.by[t] {
		if len(paths) > maxSteps { // too many already, whatever the others add
			break
		}
		r := col.leads()
		switch {
		case f.isOwner(r.To) && r.ToColumn == r.To.Integer:
			paths = append(paths, Path{{col, f.out.Table.Integer}})
			continue
		case slices.Contains(f.open, r.To):
			f.failCircle(t, r.To)
			continue
		}
		rest, away := f.paths(r.To)
		if away != nil || len(rest) == 0 && f.kind[r.To].Kind == Nobodys {
			lost = r.To
		} else if len(rest) == 0 {
			f.failExact(f.said[t], t, "%s leads to %s, whose rows have no owner", col.Name, r.To.Name)
		}
		for _, p := range rest {
			paths = append(paths, append(Path{{col, r.ToColumn}}, p...))
		}
	}
	return paths, lost
}
