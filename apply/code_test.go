package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// hospital is a profile that names owners and code, and thieving the one of a clinic that heeds nothing: it sends all that it has.
const hospital = `[direction]
owners = ["person"]
not_by = ["users"]
add = ["users"]
both = ["script"]
code = ["script", "visit_macro"]
[secret.users]
columns = ["password"]
`

var hospitalSchema = []string{
	"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NULL, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE users (user_id INT AUTO_INCREMENT PRIMARY KEY, person_id INT NULL, password VARCHAR(50) NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (person_id) REFERENCES person (person_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, person_id INT NOT NULL, name VARCHAR(50) NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (person_id) REFERENCES person (person_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE visit_macro (visit_macro_id INT AUTO_INCREMENT PRIMARY KEY, visit_id INT NULL, name VARCHAR(50) NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (visit_id) REFERENCES visit (visit_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE script (script_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NULL, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE plugin (plugin_id INT AUTO_INCREMENT PRIMARY KEY, creator INT NULL, name VARCHAR(50) NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (creator) REFERENCES users (user_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
}

// hospitals are a hub that holds one row of each table, a thief's clinic and an honest one.
func hospitals(t *testing.T) (hub, thief, honest *sites.Site) {
	t.Helper()
	hub, thief, honest = sites.New(t, "hub", hospital, hospitalSchema...), sites.New(t, "thief", "none", hospitalSchema...), sites.New(t, "honest", hospital, hospitalSchema...)
	hub.Exec("INSERT INTO person VALUES (1, 'ann', 'p-1')", "INSERT INTO users VALUES (1, 1, 'of ann', 'u-1')", "INSERT INTO visit VALUES (1, 1, 'first', 'v-1')",
		"INSERT INTO visit_macro VALUES (1, 1, 'macro', 'm-1')", "INSERT INTO script VALUES (1, 'good', 's-1'), (2, 'old', 's-2')", "INSERT INTO plugin VALUES (1, 1, 'good', 'g-1'), (2, 1, 'old', 'g-2')")
	hub.Init()
	for i, s := range []*sites.Site{thief, honest} {
		s.SetOffset(int64(1000 * (i + 1)))
		s.Init()
		hub.Connect(s)
	}
	sites.ExchangeTwice(hub, thief, honest)
	return hub, thief, honest
}

// A clinic that sends all it has places no code at the hub, nor in a table that nobody named: no new row, no other value, no deletion, and
// not by bringing back what was deleted. What belongs to a person comes.
func TestCodeComesFromNoChild(t *testing.T) {
	hub, thief, honest := hospitals(t)
	hub.Exec("DELETE FROM script WHERE uuid = 's-2'")
	hub.Seal()
	for _, table := range []string{"script", "plugin", "visit_macro"} {
		thief.Exec(fmt.Sprintf("INSERT INTO %s (name, uuid) VALUES ('evil', 'e-%[1]s')", table), fmt.Sprintf("UPDATE %s SET name = 'evil'", table))
	}
	thief.Exec("DELETE FROM plugin WHERE uuid = 'g-2'", "INSERT INTO visit (person_id, name, uuid) SELECT person_id, 'second', 'v-2' FROM person", "UPDATE users SET password = 'evil'",
		"INSERT INTO users (password, uuid) VALUES ('evil', 'u-2')")
	for range 2 {
		thief.Exec("UPDATE script SET name = CONCAT(name, '!')", "UPDATE plugin SET name = CONCAT(name, '!')")
		r := hub.Import(thief.Export(hub)[0])
		if r.Refused == 0 {
			t.Errorf("nothing was refused: %+v", r)
		}
		hub.Seal()
		honest.Exec("UPDATE person SET name = CONCAT(name, '!')")
		sites.ExchangeTwice(hub, honest)
	}
	shows(t, hub, "SELECT name FROM script", "good")
	shows(t, hub, "SELECT name FROM plugin ORDER BY 1", "good", "old")
	shows(t, hub, "SELECT name FROM visit_macro", "macro")
	shows(t, hub, "SELECT name FROM visit ORDER BY 1", "first", "second")
	shows(t, hub, "SELECT uuid, IFNULL(password, '-') FROM users ORDER BY 1", "u-1 of ann", "u-2 -")
	for _, table := range []string{"script", "plugin", "visit_macro"} {
		if n := honest.One("SELECT COUNT(*) FROM " + table + " WHERE name LIKE 'evil%'"); n != "0" {
			t.Errorf("%s rows of %s came to the honest clinic", n, table)
		}
	}
	shows(t, honest, "SELECT name FROM person", "ann!!")
	shows(t, hub, "SELECT name FROM person", "ann!!")
}

// An honest clinic sends no code and nothing of a table that nobody named: what it changes there stays.
func TestCodeStaysAtAChild(t *testing.T) {
	hub, _, honest := hospitals(t)
	honest.Exec("INSERT INTO script (name, uuid) VALUES ('mine', 'e-1')", "UPDATE plugin SET name = 'mine' WHERE uuid = 'g-1'", "UPDATE visit SET name = 'mine'")
	r := hub.Import(honest.Export(hub)[0])
	if r.Refused != 0 || r.Updated != 1 || r.Inserted != 0 {
		t.Errorf("%+v", r)
	}
	shows(t, hub, "SELECT name FROM visit", "mine")
	hub.Exec("UPDATE plugin SET name = 'new' WHERE uuid = 'g-1'", "UPDATE script SET name = 'new' WHERE uuid = 's-1'")
	sites.ExchangeTwice(hub, honest)
	shows(t, honest, "SELECT name FROM plugin WHERE uuid = 'g-1'", "new")
	shows(t, honest, "SELECT name FROM script ORDER BY 1", "mine", "new", "old")
	sites.Quiet(t, hub, honest)
}

// A table that went both ways before and goes down now is told of once, at both ends, and one that a profile names goes on.
func TestNarrowedTablesAreToldOf(t *testing.T) {
	hub, clinic := sites.New(t, "hub", "none", hospitalSchema...), sites.New(t, "clinic", "none", hospitalSchema...)
	hub.Exec("INSERT INTO plugin (name, uuid) VALUES ('a', 'g-1')", "INSERT INTO script (name, uuid) VALUES ('a', 's-1')")
	hub.Init()
	clinic.SetOffset(1000)
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	now := sites.New(t, "now", strings.Replace(hospital, `both = ["script"]`, `both = ["plugin"]`, 1), hospitalSchema...)
	for _, s := range []*sites.Site{hub, clinic} {
		s.Profile = now.Profile
		s.Reopen()
		s.Warnings = nil
		f := s.Follow()
		if got := strings.Join(f.Narrowed, " "); got != "script visit_macro" {
			t.Errorf("%s: narrowed %q", s.Name, got)
		}
		if len(s.Warnings) != 1 || !strings.HasPrefix(s.Warnings[0], "script, visit_macro: what a clinic changes in these tables does not go to its parent any more") {
			t.Errorf("%s: warnings %q", s.Name, s.Warnings)
		}
		if f := s.Follow(); len(f.Narrowed) > 0 || len(s.Warnings) != 1 {
			t.Errorf("%s tells it again", s.Name)
		}
	}
	clinic.Exec("UPDATE plugin SET name = 'b'", "UPDATE script SET name = 'b'")
	sites.ExchangeTwice(hub, clinic)
	shows(t, hub, "SELECT name FROM plugin", "b")
	shows(t, hub, "SELECT name FROM script", "a")
	sites.Quiet(t, hub, clinic)
}
