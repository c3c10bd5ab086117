package scope_test

import (
	"cmp"
	"maps"
	"slices"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// A waiting is a row that waits, and what merge does not keep of it.
type waiting struct {
	merge.Waiting
	val    [cols]value
	owners []scope.Owner
	public bool
}

// A waitKey says which row waits, and from whom. lost tells those apart that are lost at their sender.
type waitKey struct {
	key, peer string
	lost      int
}

func (s *site) waiting() []waitKey {
	return slices.SortedFunc(maps.Keys(s.wait), func(a, b waitKey) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.peer, b.peer), cmp.Compare(a.lost, b.lost))
	})
}

// loseWaiting notes that the rows that wait from a peer may be nowhere else any more.
func (s *site) loseWaiting(peer string) {
	for _, k := range s.waiting() {
		if k.peer == peer && k.lost == 0 {
			q := s.wait[k]
			delete(s.wait, k)
			if q.Alive { // nobody is to make a deletion for it
				q.Lost, k.lost = true, int(s.w.id())
				s.wait[k] = q
			}
		}
	}
}

// receive imports a file and says what became of it.
func (s *site) receive(f *file) string {
	l := s.links[f.src]
	d := merge.Receive(&s.history, &l.Link, f.head)
	if d.NewHistory {
		s.history.ID = s.w.id()
	}
	n := s.node()
	if d.Rejoin != nil {
		s.reclaim(l.peer, d.Rejoin.OwnEpoch)
		s.loseWaiting(f.src)
		if f.src == s.parent && n.Rejoin(d.Rejoin.Position.Epoch) {
			s.add(f.src)
			return "added again"
		}
	}
	s.seal()
	if f.src != s.parent {
		n.Request(l.peer, f.wants, l.Acked.Epoch, f.head.Ack.Epoch, d.Valid)
		n.Identify(l.peer, f.seeks, l.Acked.Epoch, f.head.Ack.Epoch, d.Valid)
	}
	if d.Verdict != merge.Apply {
		s.commit(false)
		return []string{"applied", "covered", "gap", "part gap", "other history", "retired", "stranger"}[d.Verdict]
	}
	im := l.Import(&s.history, f.head, d)
	im.Self, im.Peer, im.Epoch, im.FromParent = s.name, l.peer, s.next(), f.src == s.parent
	im.PeerResent = func(e uint64) bool { return f.again[e] }
	im.OwnResent = func(e uint64) bool { return s.resent[e] }
	wrote := s.apply(f, &im)
	if f.src == s.parent && (f.head.Load == 0 || f.head.Last) {
		n.Hear(f.said, f.head.Upto.Epoch, f.head.Ack.Epoch, d.Valid)
	}
	wrote = s.commit(wrote)
	merge.RecordImport(&l.Link, f.head, s.epoch(), wrote)
	s.retried()
	return "applied"
}

func (s *site) reclaim(p merge.Peer, after uint64) {
	changed := false
	for k, e := range s.rows {
		r := e.Reclaim(p, after, s.next())
		if !sameRow(r, e.Row) {
			e.Row, changed = r, true
			s.rows[k] = e
		}
	}
	for k, v := range s.records {
		if v.From == p && v.Epoch > after {
			s.records[k], changed = loss{merge.Version{Epoch: s.next()}, v.owners, v.over}, true
		}
	}
	s.commit(changed)
}

func sameRow(a, b merge.Row) bool {
	return a.Known == b.Known && a.Alive == b.Alive && a.Dead == b.Dead && slices.Equal(a.Groups, b.Groups)
}

func (s *site) apply(f *file, im *merge.Import) (wrote bool) {
	n := 0
	for n < len(f.rows) && f.rows[n].Alive {
		wrote = s.take(f.rows[n], f.src, im, false) || wrote
		n++
	}
	s.flush()
	dead := f.rows[n:]
	refused := merge.RefuseDeletions(len(dead), s.references(dead, im))
	for i, r := range dead {
		wrote = s.take(r, f.src, im, refused[i]) || wrote
	}
	wrote = s.retry(im) || wrote
	s.flush()
	for _, r := range f.records {
		if _, ok := s.records[r.record]; !ok {
			s.records[r.record], wrote = loss{merge.Version{Epoch: im.Epoch, From: im.Peer}, r.owners, im.Peer}, true
		}
	}
	return wrote
}

// take settles a row that came, or lets it wait, in place of an earlier one that waits.
func (s *site) take(r sentRow, from string, im *merge.Import, stays bool) (wrote bool) {
	r.Ack = im.RowAck(r.Ack)
	q := waiting{im.Waiting(r.Incoming), r.val, r.owners, r.public}
	k := waitKey{r.key, from, 0}
	if earlier, ok := s.wait[k]; ok {
		if im.OlderThan(earlier.Waiting) {
			return false
		}
		q.Waiting = q.After(earlier.Waiting)
		delete(s.wait, k)
	}
	settled, wrote := s.settle(r.key, from, q, im, stays)
	if !settled {
		s.wait[k] = q
	}
	return wrote
}

// retryAlone tries what waits again, with no file at hand.
func (s *site) retryAlone() {
	s.seal()
	wrote := s.retry(&merge.Import{Self: s.name, Epoch: s.next(), Valid: true, OwnResent: func(e uint64) bool { return s.resent[e] }})
	s.flush()
	s.commit(wrote)
	s.retried()
}

