package anyschema

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// TestAnySchema makes schemas at random, each with a hub and a clinic that work in it, exchange files of which some are lost, late or
// repeated, and hold the same in the end; or what waits, or has no key, explains why not.
//
// OMSYNC_TEST_SCHEMAS is how many, OMSYNC_SEED the first one's number: each is a test of its own by its number. The clinic is on the
// server that OMSYNC_TEST_DSN_2 names.
func TestAnySchema(t *testing.T) {
	first, count := number(t, "OMSYNC_SEED", 1), number(t, "OMSYNC_TEST_SCHEMAS", 12)
	compared, waiting := 0, 0
	for seed := first; seed < first+count; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			check(t, seed, func(r *rapid.T) {
				w := newWorld(r, t, "")
				w.run(r)
				compared, waiting = compared+w.compared, waiting+w.waiting
			})
		})
	}
	t.Logf("%d rows compared, %d waited", compared, waiting)
}

// check runs a property once, with what the seed draws.
func check(t *testing.T, seed int, f func(*rapid.T)) {
	for name, value := range map[string]string{"rapid.seed": strconv.Itoa(seed), "rapid.checks": "1", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, f)
}

func number(t *testing.T, name string, otherwise int) int {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// world is two sites and the files between them.
type world struct {
	r      *rapid.T
	m      *model
	actors [2]*actor
	files  []*sites.File
	old    []*sites.File
	uuids  int
	days   int
	twice  map[string]bool // keys, with their tables, that several rows had at a site when files were exchanged

	compared, waiting int
}

// part is a test of which one draw is made: what the sites say goes to the draw.
type part struct {
	testing.TB
	w *world
}

func (p part) Helper()                           {}
func (p part) Cleanup(f func())                  { p.w.r.Cleanup(f) }
func (p part) Context() context.Context          { return p.w.r.Context() }
func (p part) Logf(format string, args ...any)   { p.w.tell(format, args...) }
func (p part) Log(args ...any)                   { p.w.tell("%s", fmt.Sprint(args...)) }
func (p part) Errorf(format string, args ...any) { p.w.fail("a site", format, args...) }
func (p part) Fatalf(format string, args ...any) { p.w.fail("a site", format, args...) }
func (p part) Fatal(args ...any)                 { p.w.fail("a site", "%s", fmt.Sprint(args...)) }
func (p part) Error(args ...any)                 { p.w.fail("a site", "%s", fmt.Sprint(args...)) }

// tell takes down what happens.
func (w *world) tell(format string, args ...any) { w.r.Logf(format, args...) }

// fail ends the draw. The error is the same for all of a kind, so that a smaller one can be found.
func (w *world) fail(kind, format string, args ...any) {
	w.r.Logf(format, args...)
	w.r.Fatalf("failed: %s", kind)
}

// newWorld makes a schema, and the two sites in it.
func newWorld(r *rapid.T, t *testing.T, _ string) *world {
	w := &world{r: r, twice: map[string]bool{}}
	servers := [2]*dbtest.ServerInfo{dbtest.Server(t), dbtest.Second(t)}
	newer := !slices.ContainsFunc(servers[:], func(s *dbtest.ServerInfo) bool { return !s.MariaDB && !s.AtLeast(5, 7) })
	w.m = drawModel(r, newer)
	w.tell("profile: %s", w.m.profile)
	for i, name := range []string{"hub", "clinic"} {
		ddl := w.m.ddl(i)
		for _, q := range ddl {
			w.tell("%s: %s", name, q)
		}
		s := sites.NewOn(part{t, w}, servers[i], name, w.m.profile, ddl...)
		s.Waits = true
		a := &actor{Site: s, w: w, site: i, reader: w.open(s.DB)}
		s.Exec("SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'", fmt.Sprintf("SET time_zone = '%s'", []string{"+00:00", "+03:00"}[i]))
		w.actors[i] = a
	}
	hub, clinic := w.actors[0], w.actors[1]
	if chance(r, 60, "numbers apart") {
		clinic.SetOffset(int64(rapid.IntRange(20, 100).Draw(r, "first number")))
	}
	for _, a := range w.actors {
		for range rapid.IntRange(0, 5).Draw(r, "before") {
			a.work(r)
		}
	}
	hub.Init()
	clinic.Init()
	hub.Connect(clinic.Site)
	w.checkTravels()
	return w
}

// open opens a session that reads times as they are in UTC.
func (w *world) open(db *sql.DB) *sql.Conn {
	conn, err := db.Conn(context.Background())
	if err == nil {
		w.r.Cleanup(func() { conn.Close() })
		_, err = conn.ExecContext(context.Background(), "SET time_zone = '+00:00'")
	}
	if err != nil {
		w.fail("open", "open: %v", err)
	}
	return conn
}

// checkTravels compares what omsync says of the tables with the rules.
func (w *world) checkTravels() {
	for _, a := range w.actors {
		for _, x := range w.m.tables {
			t := a.J.Catalogue.Table(x.names[a.site])
			if t.Replicated != (x.why == "") {
				w.fail("what travels", "%s at %s: travels %v (%s), by the rules: %q", t.Name, a.Name, t.Replicated, t.Why, x.why)
			}
			for _, c := range x.columns {
				if got := t.Column(c.name); t.Replicated && (got.Excluded != "") != (c.excluded || c.local || c.generated != "") {
					w.fail("what travels", "%s.%s at %s: kept back %q, by the rules: %v", t.Name, c.name, a.Name, got.Excluded, c.excluded || c.local)
				}
			}
		}
	}
}

// run lets the sites work and exchange, and compares them.
func (w *world) run(r *rapid.T) {
	for n := range rapid.IntRange(1, 3).Draw(r, "rounds") {
		w.tell("--- round %d", n)
		for range rapid.IntRange(2, 14).Draw(r, "steps") {
			w.step(r)
		}
		w.settle()
		if diff := w.unexplained(); len(diff) > 0 {
			for _, d := range diff[:min(len(diff), 8)] {
				w.tell("%s", d)
			}
			w.fail("the sites differ", "%d differences", len(diff))
		}
	}
}

// step is one thing that happens.
func (w *world) step(r *rapid.T) {
	a := w.actors[rapid.IntRange(0, 1).Draw(r, "site")]
	switch k := rapid.IntRange(0, 19).Draw(r, "step"); {
	case k < 11:
		a.work(r)
	case k < 14:
		w.export(r, a)
	case k < 18 && len(w.files) > 0:
		i := 0
		if chance(r, 30, "out of order") {
			i = rapid.IntRange(0, len(w.files)-1).Draw(r, "file")
		}
		f := w.files[i]
		w.files = slices.Delete(w.files, i, i+1)
		w.old = append(w.old, f)
		w.deliver(f)
	case k < 19 && len(w.files) > 0:
		w.tell("lost: %s", w.files[0].Name)
		w.old, w.files = append(w.old, w.files[0]), w.files[1:]
	case len(w.old) > 0:
		w.deliver(pick(r, w.old, "again"))
	}
}

func (w *world) export(r *rapid.T, a *actor) {
	var how []func(*export.Options)
	switch rapid.IntRange(0, 9).Draw(r, "how") {
	case 7:
		how = append(how, sites.Full)
	case 8:
		how = append(how, sites.Parts(int64(rapid.IntRange(500, 5000).Draw(r, "size"))))
	case 9:
		how = append(how, func(o *export.Options) { o.SinceSent = true })
	}
	files := a.Export(w.actors[1-a.site].Site, how...)
	for _, f := range files {
		w.tell("%s exports %s: %d rows, %d deletions", a.Name, f.Name, f.Made.Rows, f.Made.Deletions)
	}
	w.files = append(w.files, files...)
}

func (w *world) deliver(f *sites.File) {
	r, err := f.To.ImportErr(f, func(o *apply.Options) { o.AcceptDeletions = true })
	if err != nil {
		w.fail("an import", "%s imports %s: %v", f.To.Name, f.Name, err)
	}
	w.tell("%s imports %s: %s %d inserted, %d updated, %d deleted, %d unchanged, %d refused, %d conflicts, %s %q", f.To.Name, f.Name, r.Outcome, r.Inserted, r.Updated, r.Deleted, r.Unchanged, r.Refused, r.Conflicts, r.Why, r.Notes)
}

// settle exchanges until nobody has anything to send. It begins a day later, when each tells the other where it is.
func (w *world) settle() {
	w.tell("--- all exchange")
	w.old, w.files = append(w.old, w.files...), nil
	w.days++
	w.findTwice()
	for _, a := range w.actors {
		a.SetClock(time.Duration(w.days) * 25 * time.Hour)
	}
	for range 30 {
		sent := 0
		for _, a := range w.actors {
			for _, f := range a.Export(w.actors[1-a.site].Site) {
				sent++
				w.deliver(f)
			}
		}
		if sent == 0 {
			for _, a := range w.actors {
				if err := a.Retry(); err != nil {
					w.fail("a retry", "at %s: %v", a.Name, err)
				}
			}
			return
		}
	}
	w.fail("an exchange that does not end", "there is still something to send")
}
