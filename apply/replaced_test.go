package apply_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

var clientSchema = []string{
	"CREATE TABLE client (client_id INT AUTO_INCREMENT PRIMARY KEY, surname VARCHAR(50), phone VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB",
	"CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, client_id INT, note VARCHAR(50), uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (client_id) REFERENCES client (client_id)) ENGINE=InnoDB",
	"CREATE TABLE tag (name VARCHAR(50) NOT NULL PRIMARY KEY, client_id INT, FOREIGN KEY (client_id) REFERENCES client (client_id)) ENGINE=InnoDB",
}

// clients makes a hub with ten clients, and clinics that have them.
func clients(t *testing.T, children ...string) []*sites.Site {
	t.Helper()
	hub := sites.New(t, "hub", "none", clientSchema...)
	for i := range 10 {
		hub.Exec(fmt.Sprintf("INSERT INTO client (surname, phone, uuid) VALUES ('old', '100', 'c-%d')", i),
			fmt.Sprintf("INSERT INTO visit (client_id, note, uuid) SELECT client_id, 'old', 'v-%d' FROM client WHERE uuid = 'c-%[1]d'", i),
			fmt.Sprintf("INSERT INTO tag SELECT 't-%d', client_id FROM client WHERE uuid = 'c-%[1]d'", i))
	}
	hub.Init()
	all := []*sites.Site{hub}
	for _, name := range children {
		s := sites.New(t, name, "none", clientSchema...)
		s.Init()
		hub.Connect(s)
		all = append(all, s)
	}
	sites.ExchangeTwice(all...)
	for _, s := range all { // as each run does
		s.Follow()
	}
	return all
}

// dumpTables copies tables, and answers how to drop and load them again, with their triggers or without.
func dumpTables(t *testing.T, s *sites.Site, tables ...string) (load func(triggers bool)) {
	t.Helper()
	name, _ := dbtest.Server(t).Database(t)
	var drop, statements, made []string
	for _, table := range tables {
		s.Exec("CREATE TABLE "+name+"."+table+" LIKE "+table, "INSERT INTO "+name+"."+table+" SELECT * FROM "+table)
		drop = append(drop, "DROP TABLE "+table)
		statements = append(statements, s.Query("SHOW CREATE TABLE " + table)[0][1], "INSERT INTO "+table+" SELECT * FROM "+name+"."+table)
		for _, r := range s.Query("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = ?", table) {
			made = append(made, s.Query("SHOW CREATE TRIGGER " + r[0])[0][2])
		}
	}
	return func(triggers bool) {
		t.Helper()
		time.Sleep(1100 * time.Millisecond) // a server says only the second in which a table was made
		s.Exec("SET foreign_key_checks = 0")
		s.Exec(drop...)
		s.Exec(statements...)
		s.Exec("SET foreign_key_checks = 1")
		if triggers {
			s.Exec(made...)
		}
	}
}

// level exchanges until all sites are equal and silent.
func level(t *testing.T, all ...*sites.Site) {
	t.Helper()
	sites.ExchangeTwice(all...)
	for _, s := range all[1:] {
		sites.Same(t, all[0], s)
	}
	sites.Quiet(t, all...)
}

// saysTriggersMade reports whether the server says when a trigger was made.
func saysTriggersMade(s *sites.Site) bool {
	return s.One("SELECT COUNT(created) FROM information_schema.triggers WHERE event_object_schema = DATABASE()") != "0"
}

