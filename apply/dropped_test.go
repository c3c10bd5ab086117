package apply_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
)

// inTransaction does something with the journal's tables at a site.
func inTransaction(ctx context.Context, s *sites.Site, f func(tx *sql.Tx) error) error {
	tx, err := s.J.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// dropAll drops what waits at a site, and returns how many rows.
func dropAll(t *testing.T, s *sites.Site) (n int64) {
	t.Helper()
	err := inTransaction(t.Context(), s, func(tx *sql.Tx) (err error) {
		n, err = journal.DropWaiting(t.Context(), tx, journal.WaitingFilter{}, journal.Dropping{By: "a test", At: s.J.Now().UnixMicro()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// undropAll has all wait again that was dropped, and tries it. It returns how many rows.
func undropAll(t *testing.T, s *sites.Site) (n int64) {
	t.Helper()
	err := inTransaction(t.Context(), s, func(tx *sql.Tx) (err error) {
		n, err = journal.UndropWaiting(t.Context(), tx, journal.WaitingFilter{})
		return err
	})
	if err == nil {
		err = s.Retry()
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// narrowClinic is a pair of sites of which the clinic's ward takes names of 12 characters, and the hub's longer ones. A row waits at the
// clinic, w-9, and an edit of one that is there, w-1.
func narrowClinic(t *testing.T) (hub, clinic *sites.Site) {
	t.Helper()
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('a name of more than twelve', 'w-9')", "UPDATE ward SET name = 'another of more than twelve' WHERE uuid = 'w-1'")
	hub.Send(clinic)
	if got := waitingRows(clinic); got != "value name w-1, value name w-9" {
		t.Fatalf("waiting: %s", got)
	}
	return hub, clinic
}

// widen lets the clinic take long names, and tries what waits.
func widen(t *testing.T, clinic *sites.Site) {
	t.Helper()
	clinic.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	clinic.Follow()
	if err := clinic.Retry(); err != nil {
		t.Fatal(err)
	}
}

// What was dropped waits again with what it held, whatever happened since: the sites are equal then, and what is later stays.
func TestDroppedRows(t *testing.T) {
	for _, c := range []struct {
		name    string
		since   func(t *testing.T, hub, clinic *sites.Site)
		undrops int64  // rows that are still dropped then
		ward    string // w-1 and w-9 at both sites in the end
		size    string // of w-1
	}{
		{"nothing since", func(*testing.T, *sites.Site, *sites.Site) {}, 2, "another of more than twelve,a name of more than twelve", "-"},
		{"a later version came", func(_ *testing.T, hub, clinic *sites.Site) {
			hub.Exec("UPDATE ward SET name = 'later' WHERE uuid IN ('w-1', 'w-9')")
			hub.Send(clinic)
		}, 0, "later,later", "-"},
		{"a later version waits", func(_ *testing.T, hub, clinic *sites.Site) {
			hub.Exec("UPDATE ward SET name = 'later and more than twelve' WHERE uuid = 'w-1'")
			hub.Send(clinic)
		}, 1, "later and more than twelve,a name of more than twelve", "-"},
		{"a later version of another column waits", func(_ *testing.T, hub, clinic *sites.Site) {
			hub.Exec("UPDATE ward SET size = 7 WHERE uuid IN ('w-1', 'w-9')")
			hub.Send(clinic)
		}, 0, "another of more than twelve,a name of more than twelve", "7"},
		{"dropped twice", func(t *testing.T, hub, clinic *sites.Site) {
			hub.Exec("UPDATE ward SET size = 7 WHERE uuid = 'w-1'")
			hub.Send(clinic)
			if n := dropAll(t, clinic); n != 1 {
				t.Errorf("%d rows dropped", n)
			}
		}, 2, "another of more than twelve,a name of more than twelve", "7"},
		{"edited here", func(_ *testing.T, hub, clinic *sites.Site) {
			clinic.Exec("UPDATE ward SET name = 'here' WHERE uuid = 'w-1'")
			clinic.Send(hub)
		}, 2, "here,a name of more than twelve", "-"},
		{"deleted there", func(_ *testing.T, hub, clinic *sites.Site) {
			hub.Exec("DELETE FROM ward WHERE uuid = 'w-9'")
			hub.Send(clinic)
		}, 1, "another of more than twelve", "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			hub, clinic := narrowClinic(t)
			if n := dropAll(t, clinic); n != 2 {
				t.Fatalf("%d rows dropped", n)
			}
			if err := clinic.Retry(); err != nil {
				t.Fatal(err)
			}
			sites.Use(t, hub, clinic)
			clinic.Send(hub) // acknowledges: the rows do not come again by themselves
			c.since(t, hub, clinic)
			if n := undropAll(t, clinic); n != c.undrops {
				t.Errorf("%d wait again", n)
			}
			widen(t, clinic)
			allSettled(t, hub, clinic)
			if got := hub.One("SELECT GROUP_CONCAT(name ORDER BY uuid) FROM ward WHERE uuid IN ('w-1', 'w-9')"); got != c.ward {
				t.Errorf("the rows are %s, want %s", got, c.ward)
			}
			if got := hub.One("SELECT IFNULL(size, '-') FROM ward WHERE uuid = 'w-1'"); got != c.size {
				t.Errorf("the size is %s, want %s", got, c.size)
			}
			// An edit of what waited at the other site is a conflict there; nothing else is one.
			conflicts := "0"
			if c.name == "edited here" {
				conflicts = "1"
			}
			if got := hub.One("SELECT COUNT(*) FROM omsync_conflict"); got != conflicts {
				t.Errorf("%s conflicts at the hub", got)
			}
		})
	}
}

// A row that was dropped is not tried, though it could be applied now and comes again, since its sender does not know that it came; and it
// is kept for its time.
func TestDroppedRowsAreNotTried(t *testing.T) {
	hub, clinic := narrowClinic(t)
	dropAll(t, clinic)
	kept := "SELECT GROUP_CONCAT(row_key, ' ', tries, ' ', tried_at ORDER BY id) FROM omsync_waiting WHERE dropped_at > 0"
	before := clinic.One(kept)
	widen(t, clinic)
	hub.Exec("INSERT INTO bed (ward_id, uuid) SELECT ward_id, 'b-9' FROM ward WHERE uuid = 'w-9'")
	hub.Send(clinic)
	if n := clinic.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-9'"); n != "0" {
		t.Error("a row that was dropped was applied")
	}
	if after := clinic.One(kept); after != before {
		t.Errorf("dropped: %s, and then %s", before, after)
	}
	clinic.Exec("UPDATE omsync_waiting SET dropped_at = dropped_at - 8 * 86400 * 1000000 WHERE dropped_at > 0 AND row_key = 'w-1'")
	hub.Exec("UPDATE bed SET label = 'x' WHERE uuid = 'b-9'")
	for _, f := range hub.Export(clinic) {
		clinic.Import(f, func(o *apply.Options) { o.Keep = time.Hour })
	}
	if got := clinic.One("SELECT GROUP_CONCAT(row_key ORDER BY id) FROM omsync_waiting WHERE dropped_at > 0"); got != "w-9" {
		t.Errorf("kept: %s", got)
	}
	if n := undropAll(t, clinic); n != 1 {
		t.Errorf("%d wait again", n)
	}
	if n := clinic.One("SELECT COUNT(*) FROM bed b JOIN ward w ON w.ward_id = b.ward_id WHERE b.uuid = 'b-9' AND w.uuid = 'w-9'"); n != "1" {
		t.Error("what waited for the row that was dropped is not there")
	}
}

// A row was dropped, and its sender restored from before it: it goes back to the sender. A deletion is not made for it any more.
func TestDroppedRowOfARestoredSender(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	restore := backup(t, hub)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('a name of more than twelve', 'w-9')")
	hub.Send(clinic)
	dropAll(t, clinic)
	restore()
	widen(t, clinic)
	healed(t, hub, clinic)
	if n := hub.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-9'"); n != "0" {
		t.Fatal("what was dropped went back")
	}
	if n := undropAll(t, clinic); n != 1 {
		t.Errorf("%d rows wait again", n)
	}
	allSettled(t, hub, clinic)
	if n := hub.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-9'"); n != "1" {
		t.Errorf("%s rows at the hub that was restored", n)
	}
}

// Rows wait, or were dropped, and their table is dropped, renamed or altered: nothing stops, and they are applied once it is back.
func TestWaitingRowsOfATableThatChanges(t *testing.T) {
	for _, c := range []struct {
		name         string
		change, back []string
	}{
		{"dropped and made again", []string{"SET foreign_key_checks = 0", "CREATE TABLE kept_ward AS SELECT * FROM ward", "DROP TABLE ward"},
			[]string{"CREATE TABLE ward LIKE other_ward", "INSERT INTO ward SELECT * FROM kept_ward", "DROP TABLE kept_ward", "DROP TABLE other_ward", "SET foreign_key_checks = 1"}},
		{"renamed", []string{"RENAME TABLE ward TO hall"}, []string{"RENAME TABLE hall TO ward"}},
		{"without the column", []string{"ALTER TABLE ward DROP COLUMN code"}, []string{"ALTER TABLE ward ADD code VARCHAR(20) NULL"}},
		{"with one that must be given", []string{"ALTER TABLE ward ADD must INT NOT NULL"}, []string{"ALTER TABLE ward DROP COLUMN must"}},
	} {
		for _, dropped := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, dropped), func(t *testing.T) {
				t.Parallel()
				hub, clinic := narrowClinic(t)
				sites.Use(t, hub, clinic)
				clinic.Exec("CREATE TABLE other_ward LIKE ward")
				if dropped {
					dropAll(t, clinic)
				}
				clinic.Exec(c.change...)
				clinic.Follow()
				if dropped {
					if n := undropAll(t, clinic); n != 2 {
						t.Errorf("%d rows wait again", n)
					}
				}
				if err := clinic.Retry(); err != nil {
					t.Fatal(err)
				}
				hub.Exec("INSERT INTO bed (ward_id, uuid) VALUES (2, 'b-7')")
				hub.Send(clinic)
				clinic.Exec(c.back...)
				clinic.Exec("DROP TABLE IF EXISTS other_ward")
				widen(t, clinic)
				healed(t, hub, clinic)
				if err := clinic.Retry(); err != nil {
					t.Fatal(err)
				}
				healed(t, hub, clinic)
				if got := waitingRows(clinic); got != "" {
					t.Errorf("still waiting: %s", got)
				}
				for _, s := range []*sites.Site{hub, clinic} {
					if got := s.One("SELECT GROUP_CONCAT(name ORDER BY uuid) FROM ward WHERE uuid IN ('w-1', 'w-9')"); got != "another of more than twelve,a name of more than twelve" {
						t.Errorf("at %s: %s", s.Name, got)
					}
				}
				sites.Same(t, hub, clinic)
			})
		}
	}
}

// The server has no room while rows are set aside, dropped, or made to wait again: nothing of it is done, and it is as before.
func TestNoRoomToSetAside(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('a name of more than twelve', 'w-9'), ('short', 'w-8')")
	f = hub.Export(clinic)[0]
	full := func(change string, f func() error) {
		t.Helper()
		clinic.Exec("CREATE TRIGGER no_room BEFORE " + change + " ON omsync_waiting FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'")
		before := checksum(clinic, "omsync_epoch", "omsync_peer")
		if err := f(); err == nil || !sqldb.IsLack(err) {
			t.Errorf("no room to %s: %v", change, err)
		}
		if after := checksum(clinic, "omsync_epoch", "omsync_peer"); after != before {
			t.Errorf("no room to %s, and the database is another", change)
		}
		clinic.Exec("DROP TRIGGER no_room")
	}
	full("INSERT", func() error { _, err := clinic.ImportErr(f); return err })
	clinic.Import(f)
	if got := waitingRows(clinic); got != "value name w-9" {
		t.Fatalf("waiting: %s", got)
	}
	full("UPDATE", func() error {
		return inTransaction(t.Context(), clinic, func(tx *sql.Tx) error {
			_, err := journal.DropWaiting(t.Context(), tx, journal.WaitingFilter{}, journal.Dropping{})
			return err
		})
	})
	dropAll(t, clinic)
	full("UPDATE", func() error {
		return inTransaction(t.Context(), clinic, func(tx *sql.Tx) error {
			_, err := journal.UndropWaiting(t.Context(), tx, journal.WaitingFilter{})
			return err
		})
	})
	undropAll(t, clinic)
	widen(t, clinic)
	allSettled(t, hub, clinic)
}

// Dropping, undoing that and trying again are cut off at any moment: each row waits, is kept as dropped, or is applied.
func TestKilledBetweenWaitingAndDropped(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	var rows []string
	for i := range 200 {
		rows = append(rows, fmt.Sprintf("('a name of more than twelve %d', 'x-%d')", i, i))
	}
	hub.Exec("INSERT INTO ward (name, uuid) VALUES " + strings.Join(rows, ","))
	hub.Send(clinic)
	cut := 0
	for i := range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(25*time.Millisecond))
		var err error
		switch i % 3 {
		case 0:
			err = inTransaction(ctx, clinic, func(tx *sql.Tx) error {
				_, err := journal.DropWaiting(ctx, tx, journal.WaitingFilter{}, journal.Dropping{})
				return err
			})
		case 1:
			err = inTransaction(ctx, clinic, func(tx *sql.Tx) error {
				_, err := journal.UndropWaiting(ctx, tx, journal.WaitingFilter{})
				return err
			})
		case 2:
			_, err = apply.Retry(ctx, clinic.J, "hub", journal.WaitingFilter{}, apply.Options{Wait: sites.Wait})
		}
		cancel()
		if err != nil {
			if cut++; !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "connection") {
				t.Logf("%d: %v", i, err)
			}
		}
		idle(t, clinic)
		if n := clinic.One("SELECT COUNT(*) FROM omsync_waiting"); n != "200" {
			t.Fatalf("after %d: %s rows", i, n)
		}
	}
	t.Logf("%d of 60 were cut off", cut)
	if cut == 0 {
		t.Error("nothing was cut off")
	}
	widen(t, clinic)
	undropAll(t, clinic)
	allSettled(t, hub, clinic)
	if n := clinic.One("SELECT COUNT(*) FROM ward WHERE uuid LIKE 'x-%'"); n != "200" {
		t.Errorf("%s rows came in", n)
	}
}
