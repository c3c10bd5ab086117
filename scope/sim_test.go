package scope_test

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// schedule runs one random schedule and says what went wrong, "" if nothing did.
func schedule(seed int64, talk func(string, ...any)) string {
	r := rand.New(rand.NewSource(seed))
	w := newWorld(trees[r.Intn(len(trees))], merge.Policy([]int{0, 1, 0, 1, 0, 1, 2}[r.Intn(7)]), talk)
	more := rand.New(rand.NewSource(seed ^ 0x6d6f7265)) // what not every schedule has
	w.nulls = more.Intn(4) == 0
	w.purges = more.Intn(4) == 0
	switches, rules, approve, added := more.Intn(4) == 0, more.Intn(4) == 0, more.Intn(4) == 0, more.Intn(8) == 0
	ids := rand.New(rand.NewSource(seed ^ 0x696473)) // who is asked for by an identifier
	seeks := ids.Intn(4) == 0
	restores, skews := r.Intn(2) == 0, r.Intn(2) == 0
	keys := strings.Fields([]string{"p1 p2 c1 c2", "p1 p2 p3 c1 c2 c3", "p1 p2 c1 d1", "p1 p2 p3 c1 c2 d1", "p1 p2 c1 c2 d1 d2", "p1 p2 p3 c1 r1", "p1 p2 c1 c2 u1 k1", "p1 p2 p3 c1 d1 u1"}[r.Intn(8)])
	if more.Intn(8) == 0 {
		keys = strings.Fields([]string{"p1 p2 c1 o1", "p1 p2 c1 c2 o1 o2"}[more.Intn(2)])
	}
	if w.persons = more.Intn(6) == 0; w.persons {
		keys = strings.Fields([]string{"n1 p1 p2 c1 c2", "n1 n2 p1 p2 c1 d1", "n1 p1 p2 r1 c1", "n1 n2 p1 p2 c1 u1"}[more.Intn(4)])
	}
	node := func() string { return w.names[r.Intn(len(w.names))] }
	w.tell("%v, policy %v, restores %v, nulls %v, switches %v, rules %v, approve %v, added again %v, identifiers %v", w.links, w.policy, restores, w.nulls, switches, rules, approve, added, seeks)
	for _, n := range w.names {
		if s, p := w.end(n); s != nil && r.Intn(4) > 0 {
			s.children[p] = scope.Child{Approve: approve && more.Intn(2) == 0}
			w.ruled[n] = rules && more.Intn(2) == 0
			w.tell("%s has a scope at %s: %+v, by a rule %v", n, s.name, s.children[p], w.ruled[n])
		}
	}
	homes := map[string]string{} // a row that has a home is made there only
	switch r.Intn(4) {
	case 0, 1:
		some := node()
		for _, k := range keys {
			if homes[k] = some; r.Intn(2) == 0 {
				homes[k] = node()
			}
			w.insert(homes[k], k, r.Intn(3))
		}
	case 2:
		for _, n := range w.names {
			for _, k := range keys {
				if r.Intn(2) == 0 {
					w.found(n, k)
				}
			}
		}
	}
	w.insert(node(), "p1", 0)
	w.tell("purges %v", w.purges)
	for i := 8 + r.Intn(40) + r.Intn(40); i > 0; i-- {
		w.now++
		if w.purges && more.Intn(8) == 0 {
			w.sites[w.names[more.Intn(len(w.names))]].doPurge()
		}
		if seeks && ids.Intn(8) == 0 {
			w.seek(w.names[ids.Intn(len(w.names))], fmt.Sprintf("p%d", 1+ids.Intn(3)))
		}
		l := w.links[r.Intn(len(w.links))]
		x := r.Float64()
		switch {
		case restores && r.Float64() < .12:
			n := node()
			if r.Intn(3) == 0 {
				w.restore(n)
			} else {
				w.backups[n] = w.sites[n].backup()
				w.tell("backup of %s", n)
			}
		case r.Float64() < .12:
			w.people(r, node(), keys)
		case switches && more.Float64() < .06:
			if n := node(); more.Intn(2) == 0 {
				w.begin(n)
			} else {
				w.whole(n)
			}
		case rules && more.Float64() < .05:
			n := node()
			w.ruled[n] = !w.ruled[n]
			w.tell("a rule for %s: %v", n, w.ruled[n])
		case approve && more.Float64() < .1:
			w.answer(more, node())
		case added && more.Float64() < .04:
			w.sites[l[0]].add(l[1])
			w.readded = true
			w.tell("%s removes %s and adds it again", l[0], l[1])
		case r.Float64() < .01:
			w.again(node())
		case r.Float64() < .02:
			w.oldFile(r, l)
		case r.Float64() < .03:
			w.tell("-- everything is delivered")
			w.quiet(r, 25)
		case x < .36:
			w.application(r, node(), keys[r.Intn(len(keys))], homes)
		case x < .62:
			w.send(r, l, merge.ExportRequest{SinceSent: r.Intn(4) == 0, Full: r.Intn(12) == 0}, true)
		case x < .90:
			w.arrive(r, l)
		case x < .93:
			if files := w.files[l]; len(files) > 0 {
				w.files[l] = files[:len(files)-1]
				w.tell("a file %s -> %s is lost", l[0], l[1])
			}
		case skews:
			w.skew[node()] = []int64{-1000, -100, -15, 15, 100, 1000}[r.Intn(6)]
		}
	}
	w.tell("-- quiet")
	return w.check(w.quiet(r, 120))
}

