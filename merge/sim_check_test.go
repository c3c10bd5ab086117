package merge_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/merge"
)

// standstill is what check says of the one thing that an import that is all or nothing cannot settle.
const standstill = "standstill"

// check says what is wrong, "" if nothing is.
func (w *world) check(silent bool, stuck map[[2]string]bool) string {
	switch {
	case w.fault != "":
		return w.fault
	case !silent:
		for l := range stuck {
			// Both deleted a row to which the other added one that refers to it: either deletion would be refused, and the row
			// come back, if only the file that carries it could be applied.
			if stuck[[2]string{l[1], l[0]}] {
				return standstill
			}
			// Who listens first cannot send back what it needs of a row that it deleted.
			if s := w.sites[l[1]]; w.apart && s.parent == l[0] && s.links[l[0]].ListensFirst() {
				return standstill
			}
		}
		for l := range stuck {
			return fmt.Sprintf("stuck: %s -> %s", l[0], l[1])
		}
		return "endless: still sending"
	}
	for _, n := range w.names {
		for k, q := range w.sites[n].wait {
			if q.Lost && !w.sites[n].refers(k.key, q.val[1]) {
				continue // its sender was restored, and nobody has what it refers to: a person must say what becomes of it
			}
			return fmt.Sprintf("waiting: %s from %s at %s", k.key, k.peer, n)
		}
	}
	equal := w.checkEqual
	if w.apart {
		equal = w.checkPaired
	}
	if s := equal(); s != "" {
		return s
	}
	first := w.sites[w.names[0]]
	alive, unburied := map[string]bool{}, map[string]bool{}
	for k, e := range first.rows {
		if e.here {
			alive[w.thing(k)] = true
		}
	}
	for _, s := range w.sites {
		for r := range s.records {
			if r.val == deleted {
				unburied[w.thing(r.key)] = true
			}
		}
	}
	final, recorded := w.kept()
	if s := w.checkLost(final, recorded); s != "" {
		return s
	}
	if s := w.checkOrder(final, recorded); s != "" {
		return s
	}
	for _, d := range w.deletions {
		back := slices.ContainsFunc(w.inserts, func(i act) bool { return w.thing(i.key) == w.thing(d.key) && (i.at >= d.at || i.site != d.site) })
		if alive[w.thing(d.key)] && !unburied[w.thing(d.key)] && w.restores == 0 && !back {
			return fmt.Sprintf("undeleted: %s, deleted at %s, and nobody recorded it", d.key, d.site)
		}
	}
	return ""
}

// kept returns the values that sites have in the end, and those in records of conflicts or that wait.
func (w *world) kept() (final, recorded map[value]bool) {
	final, recorded = map[value]bool{}, map[value]bool{}
	for _, e := range w.sites[w.names[0]].rows {
		if e.here {
			for _, v := range e.val[1:] {
				final[v] = true
			}
		}
	}
	for _, s := range w.sites {
		for r := range s.records {
			if r.val != deleted {
				recorded[r.val] = true
			}
		}
		for _, q := range s.wait {
			for _, v := range q.val {
				recorded[v] = true
			}
		}
	}
	return final, recorded
}

// checkLost: no value is nowhere that nobody wrote over who had seen it.
func (w *world) checkLost(final, recorded map[value]bool) string {
	for v, x := range w.wrote {
		if !final[v] && !recorded[v] && !w.exempt[v] && !w.covered(v, final, recorded, map[value]bool{}) {
			return fmt.Sprintf("lost: %s.%d=%d", x.key, x.bit, v)
		}
	}
	return ""
}

// checkEqual: all sites hold the same rows and values, and no reference leads nowhere.
func (w *world) checkEqual() string {
	first := w.sites[w.names[0]]
	for _, n := range w.names {
		s := w.sites[n]
		keys := maps.Clone(first.rows)
		maps.Copy(keys, s.rows)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			a, b := first.rows[k], s.rows[k]
			switch {
			case a.here != b.here || a.val != b.val:
				return fmt.Sprintf("different: %s at %s and %s", k, first.name, n)
			case !b.here:
				continue
			case !s.refers(k, b.val[1]):
				return fmt.Sprintf("orphan: %s at %s", k, n)
			case w.newest && w.restores == 0 && !sameStamps(a.Row, b.Row):
				return fmt.Sprintf("other stamps: %s at %s and %s", k, first.name, n)
			}
			for _, g := range b.Groups {
				if !g.Columns().Without(merge.Bits(allColumns)).IsEmpty() {
					return fmt.Sprintf("other columns: %s at %s", k, n)
				}
			}
		}
	}
	return ""
}

// sameStamps compares two rows' stamps, those aside of what was there before both became nodes.
func sameStamps(a, b merge.Row) bool {
	for i := 0; i < cols; i++ {
		x, y := stampOf(a, i), stampOf(b, i)
		if x != y && (x.Time > 0 || y.Time > 0) {
			return false
		}
	}
	return true
}

func stampOf(r merge.Row, bit int) merge.Stamp {
	for _, g := range r.Groups {
		if g.Has(bit) {
			return g.Stamp
		}
	}
	return merge.Stamp{}
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

// checkOrder: no value beat the one that was written over it.
func (w *world) checkOrder(final, recorded map[value]bool) string {
	gone := map[string]bool{}
	for _, d := range w.deletions {
		gone[w.thing(d.key)] = true
	}
	var succeeded func(v value) bool // v, or what came after it, is recorded
	succeeded = func(v value) bool {
		return recorded[v] || slices.ContainsFunc(w.over[v], func(o value) bool { return o != deleted && succeeded(o) })
	}
	for v := range final {
		if gone[w.thing(w.wrote[v].key)] {
			continue
		}
		for _, o := range w.over[v] {
			// A policy's winner is stamped anew: what replaced it elsewhere is in conflict with that, and recorded.
			if o != deleted && !w.exempt[o] && (w.newest && w.restores == 0 || !succeeded(o)) {
				return fmt.Sprintf("back to an older version: %s.%d=%d, which %d replaced", w.wrote[v].key, w.wrote[v].bit, v, o)
			}
		}
	}
	return ""
}
