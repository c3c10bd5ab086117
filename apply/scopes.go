package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// scoping asks the rules of package scope, in the order that its documentation gives, and keeps what they change. Its methods do nothing for a
// nil scoping: where no scope is anywhere.
type scoping struct {
	store *scopes.Store
	node  scope.Node
	peer  merge.Peer
	child bool // the sender is one
	staff bool // the sender may send users, so that it can know who is public

	late []lateRow // rows that are looked at again once all is in
}

// lateRow is a row of which it is known only when the batch is in where it stands.
type lateRow struct {
	t *schema.Table
	scoped
}

// scoped is what the rules of scopes know of one row of a batch before it is settled.
type scoped struct {
	arrival scope.Arrival
	here    []scope.Owner // whose it is here
	buried  []scope.Owner // whom to keep with its tombstone
	since   uint64        // see merge.Incoming.Since
	view    *scope.View   // nil: it was not known here, and nothing follows from that
	waits   bool          // it waits
}

// openScopes reads what is kept of scopes.
func (l *peerLink) openScopes(ctx context.Context) error {
	store, err := scopes.Open(ctx, l.j, scopes.Options{Read: l.s.conn, Write: l.s.conn, Cause: scopes.Import, Epoch: func() (uint64, error) {
		l.epoch.used = true
		return l.epoch.Epoch, nil
	}})
	if err != nil {
		return err
	}
	if store.HasOwners() {
		child := l.peer.Role == access.Child
		staff := !child || slices.ContainsFunc(l.j.Replicated(), func(t *schema.Table) bool { return store.Kind(t) == scope.Staff && l.j.On(t, l.peer).Takes() })
		l.scopes = &scoping{store: store, node: store.Node(), peer: l.peer.ID, child: child, staff: staff}
	}
	return nil
}

// flushScopes writes what has changed of scopes.
func (l *peerLink) flushScopes() error {
	if l.scopes == nil {
		return nil
	}
	return l.scopes.store.Flush()
}

// filters reports whether rows of a table go to the sender by the owners that they have.
func (s *scoping) filters(t *schema.Table) bool {
	return s != nil && s.child && !s.store.Idle() && s.node.Child(s.peer).Filters() && s.store.ByOwner(t)
}

// idle reports whether nothing of the rows of a batch is to be asked.
func (s *scoping) idle() bool { return s == nil || s.store.Idle() }

// watched reports whether it is to be known of each row of a table where it stands before it is settled and after.
func (s *scoping) watched(t *schema.Table) bool {
	return len(s.store.Children()) > 0 || s.store.Kind(t) == scope.Staff
}

// look finds what the rules of scopes must know of the rows of a block before these are settled.
func (im *importer) look(ctx context.Context, w *block) error {
	s := im.scopes
	if s.idle() {
		return nil
	}
	if err := im.writer.s.finish(ctx); err != nil { // what follows from rows under way changes what is looked at
		return err
	}
	kind := s.store.Kind(w.l.Table)
	if kind == scope.Common {
		return nil
	}
	said := -1
	if s.staff && s.store.IsBase(w.l.Table) { // of no other rows does anybody say that all may have them
		said = w.public()
	}
	if err := w.requireSealedPlaces(s, kind); err != nil {
		return err
	}
	watched := s.watched(w.l.Table)
	if watched {
		if err := im.lookBeside(ctx, w.l, w.comes()); err != nil {
			return err
		}
		s.store.Fetch(w.l.Table, w.rowsHere())
	}
	w.scoped = make([]*scoped, w.n)
	for i := range w.n {
		if w.filtered[i] {
			continue
		}
		x := &scoped{arrival: scope.Arrival{Row: scope.Row{Table: w.l.Name, Key: w.keys[i]}, Place: s.store.PlaceOf(w.l.Table, true, im.resolver.ownerRefs(w, i))}}
		if said >= 0 {
			b := w.Columns[said].Bytes
			x.arrival.Public = b != nil && string(b[i]) == "1"
		}
		if watched {
			s.see(x, w.known[i].Known || kind == scope.Staff)
		}
		w.scoped[i] = x
	}
	return s.store.Err()
}

// see notes where a row stands.
func (s *scoping) see(x *scoped, known bool) {
	row := x.arrival.Row
	if s.child {
		x.since = s.node.Sight(s.peer, row).Since()
	}
	x.here = s.node.Owners(row)
	if known {
		v := s.node.Look(row)
		x.view = &v
	}
}

// rowsHere are the rows of a block as they are known here.
func (w *keyedRows) rowsHere() []scopes.Known {
	out := make([]scopes.Known, len(w.keys))
	for i, key := range w.keys {
		f, here := w.found[i]
		out[i] = scopes.Known{Key: key, Local: f.row, Alive: here}
	}
	return out
}

// public returns the place of the column that says which rows all may have; -1: there is none.
func (w *block) public() int {
	return slices.IndexFunc(w.t.Columns, func(c batch.Column) bool { return c.Name == batch.PublicColumn })
}

