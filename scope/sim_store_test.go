package scope_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// tables are omsync's tables of scopes.
type tables struct {
	children   map[merge.Peer]scope.Child
	entries    map[merge.Peer]map[scope.Owner]scope.Entry
	exceptions map[merge.Peer]map[scope.Row]scope.Sight
	public     map[scope.Row]scope.Sight
	want       map[scope.Owner]bool
	held       map[scope.Owner]uint64
	purge      map[scope.Owner]scope.Purge
	whole      bool
	replies    map[merge.Peer]map[string]scope.Reply
	sought     map[string]scope.Reply
}

func newTables() tables {
	return tables{map[merge.Peer]scope.Child{}, map[merge.Peer]map[scope.Owner]scope.Entry{}, map[merge.Peer]map[scope.Row]scope.Sight{},
		map[scope.Row]scope.Sight{}, map[scope.Owner]bool{}, map[scope.Owner]uint64{}, map[scope.Owner]scope.Purge{}, false,
		map[merge.Peer]map[string]scope.Reply{}, map[string]scope.Reply{}}
}

func (t tables) clone() tables {
	c := tables{maps.Clone(t.children), map[merge.Peer]map[scope.Owner]scope.Entry{}, map[merge.Peer]map[scope.Row]scope.Sight{},
		maps.Clone(t.public), maps.Clone(t.want), maps.Clone(t.held), maps.Clone(t.purge), t.whole,
		map[merge.Peer]map[string]scope.Reply{}, maps.Clone(t.sought)}
	for p, m := range t.replies {
		c.replies[p] = maps.Clone(m)
	}
	for p, m := range t.entries {
		c.entries[p] = maps.Clone(m)
	}
	for p, m := range t.exceptions {
		c.exceptions[p] = maps.Clone(m)
	}
	return c
}

// carry gives what is kept of a peer to the same one under another number.
func (t tables) carry(from, to merge.Peer) {
	t.children[to], t.entries[to], t.exceptions[to], t.replies[to] = t.children[from], t.entries[from], t.exceptions[from], t.replies[from]
	delete(t.replies, from)
	delete(t.children, from)
	delete(t.entries, from)
	delete(t.exceptions, from)
}

func (s *site) node() scope.Node { return scope.Node{Store: s} }

func (s *site) Epoch() uint64 {
	s.taken = true
	return s.next()
}

func (s *site) Place(row scope.Row) scope.Place {
	e := s.rows[row.Key]
	return s.place(row.Key, e.here, e.val, e.owners)
}

func (s *site) place(key string, alive bool, val [cols]value, owners []scope.Owner) scope.Place {
	p := scope.Place{Kind: kindOf(key), Alive: alive}
	if !alive {
		p.Owners = owners
		return p
	}
	if key[0] == 'n' {
		p.To = []scope.Row{{}}
		if s.here("p" + key[1:]) {
			p.To[0] = rowOf("p" + key[1:])
		}
	}
	for _, t := range s.w.refs(key, val) {
		p.To = append(p.To, rowOf(t))
	}
	return p
}

