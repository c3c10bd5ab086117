package capture

import (
	"context"
	"slices"

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
