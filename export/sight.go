package export

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/owners"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// eachInSight hands on the rows of a table that the peer lacks and may have: those of owners who came into its scope, and then what else is newer.
func (r *reader) eachInSight(ctx context.Context, lacksDefault bool, f func(*portion) error) error {
	s, t := &r.scopes, r.t
	base := t.base(r.head.Base.Epoch)
	switch {
	case t.Integer == nil:
		return r.eachByLocalKey(ctx, f)
	case s.lost(r.plan, base) || s.all && lacksDefault:
		return r.eachByRange(ctx, f)
	}
	if lacksDefault { // all that it may have
		base = 0
	}
	came, err := r.came(ctx, base)
	if err != nil {
		return err
	}
	if came.many {
		if !s.whole {
			s.whole = true
			s.store.ReadScope(r.peer.ID)
		}
		return r.eachByRange(ctx, f)
	}
	o := s.store.Owners()
	err = owners.Rows(ctx, r.snap, o, t.Table, came.ids, func(page []journal.Row) error { return r.eachOf(ctx, page, f) })
	if err != nil {
		return err
	}
	rest, err := journal.Newer(ctx, r.snap, t.meta.ID, t.base(r.head.Base.Epoch), t.knows)
	if err != nil {
		return err
	}
	if lacksDefault {
		rest = nil // in sight by an owner, and so handed on, or by what follows
	}
	if t.refused != nil {
		rest = r.withRefused(rest)
	}
	shown, err := r.shown(ctx, base)
	if err != nil {
		return err
	}
	rest = append(rest, shown...)
	slices.SortFunc(rest, rowkey.Compare)
	rest = slices.Compact(rest)
	for some := range slices.Chunk(rest, blockRows) {
		ends, err := owners.Of(ctx, r.snap, o, t.Table, some)
		if err != nil {
			return err
		}
		some = slices.DeleteFunc(slices.Clone(some), func(row journal.Row) bool {
			return slices.ContainsFunc(ends[row].Owners, func(id int64) bool {
				_, is := slices.BinarySearch(came.ids, id)
				return is
			})
		})
		if err := r.eachOf(ctx, some, f); err != nil {
			return err
		}
	}
	return nil
}