// requireSealedPlaces returns errUnsealed if the application has moved a row of a block to others, and no seal has seen it: only a seal knows
// where the row stood before.
func (w *block) requireSealedPlaces(s *scoping, kind scope.Kind) error {
	if w.unsealed == nil || len(s.store.Children()) == 0 || kind == scope.Common {
		return nil
	}
	var columns merge.MaskBuilder
	for _, c := range s.store.Columns(w.l.Table) {
		columns.Add(w.l.journal.Bit(c.Name))
	}
	moves := columns.Mask()
	for _, f := range w.found {
		c := w.unsealed.rows[f.row]
		if c != nil && slices.ContainsFunc(c.Edits, func(e journal.Edit) bool { return e.Mask.Meets(moves) }) {
			return fmt.Errorf("%s: %w", w.l.Name, errUnsealed)
		}
	}
	return nil
}

// ownerRefs returns the key, as it is known here, of the row that a column of a block's row refers to.
func (v *resolver) ownerRefs(w *block, i int) func(*schema.Column) (string, bool) {
	return func(c *schema.Column) (string, bool) {
		e := v.keys.at(w.Keys[i])
		if c.Key && e.root != nil {
			if w.l != e.root {
				return e.canonical(), true
			}
			refs := v.keys.refs(e)
			if at := slices.Index(w.l.KeyColumns, c); at >= 0 && at < len(refs) && refs[at] != 0 {
				return v.keyHere(refs[at])
			}
			return "", false
		}
		at := slices.Index(w.t.columns, c)
		if at < 0 || w.Columns[at].Refs == nil || w.Columns[at].Refs[i] < batch.FirstRef {
			return "", false
		}
		return v.keyHere(w.Columns[at].Refs[i])
	}
}

func (v *resolver) keyHere(i uint32) (string, bool) {
	e := v.keys.at(i)
	if e.root == nil {
		return "", false
	}
	return e.canonical(), true
}

// follow lets the rules follow the rows of a block that were settled, and what those that wait need come into sight. q is what was written.
func (im *importer) follow(w *block, q *writes) error {
	s := im.scopes
	if s.idle() || w.scoped == nil {
		return nil
	}
	for _, i := range q.leftAt {
		if w.scoped[i] != nil {
			w.scoped[i].waits = true
		}
	}
	at := map[int]journal.Row{}
	for _, r := range q.insert {
		at[r.place] = r.at
	}
	var rows []scopes.Known
	var now []*scoped
	for i, x := range w.scoped {
		switch {
		case x == nil:
		case x.waits:
			s.node.Waits(s.peer, x.arrival)
		case !w.decided[i].taken || x.view == nil && !x.arrival.News && !x.arrival.Public:
		case len(w.pending[i]) > 0 || s.store.IsBase(w.l.Table) || w.decided[i].Action == merge.Insert && at[i] == (journal.Row{}):
			s.late = append(s.late, lateRow{w.l.Table, *x})
		default:
			f, here := w.found[i]
			if r, is := at[i]; is {
				f.row, here = r, true
			}
			rows, now = append(rows, scopes.Known{Key: w.keys[i], Local: f.row, Alive: here}), append(now, x)
		}
	}
	if s.watched(w.l.Table) {
		s.store.Fetch(w.l.Table, rows)
	}
	for _, x := range now {
		s.settled(x)
	}
	return s.store.Err()
}

// settled lets the rules follow a row that was settled.
func (s *scoping) settled(x *scoped) {
	if x.view != nil {
		s.node.Follow(*x.view)
	}
	s.node.Settled(s.peer, x.arrival)
}

// lateAtOnce is how many rows are looked at again together.
const lateAtOnce = 2000

// followLate does what follow does for rows of which it is known only now where they stand.
func (im *importer) followLate(ctx context.Context) error {
	s := im.scopes
	if s == nil {
		return nil
	}
	late := s.late
	s.late = nil
	for len(late) > 0 {
		n := 1
		for n < len(late) && n < lateAtOnce && late[n].t == late[0].t {
			n++
		}
		some := late[:n]
		late = late[n:]
		if err := im.fetchByKeys(ctx, some[0].t, some); err != nil {
			return err
		}
		for i := range some {
			s.settled(&some[i].scoped)
		}
	}
	return s.store.Err()
}

// fetchByKeys reads where rows stand now.
func (im *importer) fetchByKeys(ctx context.Context, t *schema.Table, rows []lateRow) error {
	keys := make([]string, len(rows))
	for i, r := range rows {
		keys[i] = r.arrival.Row.Key
	}
	here, err := rowkey.Find(ctx, im.writer.s.conn, t, keys)
	if err != nil {
		return err
	}
	known := make([]scopes.Known, len(keys))
	for i, key := range keys {
		r, alive := here[key]
		known[i] = scopes.Known{Key: key, Local: r, Alive: alive}
	}
	im.scopes.store.Fetch(t, known)
	return nil
}

// recordOwners returns whose a record is of a value of a block's row that lost.
func (im *importer) recordOwners(w *block, i int, lost merge.Conflict) []string {
	if w.scoped == nil || w.scoped[i] == nil {
		return nil
	}
	s, x := im.scopes, w.scoped[i]
	here := x.here
	if !s.watched(w.l.Table) {
		here = s.node.Owners(x.arrival.Row) // it is not written yet
	}
	if !w.known[i].Alive {
		here = s.node.Bury(x.arrival.Row, nil)
	}
	if lost.Deletion {
		return texts(here)
	}
	return texts(scope.RecordOwners(lost, here, s.node.OwnersAt(x.arrival.Row, x.arrival.Place)))
}

func texts(owners []scope.Owner) []string {
	var out []string
	for _, o := range owners {
		out = append(out, string(o))
	}
	return out
}