// A backup of the application's tables alone is loaded over a node's database: what peers have that is newer comes back, wherever it was
// made, deletions too, and what was inserted since the load goes to all.
func TestApplicationsTablesRestored(t *testing.T) {
	for _, c := range []struct {
		who      int // of hub and clinics
		triggers bool
		tables   []string
	}{{1, false, []string{"tag", "visit", "client"}}, {1, true, []string{"tag", "visit", "client"}}, {0, false, []string{"tag", "visit", "client"}}, {1, false, []string{"client"}}, {0, true, []string{"visit"}}} {
		t.Run(fmt.Sprint(c.who, c.triggers, c.tables), func(t *testing.T) {
			t.Parallel()
			all := clients(t, "clinic", "other")
			hub, other, lost := all[0], all[2], all[c.who]
			if c.triggers && !saysTriggersMade(lost) {
				t.Skip("the server does not say when a trigger was made")
			}
			peer := all[1-c.who]
			load := dumpTables(t, lost, c.tables...)
			edit := func(s *sites.Site, n int, what string) {
				s.Exec(fmt.Sprintf("UPDATE client SET surname = '%s' WHERE uuid = 'c-%d'", what, n), fmt.Sprintf("UPDATE visit SET note = '%s' WHERE uuid = 'v-%d'", what, n))
			}
			remove := func(s *sites.Site, n int) {
				s.Exec(fmt.Sprintf("DELETE FROM tag WHERE name = 't-%d'", n), fmt.Sprintf("DELETE FROM visit WHERE uuid = 'v-%d'", n))
			}
			edit(peer, 1, "by the peer")
			edit(lost, 2, "by itself")
			edit(other, 3, "by another")
			remove(peer, 4)
			remove(lost, 5)
			lost.Exec("INSERT INTO client (surname, uuid) VALUES ('made since', 'c-20')", "INSERT INTO visit (client_id, note, uuid) SELECT client_id, 'made since', 'v-20' FROM client WHERE uuid = 'c-20'",
				"INSERT INTO tag SELECT 't-20', client_id FROM client WHERE uuid = 'c-20'")
			sites.ExchangeTwice(all...)
			edit(lost, 6, "gone with it") // neither sealed nor sent
			edit(peer, 7, "on its way")
			peer.Seal()
			load(c.triggers)
			if slices.Contains(c.tables, "visit") { // under a number that another had
				lost.Exec("INSERT INTO visit (client_id, note, uuid) SELECT client_id, 'since the load', 'v-30' FROM client WHERE uuid = 'c-8'")
			}
			f := lost.Follow()
			slices.Sort(f.Replaced)
			want := slices.Clone(c.tables)
			slices.Sort(want)
			if !slices.Equal(f.Replaced, want) || len(f.Missed) > 0 {
				t.Fatalf("found %q and missed %q, want %q", f.Replaced, f.Missed, want)
			}
			if f = lost.Follow(); len(f.Replaced)+len(f.Missed) > 0 {
				t.Errorf("and once more: %+v", f)
			}
			level(t, all...)
			surname := func(n int, want string) {
				t.Helper()
				if got := hub.One(fmt.Sprintf("SELECT surname FROM client WHERE uuid = 'c-%d'", n)); got != want {
					t.Errorf("client %d: %s, want %s", n, got, want)
				}
				if got := hub.One(fmt.Sprintf("SELECT note FROM visit WHERE uuid = 'v-%d'", n)); got != want {
					t.Errorf("visit %d: %s, want %s", n, got, want)
				}
			}
			surname(1, "by the peer")
			surname(2, "by itself")
			surname(3, "by another")
			surname(7, "on its way")
			surname(20, "made since")
			surname(9, "old")
			for q, want := range map[string]string{
				"SELECT COUNT(*) FROM tag WHERE name IN ('t-4', 't-5')":                                                      "0",
				"SELECT COUNT(*) FROM visit WHERE uuid IN ('v-4', 'v-5')":                                                    "0",
				"SELECT COUNT(*) FROM tag WHERE name = 't-20'":                                                               "1",
				"SELECT COUNT(*) FROM visit JOIN client USING (client_id) WHERE visit.uuid = 'v-30' AND client.uuid = 'c-8'": map[bool]string{true: "1", false: "0"}[slices.Contains(c.tables, "visit")],
			} {
				if got := hub.One(q); got != want {
					t.Errorf("%s: %s, want %s", q, got, want)
				}
			}
			edit(lost, 9, "afterwards")
			edit(other, 8, "afterwards")
			level(t, all...)
			surname(9, "afterwards")
			surname(8, "afterwards")
		})
	}
}

// A module is removed, and its tables with it, for weeks in which exchanges go on. It is installed again, its tables empty, or with
// what it puts there itself, or in a later form: what peers have comes back, whoever made it.
func TestModuleRemovedAndBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		who    int
		create []string
	}{
		{"empty", 1, []string{clientSchema[1]}},
		{"empty at the hub", 0, []string{clientSchema[1]}},
		{"with rows", 1, []string{clientSchema[1], "INSERT INTO visit (client_id, note, uuid) SELECT client_id, 'of the installer', 'v-50' FROM client WHERE uuid = 'c-1'"}},
		{"with a column more", 1, []string{strings.Replace(clientSchema[1], "note", "extra INT NOT NULL DEFAULT 3, note", 1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := clients(t, "clinic", "other")
			hub, gone := all[0], all[c.who]
			gone.Exec("INSERT INTO visit (client_id, note, uuid) SELECT client_id, 'its own', 'v-20' FROM client WHERE uuid = 'c-1'")
			sites.ExchangeTwice(all...)
			gone.Exec("DROP TABLE visit")
			gone.Follow()
			sites.ExchangeTwice(all...)
			all[2].Exec("UPDATE visit SET note = 'edited meanwhile' WHERE uuid IN ('v-1', 'v-20')", "DELETE FROM visit WHERE uuid = 'v-2'")
			sites.ExchangeTwice(all...)
			time.Sleep(1100 * time.Millisecond)
			gone.Exec(c.create...)
			if f := gone.Follow(); !slices.Equal(f.Replaced, []string{"visit"}) {
				t.Fatalf("found %+v", f)
			}
			sites.ExchangeTwice(all...)
			for _, s := range all {
				want := "11"
				if c.name != "with rows" {
					want = "10"
				}
				n := s.One("SELECT COUNT(*) FROM visit JOIN client USING (client_id)")
				if n != want {
					t.Errorf("%s has %s visits, want %s", s.Name, n, want)
				}
				if got := s.One("SELECT GROUP_CONCAT(note ORDER BY uuid) FROM visit WHERE uuid IN ('v-1', 'v-20')"); got != "edited meanwhile,edited meanwhile" {
					t.Errorf("%s: %s", s.Name, got)
				}
			}
			gone.Exec("UPDATE visit SET note = 'and on' WHERE uuid = 'v-20'")
			sites.ExchangeTwice(all...)
			if got := hub.One("SELECT note FROM visit WHERE uuid = 'v-20'"); got != "and on" {
				t.Errorf("an edit after that: %s", got)
			}
			sites.Quiet(t, all...)
		})
	}
}

