package scopes

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// Options is what [Open] needs of its caller.
type Options struct {
	Read  sqldb.DB // rows, and omsync's tables: a snapshot, or the transaction
	Write sqldb.DB // the transaction that [Store.Flush] writes in; nil: nothing may be written
	// Epoch returns the epoch of the transaction under way, and takes one if none was taken yet; nil: none can be taken.
	Epoch  func() (uint64, error)
	Cause  Cause
	Person string // whose word it is, of [Person]: the account of the operating system
}

// Store is a [scope.Store] for one transaction. It is not for several goroutines.
type Store struct {
	ctx    context.Context
	j      *journal.Journal
	owners *schema.Owners
	o      Options
	rule   string // that is being followed
	epoch  uint64
	err    error

	peers    map[merge.Peer]*peer
	children []merge.Peer
	parent   merge.Peer // 0: none
	dirty    map[merge.Peer]bool

	places  map[scope.Row]scope.Place
	local   map[scope.Row]journal.Row
	passing []scope.Row // whose places go with the next Fetch: nothing is written, and no row belongs by way of these
	gone    map[scope.Row]bool
	dead    map[scope.Row]scope.Place // where rows stand that died, and of which Read does not say it yet
	entries map[scope.Owner]*entries
	scoped  map[merge.Peer]map[scope.Owner]scope.Entry // of a child, all of them: see ReadScope
	names   map[*schema.Table]map[journal.Row]string   // keys of rows

	exceptions map[merge.Peer]*marks
	public     *marks
	wants      map[scope.Owner]bool
	held       map[scope.Owner]uint64
	wantsNew   map[scope.Owner]bool
	heldNew    map[scope.Owner]uint64
	purges     map[scope.Owner]scope.Purge
	purgesNew  map[scope.Owner]scope.Purge
	replies    *replies
	sought     map[string]scope.Reply
	soughtNew  map[string]bool
	asks       bool // something is sought, or was answered to a child, in the tables
	log        []event
}

// peer is what is kept of one.
type peer struct {
	scope.Child
	kept  bool // there is a row in omsync_scope_peer
	whole bool
	rules journal.ScopeRules
}

