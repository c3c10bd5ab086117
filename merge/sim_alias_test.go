package merge_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/merge"
)

// What follows simulates sites that lived apart: each has made keys of its own for what others have too. Column 2 has the name by which a
// row is recognised, together with the row that it refers to where it refers to one.

// A pairOf is a key of a peer's.
type pairOf struct{ peer, key string }

// target is the row that a reference is to, by its key here.
func (s *site) target(v value) string { return cmp.Or(s.means[v], s.w.target[v]) }

// referable picks a row that may be referred to.
func (s *site) referable(pick int) string {
	if !s.w.apart {
		return fmt.Sprintf("p%d", pick%3+1)
	}
	var all []string
	for _, k := range s.keys() {
		if k[0] == 'p' && s.here(k) {
			all = append(all, k)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return all[pick%len(all)]
}

// own is a peer's key as it is here, and theirs the other way round.
func (s *site) own(peer, key string) string {
	if own := s.aliases[pairOf{peer, key}]; own != "" {
		return own
	}
	if own := s.ofOthers(key); own != "" && s.naming(peer, key, own, true) == merge.CarriedKey {
		return own
	}
	return key
}

// ofOthers is the row here that other peers have the key for; "": none.
func (s *site) ofOthers(key string) string {
	for _, p := range s.pairs() {
		if p.key == key {
			return s.aliases[p]
		}
	}
	return ""
}

// naming is what the rules say of a key that the peer has no alias for, and other peers one for a row here, or none ("").
func (s *site) naming(peer, key, own string, carries bool) merge.Naming {
	return merge.Names(merge.KeyOf{Others: own != "", Own: s.isOwn(key), OwnPaired: s.theirs(peer, key) != key, OthersPaired: own != "" && s.theirs(peer, own) != own, Carries: carries})
}

// pairs are the keys of peers that have aliases, in order.
func (s *site) pairs() []pairOf {
	return slices.SortedFunc(maps.Keys(s.aliases), func(a, b pairOf) int { return cmp.Or(cmp.Compare(a.peer, b.peer), cmp.Compare(a.key, b.key)) })
}

// carry makes an alias with one peer one with another that has the key too, if that cannot have the row otherwise.
func (s *site) carry(peer, key string, im *merge.Import) string {
	if own := s.aliases[pairOf{peer, key}]; own != "" {
		return own
	}
	own := s.ofOthers(key)
	switch s.naming(peer, key, own, im.Carries()) {
	case merge.AnotherKey: // the row of that key is another here
		s.w.made++
		own = fmt.Sprintf("%s+%d", key, s.w.made)
	case merge.SameKey:
		return key
	}
	s.pair(peer, key, own)
	return own
}

func (s *site) theirs(peer, key string) string {
	for p, own := range s.aliases {
		if p.peer == peer && own == key {
			return p.key
		}
	}
	return key
}

func (s *site) translateOut(f *file) {
	f.means = map[value]string{}
	mean := func(v value) {
		if to := s.target(v); to != "" {
			f.means[v] = s.theirs(f.dst, to)
		}
	}
	l := s.links[f.dst]
	if s.parent == f.dst && l.ListensFirst() {
		f.rows, f.records, f.head.Upto = nil, nil, f.head.Base
	}
	for i := range f.rows {
		f.rows[i].key = s.theirs(f.dst, f.rows[i].key)
		mean(f.rows[i].val[1])
	}
	for i := range f.records {
		f.records[i].key = s.theirs(f.dst, f.records[i].key)
		mean(f.records[i].val)
	}
}

// natural is what a row is recognised by; "" if that is nothing. to is what it refers to.
func (s *site) natural(key, to string, val [cols]value) string {
	name := s.w.named[val[2]]
	if name == "" || key[0] == 'c' && to == "" {
		return ""
	}
	if key[0] == 'p' {
		to = ""
	}
	return key[:1] + name + to
}

// translateIn puts the keys here in the place of the sender's, and recognises rows.
func (s *site) translateIn(in *file, im *merge.Import) (f *file, wrote bool) {
	out := *in
	f = &out
	f.rows, f.records = slices.Clone(in.rows), slices.Clone(in.records)
	has := map[string]bool{}
	for i := range f.rows {
		f.rows[i].key = s.carry(f.src, f.rows[i].key, im)
		has[f.rows[i].key] = true
	}
	for _, kind := range "pc" { // those that are referred to first
		there := map[string]int{}
		natural := func(r sentRow) string { return s.natural(r.key, s.own(f.src, f.means[r.val[1]]), r.val) }
		for _, r := range f.rows {
			if r.Alive && rune(r.key[0]) == kind {
				there[natural(r)]++
			}
		}
		for i, r := range f.rows {
			n := natural(r)
			if !r.Alive || rune(r.key[0]) != kind || n == "" {
				continue
			}
			x := merge.Likeness{There: there[n], KeyKnown: s.rows[r.key].Known || s.own(f.src, in.rows[i].key) != in.rows[i].key || s.isOwn(r.key)}
			local := ""
			for _, k := range s.keys() {
				if e := s.rows[k]; e.here && s.natural(k, s.target(e.val[1]), e.val) == n {
					x.Here++
					local, x.Local, x.Returned = k, e.Row, e.back
				}
			}
			x.Paired = has[local] || local != "" && s.theirs(f.src, local) != local
			if im.Recognises(x) {
				s.pair(f.src, r.key, local)
				f.rows[i].key, wrote = local, true
				has[local] = true
			}
		}
	}
	for i := range f.records {
		f.records[i].key = s.own(f.src, f.records[i].key)
	}
	for v, k := range f.means {
		s.means[v] = s.carry(f.src, k, im)
	}
	return f, wrote
}

// pair stores that a key of a peer's is that of a row here, also where it stands already.
func (s *site) pair(peer, their, own string) {
	s.w.tell("%s: %s of %s is %s", s.name, their, peer, own)
	s.aliases[pairOf{peer, their}] = own
	s.w.same[s.w.thing(their)] = s.w.thing(own)
	for v, k := range s.means {
		if k == their {
			s.means[v] = own
		}
	}
	for r, v := range s.records {
		if r.key == their && v.From == s.links[peer].peer {
			delete(s.records, r)
			r.key = own
			s.records[r] = v
		}
	}
	if q, ok := s.wait[waitKey{their, peer, 0}]; ok {
		delete(s.wait, waitKey{their, peer, 0})
		s.wait[waitKey{own, peer, 0}] = q
	}
}

// isOwn reports whether a key is that of a row here which peers have other keys for, also if the row is not here now.
func (s *site) isOwn(key string) bool {
	return slices.Contains(slices.Collect(maps.Values(s.aliases)), key)
}

// learn takes in aliases that a restore took: a copy of them is kept beside the database.
func (s *site) learn(kept map[pairOf]string) {
	old := &site{aliases: kept}
	for _, p := range old.pairs() {
		if own := kept[p]; s.aliases[p] == "" && s.theirs(p.peer, own) == own && !s.rows[p.key].Known && !s.isOwn(p.key) && s.own(p.peer, own) == own {
			s.pair(p.peer, p.key, own)
		}
	}
}

// thing is one key for all that were ever taken for one thing.
func (w *world) thing(key string) string {
	for w.same[key] != "" && w.same[key] != key {
		key = w.same[key]
	}
	return key
}

// checkPaired: on each link, one side holds what the other does, under its own keys.
func (w *world) checkPaired() string {
	for _, l := range w.links {
		a, b := w.sites[l[0]], w.sites[l[1]]
		over := func(key string) string { return b.own(a.name, a.theirs(b.name, key)) }
		there := map[string]string{}
		for _, k := range a.keys() {
			e := a.rows[k]
			if !e.here {
				continue
			}
			to := over(k)
			if there[to] != "" {
				return fmt.Sprintf("merged: %s and %s of %s are %s at %s", there[to], k, a.name, to, b.name)
			}
			there[to] = k
			other := b.rows[to]
			switch {
			case !other.here || other.val != e.val:
				return fmt.Sprintf("different: %s at %s and %s at %s", k, a.name, to, b.name)
			case !a.refers(k, e.val[1]):
				return fmt.Sprintf("orphan: %s at %s", k, a.name)
			case k[0] == 'c' && over(a.target(e.val[1])) != b.target(other.val[1]):
				return fmt.Sprintf("refers: %s at %s and %s", k, a.name, b.name)
			case w.newest && w.restores == 0 && !sameStamps(e.Row, other.Row):
				return fmt.Sprintf("other stamps: %s at %s and %s", k, a.name, b.name)
			}
		}
	}
	return ""
}

// twice says which of some names two rows of a site have.
func (w *world) twice(names map[string]bool) string {
	for _, n := range w.names {
		s, seen := w.sites[n], map[string]string{}
		for _, k := range s.keys() {
			e := s.rows[k]
			if !e.here || k[0] != 'p' || !names[w.named[e.val[2]]] {
				continue
			}
			nat := s.natural(k, s.target(e.val[1]), e.val)
			if seen[nat] != "" {
				return fmt.Sprintf("twice: %s and %s at %s", seen[nat], k, n)
			}
			seen[nat] = k
		}
	}
	return ""
}