// retry settles what waits and can be settled now, until there is no more of it.
func (s *site) retry(im *merge.Import) (wrote bool) {
	for again := true; again; {
		again = false
		for _, k := range s.waiting() {
			l := s.links[k.peer]
			of := *im
			of.Peer, of.FromParent, of.Acked = l.peer, k.peer == s.parent, l.Acked.Epoch
			settled, changed := s.settle(k.key, k.peer, s.wait[k], &of, false)
			if settled {
				delete(s.wait, k)
				again = true
			}
			wrote, l.retried = wrote || changed, l.retried || changed
		}
	}
	return wrote
}

func (s *site) arrival(key string, q waiting) scope.Arrival {
	return scope.Arrival{Row: rowOf(key), Place: s.place(key, q.Alive, q.val, q.owners), Public: q.public}
}

// later is a row of which it is asked whose it is once all others of the file are here.
type later struct {
	p merge.Peer
	a scope.Arrival
}

func (s *site) flush() {
	for _, l := range s.later {
		s.node().Settled(l.p, l.a)
	}
	s.later = nil
}

// retried tells the links of which rows that waited were settled.
func (s *site) retried() {
	for _, l := range s.links {
		if l.retried {
			l.retried = false
			l.RecordRetry(s.epoch())
		}
	}
}

// settle brings a row in. It answers false, and changes nothing of the row, if what it refers to is not here.
func (s *site) settle(key, from string, q waiting, im *merge.Import, stays bool) (settled, wrote bool) {
	n, e, row := s.node(), s.rows[key], rowOf(key)
	p := s.links[from].peer
	c := merge.Compare{Greater: func(bit int) bool { return q.val[bit] > e.val[bit] }}
	for i := range q.val {
		if q.val[i] == e.val[i] {
			c.Equal = c.Equal.Or(merge.Bit(i))
		}
	}
	rules := im.Of(q.Waiting)
	arrival := s.arrival(key, q)
	arrival.News = rules.News(q.Incoming)
	if from != s.parent {
		q.Incoming.Since = n.Sight(p, row).Since()
	}
	here := n.Owners(row)
	came := here
	if q.Alive {
		came = n.OwnersAt(row, arrival.Place)
	}
	buried, view := n.Bury(row, q.owners), n.Look(row)
	var person scope.View
	if k := s.w.person(key); k != "" {
		person = n.Look(rowOf(k))
	}
	out := rules.Settle(e.Row, q.Incoming, s.w.policies, c, stays)
	was, val, alive := e, e.val, e.here
	switch out.Action {
	case merge.Insert:
		alive, val = true, [cols]value{}
		fallthrough
	case merge.Update:
		for i := range val {
			if out.Write.Has(i) {
				val[i] = q.val[i]
			}
		}
	case merge.Delete:
		alive, val = false, [cols]value{}
	}
	if alive && !s.refers(key, val) {
		for _, t := range s.w.needs(key, q.val) {
			if !s.here(t) {
				arrival.Needs = append(arrival.Needs, rowOf(t))
			}
		}
		n.Waits(p, arrival)
		return false, false
	}
	for _, l := range out.Conflicts {
		wrote = s.note(key, q.val, was.val, l, im.Epoch, scope.RecordOwners(l, here, came), p) || wrote
	}
	if out.Changed {
		e.Row, e.here, e.val = out.Row, alive, val
		if !e.Alive {
			e.owners = buried
		}
		s.rows[key], wrote = e, true
	}
	n.Follow(view)
	if s.w.person(key) != "" {
		n.Follow(person)
	}
	if key[0] == 'n' {
		s.later = append(s.later, later{p, arrival})
	} else {
		n.Settled(p, arrival)
	}
	return true, wrote
}

// references lists which rows that are here refer to the rows that are to go.
func (s *site) references(dead []sentRow, im *merge.Import) (refs [][2]int) {
	goes := map[string]int{}
	for i, r := range dead {
		if e := s.rows[r.key]; e.here && !im.Outlives(e.Row, r.Incoming) {
			goes[r.key] = i
		}
	}
	if len(goes) == 0 {
		return nil
	}
	for _, k := range s.keys() {
		e := s.rows[k]
		if !e.here {
			continue
		}
		referrer, ok := goes[k]
		if !ok {
			referrer = -1
		}
		for _, t := range append(s.w.refs(k, e.val), s.w.needs(k, e.val)...) {
			if target, ok := goes[t]; ok {
				refs = append(refs, [2]int{referrer, target})
			}
		}
	}
	return refs
}

// note records what lost.
func (s *site) note(key string, in, here [cols]value, l merge.Conflict, epoch uint64, owners []scope.Owner, over merge.Peer) (wrote bool) {
	add := func(bit int, v value) {
		x := record{key, bit, v, l.Loser}
		if _, ok := s.records[x]; !ok {
			s.records[x], wrote = loss{merge.Version{Epoch: epoch}, owners, over}, true
		}
	}
	if l.Deletion {
		add(0, deleted)
		return wrote
	}
	for i := 1; i < cols; i++ {
		switch {
		case !l.Mask.Has(i):
		case l.Incoming:
			add(i, in[i])
		default:
			add(i, here[i])
		}
	}
	return wrote
}

// losses are the records that came later than an epoch, and not from a peer, in their order.
func (s *site) losses(base uint64, p merge.Peer) []record {
	var all []record
	for r, v := range s.records {
		if v.Epoch > base && v.From != p {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.bit, b.bit), cmp.Compare(a.val, b.val), cmp.Compare(a.loser.Time, b.loser.Time), cmp.Compare(a.loser.Author, b.loser.Author))
	})
	return all
}
