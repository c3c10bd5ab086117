package journal_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/oldprogram"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Through an upgrade of a database that the old program made, killed after each of its steps, the application goes on writing: none of
// its statements fails, and all that it wrote comes to the peer.
func TestUpgradeUnderTheApplicationsWrites(t *testing.T) {
	hub, clinic, parts := oldPair(t)
	app := newWriter(t, hub)
	ctx, stop := context.WithCancel(t.Context())
	var end sync.WaitGroup
	end.Go(func() { app.write(ctx) })
	killed := upgradeKilledAfterEachStep(t, hub)
	stop()
	end.Wait()
	if app.err != nil {
		t.Errorf("the application after %d transactions: %v", app.n, app.err)
	}
	t.Logf("killed %d times, %d rounds of the application", killed, app.n)
	if killed < 10 || app.n < 10 { // how many rounds come between two steps is the machine's doing
		t.Errorf("killed %d times, %d rounds", killed, app.n)
	}
	// Where both an old and a new trigger wrote what a statement did, it counts once: no row of these tables comes twice.
	if n := hub.one("SELECT COUNT(*) FROM (SELECT table_id, local_id FROM omsync_capture WHERE operation = 1 AND local_id IS NOT NULL GROUP BY 1, 2 HAVING COUNT(*) > 1) d"); n != "0" {
		t.Errorf("%s rows were inserted twice", n)
	}
	hub.program = oldprogram.Present(t)
	clinic.run(append([]string{"import"}, parts...)...)
	settle(t, hub, clinic)
}

// upgradeKilledAfterEachStep runs the upgrade again and again, each time to one step further, and returns how often it was killed.
func upgradeKilledAfterEachStep(t *testing.T, n *installation) (killed int) {
	t.Helper()
	db, name, err := sqldb.Open(n.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	profile, err := schema.Builtin("none")
	if err != nil {
		t.Fatal(err)
	}
	cat, err := schema.Read(t.Context(), db, name, profile)
	if err != nil {
		t.Fatal(err)
	}
	quiet := func(string, ...any) {}
	o := capture.UpgradeOptions(db, cat, profile, n.name, quiet, func(format string, args ...any) { t.Errorf("warned: "+format, args...) })
	seen := map[string]bool{}
	errKilled := errors.New("killed")
	o.After = func(step string) error {
		if seen[step] {
			return nil
		}
		seen[step] = true
		return errKilled
	}
	for {
		_, err := journal.Upgrade(t.Context(), db, o)
		if err == nil {
			return killed
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		killed++
	}
}

// writer is the session of an application, the only one: if a statement of it ends in a deadlock, it is with the upgrade.
type writer struct {
	c     *sql.Conn
	n     int // rounds
	err   error
	retry bool // after a deadlock, see trigger.Install
}

func newWriter(t *testing.T, n *installation) *writer {
	c, err := dbtest.Server(t).Open(t, n.one("SELECT DATABASE()")).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, c, "SET auto_increment_increment = 2, auto_increment_offset = 1")
	return &writer{c: c, retry: !dbtest.Server(t).MariaDB}
}

// write writes rows of its own into every table, one transaction after the other, until the context ends: rows come, change,
// go and come back. No transaction reads a table before it writes to it: that may end in a deadlock with whatever changes the table's
// definition, as the making of any trigger does. MariaDB spares the application others (see package trigger), MySQL cannot.
func (w *writer) write(ctx context.Context) {
	for ; ctx.Err() == nil; w.n++ {
		uuid := fmt.Sprintf("x-%d", w.n)
		for _, s := range []string{
			"START TRANSACTION",
			fmt.Sprintf("INSERT INTO ward (uuid, name) VALUES ('%s', 'first'), ('%[1]s-gone', 'first')", uuid),
			fmt.Sprintf("INSERT INTO bed (uuid, ward_id) SELECT CONCAT('b-', uuid), id FROM ward WHERE uuid IN ('%s', '%[1]s-gone')", uuid),
			"COMMIT",
			fmt.Sprintf("INSERT INTO ward_tag SELECT id, '%s', 1 FROM ward WHERE uuid = '%[1]s'", uuid),
			fmt.Sprintf("UPDATE ward SET name = 'second' WHERE uuid IN ('%s', '%[1]s-gone')", uuid),
			"START TRANSACTION",
			fmt.Sprintf("DELETE FROM ward_tag WHERE tag = '%s'", uuid),
			fmt.Sprintf("DELETE FROM ward WHERE uuid = '%s-gone'", uuid),
			"COMMIT",
			fmt.Sprintf("INSERT INTO ward_tag SELECT id, '%s', 2 FROM ward WHERE uuid = '%[1]s'", uuid),
			fmt.Sprintf("UPDATE ward SET note = 'third' WHERE uuid = '%s'", uuid),
		} {
			if _, err := w.c.ExecContext(context.WithoutCancel(ctx), s); err != nil {
				if w.retry && sqldb.IsLockConflict(err) {
					w.c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
					break
				}
				w.err = fmt.Errorf("%w in %s", err, s)
				return
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}
