package apply_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

// backup copies the whole database, omsync's tables too, and answers how to put it back.
func backup(t *testing.T, s *sites.Site) (restore func()) {
	t.Helper()
	name, _ := dbtest.Server(t).Database(t)
	var tables []string
	for _, r := range s.Query("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()") {
		tables = append(tables, r[0])
		s.Exec("CREATE TABLE "+name+"."+r[0]+" LIKE "+r[0], "INSERT INTO "+name+"."+r[0]+" SELECT * FROM "+r[0])
	}
	return func() {
		t.Helper()
		c, err := s.DB.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		dbtest.Exec(t, c, "SET @omsync_quiet = 1, foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
		for _, table := range tables {
			dbtest.Exec(t, c, "DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM "+name+"."+table)
		}
		for _, r := range s.Query("SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND extra LIKE '%auto_increment%'") {
			dbtest.Exec(t, c, "ALTER TABLE "+r[0]+" AUTO_INCREMENT = 1") // as a dump has it: numbers are given out again
		}
		dbtest.Exec(t, c, "SET @omsync_quiet = NULL, foreign_key_checks = 1, sql_mode = DEFAULT")
		s.Reopen()
	}
}

// healed exchanges until all is quiet, whatever is refused on the way.
func healed(t *testing.T, hub *sites.Site, children ...*sites.Site) {
	t.Helper()
	for range 12 {
		sent := 0
		for _, c := range children {
			for _, l := range [][2]*sites.Site{{c, hub}, {hub, c}} {
				for _, f := range l[0].Export(l[1]) {
					sent++
					l[1].Import(f)
				}
			}
		}
		if sent == 0 {
			return
		}
	}
	t.Fatal("an exchange that does not end")
}

// A database is restored from yesterday's dump and goes on working. What it had sent since then comes back to it, what was on
// its way arrives, what it does under numbers that it gives out for the second time is not taken for the old.
func TestRestoreFromYesterday(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 40, "clinic", "other")
	clinic, other := c[0], c[1]
	all := []*sites.Site{hub, clinic, other}
	for i, round := range []struct {
		who   *sites.Site
		late  bool // what was under way arrives after all else, or before
		clock time.Duration
	}{{clinic, false, 0}, {clinic, true, 0}, {hub, false, 0}, {hub, true, 0}, {clinic, false, -decade}, {hub, true, -decade}} {
		what := fmt.Sprintf("round %d, %s restored, late %v, clock %v", i, round.who.Name, round.late, round.clock)
		p := func(n int) string { return fmt.Sprintf("'p-%d'", 6*i+n) }
		o := func(n int) string { return fmt.Sprintf("'o-%d'", 6*i+n) }
		set := func(s *sites.Site, n int, name string) {
			s.Exec(fmt.Sprintf("UPDATE person SET name = '%s %d' WHERE uuid = %s", name, i, p(n)))
		}
		hub.Seal() // so that numbers differ from round to round
		healed(t, hub, clinic, other)
		peer := clinic
		if round.who == clinic {
			peer = hub
		}
		restore := backup(t, round.who)
		round.who.SetClock(round.clock)
		// Today: each side does something, and all hear of it.
		set(round.who, 1, "today")
		set(peer, 2, "peer today")
		round.who.Exec("DELETE FROM obs WHERE uuid = "+o(1), fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 1, 'o-new-%d' FROM person WHERE uuid = %s", i, p(1)))
		peer.Exec("DELETE FROM obs WHERE uuid = " + o(2))
		healed(t, hub, clinic, other)
		set(round.who, 3, "under way")
		flight := round.who.Export(peer)
		set(round.who, 4, "lost")
		restore()
		// It goes on under the same numbers.
		set(round.who, 5, "after")
		set(round.who, 1, "again")
		round.who.Seal()
		set(round.who, 6, "after")
		set(peer, 6, "peer")
		late := func() {
			for _, f := range flight {
				peer.Import(f)
				peer.Import(f)
			}
		}
		if !round.late {
			late()
		}
		healed(t, hub, clinic, other)
		if round.late {
			for _, f := range flight {
				if r := peer.Import(f); r.Outcome == apply.Applied {
					t.Errorf("%s: a file from before the restore was applied", what)
				}
			}
		}
		round.who.SetClock(0)
		healed(t, hub, clinic, other) // a header is due where the clock jumped
		for _, s := range all[1:] {
			sites.Same(t, hub, s)
		}
		sites.Quiet(t, all...)
		journalFits(t, all...)
		for _, s := range all {
			name := func(n int) string { return s.One("SELECT name FROM person WHERE uuid = " + p(n)) }
			for n, want := range map[int][]string{
				1: {"today", "again"}, // both were made, on yesterday's
				2: {"peer today"},
				5: {"after"},
				6: {"after", "peer"},
			} {
				if got := name(n); !slices.ContainsFunc(want, func(w string) bool { return got == fmt.Sprintf("%s %d", w, i) }) {
					t.Errorf("%s: %s has %q for %s, want one of %q", what, s.Name, got, p(n), want)
				}
			}
			if !round.late && name(3) != fmt.Sprintf("under way %d", i) {
				t.Errorf("%s: %s has %q for what was under way", what, s.Name, name(3))
			}
			if name(4) == fmt.Sprintf("lost %d", i) {
				t.Errorf("%s: %s has what no node had any more", what, s.Name)
			}
			if n := s.One("SELECT COUNT(*) FROM obs WHERE uuid IN (" + o(1) + "," + o(2) + ")"); n != "0" {
				t.Errorf("%s: %s has rows back that were deleted", what, s.Name)
			}
			if n := s.One(fmt.Sprintf("SELECT COUNT(*) FROM obs WHERE uuid = 'o-new-%d'", i)); n != "1" {
				t.Errorf("%s: %s has lost a row that the others had", what, s.Name)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// Somebody drops triggers and makes them again while changes go by, and the peer has newer edits under way.
func TestTriggersDroppedBehindItsBack(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 8, "clinic", "other")
	clinic, other := c[0], c[1]
	clinic.Exec("UPDATE person SET name = 'own' WHERE uuid = 'p-5'", "DELETE FROM obs WHERE uuid = 'o-8'")
	sites.Exchange(hub, clinic, other)
	for _, r := range clinic.Query("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table IN ('person', 'obs', 'flag', 'patient')") {
		clinic.Exec("DROP TRIGGER " + r[0])
	}
	hub.Exec("UPDATE person SET name = 'newer' WHERE uuid IN ('p-1', 'p-5')", "UPDATE obs SET value = 99 WHERE uuid = 'o-2'")
	f := hub.Export(clinic)[0]
	clinic.Exec(
		"UPDATE person SET name = 'unseen' WHERE uuid = 'p-3'", // nobody else touched it
		"INSERT INTO person (name, uuid) VALUES ('born unseen', 'p-9')",
		"INSERT INTO obs (person_id, value, uuid) SELECT person_id, 5, 'o-9' FROM person WHERE uuid = 'p-9'",
		"DELETE FROM obs WHERE uuid = 'o-4'",
		"INSERT INTO obs (person_id, value, uuid) SELECT person_id, 8, 'o-8' FROM person WHERE uuid = 'p-8'")
	followed := clinic.Follow()
	if len(followed.Missed) == 0 {
		t.Fatalf("nobody noticed: %+v", followed)
	}
	clinic.Import(f)
	settled(t, hub, clinic, other)
	for _, s := range []*sites.Site{hub, clinic, other} {
		for q, want := range map[string]string{
			"SELECT name FROM person WHERE uuid = 'p-1'":   "newer",
			"SELECT name FROM person WHERE uuid = 'p-5'":   "newer",
			"SELECT name FROM person WHERE uuid = 'p-3'":   "unseen",
			"SELECT name FROM person WHERE uuid = 'p-9'":   "born unseen",
			"SELECT value FROM obs WHERE uuid = 'o-2'":     "99",
			"SELECT COUNT(*) FROM obs WHERE uuid = 'o-9'":  "1",
			"SELECT COUNT(*) FROM obs WHERE uuid = 'o-8'":  "1",
			"SELECT COUNT(*) FROM obs WHERE uuid = 'o-4'":  "1", // nobody saw it go: it comes back
			"SELECT COUNT(*) FROM flag WHERE value = 'sw'": "8",
			"SELECT COUNT(*) FROM patient":                 "8",
		} {
			if got := s.One(q); got != want {
				t.Errorf("%s: %s: %s, want %s", s.Name, q, got, want)
			}
		}
	}
	// They are there again, and what they see is sent.
	clinic.Exec("UPDATE person SET name = 'seen' WHERE uuid = 'p-1'", "DELETE FROM obs WHERE uuid = 'o-4'")
	settled(t, hub, clinic, other)
	if got := other.One("SELECT name FROM person WHERE uuid = 'p-1'"); got != "seen" {
		t.Errorf("after all that: %s", got)
	}
}

// A server gives numbers of epochs out again that were taken back, once it was restarted: MySQL 5.6 does, and others whose tables were loaded
// from a backup. What a peer sent in such an epoch is sent back to it, if it loses that.
func TestRestoreAfterNumbersAreGivenAgain(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 3, "clinic")
	clinic := c[0]
	clinic.Exec("UPDATE person SET name = 'earlier'")
	old := clinic.Export(hub)[0]
	healed(t, hub, clinic)
	hub.Exec("UPDATE person SET name = 'later'")
	hub.Send(clinic)
	answer := clinic.Export(hub)[0] // in which there are no rows
	for range 4 {                   // each import takes a number, and one that writes nothing gives it back
		hub.Import(old)
	}
	hub.Import(answer)
	given := hub.One("SELECT MAX(own_epoch) FROM omsync_import")
	hub.Exec("ALTER TABLE omsync_epoch AUTO_INCREMENT = 1")
	restore := backup(t, clinic)
	clinic.Exec("INSERT INTO person (uuid, name) VALUES ('p-late', 'Achieng')")
	for _, f := range clinic.Export(hub) {
		hub.Import(f)
	}
	if after := hub.One("SELECT CAST(MAX(id) AS SIGNED) - " + given + " FROM omsync_epoch"); after != "1" {
		t.Errorf("the batch before was noted in an epoch that was not: the next one is %s later", after)
	}
	restore()
	healed(t, hub, clinic)
	if n := clinic.One("SELECT COUNT(*) FROM person WHERE uuid = 'p-late'"); n != "1" {
		t.Error("what the clinic had sent before it was restored is not there again")
	}
	sites.Same(t, hub, clinic)
}
