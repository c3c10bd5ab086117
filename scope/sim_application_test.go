package scope_test

import (
	"fmt"
	"slices"

	"github.com/omsync/omsync/merge"
)

// What a site's application does.

func (w *world) write(site, key string, bit int, target string) value {
	w.last++
	w.wrote[w.last] = written{key, bit}
	if isRef(key, bit) {
		if target != "" {
			w.target[w.last] = target
			delete(w.still[site], target)
		}
		w.referred.note(fmt.Sprint(key, ".", bit), target)
	}
	return w.last
}

// refer has an o row refer to a c row of its patient's.
func (w *world) refer(site, key string, v value, patient string, pick int) {
	s := w.sites[site]
	var found []string
	for _, k := range s.keys() {
		if e := s.rows[k]; k[0] == 'c' && e.here && w.target[e.val[1]] == patient {
			found = append(found, k)
		}
	}
	if key[0] == 'o' && len(found) > 0 {
		w.target[v] = found[pick%len(found)]
	}
}

func (w *world) insert(site, key string, pick int) {
	s := w.sites[site]
	if s.here(key) {
		return
	}
	if n := w.person(key); n != "" {
		w.insert(site, n, pick)
		w.moved.note(n, key)
	}
	var target [cols]string
	if table := w.above(key[0]); table != 0 {
		var found []string
		for _, k := range s.keys() {
			if k[0] == table && s.here(k) {
				found = append(found, k)
			}
		}
		if len(found) == 0 {
			return
		}
		for i := range target {
			if !isRef(key, i) {
				continue
			}
			if target[i] = found[(pick+i-1)%len(found)]; w.nulls && key[0] == 'c' && pick == 2 {
				target[i] = ""
			}
			if was := w.referred[fmt.Sprint(key, ".", i)]; key[0] != 'u' && len(was) > 0 {
				w.moved.note(key, target[i])
				for t := range was {
					w.moved.note(key, t)
				}
			}
		}
	}
	e := s.rows[key]
	was := s.place(key, false, e.val, e.owners)
	e.here = true
	e.val = [cols]value{0, w.write(site, key, 1, target[1]), w.write(site, key, 2, target[2])}
	s.rows[key] = e
	w.refer(site, key, e.val[2], target[1], pick)
	w.inserts = append(w.inserts, act{w.now, key, site})
	w.of(s, key, true)
	s.log = append(s.log, change{key, 'n', merge.Mask{}, w.clock(site), &was})
	w.tell("%s inserts %s %v %v, clock %d", site, key, e.val[1:], w.refs(key, e.val), w.clock(site))
}

// of notes whose a row is that a node writes. Who edits what all may have gets no right to the rest.
func (w *world) of(s *site, key string, inserted bool) {
	owners := s.node().Owners(rowOf(key))
	for _, o := range owners {
		if key[0] != 'p' && key[0] != 'n' || inserted || !w.staff(key) {
			w.reason.note(s.name, string(o))
		}
	}
	if len(owners) == 0 {
		w.reason.note(s.name, "")
	}
	w.spoken(s, key)
}

// spoken notes that a node has something new to say of those to whom a row belongs.
func (w *world) spoken(s *site, key string) {
	for _, o := range s.node().Owners(rowOf(key)) {
		delete(w.still[s.name], string(o))
	}
}

// found gives a site a row from before it became a node.
func (w *world) found(site, key string) {
	w.insert(site, key, 0)
	s := w.sites[site]
	s.log = nil
	if s.epoch() == 0 {
		s.commit(true)
	}
	if n := w.person(key); n != "" && s.here(n) && !s.rows[n].Known {
		e := s.rows[n]
		e.Row = merge.Stamper{Self: site, Epoch: 1}.Found(merge.Bits(allColumns))
		s.rows[n] = e
	}
	if e, ok := s.rows[key]; ok {
		e.Row = merge.Stamper{Self: site, Epoch: 1}.Found(merge.Bits(allColumns))
		s.rows[key] = e
		if key[0] == 'u' {
			s.public[rowOf(w.refs(key, e.val)[0])] = 1
		}
	}
}

func (w *world) edit(site, key string, bit, pick int) {
	target := ""
	if isRef(key, bit) {
		target = fmt.Sprintf("%c%d", w.above(key[0]), pick%3+1)
		if w.nulls && key[0] == 'c' && pick == 3 {
			w.set(site, key, bit, "")
			return
		}
		if !w.sites[site].here(target) {
			return
		}
	}
	w.set(site, key, bit, target)
}

func (w *world) set(site, key string, bit int, target string) {
	s := w.sites[site]
	if !s.here(key) {
		return
	}
	e := s.rows[key]
	if isRef(key, bit) && key[0] != 'u' {
		w.moved.note(key, target)
	}
	w.spoken(s, key)
	v := w.write(site, key, bit, target)
	w.over[e.val[bit]] = append(w.over[e.val[bit]], v)
	w.tell("%s edits %s.%d: %d -> %d %s, clock %d", site, key, bit, e.val[bit], v, target, w.clock(site))
	c := change{key, 'e', merge.Bit(bit), w.clock(site), nil}
	if isRef(key, bit) {
		was := s.place(key, true, e.val, nil)
		c.was = &was
	}
	s.log = append(s.log, c)
	e.val[bit] = v
	if bit == 2 {
		w.refer(site, key, v, w.target[e.val[1]], int(v))
	}
	s.rows[key] = e
	w.of(s, key, false)
}

// merge makes two patients of a site one.
func (w *world) merge(site, winner, loser string) {
	s := w.sites[site]
	if winner == loser || !s.here(winner) || !s.here(loser) {
		return
	}
	w.tell("%s merges %s into %s", site, loser, winner)
	for _, k := range s.keys() {
		for i := 1; i < cols; i++ {
			if s.here(k) && isRef(k, i) && w.target[s.rows[k].val[i]] == loser {
				w.set(site, k, i, winner)
			}
		}
	}
	w.delete(site, loser)
}

func (w *world) delete(site, key string) {
	s := w.sites[site]
	if !s.here(key) {
		return
	}
	for _, k := range s.keys() {
		if e := s.rows[k]; e.here && slices.Contains(append(w.refs(k, e.val), w.needs(k, e.val)...), key) {
			w.delete(site, k)
		}
	}
	w.spoken(s, key)
	e := s.rows[key]
	for i := 1; i < cols; i++ {
		w.over[e.val[i]] = append(w.over[e.val[i]], deleted)
		for t := range w.referred[fmt.Sprint(key, ".", i)] {
			if key[0] != 'u' {
				w.moved.note(key, t) // a row that comes back over its deletion may come back as it was before a move
			}
		}
	}
	was := s.place(key, true, e.val, nil)
	e.here, e.val = false, [cols]value{}
	s.rows[key] = e
	s.log = append(s.log, change{key, 'd', merge.Mask{}, w.clock(site), &was})
	w.deletions = append(w.deletions, act{w.now, key, site})
	w.tell("%s deletes %s, clock %d", site, key, w.clock(site))
}
