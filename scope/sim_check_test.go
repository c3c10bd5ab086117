package scope_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// same says how a parent and its child differ in what both are to have.
func (w *world) same(parent, child *site) string {
	keys := maps.Clone(parent.rows)
	maps.Copy(keys, child.rows)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		p, c := parent.rows[k], child.rows[k]
		if !p.here || !w.inScope(parent, child.name, k) {
			if c.here && !w.out(child, child.node().Owners(rowOf(k))...) && !w.parted(child, k) && !w.hidden(parent, child, k) {
				return fmt.Sprintf("different: %s is only at %s, not at %s or not in scope there", k, child.name, parent.name)
			}
			continue
		}
		if w.needsHidden(parent, child.name, k) {
			continue
		}
		if !c.here || p.val != c.val {
			return fmt.Sprintf("different: %s at %s and %s", k, parent.name, child.name)
		}
		for i := range cols {
			s, t := stampOf(p.Row, i), stampOf(c.Row, i)
			if s != t && s.Time+t.Time > 0 && w.policy == merge.Newest && w.restores == 0 {
				return fmt.Sprintf("other stamps: %s at %s and %s", k, parent.name, child.name)
			}
		}
	}
	return ""
}

func stampOf(r merge.Row, bit int) merge.Stamp {
	for _, g := range r.Groups {
		if g.Has(bit) {
			return g.Stamp
		}
	}
	return merge.Stamp{}
}

// needsHidden reports whether a row that a child may have refers, by a reference that says nothing of whose it is, to one that it may not
// have. It waits there, until one of the two is put right.
func (w *world) needsHidden(parent *site, child, key string) bool {
	for _, t := range w.needs(key, parent.rows[key].val) {
		if !w.inScope(parent, child, t) {
			return true
		}
	}
	return false
}

// hidden reports whether a row, or its tombstone, that belongs to nobody was left out when its child got a scope.
func (w *world) hidden(parent, child *site, key string) bool {
	p := parent.rows[key]
	return w.switched[child.name] && (w.patients(key)[""] || !p.here && len(p.owners) == 0)
}

// parted reports whether a row belonged to several patients one of whom has left a child's scope at some time.
func (w *world) parted(child *site, key string) bool {
	all := w.patients(key)
	for o := range all {
		if len(all) > 1 && w.left[child.name][o] {
			return true
		}
	}
	return false
}

// out reports whether one of these patients has left a child's scope and is not back.
func (w *world) out(child *site, patients ...scope.Owner) bool {
	s, p := w.end(child.name)
	for _, o := range patients {
		if w.left[child.name][string(o)] && !s.entries[p][o].In() {
			return true
		}
	}
	return false
}

// inScope reports whether all the patients that a live row of a site belongs to are in a child's scope, or the child, or all, may have it.
func (w *world) inScope(s *site, child, key string) bool {
	p := s.links[child].peer
	return s.children[p].All || kindOf(key) == scope.Staff || kindOf(key) == scope.Common || s.public[rowOf(key)].In() || w.owned(s, p, key)
}

func (w *world) owned(s *site, p merge.Peer, key string) bool {
	switch {
	case key == "":
		return false
	case key[0] == 'p':
		return s.entries[p][scope.Owner(key)].In()
	case key[0] == 'n' && s.here("p"+key[1:]):
		return w.owned(s, p, "p"+key[1:])
	case key[0] == 'n':
		return s.exceptions[p][rowOf(key)].In()
	}
	nobodys := slices.Contains(w.refs(key, s.rows[key].val), "")
	if nobodys {
		return s.exceptions[p][rowOf(key)].In()
	}
	for _, t := range w.refs(key, s.rows[key].val) {
		if !w.owned(s, p, t) {
			return s.exceptions[p][rowOf(key)].In() && len(s.node().Owners(rowOf(key))) == 0
		}
	}
	return true
}

