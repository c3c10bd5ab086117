package export

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/owners"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// scoping is what an export knows of scopes.
type scoping struct {
	store   *scopes.Store
	node    scope.Node
	speaks  bool             // files may speak of scopes: some are there, and the peer reads that
	filters bool             // the peer is a child that may not have all rows, or might not until now
	all     bool             // it has lost its scope since base, and what was left out goes now
	said    *batch.ScopeItem // for the end of a batch; nil: nothing
	due     bool             // the peer is to hear of it even if there is nothing else
}

// ErrNoScopes means that a peer has a scope, and its program does not read what a file says of scopes.
var ErrNoScopes = errors.New("its program is too old for a child that may have some patients only: update omsync there, or let it have everything (omsync scope set)")

// CanHaveScope returns ErrNoScopes if a peer's program is too old to have a scope. Of a peer that was never heard from it is not known yet:
// it is sent headers alone until it was.
func CanHaveScope(p *journal.Peer, known features.Known) error {
	if p.Heard.History != 0 && !known.Writable(p.Heard).Has(features.Scopes) {
		return ErrNoScopes
	}
	return nil
}

// askedAgain is how long a request counts as new after it was made: a file under way may lack it.
const askedAgain = 10 * time.Second

// readScopes reads what is kept of scopes. silent: the peer may have some rows only, and was never heard from: no row goes to it yet.
func (p *plan) readScopes(ctx context.Context) (silent bool, err error) {
	store, err := scopes.Open(ctx, p.j, scopes.Options{Read: p.snap})
	if err != nil || !store.HasOwners() || store.Idle() {
		return false, err
	}
	s := scoping{store: store, node: store.Node(), speaks: p.features.Writable(p.peer.Heard).Has(features.Scopes) && !p.match}
	child := p.peer.Role == access.Child
	c := s.node.Child(p.peer.ID)
	if s.filters = child && !(c.All && c.Since == 0); s.filters {
		s.all = c.All
		if err := CanHaveScope(p.peer, p.features); err != nil {
			return false, err
		}
		silent = !p.features.Writable(p.peer.Heard).Has(features.Scopes)
	}
	p.scopes = s
	return silent, nil
}

// sayScopes settles what the header would say of scopes. The base of the batch is known by now.
func (p *plan) sayScopes() error {
	s := &p.scopes
	if !s.speaks {
		return nil
	}
	base := p.head.Base.Epoch
	if p.peer.Role != access.Child {
		wants := s.node.Asks()
		s.said = &batch.ScopeItem{Wants: p.theirOwners(wants)}
		s.due = len(wants) > 0 && s.store.AskedLast().Add(askedAgain).After(p.peer.SentAt)
		return s.store.Err()
	}
	c := s.node.Child(p.peer.ID)
	s.said = &batch.ScopeItem{Said: true, Whole: c.All}
	if !c.All {
		var entered, left, denied, purge []scope.Owner
		for o, e := range s.store.Changed(p.peer.ID, base) {
			if e.Entered(base) {
				entered = append(entered, o)
			}
			if e.Left(base) {
				left = append(left, o)
				if e.Purge {
					purge = append(purge, o)
				}
			}
			if e.Refused(base) {
				denied = append(denied, o)
			}
		}
		if n := len(entered) + len(left) + len(denied) + len(purge); n > batch.MaxOwners {
			return fmt.Errorf("its scope has %d patients, and a file names no more than %d: let it have everything (omsync scope set)", n, batch.MaxOwners)
		}
		s.said.Entered, s.said.Left, s.said.Denied, s.said.Purge = p.theirOwners(entered), p.theirOwners(left), p.theirOwners(denied), p.theirOwners(purge)
		s.due = len(entered)+len(left)+len(denied) > 0
	}
	s.due = s.due || c.Due(base)
	if s.filters {
		s.store.Locate(p.peer.ID)
	}
	return s.store.Err()
}

// theirOwners returns owners by the peer's keys, in rising order.
func (p *plan) theirOwners(own []scope.Owner) []string {
	out := make([]string, 0, len(own))
	root := p.scopes.store.Owners().Table.Root
	for _, o := range own {
		out = append(out, p.theirs(root, string(o)))
	}
	slices.Sort(out)
	return out
}

// theirTexts is theirOwners for what the journal keeps with a row: in its order.
func (p *plan) theirTexts(own []string) []string {
	out := make([]string, 0, len(own))
	root := p.scopes.store.Owners().Table.Root
	for _, o := range own {
		out = append(out, p.theirs(root, o))
	}
	return out
}

// filtered reports whether rows of a table go by the owners that they have.
func (p *plan) filtered(t *schema.Table) bool {
	if !p.scopes.filters {
		return false
	}
	kind := p.scopes.store.Kind(t)
	return kind == scope.Own || kind == scope.Owned
}

// comes reports whether rows of a table may have come into sight of the peer since the base of the batch, however old they are.
func (p *plan) comes(t *table) bool {
	s := &p.scopes
	if !p.filtered(t.Table) {
		return false
	}
	base := t.base(p.head.Base.Epoch)
	return s.lost(p, base) || len(s.store.Came(p.peer.ID, base)) > 0 || len(s.store.ExceptionsSince(p.peer.ID, base)) > 0 || len(s.store.PublicSince(base)) > 0
}

