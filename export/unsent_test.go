package export_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// staff are users whose uuid may be NULL or there twice, as in OpenMRS 1.9, and what refers to them, itself too and by way of others.
var staff = []string{
	"CREATE TABLE users (user_id INT PRIMARY KEY AUTO_INCREMENT, username VARCHAR(50), creator INT, uuid CHAR(38), FOREIGN KEY (creator) REFERENCES users (user_id))",
	"CREATE TABLE person (person_id INT PRIMARY KEY AUTO_INCREMENT, gender CHAR(1), creator INT, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (creator) REFERENCES users (user_id))",
	"CREATE TABLE patient (patient_id INT PRIMARY KEY, note VARCHAR(20), FOREIGN KEY (patient_id) REFERENCES person (person_id))",
	"CREATE TABLE visit (visit_id INT PRIMARY KEY AUTO_INCREMENT, patient_id INT NOT NULL, part_of INT, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (patient_id) REFERENCES patient (patient_id), FOREIGN KEY (part_of) REFERENCES visit (visit_id))",
}

func clinics(t *testing.T, rows ...string) (hub, clinic *sites.Site) {
	t.Helper()
	hub, clinic = sites.New(t, "hub", "none", staff...), sites.New(t, "clinic", "none", staff...)
	for _, s := range []*sites.Site{hub, clinic} {
		s.Exec(rows...)
		s.Init()
	}
	hub.Connect(clinic)
	return hub, clinic
}

func want(t *testing.T, s *sites.Site, what, query, value string) {
	t.Helper()
	if got := s.One(query); got != value {
		t.Errorf("%s at %s: %q, not %q", what, s.Name, got, value)
	}
}

const visits = "SELECT IFNULL(GROUP_CONCAT(CONCAT(v.uuid, '/', p.uuid, '/', u.username) ORDER BY v.uuid), '') FROM visit v JOIN person p ON p.person_id = v.patient_id JOIN users u ON u.user_id = p.creator"

// What refers to a row without a key stays at home, with what refers to it, equal values stay as they are, and all goes once the row
// has a key; whatever went before, and in a full load in parts too.
func TestRowsWaitForTheKeyOfWhatTheyReferTo(t *testing.T) {
	t.Parallel()
	for _, parts := range []bool{false, true} {
		hub, clinic := clinics(t, "INSERT INTO users VALUES (1, 'admin', NULL, NULL), (2, 'nurse', 1, 'u-2')",
			"INSERT INTO person VALUES (1, 'F', 1, 'p-1'), (2, 'M', 2, 'p-2')")
		hub.Exec("INSERT INTO person VALUES (3, 'F', 1, 'p-3'), (4, 'M', 2, 'p-4')", "INSERT INTO patient VALUES (3, ''), (4, '')",
			"INSERT INTO visit VALUES (1, 3, NULL, 'v-1'), (2, 4, 1, 'v-2'), (3, 4, 2, 'v-3')")
		hub.Exec("SET FOREIGN_KEY_CHECKS = 0", "INSERT INTO person VALUES (5, 'F', 77, 'p-5')", "SET FOREIGN_KEY_CHECKS = 1")
		hub.Exec("UPDATE person SET creator = NULL WHERE person_id = 4")
		if parts {
			for _, f := range hub.Export(clinic, sites.Full, sites.Parts(1)) {
				clinic.Import(f)
			}
		}
		sites.ExchangeTwice(hub, clinic)
		want(t, clinic, "the copy's references", "SELECT GROUP_CONCAT(creator ORDER BY person_id) FROM person WHERE uuid IN ('p-1', 'p-2')", "1,2")
		want(t, clinic, "what came", "SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM person", "p-1,p-2,p-4,p-5")
		want(t, clinic, "what refers to nothing", "SELECT creator FROM person WHERE uuid = 'p-5'", "0")
		want(t, clinic, "no visit", "SELECT COUNT(*) FROM visit", "0")
		hub.Exec("UPDATE users SET uuid = 'u-1' WHERE user_id = 1", "UPDATE person SET creator = 2 WHERE person_id = 4")
		clinic.Exec("UPDATE users SET uuid = 'u-1' WHERE user_id = 1")
		sites.ExchangeTwice(hub, clinic)
		want(t, clinic, "what comes once it may", visits, "v-1/p-3/admin,v-2/p-4/nurse,v-3/p-4/nurse")
		want(t, clinic, "conflicts", "SELECT COUNT(*) FROM omsync_conflict", "0")
		want(t, hub, "rows kept back", "SELECT COUNT(*) FROM omsync_unsent", "0")
		sites.Same(t, hub, clinic)
		sites.Quiet(t, hub, clinic)
	}
}