func (w *world) application(r *rand.Rand, site, key string, homes map[string]string) {
	switch x := r.Float64(); {
	case x < .12:
		w.delete(site, key)
	case x < .32:
		if h, ok := homes[key]; ok {
			site = h
		}
		w.insert(site, key, r.Intn(3))
	default:
		w.edit(site, key, 1+r.Intn(2), r.Intn(4))
	}
}

// people has people do something with the scope of a node, or merge two patients there.
func (w *world) people(r *rand.Rand, n string, keys []string) {
	k := fmt.Sprintf("p%d", 1+r.Intn(3))
	x := r.Intn(7)
	if w.purges && r.Intn(3) == 0 {
		x = 0
	}
	switch x {
	case 0:
		s, p := w.end(n)
		if s == nil {
			return
		}
		var in []string
		for _, o := range s.Entries(p) {
			if s.entries[p][o].In() {
				in = append(in, string(o))
			}
		}
		if len(in) > 0 {
			w.leave(n, in[r.Intn(len(in))], w.purges && r.Intn(4) > 0)
		}
		if r.Intn(2) == 0 {
			w.oldFile(r, [2]string{n, s.name})
		}
		if r.Intn(2) == 0 {
			w.edit(n, keys[r.Intn(len(keys))], 2, r.Intn(3))
			w.send(r, [2]string{n, s.name}, merge.ExportRequest{Full: true}, false)
		}
	case 1:
		w.merge(n, k, fmt.Sprintf("p%d", 1+r.Intn(3)))
	case 2, 3, 4:
		w.admit(n, k)
	default:
		w.ask(n, k)
	}
}

func (w *world) oldFile(r *rand.Rand, l [2]string) {
	if files := w.old[l]; len(files) > 0 {
		w.tell("an old file turns up")
		w.deliver(files[r.Intn(len(files))])
	}
}

// arrive delivers one of the files under way, not always the oldest, and at times leaves it there to come once more.
func (w *world) arrive(r *rand.Rand, l [2]string) {
	files := w.files[l]
	if len(files) == 0 {
		return
	}
	j := r.Intn(len(files))
	if r.Intn(2) == 0 {
		j = 0
	}
	f := files[j]
	if r.Intn(5) > 0 {
		w.files[l] = slices.Delete(slices.Clone(files), j, j+1)
	}
	if s := w.deliver(f); s == "applied" || s == "covered" {
		before := w.sites[f.dst].digest()
		// A request may be answered once more by a node that knows by then which of its histories was meant.
		// So may one by an identifier: the patient may have come with the file.
		again := w.restores > 0 && len(f.wants) > 0 || len(f.seeks) > 0
		if w.sites[f.dst].receive(f); w.sites[f.dst].digest() != before && !again {
			w.blame("not idempotent")
		}
	}
}

// TestSchedules runs random schedules of everything that people do with scopes, and nodes, files and backups do meanwhile. It checks that in
// the end, when all is exchanged, a parent and its child are equal in what both are to have, that nothing that was written is lost without a
// record, that everybody is silent, and at all times that no file holds what its receiver may not have.
//
// Of 1,000,000 schedules three fail: in 287790 and 364527 both nodes that had a record are restored to before it, in 412405 a patient leaves while a
// request for the patient is under way upwards. docs/limits.md says so.
//
//	OMSYNC_SCHEDULES=1000000 go test -run TestSchedules ./scope
//	OMSYNC_SEED=2504 go test -run TestSchedules ./scope    tells the story of one schedule
func TestSchedules(t *testing.T) {
	if s := os.Getenv("OMSYNC_SEED"); s != "" {
		if fault := schedule(number(t, s), func(f string, a ...any) { fmt.Printf(f+"\n", a...) }); fault != "" {
			t.Error(fault)
		}
		return
	}
	n, first, enough := int64(50_000), int64(1), int64(1)
	if testing.Short() {
		n /= 20
	}
	for name, v := range map[string]*int64{"OMSYNC_SCHEDULES": &n, "OMSYNC_FIRST": &first, "OMSYNC_FAILURES": &enough} {
		if s := os.Getenv(name); s != "" {
			*v = number(t, s)
		}
	}
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	next.Store(first - 1)
	for range runtime.GOMAXPROCS(0) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				seed := next.Add(1)
				if seed >= first+n || failed.Load() >= enough {
					return
				}
				if fault := schedule(seed, nil); fault != "" {
					mu.Lock()
					failed.Add(1)
					t.Errorf("schedule %d: %s", seed, strings.TrimSpace(fault))
					mu.Unlock()
				}
			}
		}()
	}
	wg.Wait()
	t.Logf("%d schedules, %d failed", min(next.Load()-first+1, n), failed.Load())
}

func number(t *testing.T, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
