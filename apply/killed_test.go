package apply_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// idle waits until no connection but the test's own has anything under way in the site's database: what was cut off is
// rolled back.
func idle(t *testing.T, s *sites.Site) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		n := s.One(`SELECT (SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND command NOT IN ('Sleep', 'Killed') AND id <> CONNECTION_ID())
			+ (SELECT COUNT(*) FROM information_schema.innodb_trx x JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id WHERE p.db = DATABASE())`)
		if n == "0" {
			return
		}
	}
	t.Fatal("something goes on in the database")
}

// An import is cut off at any moment: its context ends, or its connection is killed. The database is as before, or, if the
// commit had just gone through, as after.
func TestKilledImportIsWholeOrNothing(t *testing.T) {
	mysql.SetLogger(&mysql.NopLogger{}) // the driver has a line for each connection that is gone
	defer mysql.SetLogger(log.New(os.Stderr, "[mysql] ", log.Ldate|log.Ltime|log.Lshortfile))
	hub, c := peopleHub(t, 60, "clinic")
	clinic := c[0]
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	n := 0
	next := func() *sites.File {
		n++
		clinic.Exec(insertPeople(1000*n, 1000*n+40)...)
		clinic.Exec(
			fmt.Sprintf("UPDATE person SET name = 'round %d' WHERE uuid LIKE 'p-%%5'", n),
			fmt.Sprintf("UPDATE person SET note = 'clinic %d' WHERE uuid = 'p-7'", n),
			fmt.Sprintf("DELETE FROM flag WHERE person_id IN (SELECT person_id FROM person WHERE uuid = 'p-%d')", 10+n),
			fmt.Sprintf("UPDATE obs SET grp = (SELECT * FROM (SELECT MAX(obs_id) FROM obs) x) WHERE uuid = 'o-%d'", 1000*n),
			fmt.Sprintf("DELETE FROM obs WHERE uuid = 'o-%d'", 10+n))
		hub.Exec(fmt.Sprintf("UPDATE person SET note = 'hub %d' WHERE uuid = 'p-7'", n)) // a conflict, not sealed
		return clinic.Export(hub)[0]
	}
	f := next()
	apply1 := func(ctx context.Context, dry bool) (*apply.Report, error) {
		o := trusting()
		o.DryRun = dry
		return apply.Import(ctx, hub.J, bytes.NewReader(f.Data), int64(len(f.Data)), o)
	}
	start := time.Now()
	if r, err := apply1(t.Context(), true); err != nil || r.Inserted < 100 || r.Deleted == 0 || r.Updated == 0 || r.Conflicts == 0 {
		t.Fatalf("a dry run: %+v, %v", r, err)
	}
	whole := time.Since(start)
	before := state(t, hub)
	// Held at places near the beginning, in the middle and at the end, and cut off there.
	for i, at := range []string{"AFTER INSERT ON omsync_epoch", "AFTER INSERT ON omsync_version", "AFTER DELETE ON omsync_capture", "AFTER INSERT ON omsync_conflict", "BEFORE UPDATE ON omsync_peer", "BEFORE INSERT ON omsync_import"} {
		hub.Exec("CREATE TRIGGER held " + at + " FOR EACH ROW SET @omsync_test = GET_LOCK('" + hub.Database + "', 60), @omsync_test = RELEASE_LOCK('" + hub.Database + "')")
		h := hold(t, hub, "DO GET_LOCK('"+hub.Database+"', 0)")
		ctx, cancel := context.WithCancel(t.Context())
		end := background(func() error { _, err := apply1(ctx, false); return err })
		held := blocked(t, hub)
		if i%2 == 0 {
			hub.Exec("KILL " + held)
		} else {
			cancel()
		}
		if end() == nil {
			t.Errorf("cut off %s, and no error", at)
		}
		h.do("DO RELEASE_LOCK('" + hub.Database + "')")
		h.c.Close()
		cancel()
		idle(t, hub)
		hub.Exec("DROP TRIGGER held")
		unchanged(t, "cut off "+at, before, state(t, hub))
	}
	cut, done := 0, 0
	for i := range 40 {
		ctx, cancel := context.WithCancel(t.Context())
		at := time.Duration(r.Int64N(int64(whole * 5 / 4)))
		kill := i%2 == 1
		end := background(func() error { _, err := apply1(ctx, i%4 < 2); return err })
		time.Sleep(at)
		if kill {
			for _, p := range hub.Query("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Killed'") {
				hub.ExecErr("KILL " + p[0])
			}
		} else {
			cancel()
		}
		err := end()
		cancel()
		idle(t, hub)
		after := state(t, hub)
		if maps.Equal(before, after) {
			if err != nil {
				cut++
			}
			continue
		}
		if hub.Peer(clinic).Link.Applied.Epoch != f.Made.Upto {
			unchanged(t, fmt.Sprintf("cut off after %v (kill %v, error %v)", at, kill, err), before, after)
			t.FailNow()
		}
		done++
		sites.Exchange(hub, clinic)
		sites.Same(t, hub, clinic)
		f = next()
		before = state(t, hub)
	}
	t.Logf("an import takes %v; %d of 40 were cut off, %d went through", whole, cut, done)
	if cut < 5 {
		t.Error("too few were cut off for a test")
	}
	if _, err := apply1(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	settled(t, hub, clinic)
}

// The server breaks a deadlock by giving up the import, which has done less than the application's transaction. It is done
// again from its beginning, and the application notices nothing.
func TestDeadlockedImportIsTriedAgainAsAWhole(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 600, "clinic")
	clinic := c[0]
	clinic.Exec("INSERT INTO person (name, uuid) VALUES ('new', 'p-new')", "UPDATE obs SET value = -1 WHERE uuid IN ('o-1', 'o-2')")
	f := clinic.Export(hub)[0]
	for i := range 2 {
		app := hold(t, hub, "UPDATE flag SET value = CONCAT(value, '+')", "UPDATE patient SET code = CONCAT(code, '+')", fmt.Sprintf("UPDATE obs SET value = %d WHERE uuid = 'o-2'", 100+i))
		tried := 0
		var report *apply.Report
		end := background(func() (err error) {
			o := trusting()
			o.DryRun = i == 0
			o.Verify = func(*batch.Header, []byte, []byte) error { tried++; return nil }
			report, err = apply.Import(t.Context(), hub.J, bytes.NewReader(f.Data), int64(len(f.Data)), o)
			return err
		})
		running(t, hub, "%obs%FOR UPDATE%")
		app.do(fmt.Sprintf("UPDATE obs SET value = %d WHERE uuid = 'o-1'", 200+i), "COMMIT")
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if tried < 2 {
			t.Fatalf("tried %d times: there was no deadlock, and nothing is tested", tried)
		}
		if report.Inserted != 1 || report.Conflicts != 2 || report.Outcome != apply.Applied {
			t.Errorf("the report counts more than the last try: %+v", report)
		}
	}
	settled(t, hub, clinic)
	for uuid, want := range map[string]string{"o-1": "201", "o-2": "101"} {
		if got := clinic.One("SELECT value FROM obs WHERE uuid = ?", uuid); got != want {
			t.Errorf("%s is %s, want %s", uuid, got, want)
		}
	}
	if n := clinic.One("SELECT COUNT(*) FROM flag WHERE value = 'sw++'"); n != "600" {
		t.Errorf("%s flags hold what the application wrote", n)
	}
}