// Open returns what is kept of scopes, as a transaction sees it. It is one statement. An error is also that the profile says of owners what cannot
// be: nobody knows then whose the rows are.
func Open(ctx context.Context, j *journal.Journal, o Options) (*Store, error) {
	owners, err := j.Catalogue.Owners()
	if err != nil {
		return nil, err
	}
	s := &Store{ctx: ctx, j: j, owners: owners, o: o, peers: map[merge.Peer]*peer{}, dirty: map[merge.Peer]bool{}, exceptions: map[merge.Peer]*marks{},
		wantsNew: map[scope.Owner]bool{}, heldNew: map[scope.Owner]uint64{}, purgesNew: map[scope.Owner]scope.Purge{}}
	s.forgetPlaces()
	s.entries, s.names = map[scope.Owner]*entries{}, map[*schema.Table]map[journal.Row]string{}
	s.scoped = map[merge.Peer]map[scope.Owner]scope.Entry{}
	const query = "SELECT p.id, p.role, s.own, s.since, s.approve, s.whole, s.rules, (SELECT 1 FROM omsync_public LIMIT 1), (SELECT 1 FROM omsync_want LIMIT 1), " +
		"(SELECT 1 FROM omsync_held LIMIT 1), (SELECT 1 FROM omsync_purge LIMIT 1), (SELECT 1 FROM omsync_sought WHERE answer <= 2 LIMIT 1), (SELECT 1 FROM omsync_reply LIMIT 1) FROM omsync_peer p LEFT JOIN omsync_scope_peer s ON s.peer_id = p.id WHERE p.state <> 'removed' ORDER BY p.id"
	public, wants, held, purges := false, false, false, false
	err = sqldb.Each(ctx, o.Read, query, func(r []sql.RawBytes) (err error) {
		id, p := merge.Peer(sqldb.Uint(r[0])), &peer{Child: scope.Child{All: true}}
		if r[2] != nil {
			p.Child = scope.Child{All: sqldb.Int(r[2]) == 0, Since: sqldb.Uint(r[3]), Approve: sqldb.Int(r[4]) != 0}
			p.kept, p.whole = true, sqldb.Int(r[5]) != 0
			if p.rules, err = journal.DecodeScopeRules(r[6]); err != nil {
				return err
			}
		}
		s.peers[id] = p
		public, wants, held, purges = r[7] != nil, r[8] != nil, r[9] != nil, r[10] != nil
		s.asks = r[11] != nil || r[12] != nil
		if access.Role(r[1]) == access.Parent {
			s.parent = id
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read of scopes: %w", err)
	}
	if !public {
		s.public = newMarks()
	}
	if !wants {
		s.wants = map[scope.Owner]bool{}
	}
	if !held {
		s.held = map[scope.Owner]uint64{}
	}
	if !purges {
		s.purges = map[scope.Owner]scope.Purge{}
	}
	s.listChildren()
	return s, nil
}

func (s *Store) listChildren() {
	s.children = nil
	for id, p := range s.peers {
		if id != s.parent && (!p.All || p.Since != 0) {
			s.children = append(s.children, id)
		}
	}
	slices.Sort(s.children)
}

// Node returns the rules on the store.
func (s *Store) Node() scope.Node { return scope.Node{Store: s} }

// Idle reports whether no child has a scope, or had one, and this node neither has one nor asks for anybody: then nothing need be asked of
// the rules, but by what begins a scope or asks.
func (s *Store) Idle() bool {
	parent := s.peers[s.parent]
	return len(s.children) == 0 && !s.asks && (parent == nil || !parent.kept && len(s.wants) == 0 && s.wants != nil && len(s.held) == 0 && s.held != nil)
}

// HasOwners reports whether the profile knows whose rows are: without owners there are no scopes.
func (s *Store) HasOwners() bool { return s.owners.Table != nil }

// By says what makes the changes from now on: see [Options]. rule is the rule that is followed, of [Rule].
func (s *Store) By(c Cause, rule string) { s.o.Cause, s.rule = c, rule }

// Err returns the first error: from then on nothing is in anybody's sight.
func (s *Store) Err() error { return s.err }

// fails keeps the first error, and reports whether there is one.
func (s *Store) fails(err error) bool {
	if s.err == nil && err != nil {
		s.err = err
	}
	return s.err != nil
}

// Epoch returns the epoch of the transaction, 0 after an error.
func (s *Store) Epoch() uint64 {
	if s.epoch != 0 || s.err != nil {
		return s.epoch
	}
	if s.o.Epoch == nil {
		s.fails(errors.New("scopes: a transaction that takes no epoch cannot change whom a child may have"))
		return 0
	}
	epoch, err := s.o.Epoch()
	if !s.fails(err) {
		s.epoch = epoch
	}
	return s.epoch
}

// Children returns the children of which something is kept.
func (s *Store) Children() []merge.Peer { return s.children }

// Child returns what is kept of a child; of a peer that is none, or was removed, a scope with nobody in it.
func (s *Store) Child(p merge.Peer) scope.Child {
	c := s.peers[p]
	if c == nil || s.err != nil {
		return scope.Child{}
	}
	return c.Child
}

// SetChild keeps of a child what it has.
func (s *Store) SetChild(p merge.Peer, c scope.Child) {
	had := s.peers[p]
	if had == nil || s.err != nil {
		s.fails(fmt.Errorf("scopes: %d is no peer", p))
		return
	}
	switch {
	case had.All && !c.All:
		s.note(p, "", began)
	case !had.All && c.All:
		s.note(p, "", ended)
	}
	had.Child, s.dirty[p] = c, true
	s.listChildren()
}

// Rules returns the rules that fill a child's scope.
func (s *Store) Rules(p merge.Peer) journal.ScopeRules {
	if c := s.peers[p]; c != nil {
		return c.rules
	}
	return journal.ScopeRules{}
}

// SetRules says which rules fill a child's scope, and up to when they were followed.
func (s *Store) SetRules(p merge.Peer, rules journal.ScopeRules) {
	if c := s.peers[p]; c != nil {
		c.rules, s.dirty[p] = rules, true
	}
}

// HasParent reports whether this node has a parent.
func (s *Store) HasParent() bool { return s.parent != 0 }

// Whole reports whether the parent said last that this node gets everything.
func (s *Store) Whole() bool { return s.err == nil && s.parent != 0 && s.peers[s.parent].whole }

// SetWhole keeps what the parent said.
func (s *Store) SetWhole(whole bool) {
	if p := s.peers[s.parent]; p != nil && (p.whole != whole || !p.kept) {
		p.whole, s.dirty[s.parent] = whole, true
	}
}

// each reads from the database, and keeps an error.
func (s *Store) each(what string, query []byte, f func(r []sql.RawBytes) error) bool {
	if s.err != nil {
		return false
	}
	if err := sqldb.Each(s.ctx, s.o.Read, string(query), f); err != nil {
		s.fails(fmt.Errorf("read %s: %w", what, err))
	}
	return s.err == nil
}