// A tool that alters a table makes a copy beside it, fills it and swaps the two by RENAME TABLE. What is written after that is not lost,
// wherever a run of omsync came between, and whether the old table is kept.
func TestTableSwappedForItsCopy(t *testing.T) {
	const copied = "CREATE TABLE _visit_new LIKE visit"
	for _, c := range []struct {
		name          string
		before, after bool   // a run comes while the copy is empty, or when it is filled
		swap          string // what the tool does in the end
		triggers      bool   // the application's changes meanwhile go to the copy by triggers of the tool
	}{
		{"a run comes between", false, true, "RENAME TABLE visit TO _visit_old, _visit_new TO visit; DROP TABLE _visit_old", false},
		{"the copy is filled under its triggers", true, true, "RENAME TABLE visit TO _visit_old, _visit_new TO visit; DROP TABLE _visit_old", true},
		{"the old one is kept", false, false, "RENAME TABLE visit TO _visit_del, _visit_new TO visit", false},
		{"the old one is kept, and a run came", false, true, "RENAME TABLE visit TO _visit_del, _visit_new TO visit", false},
		{"there and back", false, true, "RENAME TABLE visit TO _visit_old, _visit_new TO visit; RENAME TABLE visit TO _visit_new, _visit_old TO visit", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := clients(t, "clinic")
			hub, clinic := all[0], all[1]
			run := func() {
				clinic.Follow()
				sites.ExchangeTwice(all...)
			}
			clinic.Exec(copied, "ALTER TABLE _visit_new MODIFY note VARCHAR(80), ADD FOREIGN KEY (client_id) REFERENCES client (client_id)")
			if c.before {
				run()
			}
			clinic.Exec("INSERT INTO _visit_new SELECT * FROM visit")
			hub.Exec("UPDATE visit SET note = 'by the hub' WHERE uuid = 'v-1'")
			if c.after {
				run()
			}
			if c.triggers {
				clinic.Exec("REPLACE INTO _visit_new SELECT * FROM visit")
			}
			time.Sleep(1100 * time.Millisecond)
			clinic.Exec(strings.Split(c.swap, "; ")...)
			clinic.Exec("UPDATE visit SET note = 'after the swap' WHERE uuid = 'v-2'", "DELETE FROM visit WHERE uuid = 'v-3'",
				"INSERT INTO visit (client_id, note, uuid) SELECT client_id, 'after the swap', 'v-40' FROM client WHERE uuid = 'c-1'")
			run()
			sites.ExchangeTwice(all...)
			for _, s := range all {
				if got := s.One("SELECT GROUP_CONCAT(note ORDER BY uuid) FROM visit WHERE uuid IN ('v-2', 'v-40')"); got != "after the swap,after the swap" {
					t.Errorf("%s: %s", s.Name, got)
				}
				if got := s.One("SELECT COUNT(*) FROM visit WHERE uuid = 'v-3'"); c.after && got != "0" {
					t.Errorf("%s has a row that was deleted after the swap", s.Name)
				}
			}
			if a, b := hub.Query("SELECT uuid, note FROM visit ORDER BY uuid"), clinic.Query("SELECT uuid, note FROM visit ORDER BY uuid"); fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("hub %v\nclinic %v", a, b)
			}
			clinic.Exec("UPDATE visit SET note = 'later' WHERE uuid = 'v-5'")
			hub.Exec("UPDATE visit SET note = 'later' WHERE uuid = 'v-6'")
			sites.ExchangeTwice(all...)
			if got := hub.One("SELECT note FROM visit WHERE uuid = 'v-5'") + clinic.One("SELECT note FROM visit WHERE uuid = 'v-6'"); got != "laterlater" {
				t.Errorf("afterwards: %s", got)
			}
		})
	}
}
