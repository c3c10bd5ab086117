package harmonise

import (
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Plan says which tables are compared with a peer, and what is read of which tables for that.
type Plan struct {
	j      *journal.Journal
	with   *journal.Peer
	tables []*schema.Table // compared, referred ones first
	keys   map[*schema.Table][]*schema.NaturalKey
	labels map[*schema.Table]*schema.NaturalKey
	unique map[*schema.Table][][]*schema.Column
	sends  map[*schema.Table]bool
	// columns are what is read of each table: of those that are compared, and of those whose rows belong to theirs.
	columns map[*schema.Table][]*schema.Column
}

// NewPlan returns what is compared on the link to a peer: the exchanged tables that have natural keys or unique values or that rows which
// go up refer to, and the tables that these keys refer to.
func NewPlan(j *journal.Journal, peer *journal.Peer) *Plan {
	p := &Plan{j: j, with: peer, keys: map[*schema.Table][]*schema.NaturalKey{}, labels: map[*schema.Table]*schema.NaturalKey{}, unique: map[*schema.Table][][]*schema.Column{},
		sends: map[*schema.Table]bool{}, columns: map[*schema.Table][]*schema.Column{}}
	wanted := map[*schema.Table]bool{}
	for _, t := range j.Replicated() {
		if t.Key == schema.KeyAll || t.Direction == access.None {
			continue
		}
		p.sends[t] = access.On(j.Access(t), peer.ID, peer.Role).Sends()
		p.keys[t], p.labels[t], p.unique[t] = p.naturalKeys(t), j.Profile.Label(j.Catalogue, t), p.uniqueKeys(t)
		wanted[t] = len(p.keys[t]) > 0 || len(p.unique[t]) > 0 || knownByName(t)
	}
	for _, t := range j.Replicated() {
		if p.sends[t] || t.Key == schema.KeyAll || t.Direction == access.None {
			continue
		}
		wanted[t] = wanted[t] || slices.ContainsFunc(t.Children, func(r *schema.Ref) bool { return p.sends[r.From.Table] })
	}
	for again := true; again; {
		again = false
		for _, t := range j.Replicated() {
			if !wanted[t] {
				continue
			}
			for _, to := range p.referred(t) {
				if !wanted[to] && p.columnsMayGo(to) {
					wanted[to], again = true, true
				}
			}
		}
	}
	for _, t := range j.Replicated() {
		if wanted[t] {
			p.tables = append(p.tables, t)
			p.read(t)
		}
	}
	return p
}

// columnsMayGo reports whether the rows of a table are exchanged, and have keys of their own.
func (p *Plan) columnsMayGo(t *schema.Table) bool {
	_, known := p.sends[t]
	return known
}

// naturalKeys returns those natural keys of a table of which everything may leave the database.
func (p *Plan) naturalKeys(t *schema.Table) (out []*schema.NaturalKey) {
	for _, k := range p.j.Profile.NaturalKeys(p.j.Catalogue, t) {
		if !slices.ContainsFunc(k.Columns, hidden) {
			out = append(out, k)
		}
	}
	return out
}

// hidden reports whether a column's values never leave the database, or mean nothing elsewhere.
func hidden(c *schema.Column) bool { return c.Excluded != "" || c.Local || c.Generated }

// knownByName reports whether a name is the key of the rows.
func knownByName(t *schema.Table) bool {
	return len(t.KeyColumns) == 1 && t.KeyColumns[0].Ref == nil && !t.KeyColumns[0].UUIDColumn && !t.KeyColumns[0].Local
}

// uniqueKeys returns what rows of two sites may collide in: unique indexes, a primary key of what they refer to, and the names by which people log in, which nobody may have
// twice either. Names that each site counts by itself may be equal.
func (p *Plan) uniqueKeys(t *schema.Table) (out [][]*schema.Column) {
	if names := p.j.Profile.Names(t.Name); names != nil {
		for _, name := range names.Columns {
			if c := t.Column(name); c != nil && !hidden(c) && !slices.Contains(names.Numbered, name) {
				out = append(out, []*schema.Column{c})
			}
		}
	}
	for _, columns := range append([][]*schema.Column{t.PrimaryKey}, t.Unique...) {
		if slices.ContainsFunc(columns, func(c *schema.Column) bool {
			return hidden(c) || c.UUIDColumn || c.Ref != nil && c.Ref.When != nil
		}) {
			continue
		}
		if slices.ContainsFunc(columns, func(c *schema.Column) bool { return !c.Key }) {
			out = append(out, columns)
		}
	}
	return out
}

// referred returns the tables that the keys and labels of a table refer to.
func (p *Plan) referred(t *schema.Table) (out []*schema.Table) {
	add := func(columns []*schema.Column) {
		for _, c := range columns {
			if c.Ref != nil && c.Ref.When == nil {
				out = append(out, c.Ref.To)
			}
		}
	}
	for _, k := range p.keys[t] {
		add(k.Columns)
	}
	if l := p.labels[t]; l != nil {
		add(l.Columns)
	}
	for _, columns := range p.unique[t] {
		add(columns)
	}
	add(t.KeyColumns)
	return out
}

// read notes what is read for a table.
func (p *Plan) read(t *schema.Table) {
	p.want(t)
	natural := p.keys[t]
	if l := p.labels[t]; l != nil {
		natural = append(slices.Clone(natural), l)
	}
	for _, k := range natural {
		p.want(k.Of, k.Columns...)
		if k.By != nil {
			p.want(k.Of, k.By)
		}
		for _, f := range k.Where {
			p.want(k.Of, f.Column)
		}
	}
	for _, columns := range p.unique[t] {
		p.want(t, columns...)
	}
}

// want notes columns that are read of a table. Its key is read besides.
func (p *Plan) want(t *schema.Table, columns ...*schema.Column) {
	if p.columns[t] == nil {
		p.columns[t] = []*schema.Column{}
	}
	for _, c := range columns {
		if !slices.Contains(p.columns[t], c) && !hidden(c) {
			p.columns[t] = append(p.columns[t], c)
		}
	}
}

// Columns returns what a file for matching holds: of each table the columns whose values stand beside the rows' keys.
func (p *Plan) Columns() map[*schema.Table][]*schema.Column { return p.columns }
