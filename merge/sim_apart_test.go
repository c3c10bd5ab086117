package merge_test

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/omsync/omsync/merge"
)

// make has an application make a row with a name.
func (w *world) make(r *rand.Rand, site, kind, name string, found bool) {
	w.made++
	key := fmt.Sprintf("%s%d%s%s", kind, w.made, name, site)
	if found {
		w.found(site, key)
	} else {
		w.insert(site, key, r.Intn(3))
	}
	if e := w.sites[site].rows[key]; e.here {
		w.named[e.val[2]] = name
	}
}

// work is what an application does to rows that have names.
func (w *world) work(r *rand.Rand, site string) {
	s := w.sites[site]
	var here, gone []string
	for _, k := range s.keys() {
		if s.here(k) {
			here = append(here, k)
		} else {
			gone = append(gone, k)
		}
	}
	name := []string{"x", "y", "z"}[r.Intn(3)]
	switch x := r.Float64(); {
	case x < .2 && len(here) < 6 || len(here) == 0:
		w.make(r, site, []string{"p", "p", "c"}[r.Intn(3)], name, false)
		return
	case x < .25 && len(gone) > 0:
		k := gone[r.Intn(len(gone))]
		w.insert(site, k, r.Intn(3))
		if e := s.rows[k]; e.here {
			w.named[e.val[2]] = name
		}
		return
	case x < .4:
		w.delete(site, here[r.Intn(len(here))])
		return
	}
	k := here[r.Intn(len(here))]
	before := s.rows[k].val[2]
	mask := merge.Bit(1 + r.Intn(cols-1))
	w.edit(site, k, mask, r.Intn(3))
	if now := s.rows[k].val[2]; now != before {
		w.named[now] = name
		w.tell("   it is called %s", name)
	}
}

// scheduleApart has sites that lived apart meet, and go on.
func scheduleApart(seed int64, talk func(string, ...any)) string {
	r := rand.New(rand.NewSource(seed))
	w := newWorld(trees[r.Intn(len(trees))], merge.Policy(r.Intn(3)), talk)
	w.apart, w.named, w.same = true, map[value]string{}, map[string]string{}
	w.strict = r.Intn(4) == 0
	restores := r.Intn(2) == 0
	w.whole = restores
	has := map[string]map[string]bool{}
	for _, n := range w.names {
		has[n] = map[string]bool{}
		for _, name := range []string{"x", "y", "z"} {
			if r.Intn(3) > 0 {
				w.make(r, n, "p", name, true)
				has[n][name] = true
				if r.Intn(2) == 0 {
					w.make(r, n, "c", "x", true)
				}
			}
		}
		if w.sites[n].epoch() == 0 {
			w.sites[n].commit()
		}
	}
	once := map[string]bool{} // names that each site's parent has too
	for _, name := range []string{"x", "y", "z"} {
		once[name] = true
		for _, n := range w.names {
			if p := w.sites[n].parent; p != "" && has[n][name] && !has[p][name] {
				once[name] = false
			}
		}
	}
	w.tell("%v, policies %v, restores %v", w.links, w.policies, restores)
	step := func(works bool) {
		w.now++
		l := w.links[r.Intn(len(w.links))]
		n := w.names[r.Intn(len(w.names))]
		x := r.Float64()
		switch {
		case restores && r.Float64() < .12:
			if r.Intn(3) == 0 {
				w.restore(n)
				w.quiet(r, 25) // nobody goes on working before it is noticed
			} else {
				w.backups[n] = w.sites[n].backup()
				w.tell("backup of %s", n)
			}
		case works && r.Float64() < .03:
			w.tell("-- everything is delivered")
			w.quiet(r, 25)
		case works && x < .36:
			w.work(r, n)
		case x < .62:
			w.send(r, l, merge.ExportRequest{Full: r.Intn(12) == 0}, true)
		case x < .93:
			w.arrive(r, l)
		default:
			if files := w.files[l]; len(files) > 0 {
				w.files[l] = files[:len(files)-1]
				w.tell("a file %s -> %s is lost", l[0], l[1])
			}
		}
	}
	for i := r.Intn(30); i > 0; i-- {
		step(false)
	}
	w.tell("-- they have met")
	if s := w.check(w.quiet(r, 120)); s != "" {
		return s
	}
	if s := w.twice(once); s != "" {
		return s
	}
	for i := r.Intn(50); i > 0; i-- {
		step(true)
	}
	w.tell("-- quiet")
	return w.check(w.quiet(r, 120))
}

// TestApart has sites meet that lived apart, with keys of their own for one thing, and go on: nothing of what each site and its parent had is
// there twice, no two things become one, and all else is as in TestSchedules.
//
//	OMSYNC_SEED=12 go test -run TestApart ./merge    tells the story of one schedule
func TestApart(t *testing.T) { runSchedules(t, 20_000, scheduleApart) }