// shown returns rows of the table that came into sight by themselves since an epoch: by an exception, or because all may have them, and what
// belongs by way of such a row.
func (r *reader) shown(ctx context.Context, base uint64) (out []journal.Row, err error) {
	s := &r.scopes
	by := map[string][]string{}
	for _, row := range s.store.ExceptionsSince(r.peer.ID, base) {
		by[row.Table] = append(by[row.Table], row.Key)
	}
	for _, row := range s.store.PublicSince(base) {
		if row.Table == r.t.Name { // nothing else that is theirs goes with it
			by[row.Table] = append(by[row.Table], row.Key)
		}
	}
	if err := s.store.Err(); err != nil {
		return nil, err
	}
	for name, keys := range by {
		via := r.j.Catalogue.Named(name)
		if via == nil {
			continue
		}
		here, err := rowkey.Find(ctx, r.snap, via, keys)
		if err != nil {
			return nil, err
		}
		var ids []int64
		for _, row := range here {
			if via == r.t.Table {
				out = append(out, row)
			}
			ids = append(ids, row.Int)
		}
		if via == r.t.Table || via.Integer == nil {
			continue
		}
		err = owners.Through(ctx, r.snap, s.store.Owners(), r.t.Table, via, ids, func(page []journal.Row) error {
			out = append(out, page...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// see finds since when the peer has rows of the table in sight, before they are read. What [reader.cut] read of them need not be asked for.
func (r *reader) see(ctx context.Context, rows []journal.Row) error {
	if !r.filtered(r.t.Table) {
		return nil
	}
	r.sights = make(map[journal.Row]scope.Sight, len(rows))
	s := &r.scopes
	var keys map[journal.Row]string
	if r.stands == nil || hasReferenceInKey(r.t) {
		keys = s.store.Keys(r.t.Table, rows)
	}
	known := make([]scopes.Known, 0, len(rows))
	for _, row := range rows {
		k := scopes.Known{Key: keys[row], Local: row, Alive: true}
		if stand, read := r.stands[row]; read {
			if k.Steps = stand.steps; keys == nil {
				k.Key = journal.Canonical(r.t.Table, rowkey.Join(r.t.Table, stand.key))
			}
		}
		if k.Key != "" {
			known = append(known, k)
		}
	}
	s.store.Fetch(r.t.Table, known)
	for _, k := range known {
		r.sights[k.Local] = s.node.Sight(r.peer.ID, scope.Row{Table: r.t.Name, Key: k.Key})
	}
	return s.store.Err()
}

// allOut reports whether the peer has none of the rows in sight that are read next.
func (r *reader) allOut() bool {
	if r.sights == nil {
		return false
	}
	for _, s := range r.sights {
		if s.In() {
			return false
		}
	}
	return true
}

// seeThose is see for the rows that a statement picks, by what it says from FROM on, of a table without an integer primary key.
func (r *reader) seeThose(ctx context.Context, which string) error {
	if !r.filtered(r.t.Table) {
		return nil
	}
	var rows []journal.Row
	query := "SELECT " + journal.Identity(r.t.Table, "t.") + " " + which
	err := sqldb.Each(ctx, r.snap, query, func(v []sql.RawBytes) error {
		rows = append(rows, journal.Row{Int: sqldb.Int(v[0]), Key: string(v[1])})
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", r.t.Name, err)
	}
	return r.see(ctx, rows)
}

// deadInSight returns the deletions of a table that the peer lacks and may know of, of those that are newer and of those that came into its sight,
// and since when it has each in sight.
func (p *plan) deadInSight(ctx context.Context, t *table, newer []journal.Tombstone) ([]journal.Tombstone, map[string]scope.Sight, error) {
	s := &p.scopes
	base := t.base(p.head.Base.Epoch)
	var keys []string
	for _, row := range append(s.store.ExceptionsSince(p.peer.ID, base), s.store.PublicSince(base)...) {
		if row.Table == t.Name {
			keys = append(keys, row.Key)
		}
	}
	if err := s.store.Err(); err != nil {
		return nil, nil, err
	}
	var old []journal.Tombstone
	has, err := p.hasGraves(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	if has {
		came, err := p.came(ctx, base)
		if err != nil {
			return nil, nil, err
		}
		if old, err = journal.TombstonesOf(ctx, p.snap, t.meta.ID, came.keys, p.j.Authors); err != nil {
			return nil, nil, err
		}
	}
	dead, err := journal.Tombstones(ctx, p.snap, t.meta.ID, keys, p.j.Authors)
	if err != nil {
		return nil, nil, err
	}
	all := append(newer, old...)
	for key, v := range dead {
		all = append(all, journal.Tombstone{Key: key, Version: v})
	}
	slices.SortFunc(all, func(a, b journal.Tombstone) int { return strings.Compare(a.Key, b.Key) })
	all = slices.CompactFunc(all, func(a, b journal.Tombstone) bool { return a.Key == b.Key })
	sights := map[string]scope.Sight{}
	var out []journal.Tombstone
	for some := range slices.Chunk(all, blockRows) {
		known := make([]scopes.Known, len(some))
		for i, d := range some {
			known[i].Key = d.Key
		}
		s.store.Fetch(t.Table, known)
		for _, d := range some {
			sight := s.node.Sight(p.peer.ID, scope.Row{Table: t.Name, Key: d.Key})
			if sight.Sends(merge.Row{Known: true, Dead: d.Version}, base, t.knows) {
				sights[d.Key] = sight
				out = append(out, d)
			}
		}
	}
	return out, sights, s.store.Err()
}
