package merge_test

import (
	"fmt"
	"math/rand"
	"slices"
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
	case x < .25 && len(gone) > 0 && !w.moves:
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

// decide has a person say that a row of a site's parent is one at the site.
func (w *world) decide(r *rand.Rand, site string) {
	s := w.sites[site]
	if s.parent == "" {
		return
	}
	s.seal()
	var mine, theirs []string
	for _, k := range s.keys() {
		if k[0] == 'p' && s.here(k) {
			mine = append(mine, k)
		}
	}
	for _, k := range w.sites[s.parent].keys() { // also what was deleted there since
		if k = w.sites[s.parent].theirs(site, k); k[0] == 'p' && s.own(s.parent, k) == k {
			theirs = append(theirs, k)
		}
	}
	if len(mine) == 0 || len(theirs) == 0 {
		return
	}
	w.say(s, mine[r.Intn(len(mine))], theirs[r.Intn(len(theirs))])
}

// say has a person say of two rows that they are one.
func (w *world) say(s *site, own, their string) {
	l := s.links[s.parent]
	im := l.Deciding(l.peer)
	im.OwnResent = func(e uint64) bool { return s.resent[e] }
	im.Reclaimed = func(e uint64) bool { return s.reclaimed[e] }
	e := s.rows[own]
	x := merge.Likeness{KeyKnown: s.rows[their].Known || s.isOwn(their), Paired: s.theirs(s.parent, own) != own, Returned: e.back, Local: e.Row}
	if im.MayPair(x) {
		w.tell("a person at %s decides", s.name)
		s.pair(s.parent, their, own)
		w.decided++
	}
}

// move puts a site that has nobody below it under another parent. Before they exchange anything a person says which rows are one.
func (w *world) move(r *rand.Rand) {
	n := w.names[r.Intn(len(w.names))]
	s := w.sites[n]
	var fit []string
	for _, to := range w.names {
		if s.parent != "" && to != s.parent && to != n && len(s.links) == 1 {
			fit = append(fit, to)
		}
	}
	if len(fit) == 0 {
		return
	}
	from, to := s.parent, fit[r.Intn(len(fit))]
	w.links = slices.DeleteFunc(w.links, func(l [2]string) bool { return l == [2]string{n, from} || l == [2]string{from, n} })
	for _, end := range [][2]string{{n, from}, {from, n}} {
		at := w.sites[end[0]]
		at.loseWaiting(end[1])
		delete(at.links, end[1])
		delete(w.files, end)
		for _, p := range at.pairs() { // it would be another peer if it came again
			if p.peer == end[1] {
				at.aliases[pairOf{p.peer + " before", p.key}] = at.aliases[p]
				delete(at.aliases, p)
			}
		}
	}
	s.parent = to
	s.add(to)
	w.sites[to].add(n)
	w.links = append(w.links, [2]string{n, to}, [2]string{to, n})
	w.tell("%s goes from %s to %s", n, from, to)
	s.seal()
	for _, own := range s.keys() {
		for _, their := range w.sites[to].keys() {
			if own != their && s.here(own) && w.sites[to].here(their) && !s.here(their) && !w.sites[to].here(own) && w.thing(own) == w.thing(their) && s.own(to, their) == their {
				w.say(s, own, their)
			}
		}
	}
}

// scheduleApart has sites that lived apart meet, and go on.
func scheduleApart(seed int64, talk func(string, ...any)) string { return apart(seed, talk, false) }

// scheduleMoved has them put under other parents too.
func scheduleMoved(seed int64, talk func(string, ...any)) string { return apart(seed, talk, true) }

func apart(seed int64, talk func(string, ...any), moves bool) string {
	r := rand.New(rand.NewSource(seed))
	w := newWorld(trees[r.Intn(len(trees))], merge.Policy(r.Intn(3)), talk)
	w.apart, w.named, w.same = true, map[value]string{}, map[string]string{}
	w.strict = r.Intn(4) == 0
	restores := r.Intn(2) == 0
	w.whole = restores || moves                           // a row that was renamed may be in another part than the new one of its name
	people := rand.New(rand.NewSource(seed ^ 0x70656f70)) // of what people do
	decides := people.Intn(2) == 0
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
		if decides && people.Intn(10) == 0 {
			w.decide(people, w.names[people.Intn(len(w.names))])
		}
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
	if s := w.twice(once); s != "" && w.decided == 0 {
		return s
	}
	for i := r.Intn(50); i > 0; i-- {
		step(true)
	}
	w.tell("-- quiet")
	if s := w.check(w.quiet(r, 120)); s != "" || !moves {
		return s
	}
	restores, w.moves = false, true // after that no key is used again of what was deleted
	w.move(people)
	for i := people.Intn(30); i > 0; i-- {
		step(people.Intn(2) == 0)
	}
	if silent, stuck := w.quiet(r, 120); !silent {
		return w.check(silent, stuck)
	}
	return w.checkPaired()
}

// TestApart has sites meet that lived apart, with keys of their own for one thing, and go on: nothing of what each site and its parent had is
// there twice, no two things become one, and all else is as in TestSchedules.
//
// Of 1,000,000 schedules three fail, 618263, 663864 and 755851, and for one reason: a site that was restored takes a row that it had sent since
// the backup for another one of that name, which it reads next. docs/limits.md says so.
//
//	OMSYNC_SEED=12 go test -run TestApart ./merge    tells the story of one schedule
func TestApart(t *testing.T) { runSchedules(t, 20_000, scheduleApart) }

// TestMoved is TestApart for a site that is put under another parent, once all is delivered and a person said which rows are one there. What is
// checked is that each link's two sides hold the same, and that no two rows became one.
//
// Of 20,000 schedules two fail, 11918 and 14898, and for one reason: after the first file and before it has sent one, a site gets a new row with
// the name of one that both had under one key from elsewhere. docs/limits.md says so.
func TestMoved(t *testing.T) { runSchedules(t, 8000, scheduleMoved) }
