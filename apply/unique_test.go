package apply_test

import (
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// Values that only one row may have change hands within one batch, between rows that refer to rows which the batch has yet to
// bring, and that others' keys are made of.
func TestUniqueValuesChangeHands(t *testing.T) {
	tables := []string{
		"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE, friend INT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (friend) REFERENCES person (person_id))",
		"CREATE TABLE patient (patient_id INT PRIMARY KEY, note VARCHAR(20), FOREIGN KEY (patient_id) REFERENCES person (person_id))",
		"CREATE TABLE flag (person_id INT NOT NULL, name VARCHAR(20) NOT NULL, PRIMARY KEY (person_id, name), FOREIGN KEY (person_id) REFERENCES person (person_id))",
	}
	add := "INSERT INTO person (name, uuid) VALUES "
	friend := func(of, to string) string {
		return "UPDATE person p JOIN person f ON f.uuid = '" + to + "' SET p.friend = f.person_id WHERE p.uuid = '" + of + "'"
	}
	name := func(of, to string) string { return "UPDATE person SET name = '" + to + "' WHERE uuid = '" + of + "'" }
	for what, do := range map[string][]string{
		"two change names, one befriends somebody new": {
			name("a", ""), name("b", "ann"), name("a", "bob"), add + "('cyd', 'c')", friend("b", "c"), friend("a", "c")},
		"a new one takes a name given up, befriends somebody newer, and is a patient": {
			name("a", "eva"), add + "('ann', 'f'), ('gus', 'g')", friend("f", "g"),
			"INSERT INTO patient SELECT person_id, 'new' FROM person WHERE uuid = 'f'", "INSERT INTO flag SELECT person_id, 'x' FROM person WHERE uuid = 'f'"},
		"three change names in a ring, and a new one takes one of them": {
			name("a", "1"), name("b", "2"), name("d", "3"), name("a", "bob"), name("b", "dan"), name("d", "new"),
			add + "('ann', 'f'), ('gus', 'g')", friend("f", "g"), friend("d", "f"), "INSERT INTO patient SELECT person_id, 'new' FROM person WHERE uuid = 'f'"},
	} {
		t.Run(what, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", "none", tables...), sites.New(t, "clinic", "none", tables...)
			hub.Exec(add + "('ann', 'a'), ('bob', 'b'), ('dan', 'd')")
			hub.Init()
			clinic.SetOffset(100)
			clinic.Init()
			hub.Connect(clinic)
			sites.Exchange(hub, clinic)
			hub.Exec(do...)
			sites.Exchange(hub, clinic)
			sites.Quiet(t, hub, clinic)
			sites.Same(t, hub, clinic)
		})
	}
}

// REPLACE takes a row away and puts another in its place. What refers to it goes with it, on most servers: where it stays
// (MySQL 9.7), it stays at the peer too.
func TestReplaceOfAReferredRow(t *testing.T) {
	ddl := []string{"CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, n INT) ENGINE=InnoDB",
		"CREATE TABLE b (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, FOREIGN KEY (a) REFERENCES a (id) ON UPDATE CASCADE ON DELETE CASCADE) ENGINE=InnoDB"}
	hub, kisumu := sites.New(t, "hub", "none", ddl...), sites.New(t, "kisumu", "none", ddl...)
	hub.Init()
	kisumu.Init()
	hub.Connect(kisumu)
	hub.Exec("INSERT INTO a VALUES (8, 'U1', 1)", "INSERT INTO b VALUES (3, 'B1', 8)")
	sites.ExchangeTwice(hub, kisumu)
	for _, row := range []string{"(8, 'U1', 2)", "(8, 'U2', 2)"} {
		hub.Exec("REPLACE INTO a VALUES " + row)
		sites.ExchangeTwice(hub, kisumu)
		sites.Same(t, hub, kisumu)
	}
}