// agreed says how a parent and its child differ about the patients in the child's scope.
func (w *world) agreed(parent, child *site) string {
	p := parent.links[child.name].peer
	for i, r := range child.sought {
		if r.Answer <= scope.Passed {
			return fmt.Sprintf("unanswered: %s asks for %s", child.name, i)
		}
		if r.Answer == scope.Found && w.restores == 0 && !w.readded && child.held[r.Owner] == 0 && !child.whole && !w.left[child.name][string(r.Owner)] && !w.denied[child.name][string(r.Owner)] {
			return fmt.Sprintf("unanswered: %s found %s, and has not got it", child.name, r.Owner)
		}
	}
	if parent.children[p].All {
		for o := range child.want {
			if child.whole && child.rows[string(o)].Known {
				return fmt.Sprintf("endless: %s asks for %s, who is there", child.name, o)
			}
			if parent.parent != "" && !parent.rows[string(o)].Known && parent.held[o] == 0 && !parent.want[o] && !w.left[parent.name][string(o)] && !w.denied[parent.name][string(o)] {
				return fmt.Sprintf("unanswered: %s asks for %s, and %s does not", child.name, o, parent.name)
			}
		}
		return ""
	}
	for r, v := range child.records {
		if v.From == child.links[parent.name].peer && len(v.owners) == 0 && len(parent.records[r].owners) > 0 {
			return fmt.Sprintf("untold: %s cannot say whose %s.%d=%d was", child.name, r.key, r.bit, r.val)
		}
	}
	for o := range child.want {
		return fmt.Sprintf("unanswered: %s asks for %s", child.name, o)
	}
	in := func(o scope.Owner) bool { return parent.entries[p][o].In() }
	for k := range w.still[child.name] {
		moved := false
		for _, to := range w.moved {
			for t := range to {
				moved = moved || w.patients(t)[k]
			}
		}
		if in(scope.Owner(k)) && parent.here(k) && !moved && len(child.links) == 1 && w.restores == 0 && !w.readded {
			return fmt.Sprintf("back: %s in the scope of %s, which it left", k, child.name)
		}
	}
	for o := range child.held {
		if !in(o) {
			return fmt.Sprintf("disagree: %s believes that it has %s", child.name, o)
		}
	}
	if s := w.needless(parent, child.name, p); s != "" {
		return s
	}
	for o := range parent.entries[p] {
		if in(o) && child.held[o] == 0 && w.restores == 0 {
			return fmt.Sprintf("disagree: %s does not know that it has %s", child.name, o)
		}
	}
	for e, all := range child.entries {
		for o, x := range all {
			if x.In() && !child.children[e].All && !in(o) && child.here(string(o)) && !w.left[child.name][string(o)] && !w.denied[child.name][string(o)] {
				return fmt.Sprintf("disagree: a child of %s has %s, and it has not", child.name, o)
			}
		}
	}
	return ""
}

// needless says which exception says nothing that the scope does not.
func (w *world) needless(s *site, child string, p merge.Peer) string {
	for row, since := range s.exceptions[p] {
		if all := w.patients(row.Key); len(all) > 1 || all[""] || len(w.deletions)+w.restores > 0 || w.switched[child] {
			continue
		}
		delete(s.exceptions[p], row)
		now := s.node().Sight(p, row)
		s.exceptions[p][row] = since
		if now.In() && now <= since {
			return fmt.Sprintf("needless: an exception of %s for %s", row.Key, child)
		}
	}
	return ""
}

// sees reports whether a row may have been in the sight of a node that may know these patients, whatever moved when.
func (w *world) sees(known map[string]bool, key string) bool {
	if key == "" || key[0] == 'p' {
		return known[key]
	}
	if key[0] == 'n' {
		return known[""] || known["p"+key[1:]]
	}
	for i := 1; i < cols; i++ {
		some := !isRef(key, i)
		for t := range w.ever(key, i) {
			some = some || known[t]
		}
		if !some {
			return false
		}
	}
	return true
}

// reasons looks for what a node should not have come to know: patients in its scope that nobody at or below it made, asked for or was
// admitted, and to whom no row was moved that it had in sight. (Not whom it was moved from: who has the new owner gets no old one.)
// A node that had everything for a time knows of all.
func (w *world) reasons(s *site) string {
	above, p := w.end(s.name)
	if above == nil || above.children[p].All || w.switched[s.name] {
		return ""
	}
	known := map[string]bool{}
	for _, n := range w.names {
		for a := n; a != ""; a = w.sites[a].parent {
			if a == s.name {
				maps.Copy(known, w.reason[n])
			}
		}
	}
	for again := true; again; {
		again = false
		for key, to := range w.moved {
			if w.policy != merge.Newest { // a move may lose to what a restored node has, or one that a patient has left
				for i := 1; i < cols; i++ {
					maps.Copy(to, w.referred[fmt.Sprint(key, ".", i)])
				}
			}
			for t := range to {
				for o := range w.patients(t) {
					if !known[o] && w.sees(known, key) {
						known[o], again = true, true
					}
				}
			}
		}
	}
	for o, e := range above.entries[p] {
		if e.In() && !known[string(o)] {
			return fmt.Sprintf("leak: no reason for %s in the scope of %s", o, s.name)
		}
	}
	for r := range s.records {
		if kindOf(r.key) == scope.Staff || kindOf(r.key) == scope.Common || w.staff(r.key) || r.val == deleted && len(w.patients(r.key)) == 0 {
			continue
		}
		// What a value refers to that says nothing of whose the row is may be anybody's, as in the row itself: see needsHidden.
		if !w.sees(known, r.key) || isRef(r.key, r.bit) && w.target[r.val] != "" && !w.sees(known, w.target[r.val]) {
			return fmt.Sprintf("leak: a record of %s.%d=%d %s at %s", r.key, r.bit, r.val, w.target[r.val], s.name)
		}
	}
	return ""
}

