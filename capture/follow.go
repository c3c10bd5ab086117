package capture

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// mover follows the moved rows of one seal.
type mover struct {
	*sealer
	store  *scopes.Store
	node   scope.Node
	tables []movedTable
	before map[scope.Row]scope.Place
	views  []scope.View
}

type movedTable struct {
	*schema.Table
	rows []movedRow
}

func (t movedTable) row(r movedRow) scope.Row { return scope.Row{Table: t.Name, Key: r.key} }

// addBases adds the rows that have the keys of owners who came or went, and were here before without a change of their own: whose they are has
// changed with that.
func (m *mover) addBases(ctx context.Context, sealed map[*schema.Table]*SealedTable) error {
	owners, _ := m.j.Catalogue.Owners()
	x := sealed[owners.Table]
	if x == nil || m.store.Idle() {
		return nil
	}
	nobodys := map[string]bool{} // by key
	for _, r := range x.moved {
		if r.was != r.alive {
			nobodys[r.key] = !r.was
		}
	}
	for _, key := range x.came {
		nobodys[key] = true
	}
	keys := slices.Sorted(maps.Keys(nobodys))
	for _, base := range owners.Bases {
		if m.j.Tables[base.Name] == nil {
			continue
		}
		here, err := rowkey.Find(ctx, m.snap, base, keys)
		if err != nil {
			return err
		}
		changed := map[journal.Row]bool{}
		for _, f := range m.folded[base] {
			changed[f.Row] = inserted(f)
		}
		var rows []movedRow
		for _, key := range keys {
			if r, ok := here[key]; ok && !changed[r] {
				rows = append(rows, movedRow{key: key, at: r, was: true, now: r, alive: true, nobodys: nobodys[key]})
			}
		}
		m.add(base, rows)
	}
	return nil
}

func (m *mover) add(t *schema.Table, rows []movedRow) {
	i := slices.IndexFunc(m.tables, func(x movedTable) bool { return x.Table == t })
	switch {
	case len(rows) == 0:
	case i < 0:
		m.tables = append(m.tables, movedTable{t, rows})
	default:
		m.tables[i].rows = append(slices.Clone(m.tables[i].rows), rows...)
	}
}

// findGone tells the store of the rows that were here before.
func (m *mover) findGone(context.Context) error {
	for _, t := range m.tables {
		for _, r := range t.rows {
			if r.was && !r.alive {
				m.store.Gone(t.row(r))
			}
		}
	}
	return nil
}

// findBefore finds where the rows stood before the seal. Of a row of which no trigger noted what it said nobody knows.
func (m *mover) findBefore(ctx context.Context) error {
	for _, t := range m.tables {
		columns := m.columns(t.Table)
		keys := make([]map[string]*string, len(columns))
		for i, c := range columns {
			var values []string
			for _, r := range t.rows {
				if v, ok := m.said(t.Table, c, r); ok && r.was {
					values = append(values, v)
				}
			}
			var err error
			if keys[i], err = m.referredBefore(ctx, c, values); err != nil {
				return err
			}
		}
		var back []string
		for _, r := range t.rows {
			if !r.was {
				back = append(back, r.key)
				continue
			}
			if r.nobodys {
				m.before[t.row(r)] = m.store.PlaceOf(t.Table, true, func(*schema.Column) (string, bool) { return "", false })
				continue
			}
			m.before[t.row(r)] = m.store.PlaceOf(t.Table, true, func(c *schema.Column) (string, bool) {
				if c == t.Integer && c.Ref == nil { // the row has an owner's key
					return r.key, true
				}
				v, ok := m.said(t.Table, c, r)
				if i := slices.Index(columns, c); ok && i >= 0 && keys[i][v] != nil {
					return *keys[i][v], true
				}
				return "", false
			})
		}
		if len(back) == 0 {
			continue
		}
		buried, err := journal.Buried(ctx, m.snap, m.j.Tables[t.Name].ID, back)
		if err != nil {
			return err
		}
		for _, key := range back {
			p := m.store.PlaceOf(t.Table, false, nil)
			for _, o := range buried[key] {
				p.Owners = append(p.Owners, scope.Owner(o))
			}
			m.before[scope.Row{Table: t.Name, Key: key}] = p
		}
	}
	m.store.Recall(m.before)
	return m.store.Err()
}

// columns returns the columns that say whose the rows of a table are.
func (m *mover) columns(t *schema.Table) []*schema.Column {
	owners, _ := m.j.Catalogue.Owners()
	return owners.Of(t).Columns()
}

// said returns what a column held before the seal; false: NULL, or nobody knows.
func (m *mover) said(t *schema.Table, c *schema.Column, r movedRow) (string, bool) {
	if c == t.Integer {
		return strconv.FormatInt(r.at.Int, 10), true
	}
	if i := slices.Index(t.LocalColumns, c); t.Integer == nil && i >= 0 {
		parts, err := schema.ParseLocalKey(t, r.at.Key)
		if err != nil || parts[i] == nil {
			return "", false
		}
		return string(parts[i]), true
	}
	n := m.was[m.j.Tables[t.Name].ID][r.at][c.Name]
	return strconv.FormatInt(n, 10), n != 0
}

// referredBefore returns the keys, canonical, of the rows that values of a column named before the seal.
func (m *mover) referredBefore(ctx context.Context, c *schema.Column, values []string) (map[string]*string, error) {
	if c.Ref == nil || len(values) == 0 {
		return nil, nil
	}
	slices.Sort(values)
	out := map[string]*string{}
	var here []string
	for _, v := range slices.Compact(values) {
		if c.Ref.ByName() || len(m.foldedAt(c.Ref.To, journal.Row{Int: sqldb.Int([]byte(v))})) == 0 {
			here = append(here, v)
			continue
		}
		key, err := m.deadReference(ctx, c.Ref, v, journal.Death{First: true})
		if err != nil {
			return nil, err
		}
		out[v] = key
	}
	found, err := rowkey.Referred(ctx, m.snap, c.Ref, here)
	if err != nil {
		return nil, fmt.Errorf("look for what rows of %s referred to: %w", c.Table.Name, err)
	}
	for _, v := range here {
		out[v] = found[v]
	}
	for v, key := range out {
		if key == nil || *key == "" {
			delete(out, v)
			continue
		}
		k := journal.Canonical(c.Ref.To, *key)
		out[v] = &k
	}
	return out, nil
}

// look looks at all rows as they stood before the whole of the seal.
func (m *mover) look(context.Context) error {
	before := m.node.Before(m.before)
	for _, t := range m.tables {
		for _, r := range t.rows {
			m.views = append(m.views, before.Look(t.row(r)))
		}
	}
	return m.store.Err()
}

// bury keeps whose the rows were that died.
func (m *mover) bury(context.Context) error {
	i := 0
	for _, t := range m.tables {
		died := map[string][]scope.Owner{}
		for _, r := range t.rows {
			if !r.alive {
				died[r.key] = m.views[i].Owners
			}
			i++
		}
		if err := m.store.Died(t.Table, died); err != nil {
			return err
		}
	}
	return nil
}

// follow follows each row to where it stands now.
func (m *mover) follow(context.Context) error {
	if m.store.Idle() {
		return nil
	}
	for _, t := range m.tables {
		var alive []scopes.Known
		for _, r := range t.rows {
			if r.alive {
				alive = append(alive, scopes.Known{Key: r.key, Local: r.now, Alive: true})
			}
		}
		m.store.Fetch(t.Table, alive)
	}
	for _, v := range m.views {
		m.node.Follow(v)
	}
	return m.store.Err()
}
