package merge_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

// A waiting is a row that waits, and its values.
type waiting struct {
	merge.Waiting
	val     [cols]value
	dropped bool
}

// A waitKey says which row waits, and from whom. lost tells those apart that are lost at their sender.
type waitKey struct {
	key, peer string
	lost      int
}

// loseWaiting notes that the rows that wait from a peer may be nowhere else any more.
func (s *site) loseWaiting(peer string) {
	for k, q := range s.wait {
		if k.peer == peer && k.lost == 0 {
			delete(s.wait, k)
			if !q.Alive {
				continue // nobody is to make a deletion for it
			}
			q.Lost, k.lost = true, int(s.w.id())
			s.wait[k] = q
		}
	}
}

// take settles a row that came, or lets it wait, in place of an earlier one that waits.
func (s *site) take(r sentRow, from string, im *merge.Import, stays bool) (wrote bool) {
	r.Ack = im.RowAck(r.Ack)
	r.Whose = s.rules(from).SaysWhose(r.Groups)
	q := waiting{im.Waiting(r.Incoming), r.val, false}
	k := waitKey{r.key, from, 0}
	if earlier, ok := s.wait[k]; ok {
		if im.OlderThan(earlier.Waiting) {
			return false
		}
		if earlier.dropped && !im.News(r.Incoming) {
			return false
		}
		q.Waiting = q.After(earlier.Waiting)
		delete(s.wait, k)
	}
	settled, wrote := s.settle(r.key, from, q, im, true, stays)
	if !settled {
		s.wait[k] = q
	}
	return wrote
}

// drop has nobody try again what waits, or undoes that.
func (s *site) drop(dropped bool) {
	for k, q := range s.wait {
		q.dropped = dropped
		s.wait[k] = q
	}
}

// retryAlone tries what waits again, with no file at hand.
func (s *site) retryAlone() {
	s.seal()
	if s.retry(&merge.Import{Self: s.name, Epoch: s.next(), Valid: true, OwnResent: func(e uint64) bool { return s.resent[e] }}) {
		s.commit()
	}
	s.retried()
}

// retry settles what waits and can be settled now, until there is no more of it.
func (s *site) retry(im *merge.Import) (wrote bool) {
	for again := true; again; {
		again = false
		keys := slices.SortedFunc(maps.Keys(s.wait), func(a, b waitKey) int {
			return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.peer, b.peer), cmp.Compare(a.lost, b.lost))
		})
		for _, k := range keys {
			if s.wait[k].dropped {
				continue
			}
			l := s.links[k.peer]
			of := *im
			of.Peer, of.FromParent, of.Acked = l.peer, k.peer == s.parent, l.Acked.Epoch
			of.Horizon = merge.Horizon(s.w.clock(s.name), s.horizon(), of.FromParent)
			settled, changed := s.settle(k.key, k.peer, s.wait[k], &of, false, false)
			if settled {
				delete(s.wait, k)
				again = true
			}
			wrote, l.retried = wrote || changed, l.retried || changed
		}
	}
	return wrote
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

// settle brings a row in. It answers false, and changes nothing, if what it refers to is not here, the database does not take it, or a
// stamp is too late. file: it comes in a file, which says what policies its sender has.
func (s *site) settle(key, from string, q waiting, im *merge.Import, file, stays bool) (settled, wrote bool) {
	e := s.rows[key]
	if e.Known && !e.Alive {
		e.Dead.Added = merge.Adder{Stored: s.added[key].Known, Peer: s.added[key].By}
	}
	if !s.takesBack(from, e, &q) && !s.rules(from).TakesRow(e.Row, s.added[key]) {
		return true, s.refuse(key, from, q, im)
	}
	for _, g := range append(slices.Clone(q.Groups), merge.SentGroup{Sent: q.Dead}) {
		if !s.w.noHorizon && !im.Takes(e.Row, g.Stamp) {
			if from != s.w.broken && !s.w.mending {
				s.w.blame(fmt.Sprintf("an honest stamp is not taken: %s from %s at %s", key, from, s.name))
			}
			return false, false
		}
	}
	c := merge.Compare{Greater: func(bit int) bool { return q.val[bit] > e.val[bit] }}
	for i := range q.val {
		if q.val[i] == e.val[i] {
			c.Equal = c.Equal.Or(merge.Bit(i))
		}
	}
	rules := im.Of(q.Waiting)
	policies := s.w.policies[s.name]
	if file {
		policies = s.w.policiesFrom(s, from)
	}
	policies = s.rules(from).Policies(policies)
	q.NeverSent = s.rules(from).NeverSent(e.Row, q.Whose)
	out := rules.Settle(e.Row, q.Incoming, policies, c, stays)
	val, here := e.val, e.here
	switch out.Action {
	case merge.Insert:
		here, val = true, [cols]value{}
		fallthrough
	case merge.Update:
		for i := range val {
			if out.Write.Has(i) {
				val[i] = q.val[i]
			}
		}
	case merge.Delete:
		s.added[key] = access.Added{Known: true, By: e.AddedBy()}
		here, val = false, [cols]value{}
	}
	if here && (!s.refers(key, val[1]) || s.w.blocked[[2]string{s.name, key}] && (val != e.val || !e.here)) {
		return false, false
	}
	for _, l := range out.Conflicts {
		wrote = s.note(sentRow{key: key, val: q.val}, e, l, im.Epoch) || wrote
	}
	if !out.Changed {
		if out.Action != merge.Keep || !sameRow(out.Row, e.Row) {
			s.w.blame("unchanged, but " + key + " is not what it was")
		}
		return true, wrote
	}
	e.back = e.back || merge.Returned(e.Row, out.Row)
	e.Row, e.here, e.val = out.Row, here, val
	s.rows[key] = e
	return true, true
}

// references lists which rows that are here refer to the rows that are to go.
func (s *site) references(dead []sentRow, im *merge.Import) (refs [][2]int) {
	goes := map[string]int{}
	for i, r := range dead {
		if e := s.rows[r.key]; e.here && !im.Outlives(e.Row, r.Incoming) {
			goes[r.key] = i
		}
	}
	for _, k := range s.keys() {
		e := s.rows[k]
		if !e.here || k[0] != 'c' {
			continue
		}
		target, ok := goes[s.target(e.val[1])]
		if !ok {
			continue
		}
		referrer, ok := goes[k]
		if !ok {
			referrer = -1
		}
		refs = append(refs, [2]int{referrer, target})
	}
	return refs
}

// note records what lost.
func (s *site) note(r sentRow, e entry, l merge.Conflict, epoch uint64) (wrote bool) {
	add := func(bit int, v value) {
		x := record{r.key, bit, v, l.Loser}
		if _, ok := s.records[x]; !ok {
			s.records[x], wrote = merge.Version{Epoch: epoch}, true
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
			add(i, r.val[i])
		default:
			add(i, e.val[i])
		}
	}
	return wrote
}