// lost reports whether the peer has lost its scope since an epoch.
func (s *scoping) lost(p *plan, base uint64) bool { return s.all && s.node.Child(p.peer.ID).Due(base) }

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
	came := s.store.Came(r.peer.ID, base)
	if err := s.store.Err(); err != nil {
		return err
	}
	o := s.store.Owners()
	err := owners.Rows(ctx, r.snap, o, t.Table, came, func(page []journal.Row) error { return r.eachOf(ctx, page, f) })
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
				_, is := slices.BinarySearch(came, id)
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

// see finds since when the peer has rows of the table in sight, before they are read.
func (r *reader) see(ctx context.Context, rows []journal.Row) error {
	if !r.filtered(r.t.Table) {
		return nil
	}
	r.sights = make(map[journal.Row]scope.Sight, len(rows))
	keys, err := rowkey.Of(ctx, r.snap, r.t.Table, rows)
	if err != nil {
		return err
	}
	known := make([]scopes.Known, 0, len(rows))
	for _, row := range rows {
		if key := keys[row]; key != "" {
			known = append(known, scopes.Known{Key: journal.Canonical(r.t.Table, key), Local: row, Alive: true})
		}
	}
	s := &r.scopes
	s.store.Fetch(r.t.Table, known)
	for _, k := range known {
		r.sights[k.Local] = s.node.Sight(r.peer.ID, scope.Row{Table: r.t.Name, Key: k.Key})
	}
	return s.store.Err()
}

// seeThose is see for the rows that the end of a query picks, of a table without an integer primary key.
func (r *reader) seeThose(ctx context.Context, which string) error {
	if !r.filtered(r.t.Table) {
		return nil
	}
	var rows []journal.Row
	query := "SELECT " + journal.Identity(r.t.Table, "") + " FROM " + schema.Quote(r.t.Name) + " " + which
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
	var came, keys []string
	for o, e := range s.store.Changed(p.peer.ID, base) {
		if e.Since > base {
			came = append(came, string(o))
		}
	}
	for _, row := range append(s.store.ExceptionsSince(p.peer.ID, base), s.store.PublicSince(base)...) {
		if row.Table == t.Name {
			keys = append(keys, row.Key)
		}
	}
	if err := s.store.Err(); err != nil {
		return nil, nil, err
	}
	slices.Sort(came)
	old, err := journal.TombstonesOf(ctx, p.snap, t.meta.ID, came, p.j.Authors)
	if err != nil {
		return nil, nil, err
	}
	dead, err := journal.Tombstones(ctx, p.snap, t.meta.ID, keys, p.j.Authors)
	if err != nil {
		return nil, nil, err
	}
	all := append(newer, old...)
	for key, v := range dead {
		all = append(all, journal.Tombstone{Key: key, Version: v})
	}
	slices.SortFunc(all, func(a, b journal.Tombstone) int {
		if a.Key < b.Key {
			return -1
		} else if a.Key > b.Key {
			return 1
		}
		return 0
	})
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

// ownersOfDead returns whose deleted rows were, by the peer's keys, where a file says that: to a parent, and to a child that has everything.
func (p *plan) ownersOfDead(ctx context.Context, t *table, dead []journal.Tombstone) ([][]string, error) {
	if !p.scopes.speaks || p.scopes.filters && !p.scopes.all || p.scopes.store.Kind(t.Table) != scope.Owned {
		return nil, nil
	}
	keys := make([]string, len(dead))
	for i, d := range dead {
		keys[i] = d.Key
	}
	buried, err := journal.Buried(ctx, p.snap, t.meta.ID, keys)
	if err != nil || len(buried) == 0 {
		return nil, err
	}
	out := make([][]string, len(dead))
	for i, d := range dead {
		out[i] = p.theirTexts(buried[d.Key])
	}
	return out, nil
}

// sendsRecord reports whether the peer may have a conflict record by whose it is.
func (p *plan) sendsRecord(c journal.Conflict) bool {
	if !p.scopes.filters {
		return true
	}
	of := make([]scope.Owner, len(c.Owners))
	for i, o := range c.Owners {
		of[i] = scope.Owner(o)
	}
	return p.scopes.node.SendsRecord(p.peer.ID, scope.Row{Table: c.Table, Key: c.Key}, of)
}

// saysPublic reports whether rows of a table say that all may have them.
func (p *plan) saysPublic(t *schema.Table) bool { return p.scopes.speaks && p.scopes.store.IsBase(t) }

// addPublic adds the column that says which rows all may have.
func (x *exporter) addPublic(t *table, b *batch.Rows, keys []string) {
	if !x.saysPublic(t.Table) {
		return
	}
	var v batch.Values
	for i, key := range keys {
		if key == "" || !x.scopes.store.Public(scope.Row{Table: t.Name, Key: journal.Canonical(t.Table, key)}).In() {
			continue
		}
		if v.Bytes == nil {
			v.Bytes = make([][]byte, len(keys))
		}
		v.Bytes[i] = []byte("1")
	}
	b.Columns = append(b.Columns, v)
}