// A row that stays goes too once its own reference is another, and then what refers to it goes as well: no trigger saw that.
func TestWhatRefersToAFreedRowGoesToo(t *testing.T) {
	t.Parallel()
	hub, clinic := clinics(t)
	hub.Exec("INSERT INTO users VALUES (1, 'admin', NULL, NULL), (2, 'nurse', NULL, 'u-2')", "INSERT INTO person VALUES (1, 'F', 1, 'p-1')",
		"INSERT INTO patient VALUES (1, '')", "INSERT INTO visit VALUES (1, 1, NULL, 'v-1'), (2, 1, 1, 'v-2')")
	sites.ExchangeTwice(hub, clinic)
	want(t, clinic, "no person", "SELECT COUNT(*) FROM person", "0")
	hub.Exec("UPDATE person SET creator = 2")
	sites.ExchangeTwice(hub, clinic)
	want(t, clinic, "all of it", visits, "v-1/p-1/nurse,v-2/p-1/nurse")
	// And so if the row without a key goes.
	hub.Exec("INSERT INTO person VALUES (2, 'M', 1, 'p-2')", "INSERT INTO patient VALUES (2, '')", "INSERT INTO visit VALUES (3, 2, NULL, 'v-3')")
	sites.ExchangeTwice(hub, clinic)
	want(t, clinic, "not yet", "SELECT COUNT(*) FROM person WHERE uuid = 'p-2'", "0")
	hub.Exec("SET FOREIGN_KEY_CHECKS = 0", "DELETE FROM users WHERE user_id = 1", "SET FOREIGN_KEY_CHECKS = 1")
	sites.ExchangeTwice(hub, clinic)
	want(t, clinic, "its creator is nobody, there too", "SELECT creator FROM person WHERE uuid = 'p-2'", "0")
	want(t, clinic, "its visit", "SELECT COUNT(*) FROM visit WHERE uuid = 'v-3'", "1")
	sites.Quiet(t, hub, clinic)
}

// Edits of a row that stays are unseen by the peer: what the peer made of the row meanwhile is in conflict with them, and nothing is
// lost unrecorded.
func TestEditsOfWhatStaysAreUnseen(t *testing.T) {
	t.Parallel()
	hub, clinic := clinics(t, "INSERT INTO users VALUES (1, 'admin', NULL, NULL), (2, 'nurse', NULL, 'u-2')", "INSERT INTO person VALUES (1, 'F', 2, 'p-1')")
	sites.ExchangeTwice(hub, clinic)
	hub.Exec("UPDATE person SET gender = 'M', creator = 1")
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("UPDATE person SET gender = 'X'")
	sites.ExchangeTwice(hub, clinic)
	want(t, hub, "the later edit", "SELECT gender FROM person", "X")
	want(t, hub, "the earlier one is recorded", "SELECT IFNULL(GROUP_CONCAT(value), '') FROM omsync_conflict WHERE column_name = 'gender'", "M")
	hub.Exec("UPDATE users SET uuid = 'u-1' WHERE user_id = 1")
	sites.ExchangeTwice(hub, clinic)
	sites.Same(t, hub, clinic)
	sites.Quiet(t, hub, clinic)
}

// One uuid twice in a table: the first row goes, the others stay with what refers to them. Each edit and deletion means the row that it
// was made on, and when the first is gone the next stands for the uuid.
func TestOneUUIDTwice(t *testing.T) {
	t.Parallel()
	hub, clinic := clinics(t)
	hub.Exec("INSERT INTO users VALUES (1, 'doctor', NULL, 'u-same'), (2, 'store', NULL, 'U-SAME'), (3, 'nurse', 2, 'u-3')",
		"INSERT INTO person VALUES (1, 'F', 1, 'p-1'), (2, 'M', 2, 'p-2')")
	step := func(what, users, people string, f func()) {
		t.Helper()
		f()
		sites.ExchangeTwice(hub, clinic)
		want(t, clinic, what, usersOf, users)
		want(t, clinic, what+": who refers to them", creators, people)
		sites.Quiet(t, hub, clinic)
	}
	step("the first goes", "doctor=u-same", "p-1/doctor", func() {})
	step("an edit of the second", "doctor=u-same", "p-1/doctor", func() { hub.Exec("UPDATE users SET username = 'depot' WHERE user_id = 2") })
	step("an edit there is of the first", "medic=u-same", "p-1/medic", func() { clinic.Exec("UPDATE users SET username = 'medic'") })
	want(t, hub, "the edit", "SELECT GROUP_CONCAT(username ORDER BY user_id) FROM users", "medic,depot,nurse")
	step("a third, and it is gone again", "medic=u-same", "p-1/medic", func() {
		hub.Exec("INSERT INTO users VALUES (4, 'cook', NULL, 'u-same')")
		hub.Seal()
		hub.Exec("DELETE FROM users WHERE user_id = 4")
	})
	step("the first gets another", "depot=u-same,medic=u-1,nurse=u-3", "p-1/medic,p-2/depot", func() { hub.Exec("UPDATE users SET uuid = 'u-1' WHERE user_id = 1") })
	sites.Same(t, hub, clinic)
	step("two again, and the first is deleted", "depot=u-same,medic=u-1,nurse=u-3", "p-1/medic,p-2/depot", func() {
		hub.Exec("INSERT INTO users VALUES (5, 'guard', 2, 'u-same')")
	})
	step("the other stands for it", "guard=u-same,medic=u-1,nurse=u-3", "p-1/medic,p-2/medic", func() {
		hub.Exec("UPDATE person SET creator = 1", "UPDATE users SET creator = NULL", "DELETE FROM users WHERE user_id = 2")
	})
	sites.Same(t, hub, clinic)
}

