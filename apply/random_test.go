package apply_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/schema"
)

// TestRandom lets three sites work at random in all tables of OpenMRS 2.6, exchange files that are lost, late, repeated and out
// of order, and then exchange until all are quiet: they hold the same, and nothing that somebody wrote is nowhere.
//
// With an odd seed rows wait that cannot be applied; with an even one an import is all or nothing. OMSYNC_SEED picks the schedules (a
// number; "any" draws one), OMSYNC_ROUNDS how long they are, and OMSYNC_STORY=1 tells all
// that happens. With OMSYNC_AT_ONCE=1 the hub imports files of its two clinics at the same time.
func TestRandom(t *testing.T) {
	seed, rounds := uint64(1), 3
	switch s := os.Getenv("OMSYNC_SEED"); s {
	case "":
	case "any":
		seed = uint64(time.Now().UnixNano() % 1_000_000)
	default:
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	if s := os.Getenv("OMSYNC_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	if os.Getenv("OMSYNC_AT_ONCE") != "" {
		w := newChaos(t, seed, seed%4 > 1)
		w.atOnce = true
		w.run(rounds)
		t.Logf("at once: %+v", w.imported)
		return
	}
	t.Run("directions", func(t *testing.T) { newChaos(t, seed, false).run(rounds) })
	t.Run("restores", func(t *testing.T) { newChaos(t, seed, true).run(rounds) })
}

// chaos is three sites and the files between them.
type chaos struct {
	t testing.TB
	*maker
	actors     []*actor
	clock      int64 // µs since 1970 UTC, the right time
	files      []*sites.File
	old        []*sites.File // applied or lost, and may come up again
	restores   int           // how many of a thousand steps restore a backup
	written    map[string]string
	cleared    map[string]bool // "table/key/column" that the root changed, of what flows down
	disposable map[string]bool // "table/uuid" that flow down and may be deleted
	hot        [][2]string     // table and uuid of rows that somebody changed lately
	story      []string
	imported   map[string]int
	lacked     map[string]bool // tables that some site, or of which it a column, did not have for a while: it kept and passed on no conflicts in them
	edits      int             // statements that changed something
	things     things          // what the sites have in common under keys of their own; nil: they call everything alike
	atOnce     bool            // two clinics' files are imported at the hub at the same time
	differ     bool            // the schemas differ for a while, and sites give equal values where only one row may have one: see newDiffering
}

// tell takes down what happens, to be read when the test fails.
func (w *chaos) tell(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if os.Getenv("OMSYNC_STORY") != "" {
		fmt.Println(line)
	}
	w.story = append(w.story, line)
}

// newChaos makes the sites: a hub with a small clinic's data, and two below it or one below the other. One of them is empty,
// the other sometimes has patients of its own. With restores everything flows both ways: what a restored parent lost of the
// tables that only flow down nobody may give back.
func newChaos(t *testing.T, seed uint64, restores bool) *chaos {
	w := &chaos{t: t, maker: &maker{rng: rand.New(rand.NewPCG(seed, 77)), unique: map[string]bool{}}, clock: 1_760_000_000_000_000,
		written: map[string]string{}, cleared: map[string]bool{}, disposable: map[string]bool{}, imported: map[string]int{}}
	chain := w.chance(50) != restores && os.Getenv("OMSYNC_AT_ONCE") == ""
	own := w.chance(40)
	t.Logf("OMSYNC_SEED=%d (chain: %v, own patients: %v)", seed, chain, own)
	t.Cleanup(func() {
		if t.Failed() && os.Getenv("OMSYNC_STORY") == "" {
			t.Logf("to read what happened: OMSYNC_STORY=1 OMSYNC_SEED=%d go test -run %s", seed, t.Name())
		}
	})
	profile, err := schema.Builtin("openmrs")
	if err != nil {
		t.Fatal(err)
	}
	if restores {
		w.restores = 25
		if profile, err = schema.ParseProfile("random.toml", []byte("[direction]\nboth = [\"*\"]\nnot_code = [\"*\"]\n"), profile); err != nil {
			t.Fatal(err)
		}
	}
	tables := openmrs.Schema("2.6")
	var made sync.WaitGroup
	var one sync.Mutex // MariaDB that makes triggers in several databases at once leaves files, and cannot drop those any more
	for i, name := range []string{"hub", "kisumu", "migori"} {
		n := &actor{Site: sites.New(t, name, "openmrs", tables...), w: w, base: int64(1+i) * 1_000_000, own: map[string]bool{}, dirty: map[string]bool{}}
		n.Profile, n.Waits = profile, seed%2 == 1
		n.Sections = export.NewSections(1 << 20).Always()
		n.forget()
		w.actors = append(w.actors, n)
		o := openmrs.Options{Seed: int64(seed)*3 + int64(i), Site: name, Patients: 6, Metadata: true}
		made.Add(1)
		go func() {
			defer made.Done()
			if i == 0 || i == 1 && own {
				o.Offset = int64(i) * 700
				if _, err := openmrs.Load(context.Background(), n.DB, o); err != nil {
					t.Errorf("load %s: %v", name, err)
				}
			} else {
				n.SetOffset(int64(1 + 1000*i))
			}
			one.Lock()
			n.Init()
			one.Unlock()
			n.alone = n.Dump()
			n.Exec("SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'")
			n.setClock()
		}()
	}
	made.Wait()
	if t.Failed() {
		t.FailNow()
	}
	hub, kisumu, migori := w.actors[0], w.actors[1], w.actors[2]
	w.connect(hub, kisumu)
	if chain {
		w.connect(kisumu, migori)
	} else {
		w.connect(hub, migori)
	}
	return w
}

func (w *chaos) connect(parent, child *actor) {
	parent.Connect(child.Site)
	child.parent, parent.kids = parent, append(parent.kids, child)
}

// setClock makes the node go by the clock of the test.
func (n *actor) setClock() {
	n.J.Now = func() time.Time { return time.UnixMicro(n.w.clock + n.skew) }
}

func (n *actor) neighbours() []*actor {
	if n.parent == nil {
		return n.kids
	}
	return append([]*actor{n.parent}, n.kids...)
}

func (w *chaos) actor(s *sites.Site) *actor {
	return w.actors[slices.IndexFunc(w.actors, func(n *actor) bool { return n.Site == s })]
}

func (w *chaos) run(rounds int) {
	for i := range rounds {
		w.tell("--- round %d", i)
		for _, n := range w.actors {
			if w.chance(30) {
				skews := []time.Duration{0, 0, time.Hour, -time.Hour, -10 * 365 * 24 * time.Hour, 400 * 24 * time.Hour}
				if w.differ {
					skews = append(skews, beyondHorizon)
				}
				n.skew = skews[w.rng.IntN(len(skews))].Microseconds()
			}
		}
		for range 40 {
			w.step()
		}
		if w.differ && i == rounds-1 {
			w.mendAll()
			w.check()
			break
		}
		if w.differ {
			w.settle()
			w.mendSome()
			continue
		}
		if i == rounds-1 || w.chance(60) {
			if !w.settle() {
				break
			}
			w.check()
		}
		if w.t.Failed() {
			break
		}
	}
	w.t.Logf("imports: %v; %s conflicts at the hub, %d values written last", w.imported, w.actors[0].One("SELECT COUNT(*) FROM omsync_conflict"), len(w.written))
}

// step is one thing that happens.
func (w *chaos) step() {
	n := w.actors[w.rng.IntN(len(w.actors))]
	switch k := w.rng.IntN(1000); {
	case k < 500:
		n.transaction(func() {
			for range 1 + w.rng.IntN(5) {
				n.act()
			}
		})
	case k < 505:
		n.transaction(n.flood)
	case k < 680:
		ns := n.neighbours()
		w.export(n, ns[w.rng.IntN(len(ns))])
	case k < 900:
		w.arrive()
	case k < 930 && len(w.files) > 0:
		i := w.rng.IntN(len(w.files))
		w.tell("lost: %s", w.files[i].Name)
		w.old = append(w.old, w.files[i])
		w.files = slices.Delete(w.files, i, i+1)
	case k < 950 && len(w.old) > 0:
		f := w.old[w.rng.IntN(len(w.old))]
		w.tell("comes up again: %s", f.Name)
		w.deliver(f, false)
	case k >= 1000-w.restores:
		if n.saved == nil || w.chance(50) {
			n.save()
			return
		}
		n.restore()
		w.excuse()
	}
}

func (w *chaos) export(from, to *actor) {
	var how []func(*export.Options)
	switch k := w.rng.IntN(100); {
	case k < 4:
		how = append(how, sites.Full)
	case k < 8:
		how = append(how, sites.Full, sites.Parts(int64(20_000+w.rng.IntN(100_000))))
	case k < 14:
		how = append(how, sites.Parts(int64(20_000+w.rng.IntN(100_000))))
	case k < 24:
		how = append(how, func(o *export.Options) { o.SinceSent = true })
	}
	files := from.Export(to.Site, how...)
	for _, f := range files {
		w.tell("%s exports %s: %+v", from.Name, f.Name, f.Made)
	}
	w.files = append(w.files, files...)
}

// arrive brings one of the files under way to where it goes, mostly the oldest; with atOnce one of each clinic.
func (w *chaos) arrive() {
	if w.atOnce && w.chance(50) {
		for _, n := range w.actors[1:] {
			w.export(n, n.parent)
		}
	}
	if len(w.files) == 0 {
		return
	}
	i := 0
	if w.chance(30) {
		i = w.rng.IntN(len(w.files))
	}
	f := w.files[i]
	w.files = slices.Delete(w.files, i, i+1)
	w.old = append(w.old, f)
	if w.atOnce {
		if i = slices.IndexFunc(w.files, func(g *sites.File) bool { return g.To == f.To && g.From != f.From }); i >= 0 {
			g := w.files[i]
			w.files = slices.Delete(w.files, i, i+1)
			w.old = append(w.old, g)
			w.deliverAtOnce(f, g)
			return
		}
	}
	if w.chance(5) {
		w.deliver(f, true)
	}
	w.deliver(f, false)
	if w.chance(20) {
		w.deliver(f, false)
	}
}

// nowhere is what an import says that brings a reference to a row which was deleted here meanwhile: it is refused whole, and
// the sender will refuse the deletion in its turn.
const nowhere = "that is neither here nor in the batch"

func (w *chaos) deliver(f *sites.File, dry bool) error {
	n := w.actor(f.To)
	r, err := n.ImportErr(f, func(o *apply.Options) { o.DryRun = dry })
	n.forget()
	if err != nil {
		w.tell("%s imports %s: %v", n.Name, f.Name, err)
		w.imported["refused for a reference"]++
		if w.differ || !strings.Contains(err.Error(), nowhere) {
			w.t.Fatalf("%s imports %s: %v", n.Name, f.Name, err)
		}
		return err
	}
	w.imported[r.Outcome]++
	w.tell("%s imports %s: %s %d inserted, %d updated, %d deleted, %d unchanged, %d refused, %d conflicts %s %q", n.Name, f.Name, r.Outcome, r.Inserted, r.Updated, r.Deleted, r.Unchanged, r.Refused, r.Conflicts, r.Why, r.Notes)
	return nil
}

// checkWaiting expects that nothing waits that could be applied: what its sender has lost, and refers to what nobody has, waits for a person.
func (w *chaos) checkWaiting() {
	for _, n := range w.actors {
		if err := n.Retry(); err != nil {
			w.t.Fatal(err)
		}
		for _, r := range n.Query("SELECT text FROM omsync_waiting WHERE lost = 0") {
			w.t.Errorf("at %s a row waits: %s", n.Name, r[0])
		}
		if lost := n.One("SELECT COUNT(*) FROM omsync_waiting"); lost != "0" {
			w.t.Logf("at %s %s rows wait that their senders lost", n.Name, lost)
		}
	}
}

// settle exchanges until nobody has anything to send. It begins a day later, when each tells its neighbours where it is: a
// file that was lost and had no successor shows by that.
//
// Two neighbours can come to a standstill, which quarantine will end and until then a person must: each deleted what the
// other made something for, and refuses the whole batch that brings that. Then there is nothing to compare, and the answer
// is no.
func (w *chaos) settle() bool {
	w.tell("--- all exchange")
	for len(w.files) > 0 && w.chance(70) {
		w.arrive()
	}
	w.old, w.files = append(w.old, w.files...), nil
	if len(w.old) > 20 {
		w.old = w.old[len(w.old)-20:]
	}
	w.clock += (25 * time.Hour).Microseconds()
	stuck := map[[2]string]error{}
	for range 40 {
		sent := 0
		clear(stuck)
		for _, from := range w.actors {
			for _, to := range from.neighbours() {
				for _, f := range from.Export(to.Site) {
					sent++
					w.tell("%s exports %s: %+v", from.Name, f.Name, f.Made)
					if err := w.deliver(f, false); err != nil {
						stuck[[2]string{from.Name, to.Name}] = err
					}
				}
			}
		}
		if sent == 0 {
			if !w.differ {
				w.checkWaiting()
			}
			for _, n := range w.actors {
				maps.DeleteFunc(n.dirty, func(k string, _ bool) bool { return w.cleared[k] })
			}
			w.cleared = map[string]bool{}
			return true
		}
	}
	for link, err := range stuck {
		if back := stuck[[2]string{link[1], link[0]}]; back != nil {
			w.t.Logf("a standstill: %v; and %v", err, back)
			return false
		}
	}
	w.t.Fatalf("an exchange that does not end: %v", stuck)
	return false
}
