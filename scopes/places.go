package scopes

import (
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// A Known is a row as it is known here, alive or dead.
type Known struct {
	Key   string      // canonical
	Local journal.Row // of a live row
	Alive bool
	Steps []string // of a live row: what the columns of [Store.Columns] hold, "" for NULL; nil: [Store.Fetch] reads it
}

// maxPlaces is how many places are held at once, and how many owners' entries.
const maxPlaces = 50_000

func (s *Store) forgetPlaces() {
	s.places, s.local = map[scope.Row]scope.Place{}, map[scope.Row]journal.Row{}
	maps.Copy(s.places, s.dead)
}

// Fetch reads where rows of a table stand now, with all that their paths lead to, and what is kept of their owners. What it knew of them is
// forgotten.
func (s *Store) Fetch(t *schema.Table, rows []Known) {
	if s.err != nil || !s.HasOwners() || len(rows) == 0 {
		return
	}
	changes := s.o.Write != nil && (t == s.owners.Table || slices.Contains(s.owners.Bases, t))
	if len(s.places)-len(s.dead) > maxPlaces || changes {
		s.forgetPlaces() // whose a row is by a number that is an owner's, or is none, changes with these
	}
	s.shrinkEntries()
	for _, row := range s.passing {
		delete(s.places, row)
		delete(s.local, row)
	}
	s.passing = s.passing[:0]
	passes := s.o.Write == nil && !s.owners.LeadsOver(t)
	for _, r := range rows {
		row := scope.Row{Table: t.Name, Key: r.Key}
		delete(s.places, row)
		delete(s.local, row)
		delete(s.dead, row)
		if passes {
			s.passing = append(s.passing, row)
		}
	}
	if held := s.heldKeys(t); held != nil {
		for _, r := range rows {
			if r.Alive {
				held[r.Local] = r.Key
			}
		}
	}
	s.fetch(t, rows)
	if len(s.children) == 0 || s.err != nil {
		return
	}
	if len(s.scoped) == 0 {
		var found []scope.Owner
		for _, r := range rows {
			found = s.gather(found, scope.Row{Table: t.Name, Key: r.Key}, maxDepth)
		}
		s.readEntries(found)
	}
	if t == s.owners.Table {
		s.locate(rows)
	}
}

// maxDepth is how many steps a path has at most.
const maxDepth = 16

// gather appends the owners to which known places lead.
func (s *Store) gather(out []scope.Owner, row scope.Row, steps int) []scope.Owner {
	p, ok := s.places[row]
	switch {
	case !ok || steps == 0:
	case p.Kind == scope.Own:
		return append(out, scope.Owner(row.Key))
	case p.Kind == scope.Owned:
		out = append(out, p.Owners...)
		for _, to := range p.To {
			out = s.gather(out, to, steps-1)
		}
	}
	return out
}

// Place returns where a row stands.
func (s *Store) Place(row scope.Row) scope.Place {
	t := s.table(row)
	if t == nil || s.err != nil {
		return scope.Place{}
	}
	if p, ok := s.places[row]; ok {
		return p
	}
	kind := s.kind(t)
	if kind == scope.Common {
		return scope.Place{Kind: kind}
	}
	here, err := rowkey.Find(s.ctx, s.o.Read, t, []string{row.Key})
	if s.fails(err) {
		return scope.Place{}
	}
	r, alive := here[row.Key]
	s.fetch(t, []Known{{Key: row.Key, Local: r, Alive: alive}})
	return s.places[row]
}

// PlaceOf returns where a row stands that came, by its references: ref returns the key of the row that a column refers to, canonical and as it is
// known here, false where it is NULL or did not come. Of a deletion nothing but the kind is said.
func (s *Store) PlaceOf(t *schema.Table, alive bool, ref func(*schema.Column) (string, bool)) scope.Place {
	p := scope.Place{Kind: s.kind(t), Alive: alive}
	if !alive || s.err != nil {
		return p
	}
	o := s.owners.Of(t)
	if p.Kind == scope.Staff {
		for _, c := range o.Names {
			if key, ok := ref(c); ok {
				p.To = append(p.To, scope.Row{Table: s.base(c).Name, Key: key})
			}
		}
		return p
	}
	for _, path := range o.Paths {
		if len(path) == 0 {
			continue
		}
		to := scope.Row{}
		if key, ok := ref(path[0].From); ok && len(path) > 1 {
			to = scope.Row{Table: path[0].To.Table.Name, Key: key}
		} else if ok {
			to = s.ownerByKey(t, key)
		}
		p.To = append(p.To, to)
	}
	p.To = trim(p.To)
	return p
}

// trim takes out what leads nowhere, unless nothing else is there.
func trim(to []scope.Row) []scope.Row {
	if slices.ContainsFunc(to, func(r scope.Row) bool { return r != scope.Row{} }) {
		return slices.DeleteFunc(to, func(r scope.Row) bool { return r == scope.Row{} })
	}
	return to[:min(len(to), 1)]
}

// ownerByKey returns the row to which a key leads by the last step of a path: an owner's, or that of the same key in the table whose key owners
// have. Of one that is not here nobody knows which; it is taken for an owner, unless the other died here.
func (s *Store) ownerByKey(from *schema.Table, key string) scope.Row {
	own := scope.Row{Table: s.owners.Table.Name, Key: key}
	if s.gone[own] {
		return own
	}
	if s.Place(own); s.alive(own) {
		return own
	}
	if slices.Contains(s.owners.Bases, from) { // its own key: nobody's until the owner is here
		return scope.Row{}
	}
	for _, t := range s.owners.Bases {
		base := scope.Row{Table: t.Name, Key: key}
		if s.Place(base); s.gone[base] || s.alive(base) || s.died(t, key) && !s.died(s.owners.Table, key) {
			return base
		}
	}
	return own
}

func (s *Store) alive(row scope.Row) bool { _, ok := s.local[row]; return ok }

func (s *Store) died(t *schema.Table, key string) bool {
	if s.j.Tables[t.Name] == nil {
		return false
	}
	dead, err := journal.Tombstones(s.ctx, s.o.Read, s.j.Tables[t.Name].ID, []string{key}, s.j.Authors)
	return !s.fails(err) && len(dead) > 0
}

// base returns the table with the owners' key that a column names rows of.
func (s *Store) base(c *schema.Column) *schema.Table {
	if c.Ref != nil {
		return c.Ref.To
	}
	return s.owners.Bases[0]
}

func (s *Store) table(row scope.Row) *schema.Table {
	if row == (scope.Row{}) {
		return nil
	}
	return s.j.Catalogue.Named(row.Table)
}

// kind says how rows of a table belong to owners.
func (s *Store) kind(t *schema.Table) scope.Kind {
	o := s.owners.Of(t)
	switch {
	case o.Kind == schema.Everybodys && len(o.Names) > 0:
		return scope.Staff
	case o.Kind == schema.Everybodys:
		return scope.Common
	case t == s.owners.Table:
		return scope.Own
	}
	return scope.Owned // nobody's rows have no path
}

// fetch reads where rows stand that are not known, and all that they lead to.
func (s *Store) fetch(t *schema.Table, rows []Known) {
	kind := s.kind(t)
	if kind == scope.Common || s.err != nil {
		return
	}
	var dead []string
	var alive []journal.Row
	byLocal, values := make(map[journal.Row]scope.Row, len(rows)), make(map[journal.Row][]string, len(rows))
	for _, r := range rows {
		row := scope.Row{Table: t.Name, Key: r.Key}
		switch _, known := s.places[row]; {
		case known || r.Key == "":
		case r.Alive:
			s.places[row], s.local[row] = scope.Place{Kind: kind, Alive: true}, r.Local
			if byLocal[r.Local] = row; r.Steps != nil {
				values[r.Local] = r.Steps
			} else {
				alive = append(alive, r.Local)
			}
		default:
			s.places[row] = scope.Place{Kind: kind}
			dead = append(dead, r.Key)
		}
	}
	if meta := s.j.Tables[t.Name]; meta != nil && kind == scope.Owned && len(dead) > 0 {
		buried, err := journal.Buried(s.ctx, s.o.Read, meta.ID, dead)
		if s.fails(err) {
			return
		}
		for key, owners := range buried {
			p := scope.Place{Kind: kind}
			for _, o := range owners {
				p.Owners = append(p.Owners, scope.Owner(o))
			}
			s.places[scope.Row{Table: t.Name, Key: key}] = p
		}
	}
	if kind == scope.Own || len(byLocal) == 0 {
		return
	}
	columns := s.firstSteps(t)
	if len(columns) == 0 {
		return
	}
	for some := range slices.Chunk(alive, fetchAtOnce) {
		names := make([]string, len(columns))
		for i, c := range columns {
			names[i] = c.Select("t.")
		}
		query := "SELECT " + journal.Identity(t, "t.") + ", " + strings.Join(names, ", ") + " " + rowkey.From(t, some, columns...)
		s.each("whose rows of "+t.Name+" are", []byte(query), func(r []sql.RawBytes) error {
			row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
			v := make([]string, len(columns))
			for i := range columns {
				v[i] = string(r[2+i]) // NULL: ""
			}
			values[row] = v
			return nil
		})
	}
	targets := make([]map[string]scope.Row, len(columns))
	for i, c := range columns {
		var wanted []string
		seen := map[string]bool{"": true}
		for _, v := range values {
			if !seen[v[i]] {
				seen[v[i]] = true
				wanted = append(wanted, v[i])
			}
		}
		slices.Sort(wanted)
		targets[i] = s.targets(t, c, wanted)
	}
	for local, row := range byLocal {
		v, here := values[local]
		if !here {
			s.places[row] = scope.Place{Kind: kind}
			delete(s.local, row)
			continue
		}
		p := scope.Place{Kind: kind, Alive: true}
		for i := range columns {
			if to := targets[i][v[i]]; kind == scope.Owned || to != (scope.Row{}) {
				p.To = append(p.To, to)
			}
		}
		if kind == scope.Owned {
			p.To = trim(p.To)
		}
		s.places[row] = p
	}
}

// fetchAtOnce is how many rows one statement names.
const fetchAtOnce = 1000

// firstSteps returns the columns that say whose the rows of a table are, or whom they name, each once and in the order of the paths.
func (s *Store) firstSteps(t *schema.Table) []*schema.Column {
	o := s.owners.Of(t)
	if o.Kind == schema.Everybodys {
		return o.Names
	}
	return o.Columns()
}

// step returns the path of a table that begins with a column.
func (s *Store) step(t *schema.Table, c *schema.Column) schema.Path {
	for _, p := range s.owners.Of(t).Paths {
		if len(p) > 0 && p[0].From == c {
			return p
		}
	}
	return nil
}

// OwnerTable returns the table whose rows are owners; nil: the profile names none.
func (s *Store) OwnerTable() *schema.Table { return s.owners.Table }