// check says what is wrong in the end, "" if nothing is.
func (w *world) check(silent bool) string {
	if w.fault != "" {
		return w.fault
	}
	if !silent {
		return "endless: still sending"
	}
	root := w.sites[w.root]
	for _, n := range w.names {
		s := w.sites[n]
		for k, q := range s.wait {
			// What waits for a patient who has left is sent no more.
			gone := false
			for _, o := range root.keys() {
				gone = gone || s.parent != "" && w.out(s, scope.Owner(o))
			}
			if k.peer == s.parent && (w.needsHidden(w.sites[s.parent], n, k.key) || w.parted(s, k.key)) {
				continue
			}
			if !((w.restores > 0 || w.readded) && q.Lost) && !(k.peer == s.parent && gone) {
				return fmt.Sprintf("stuck: %s at %s", k.key, n)
			}
		}
		for _, k := range s.keys() {
			if s.here(k) && !s.refers(k, s.rows[k].val) {
				return fmt.Sprintf("orphan: %s at %s", k, n)
			}
		}
		if n == w.root {
			continue
		}
		for _, fault := range []string{w.same(w.sites[s.parent], s), w.reasons(s), w.agreed(w.sites[s.parent], s)} {
			if fault != "" {
				return fault
			}
		}
	}
	return w.checkValues(root)
}

// checkValues: nothing that was written is lost without a record, nothing is back to what it was before, and no deletion is.
func (w *world) checkValues(root *site) string {
	recorded, unburied := map[value]bool{}, map[string]bool{}
	for _, s := range w.sites {
		for _, q := range s.wait {
			for _, v := range q.val {
				recorded[v] = true
			}
		}
		for r := range s.records {
			if recorded[r.val] = true; r.val == deleted {
				unburied[r.key] = true
			}
		}
	}
	final := map[value]bool{}
	for _, e := range root.rows {
		if e.here {
			for _, v := range e.val[1:] {
				final[v] = true
			}
		}
	}
	for v, x := range w.wrote {
		if !final[v] && !recorded[v] && !w.exempt[v] && !w.covered(v, final, recorded, map[value]bool{}) {
			return fmt.Sprintf("lost: %s.%d=%d", x.key, x.bit, v)
		}
	}
	gone := map[string]bool{}
	for _, d := range w.deletions {
		gone[d.key] = true
	}
	var succeeded func(v value) bool // v, or what came after it, is recorded
	succeeded = func(v value) bool {
		return recorded[v] || slices.ContainsFunc(w.over[v], func(o value) bool { return o != deleted && succeeded(o) })
	}
	for v := range final {
		if gone[w.wrote[v].key] {
			continue
		}
		for _, o := range w.over[v] {
			// A winner by policy is stamped anew: what replaced it elsewhere is in conflict with that, and recorded.
			// After a restore, what replaced it may wait for ever, its author having lost it.
			if o != deleted && !w.exempt[o] && (w.policy == merge.Newest && w.restores == 0 || !succeeded(o)) {
				return fmt.Sprintf("back to an older version: %s.%d=%d, which %d replaced", w.wrote[v].key, w.wrote[v].bit, v, o)
			}
		}
	}
	for _, d := range w.deletions {
		back := slices.ContainsFunc(w.inserts, func(i act) bool { return i.key == d.key && (i.at >= d.at || i.site != d.site) })
		if root.here(d.key) && !unburied[d.key] && w.restores == 0 && !back {
			return fmt.Sprintf("undeleted: %s, deleted at %s, and nobody recorded it", d.key, d.site)
		}
	}
	return ""
}

// covered reports whether v was written over by one who saw it, with something that is accounted for.
func (w *world) covered(v value, final, recorded, tried map[value]bool) bool {
	if tried[v] {
		return false
	}
	tried[v] = true
	for _, o := range w.over[v] {
		if o == deleted || !w.exempt[o] || final[o] || recorded[o] || w.covered(o, final, recorded, tried) {
			return true
		}
	}
	return false
}