func (s *site) Children() []merge.Peer {
	var all []merge.Peer
	for p, c := range s.children {
		if !c.All || c.Since != 0 {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

func (s *site) Child(p merge.Peer) scope.Child       { return s.children[p] }
func (s *site) SetChild(p merge.Peer, c scope.Child) { s.children[p] = c }

func (s *site) Entry(p merge.Peer, o scope.Owner) scope.Entry { return s.entries[p][o] }
func (s *site) SetEntry(p merge.Peer, o scope.Owner, e scope.Entry) {
	if s.entries[p] == nil {
		s.entries[p] = map[scope.Owner]scope.Entry{}
	}
	if s.entries[p][o] = e; e == (scope.Entry{}) {
		delete(s.entries[p], o)
	}
}
func (s *site) Entries(p merge.Peer) []scope.Owner { return slices.Sorted(maps.Keys(s.entries[p])) }

func (s *site) Exception(p merge.Peer, row scope.Row) scope.Sight { return s.exceptions[p][row] }
func (s *site) SetException(p merge.Peer, row scope.Row, e scope.Sight) {
	if s.exceptions[p] == nil {
		s.exceptions[p] = map[scope.Row]scope.Sight{}
	}
	if s.exceptions[p][row] = e; e == scope.Out {
		delete(s.exceptions[p], row)
	}
}
func (s *site) Exceptions(p merge.Peer) []scope.Row {
	return slices.SortedFunc(maps.Keys(s.exceptions[p]), func(a, b scope.Row) int { return cmp.Compare(a.Key, b.Key) })
}

func (s *site) Waiting(p merge.Peer) (all []scope.Arrival) {
	for _, k := range s.waiting() {
		if q := s.wait[k]; q.Alive && s.links[k.peer].peer == p {
			a := s.arrival(k.key, q)
			for _, t := range s.w.needs(k.key, q.val) {
				if !s.here(t) {
					a.Needs = append(a.Needs, rowOf(t))
				}
			}
			all = append(all, a)
		}
	}
	return all
}

func (s *site) Public(row scope.Row) scope.Sight           { return s.public[row] }
func (s *site) SetPublic(row scope.Row, since scope.Sight) { s.public[row] = since }

func (s *site) HasParent() bool           { return s.parent != "" }
func (s *site) Whole() bool               { return s.whole }
func (s *site) SetWhole(whole bool)       { s.whole = whole }
func (s *site) Want(o scope.Owner) bool   { return s.want[o] }
func (s *site) Wants() []scope.Owner      { return slices.Sorted(maps.Keys(s.want)) }
func (s *site) Held(o scope.Owner) uint64 { return s.held[o] }
func (s *site) Holds() []scope.Owner      { return slices.Sorted(maps.Keys(s.held)) }

func (s *site) SetWant(o scope.Owner, want bool) {
	if s.want[o] = true; !want {
		delete(s.want, o)
	}
}

func (s *site) SetHeld(o scope.Owner, at uint64) {
	if s.held[o] = at; at == 0 {
		delete(s.held, o)
	}
}

func (s *site) Purging(o scope.Owner) scope.Purge { return s.purge[o] }
func (s *site) Purgings() []scope.Owner           { return slices.Sorted(maps.Keys(s.purge)) }
func (s *site) SetPurging(o scope.Owner, u scope.Purge) {
	if s.purge[o] = u; u == (scope.Purge{}) {
		delete(s.purge, o)
	}
}

// Who has an identifier: the patient whose it is is here, and has not lost it.
func (s *site) Who(identifier string) (out scope.Identity) {
	if key, ok := strings.CutPrefix(identifier, "id-"); ok && s.here(key) {
		out.Owners = append(out.Owners, scope.Owner(key))
	}
	return out
}

func (s *site) Reply(p merge.Peer, i string) scope.Reply { return s.replies[p][i] }
func (s *site) SetReply(p merge.Peer, i string, r scope.Reply) {
	if s.replies[p] == nil {
		s.replies[p] = map[string]scope.Reply{}
	}
	if s.replies[p][i] = r; r == (scope.Reply{}) {
		delete(s.replies[p], i)
	}
}
func (s *site) Replies(p merge.Peer) []string { return slices.Sorted(maps.Keys(s.replies[p])) }

func (s *site) RepliedTo(i string) (all []merge.Peer) {
	for p := range s.replies {
		if s.replies[p][i] != (scope.Reply{}) {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

func (s *site) Sought(i string) scope.Reply { return s.sought[i] }
func (s *site) SetSought(i string, r scope.Reply) {
	if s.sought[i] = r; r == (scope.Reply{}) {
		delete(s.sought, i)
	}
}
func (s *site) AllSought() []string { return slices.Sorted(maps.Keys(s.sought)) }

func (s *site) OwnerIsHere(o scope.Owner) bool {
	return s.rows[string(o)].Known || s.rows[string(o)].here
}

// say writes what the header of a file says of scopes, and reports whether it is due for that.
func (s *site) say(f *file, to string) (due bool) {
	n, l := s.node(), s.links[to]
	if to == s.parent {
		f.wants, f.seeks = n.Asks(), n.Seeks()
		return len(f.wants)+len(f.seeks) > 0 && fmt.Sprint(f.wants, f.seeks) != l.asked
	}
	c := n.Child(l.peer)
	f.said.Whole = c.All
	f.said.Replies = map[string]scope.Reply{}
	for i, r := range s.replies[l.peer] {
		if r.Told(f.head.Base.Epoch) {
			f.said.Replies[i] = r
		}
	}
	for _, o := range s.Entries(l.peer) {
		e := s.entries[l.peer][o]
		if c.All {
			break
		}
		if e.Entered(f.head.Base.Epoch) {
			f.said.Entered = append(f.said.Entered, o)
		}
		if e.Left(f.head.Base.Epoch) {
			f.said.Left = append(f.said.Left, o)
		}
		if e.Purged(f.head.Base.Epoch) {
			f.said.Purge = append(f.said.Purge, o)
		}
		if e.Refused(f.head.Base.Epoch) {
			f.said.Denied = append(f.said.Denied, o)
		}
	}
	return len(f.said.Entered)+len(f.said.Left)+len(f.said.Denied)+len(f.said.Replies) > 0 || c.Due(f.head.Base.Epoch)
}

// fill evaluates the rule of a child that has one: patients of whom a c row has an odd value.
func (s *site) fill(to string) {
	if !s.w.ruled[to] || to == s.parent {
		return
	}
	n, p := s.node(), s.links[to].peer
	var owners []scope.Owner
	for _, k := range s.keys() {
		if e := s.rows[k]; k[0] == 'c' && e.here && e.val[2]%2 == 1 {
			owners = append(owners, n.Owners(rowOf(k))...)
		}
	}
	plan := n.Plan(p, owners)
	s.w.noteRule(to, plan)
	n.Fill(p, plan)
	s.commit(false)
}

// doPurge deletes what is to be deleted here, where nothing stands against it.
func (s *site) doPurge() {
	for _, o := range s.Purgings() {
		up := s.links[s.parent]
		pending := len(s.log) > 0 || len(s.wait) > 0 || up.Receiving.ID != 0
		var rows []string
		for _, k := range s.keys() {
			if !s.node().Purges(o, rowOf(k)) {
				continue
			}
			e := s.rows[k]
			rows = append(rows, k)
			pending = pending || e.NewerThan(s.purge[o].Ack, up.peer)
		}
		for k, e := range s.rows {
			for _, t := range append(s.w.refs(k, e.val), s.w.needs(k, e.val)...) {
				pending = pending || e.here && slices.Contains(rows, t) && !slices.Contains(rows, k)
			}
		}
		if !s.node().MayPurge(o, len(s.links) > 1, pending) {
			continue
		}
		for _, k := range rows {
			delete(s.rows, k)
		}
		u := s.purge[o]
		u.Done = true
		s.SetPurging(o, u)
		s.w.tell("%s purges %s: %v", s.name, o, rows)
		if s.w.restores > 0 { // its parent may have lost what it had acknowledged
			s.w.forget()
		}
	}
}
