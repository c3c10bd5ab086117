package merge_test

// restore puts a site back to its backup, if it has one.
func (w *world) restore(site string) {
	b := w.backups[site]
	if b == nil {
		return
	}
	kept := w.sites[site].aliases
	w.sites[site] = b.backup()
	if w.apart {
		w.sites[site].learn(kept)
		for _, l := range w.links {
			if l[0] == site {
				w.files[l] = nil
			}
		}
	}
	w.restores++
	w.tell("%s RESTORED%s", site, w.show(site))
	held := map[value]bool{}
	for _, s := range w.sites {
		for _, e := range s.rows {
			for _, v := range e.val {
				held[v] = true
			}
		}
		for r := range s.records {
			held[r.val] = true
		}
		for _, q := range s.wait {
			for _, v := range q.val {
				held[v] = true
			}
		}
	}
	for v := range w.wrote {
		if !w.exempt[v] && !w.survives(v, held, map[value]bool{}) {
			w.exempt[v] = true
		}
	}
}

// survives reports whether v, or what was written over it, is held somewhere.
func (w *world) survives(v value, held, tried map[value]bool) bool {
	if held[v] {
		return true
	}
	if tried[v] {
		return false
	}
	tried[v] = true
	for _, o := range w.over[v] {
		if o == deleted || !w.exempt[o] && w.survives(o, held, tried) {
			return true
		}
	}
	return false
}