const usersOf = "SELECT IFNULL(GROUP_CONCAT(CONCAT(username, '=', LOWER(uuid)) ORDER BY username), '') FROM users"
const creators = "SELECT IFNULL(GROUP_CONCAT(CONCAT(p.uuid, '/', u.username) ORDER BY p.uuid), '') FROM person p JOIN users u ON u.user_id = p.creator"

// The warnings come once for a table, with a count and three of the rows.
func TestWarningsOfWhatStays(t *testing.T) {
	t.Parallel()
	hub, clinic := clinics(t)
	hub.Exec("INSERT INTO users VALUES (1, 'admin', NULL, NULL), (2, 'a', NULL, 'x'), (3, 'b', NULL, 'x')")
	for i := 1; i <= 7; i++ {
		hub.Exec("INSERT INTO person (gender, creator, uuid) VALUES ('F', 1, UUID())")
	}
	hub.Seal()
	hub.Warnings = nil
	hub.Export(clinic)
	said := strings.Join(hub.Warnings, "\n")
	for _, line := range []string{"person: 7 rows (person_id 1, 2, 3, …) refer to rows that have no key of their own", "users: nothing names 1 row (user_id 3) elsewhere"} {
		if !strings.Contains(said, line) {
			t.Errorf("%q is not in the warnings:\n%s", line, said)
		}
	}
	if len(hub.Warnings) != 2 {
		t.Errorf("%d warnings:\n%s", len(hub.Warnings), said)
	}
}

// A row that was deleted with foreign keys off and comes back, or comes after the rows that refer to it: those go again, though no trigger
// saw them, and so does what has its key.
func TestAParentThatComesBack(t *testing.T) {
	t.Parallel()
	hub, clinic := clinics(t, "INSERT INTO users VALUES (1, 'admin', NULL, 'u-1')")
	hub.Exec("SET FOREIGN_KEY_CHECKS = 0", "INSERT INTO person VALUES (5, 'F', 9, 'p-5')", "INSERT INTO patient VALUES (6, 'early')",
		"INSERT INTO visit VALUES (1, 6, NULL, 'v-1')", "SET FOREIGN_KEY_CHECKS = 1")
	sites.ExchangeTwice(hub, clinic)
	want(t, clinic, "refers to nothing", "SELECT creator FROM person WHERE uuid = 'p-5'", "0")
	hub.Exec("INSERT INTO users VALUES (9, 'late', NULL, 'u-9')", "INSERT INTO person VALUES (6, 'M', 1, 'p-6')")
	sites.ExchangeTwice(hub, clinic)
	want(t, clinic, "its creator came", "SELECT username FROM person JOIN users ON user_id = person.creator WHERE person.uuid = 'p-5'", "late")
	want(t, clinic, "its person came", visits, "v-1/p-6/admin")
	hub.Exec("SET FOREIGN_KEY_CHECKS = 0", "DELETE FROM users WHERE user_id = 9", "INSERT INTO person VALUES (7, 'M', 9, 'p-7')")
	sites.ExchangeTwice(hub, clinic)
	hub.Exec("INSERT INTO users VALUES (9, 'again', NULL, 'u-9b')", "SET FOREIGN_KEY_CHECKS = 1")
	sites.ExchangeTwice(hub, clinic)
	want(t, clinic, "it is another now", "SELECT GROUP_CONCAT(CONCAT(person.uuid, '/', username) ORDER BY person.uuid) FROM person JOIN users ON user_id = person.creator", "p-5/again,p-6/admin,p-7/again")
	sites.Quiet(t, hub, clinic)
}
