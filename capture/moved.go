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

// movedRow is a row that may be another owner's than before the seal: it was deleted or came back, or what it said of its owners changed. Of a
// user it is any change.
type movedRow struct {
	key   string
	at    journal.Row // as it was known before; of one that came, as it is now
	was   bool        // it was here before
	now   journal.Row // of a row that is here
	alive bool

	nobodys bool // it was nobody's, for the owner whose key it has was not here
}

// addWas keeps what a row said of its owners, if that is what a change says: the first time counts.
func (s *sealer) addWas(c journal.Change) bool {
	if c.Op != journal.OpWas {
		if rows := s.was[c.Table]; rows[c.Row] != nil {
			s.note(c.Table, c.Row)
		}
		return false
	}
	if s.was == nil {
		s.was, s.seen = map[uint16]map[journal.Row]map[string]int64{}, map[uint16]map[journal.Row]bool{}
	}
	if s.was[c.Table] == nil {
		s.was[c.Table], s.seen[c.Table] = map[journal.Row]map[string]int64{}, map[journal.Row]bool{}
	}
	if s.was[c.Table][c.Row] == nil {
		s.was[c.Table][c.Row] = map[string]int64{}
	}
	if _, had := s.was[c.Table][c.Row][c.Column]; !had {
		s.was[c.Table][c.Row][c.Column] = c.Was
	}
	return true
}

func (s *sealer) note(table uint16, r journal.Row) { s.seen[table][r] = true }

// isForNext reports whether a change belongs to one that this seal did not read: the portion ended between the two.
func (s *sealer) isForNext(c journal.Change) bool {
	return c.Op == journal.OpWas && s.more && !s.seen[c.Table][c.Row]
}

// findMoved finds the rows that may be others' now.
func (x *tableSealer) findMoved() {
	owners, err := x.j.Catalogue.Owners()
	if err != nil || owners.Table == nil {
		return
	}
	o := owners.Of(x.table)
	if o.Kind == schema.Everybodys && len(o.Names) == 0 {
		return
	}
	for key, e := range x.ended {
		if e.was.Known {
			now, alive := x.alive[key]
			x.out.moved = append(x.out.moved, movedRow{key: key, at: e.row, was: true, now: now, alive: alive})
		}
	}
	says := x.meta.ID
	for _, f := range x.folded {
		key, exists := x.keys[f.Row]
		if !exists || key == "" || x.ended[key].was.Known {
			continue
		}
		_, died := x.tombstones[key]
		switch {
		case !inserted(f) && (o.Kind == schema.Everybodys || x.was[says][f.Row] != nil || x.tellsOwners(f)):
			x.out.moved = append(x.out.moved, movedRow{key: key, at: f.Row, was: true, now: f.Row, alive: true})
		case inserted(f) && x.table == owners.Table && !died:
			x.out.came = append(x.out.came, key)
		case inserted(f) && (o.Kind == schema.Everybodys || died):
			x.out.moved = append(x.out.moved, movedRow{key: key, at: f.Row, now: f.Row, alive: true})
		}
	}
	slices.SortFunc(x.out.moved, func(a, b movedRow) int {
		if c := rowkey.Compare(a.at, b.at); c != 0 || a.key == b.key {
			return c
		}
		return map[bool]int{true: -1, false: 1}[a.key < b.key]
	})
}

// tellsOwners reports whether edits are of a column that says whose a row is.
func (x *tableSealer) tellsOwners(f *journal.Folded) bool {
	for _, c := range x.j.OwnerColumns(x.table) {
		bit := x.meta.Bit(c.Name)
		if bit != 0 && slices.ContainsFunc(f.Edits, func(e journal.Edit) bool { return e.Mask.Has(bit) }) {
			return true
		}
	}
	return false
}

// followScopes keeps whose the rows were that died, and follows what became another owner's, see package scope. It reports whether it took the
// seal's epoch.
func (s *sealer) followScopes(ctx context.Context, gate sqldb.DB, sealed map[*schema.Table]*SealedTable) (took bool, err error) {
	if owners, err := s.j.Catalogue.Owners(); err != nil {
		return false, s.ownersUnknown(ctx, err)
	} else if owners.Table == nil {
		return false, nil
	}
	some := false
	for _, x := range sealed {
		some = some || len(x.moved)+len(x.came) > 0
	}
	if !some {
		return false, nil
	}
	store, err := scopes.Open(ctx, s.j, scopes.Options{Read: s.snap, Write: gate, Cause: scopes.Seal, Epoch: func() (uint64, error) {
		took = true
		return s.stamper.Epoch, nil
	}})
	if err != nil {
		return false, err
	}
	m := &mover{sealer: s, store: store, node: store.Node(), before: map[scope.Row]scope.Place{}}
	for _, t := range s.j.Replicated() {
		if x := sealed[t]; x != nil && len(x.moved) > 0 {
			m.tables = append(m.tables, movedTable{t, x.moved})
		}
	}
	if err := m.addBases(ctx, sealed); err != nil {
		return false, err
	}
	if store.Idle() { // nothing is in anybody's sight that was not
		for i, t := range m.tables {
			m.tables[i].rows = slices.DeleteFunc(slices.Clone(t.rows), func(r movedRow) bool { return r.alive })
		}
	}
	for _, step := range []func(context.Context) error{m.findGone, m.findBefore, m.look, m.bury, m.follow} {
		if err := step(ctx); err != nil {
			return false, err
		}
	}
	return took, store.Flush()
}

// ownersUnknown returns an error if some child has a scope, and it cannot be said what it may have.
func (s *sealer) ownersUnknown(ctx context.Context, why error) error {
	any, err := journal.AnyScope(ctx, s.snap)
	if err == nil && any {
		err = why
	}
	return err
}

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
