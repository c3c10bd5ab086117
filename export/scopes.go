package export

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// scoping is what an export knows of scopes.
type scoping struct {
	store   *scopes.Store
	node    scope.Node
	speaks  bool             // files may speak of scopes: some are there, and the peer reads that
	byName  bool             // so, and owners are asked for by identifiers
	filters bool             // the peer is a child that may not have all rows, or might not until now
	all     bool             // it has lost its scope since base, and what was left out goes now
	said    *batch.ScopeItem // for the end of a batch; nil: nothing
	due     bool             // the peer is to hear of it even if there is nothing else

	since  map[uint64]*newcomers // by own epochs
	whole  bool                  // all of the peer's scope was read
	graves map[uint16]bool       // tables of whose deleted rows it is known whose they were; nil: not read yet
}

// newcomers is who came into the peer's scope after an own epoch.
type newcomers struct {
	ids  []int64  // local ids of those who are here, in rising order
	keys []string // of all, in rising order
	many bool     // whole tables are read for them, rather than what is theirs
}

// manyNewcomers is from how many owners on whole tables may be read for them, manyOf from which part of all that there are.
const (
	manyNewcomers = 200
	manyOf        = 3
)

// came returns who came into the peer's scope after an own epoch.
func (p *plan) came(ctx context.Context, base uint64) (*newcomers, error) {
	s := &p.scopes
	if n := s.since[base]; n != nil {
		return n, nil
	}
	n := &newcomers{ids: s.store.Came(p.peer.ID, base)}
	for o, e := range s.store.Changed(p.peer.ID, base) {
		if e.Since > base {
			n.keys = append(n.keys, string(o))
		}
	}
	slices.Sort(n.keys)
	if err := s.store.Err(); err != nil {
		return nil, err
	}
	if len(n.ids) >= manyNewcomers { // no more of them are counted than matters
		query := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d) o", schema.Quote(s.store.OwnerTable().Name), manyOf*len(n.ids)+1)
		err := sqldb.Each(ctx, p.snap, query, func(r []sql.RawBytes) error {
			n.many = sqldb.Int(r[0]) <= int64(manyOf*len(n.ids))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("count rows of %s: %w", s.store.OwnerTable().Name, err)
		}
	}
	if s.since == nil {
		s.since = map[uint64]*newcomers{}
	}
	s.since[base] = n
	return n, nil
}

// hasGraves reports whether it is known of deleted rows of a table whose they were.
func (p *plan) hasGraves(ctx context.Context, t *table) (_ bool, err error) {
	if p.scopes.graves == nil {
		p.scopes.graves, err = journal.BuriedTables(ctx, p.snap)
	}
	return p.scopes.graves[t.meta.ID], err
}

// ErrNoScopes means that a child has a scope, and its program does not read what a file says of scopes.
var ErrNoScopes = errors.New("it may have some patients only, and its program is too old for that: update omsync there, or let it have everything (omsync scope set)")

// askedAgain is how long a request counts as new after it was made: a file under way may lack it.
const askedAgain = 10 * time.Second

// readScopes reads what is kept of scopes. silent: the peer may have some rows only, and was never heard from: no row goes to it yet.
func (p *plan) readScopes(ctx context.Context) (silent bool, err error) {
	store, err := scopes.Open(ctx, p.j, scopes.Options{Read: p.snap})
	if err != nil || !store.HasOwners() || store.Idle() {
		return false, err
	}
	s := scoping{store: store, node: store.Node(), speaks: p.features.Writable(p.peer.Heard).Has(features.Scopes) && !p.match}
	s.byName = s.speaks && p.features.Writable(p.peer.Heard).Has(features.Identifiers)
	child := p.peer.Role == access.Child
	c := s.node.Child(p.peer.ID)
	if s.filters = child && c.Filters(); s.filters {
		s.all = c.All
		if !p.features.MayScope(p.peer.Heard) {
			return false, ErrNoScopes
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
		if s.byName {
			s.said.Seeks = s.node.Seeks()
		}
		s.due = len(wants)+len(s.said.Seeks) > 0 && s.store.AskedLast().Add(askedAgain).After(p.peer.SentAt)
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
				if e.Purged(base) {
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
	if s.byName {
		s.said.Replies = p.replies(base)
	}
	s.due = s.due || c.Due(base) || len(s.said.Replies) > 0
	if s.filters {
		s.store.Locate(p.peer.ID)
	}
	return s.store.Err()
}

// replies returns what a child was answered, in rising order.
func (p *plan) replies(base uint64) (out []batch.ReplyItem) {
	told := p.scopes.store.Told(p.peer.ID, base)
	for _, name := range slices.Sorted(maps.Keys(told)) {
		r := batch.ReplyItem{Asked: name, Answer: uint8(told[name].Answer)}
		if o := told[name].Owner; o != "" {
			r.Owner = p.theirOwners([]scope.Owner{o})[0]
			if name == string(o) {
				r.Asked = r.Owner
			}
		}
		out = append(out, r)
	}
	return out
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
	return p.scopes.filters && p.scopes.store.ByOwner(t)
}

// comes reports whether rows of a table may have come into sight of the peer since the base of the batch, however old they are.
func (p *plan) comes(ctx context.Context, t *table) (bool, error) {
	s := &p.scopes
	if !p.filtered(t.Table) {
		return false, nil
	}
	base := t.base(p.head.Base.Epoch)
	came, err := p.came(ctx, base)
	if err != nil {
		return false, err
	}
	return s.lost(p, base) || len(came.ids) > 0 || len(s.store.ExceptionsSince(p.peer.ID, base)) > 0 || len(s.store.PublicSince(base)) > 0, s.store.Err()
}

// lost reports whether the peer has lost its scope since an epoch.
func (s *scoping) lost(p *plan, base uint64) bool { return s.all && s.node.Child(p.peer.ID).Due(base) }

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
	return p.scopes.node.SendsRecord(p.peer.ID, scope.Record{Row: scope.Row{Table: c.Table, Key: c.Key}, Owners: of, Over: c.Over, Epoch: c.Epoch})
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
