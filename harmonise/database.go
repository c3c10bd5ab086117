package harmonise

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// database reads tables in one snapshot.
type database struct {
	*Plan
	q    sqldb.DB
	raw  *raw
	keys map[*schema.Table]map[string]string // canonical keys of a table's rows by their integers
	seen map[*schema.Table]map[string]bool   // keys of rows that the peer has had from here
}

// Database returns what this node's database holds. q must be a snapshot: everything is read from one moment.
func (p *Plan) Database(ctx context.Context, q sqldb.DB) (*match.Side, error) {
	d := p.database(q)
	for _, t := range p.j.Replicated() { // referred ones first, for their keys
		if p.columns[t] == nil {
			continue
		}
		if err := d.read(ctx, t); err != nil {
			return nil, err
		}
	}
	s := p.side(p.j.Self, d.raw)
	for i, t := range s.Tables {
		seen := d.seen[p.j.Catalogue.Table(t.Name)]
		for r := range t.Rows {
			s.Tables[i].Rows[r].Seen = seen[t.Rows[r].Key]
		}
	}
	return s, nil
}

func (p *Plan) database(q sqldb.DB) *database {
	return &database{Plan: p, q: q, raw: newRaw(), keys: map[*schema.Table]map[string]string{}, seen: map[*schema.Table]map[string]bool{}}
}

// read reads a table. Rows without a key have no name that others know: they are left out.
func (d *database) read(ctx context.Context, t *schema.Table) error {
	columns := d.columns[t]
	out := &rawTable{columns: map[*schema.Column]int{}}
	for i, c := range columns {
		out.columns[c] = i
	}
	d.raw.tables[t] = out
	all := slices.Concat(t.KeyColumns, columns)
	referred := make([]map[string]string, len(all))
	for i, c := range all {
		var err error
		if referred[i], err = d.referred(ctx, c); err != nil {
			return err
		}
	}
	sent, err := d.sent(ctx, t)
	if err != nil {
		return err
	}
	query := "SELECT " + journal.Identity(t, "")
	for _, c := range all {
		query += ", " + c.Select("")
	}
	query += " FROM " + schema.Quote(t.Name)
	if t.Integer != nil {
		query += " ORDER BY " + schema.Quote(t.Integer.Name)
	}
	filter := d.j.Profile.RowFilter(t.Name)
	seen := map[string]bool{} // where nothing keeps two rows from having one key
	err = sqldb.Each(ctx, d.q, query, func(v []sql.RawBytes) error {
		parts := make([]*string, len(all))
		for i, c := range all {
			parts[i] = translated(c, v[i+2], referred[i])
		}
		own := parts[:len(t.KeyColumns)]
		if slices.Contains(own, nil) {
			return nil
		}
		key := journal.Canonical(t, journal.JoinKey(own))
		if stays, known := journal.FilteredOut(t, filter, key); stays && known {
			return nil
		}
		if !t.KeyOnce() {
			if seen[key] {
				return nil
			}
			seen[key] = true
		}
		if sent != nil && sent(journal.Row{Int: sqldb.Int(v[0]), Key: string(v[1])}) {
			if d.seen[t] == nil {
				d.seen[t] = map[string]bool{}
			}
			d.seen[t][key] = true
		}
		return d.raw.add(out, rawRow{key, parts[len(own):]})
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	return nil
}

// sent returns what says of a row whether the peer has had it from here, or made it; nil: it has had none.
func (d *database) sent(ctx context.Context, t *schema.Table) (func(journal.Row) bool, error) {
	link := &d.with.Link
	if rules := link.Deciding(d.with.ID); rules.Carries() && link.Applied.Epoch == 0 {
		return nil, nil
	}
	rules, err := d.j.Deciding(ctx, d.q, d.with)
	if err != nil {
		return nil, err
	}
	meta := d.j.Tables[t.Name]
	entries, err := journal.AllVersions(ctx, d.q, meta.ID, d.j.Authors)
	if err != nil {
		return nil, err
	}
	changes, err := journal.TableChanges(ctx, d.q, meta.ID)
	if err != nil {
		return nil, err
	}
	made := map[journal.Row]bool{} // and not sealed yet
	for _, c := range changes {
		if c.Op != journal.OpUpdate {
			made[c.Row] = c.Op == journal.OpInsert
		}
	}
	return func(r journal.Row) bool {
		if made[r] {
			return false
		}
		groups, ok := entries[r]
		if !ok && meta.Default.IsEmpty() {
			return false
		}
		if !ok {
			groups = []merge.Group{meta.Default}
		}
		return rules.Had(merge.Row{Known: true, Alive: true, Groups: groups}, !d.sends[t])
	}, nil
}

// translated returns a value, or of a reference the key of the row that it refers to; nil for NULL and for what refers to nothing.
func translated(c *schema.Column, v sql.RawBytes, referred map[string]string) *string {
	if v == nil {
		return nil
	}
	s := string(v)
	switch {
	case referred != nil:
		key, ok := referred[s]
		if !ok {
			return nil
		}
		s = key
	case c.Ref != nil && c.Ref.When == nil:
		s = journal.Canonical(c.Ref.To, journal.JoinKey([]*string{&s}))
	}
	return &s
}

// referred returns the keys of the rows that a column of integers refers to; nil: it holds none.
func (d *database) referred(ctx context.Context, c *schema.Column) (map[string]string, error) {
	if c.Ref == nil || c.Ref.When != nil || c.Ref.ByName() {
		return nil, nil
	}
	return d.keysOf(ctx, c.Ref.To)
}

// keysOf returns the canonical keys of a table's rows by their integers.
func (d *database) keysOf(ctx context.Context, t *schema.Table) (map[string]string, error) {
	if known := d.keys[t]; known != nil {
		return known, nil
	}
	out := map[string]string{}
	d.keys[t] = out
	referred := make([]map[string]string, len(t.KeyColumns))
	query := []string{schema.Quote(t.Integer.Name)}
	for i, c := range t.KeyColumns {
		var err error
		if referred[i], err = d.referred(ctx, c); err != nil {
			return nil, err
		}
		query = append(query, c.Select(""))
	}
	err := sqldb.Each(ctx, d.q, "SELECT "+strings.Join(query, ", ")+" FROM "+schema.Quote(t.Name), func(v []sql.RawBytes) error {
		parts := make([]*string, len(t.KeyColumns))
		for i, c := range t.KeyColumns {
			if parts[i] = translated(c, v[i+1], referred[i]); parts[i] == nil {
				return nil
			}
		}
		key := journal.Canonical(t, journal.JoinKey(parts))
		if d.raw.bytes += len(key) + 64; d.raw.bytes > MaxBytes {
			return errTooMuch
		}
		out[string(v[0])] = key
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read keys of %s: %w", t.Name, err)
	}
	return out, nil
}
