package merge_test

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/omsync/omsync/merge"
)

// schedule runs one random schedule and says what went wrong, "" if nothing did.
func schedule(seed int64, talk func(string, ...any)) string {
	r := rand.New(rand.NewSource(seed))
	rough := r.Intn(4) == 0 // little data and few sites, on which much goes wrong
	tree := trees[r.Intn(len(trees))]
	keys := [][]string{{"p1"}, {"p1", "c1"}, {"p1", "p2", "c1", "c2"}}[r.Intn(3)]
	again := 0.
	if r.Intn(4) == 0 {
		again = .03
	}
	if rough {
		tree, keys, again = trees[r.Intn(2)], [][]string{{"p1"}, {"p1", "p2"}, {"p1", "p2", "c1"}}[r.Intn(3)], .08
	}
	w := newWorld(tree, merge.Policy(r.Intn(3)), talk)
	w.rough = rough
	node := func() string { return w.names[r.Intn(len(w.names))] }
	key := func() string { return keys[r.Intn(len(keys))] }
	if r.Intn(2) == 0 {
		for _, n := range w.names {
			for _, k := range keys {
				if r.Intn(2) == 0 {
					w.found(n, k)
				}
			}
		}
	}
	wrong := rand.New(rand.NewSource(^seed))             // of clocks that are quite wrong
	drops := rand.New(rand.NewSource(seed ^ 0x64726f70)) // of what people do with rows that wait
	w.strict = wrong.Intn(3) == 0
	restores, skews := r.Intn(2) == 0 || rough, r.Intn(2) == 0
	w.mixPolicies(wrong)
	w.tell("%v, policies %v, restores %v", tree, w.policies, restores)
	w.insert(node(), "p1", 0)
	for i := 8 + r.Intn(40); i > 0; i-- {
		w.now++
		w.drop(drops)
		l := w.links[r.Intn(len(w.links))]
		x := r.Float64()
		switch {
		case restores && r.Float64() < .12:
			if n := node(); r.Intn(3) == 0 {
				w.restore(n)
			} else {
				w.backups[n] = w.sites[n].backup()
				w.tell("backup of %s", n)
			}
		case r.Float64() < again:
			w.sites[l[0]].add(l[1])
			w.tell("%s removes %s and adds it again", l[0], l[1])
		case r.Float64() < .01:
			n := node()
			w.sites[n].sendAgain()
			w.tell("%s is to send everything again", n)
		case !w.strict && wrong.Float64() < .02:
			w.block(wrong, node(), key())
		case r.Float64() < .03:
			w.tell("-- everything is delivered")
			w.quiet(r, 25)
		case x < .36:
			w.application(r, node(), key())
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
			n := node()
			w.skew[n] = []int64{-1000, -100, -15, 15, 100, 1000}[r.Intn(6)]
			w.breakClock(wrong, n, restores)
		}
	}
	w.tell("-- quiet")
	clear(w.blocked)
	for _, s := range w.sites {
		s.drop(false)
	}
	return w.check(w.quiet(r, 120))
}

// breakClock sets a clock quite wrong, at times. One that is in the far future is the root's alone, whose stamps everybody takes, and only where
// nobody forgets by a restore what came from it.
func (w *world) breakClock(r *rand.Rand, n string, restores bool) {
	switch r.Intn(8) {
	case 0:
		w.skew[n] = emptyBattery
	case 1:
		if w.sites[n].parent == "" && !restores {
			w.skew[n] = farFuture
		}
	}
}

// block has a site's database take a row no more, or again: a value does not fit, or another row holds what must be unique.
func (w *world) block(r *rand.Rand, site, key string) {
	at := [2]string{site, key}
	w.blocked[at] = r.Intn(3) > 0
	w.tell("%s takes %s: %t", site, key, !w.blocked[at])
}

// drop has people drop what waits at a site, or undo it, now and then.
func (w *world) drop(r *rand.Rand) {
	if n := w.names[r.Intn(len(w.names))]; r.Intn(12) == 0 && len(w.sites[n].wait) > 0 {
		dropped := r.Intn(2) == 0
		w.sites[n].drop(dropped)
		w.tell("%s drops what waits: %t", n, dropped)
	}
}

func (w *world) application(r *rand.Rand, site, key string) {
	switch x := r.Float64(); {
	case x < .12:
		w.delete(site, key)
	case x < .32:
		w.insert(site, key, r.Intn(3))
	default:
		mask := merge.Bit(1 + r.Intn(cols-1))
		if r.Intn(4) == 0 {
			mask = mask.Or(merge.Bit(1 + r.Intn(cols-1)))
		}
		w.edit(site, key, mask, r.Intn(3))
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
		w.files[l] = append(append([]*file(nil), files[:j]...), files[j+1:]...)
	}
	if s := w.deliver(f); s == "applied" || s == "covered" {
		before := w.sites[f.dst].digest()
		if w.sites[f.dst].receive(f); w.sites[f.dst].digest() != before {
			w.blame("not idempotent")
		}
	}
}

// TestSchedules runs random schedules of everything that nodes, files and backups do, and checks that in the end, when all is
// exchanged, the nodes are equal, nothing that was written is lost without a record, and everybody is silent.
//
//	OMSYNC_SCHEDULES=1000000 go test -run TestSchedules ./merge
//	OMSYNC_SEED=2504 go test -run TestSchedules ./merge    tells the story of one schedule
func TestSchedules(t *testing.T) { runSchedules(t, 100_000, schedule) }

// runSchedules runs the first n schedules of a kind, or as many as OMSYNC_SCHEDULES says, after as many as OMSYNC_SCHEDULES_AFTER says.
func runSchedules(t *testing.T, n int64, schedule func(seed int64, talk func(string, ...any)) string) {
	if s := os.Getenv("OMSYNC_SEED"); s != "" {
		seed, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if fault := schedule(seed, func(f string, a ...any) { fmt.Printf(f+"\n", a...) }); fault != "" {
			t.Error(fault)
		}
		return
	}
	if testing.Short() {
		n /= 20
	}
	if s := os.Getenv("OMSYNC_SCHEDULES"); s != "" {
		var err error
		if n, err = strconv.ParseInt(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	enough := 1
	if s := os.Getenv("OMSYNC_FAILURES"); s != "" {
		enough, _ = strconv.Atoi(s)
	}
	var next atomic.Int64
	after := int64(0)
	if s := os.Getenv("OMSYNC_SCHEDULES_AFTER"); s != "" {
		var err error
		if after, err = strconv.ParseInt(s, 10, 64); err != nil {
			t.Fatal(err)
		}
		next.Store(after)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed, stood := 0, int64(0)
	for range runtime.GOMAXPROCS(0) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				seed := next.Add(1)
				mu.Lock()
				stop := failed >= enough
				mu.Unlock()
				if seed > after+n || stop {
					return
				}
				if fault := schedule(seed, nil); fault == standstill {
					mu.Lock()
					stood++
					mu.Unlock()
				} else if fault != "" {
					mu.Lock()
					failed++
					t.Errorf("schedule %d: %s", seed, strings.TrimSpace(fault))
					mu.Unlock()
				}
			}
		}()
	}
	wg.Wait()
	t.Logf("%d schedules, %d failed, %d came to a standstill", min(next.Load()-after, n), failed, stood)
	if stood > 1+n/2000 {
		t.Errorf("%d of %d schedules came to a standstill: it should be rare", stood, n)
	}
}

// schedules returns how many schedules are asked for, 0 if nobody does.
func schedules(t *testing.T) int64 {
	s := os.Getenv("OMSYNC_SCHEDULES")
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
