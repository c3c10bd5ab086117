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

// TestSwappedRowsReferToNewOnes swaps unique values between rows that get references to rows which come later.
func TestSwappedRowsReferToNewOnes(t *testing.T) {
	ddl := "CREATE TABLE loc (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE, next_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (next_id) REFERENCES loc (id))"
	ddl2 := "CREATE TABLE other (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE, loc_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (loc_id) REFERENCES loc (id))"
	hub, k := sites.New(t, "hub", "none", ddl, ddl2), sites.New(t, "k", "none", ddl, ddl2)
	hub.Exec("INSERT INTO loc (code, uuid) VALUES ('a', 'l-a'), ('b', 'l-b')")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	// swap the codes, and point each to a new row
	hub.Exec("UPDATE loc SET code = 'x' WHERE uuid = 'l-a'", "UPDATE loc SET code = 'a' WHERE uuid = 'l-b'", "UPDATE loc SET code = 'b' WHERE uuid = 'l-a'",
		"INSERT INTO loc (code, uuid) VALUES ('new1', 'l-n1')", "INSERT INTO loc (code, uuid) VALUES ('new2', 'l-n2')",
		"UPDATE loc SET next_id = 4 WHERE uuid = 'l-a'", "UPDATE loc SET next_id = 3 WHERE uuid = 'l-b'")
	f := hub.Export(k)[0]
	if r, err := k.ImportErr(f, signed); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	sites.Same(t, hub, k)
}

// TestDeferredRowKeepsItsReference defers a new row, whose unique value is still held, with a reference that runs ahead.
func TestDeferredRowKeepsItsReference(t *testing.T) {
	ddl := "CREATE TABLE loc (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE, next_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (next_id) REFERENCES loc (id))"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Exec("INSERT INTO loc (code, uuid) VALUES ('a', 'l-a'), ('b', 'l-b')")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	hub.Exec(
		"INSERT INTO loc (id, code, uuid) VALUES (3, 'c', 'l-3'), (5, 'e', 'l-5'), (6, 'f', 'l-6'), (7,'g','l-7'), (8,'h','l-8')",
		"UPDATE loc SET next_id = 6 WHERE id = 5", // pending first
		"UPDATE loc SET next_id = 8 WHERE id = 3",
		"UPDATE loc SET code = 'zz' WHERE uuid = 'l-b'", "UPDATE loc SET code = 'b' WHERE uuid = 'l-3'")
	f := hub.Export(k)[0]
	if r, err := k.ImportErr(f, signed); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	sites.Same(t, hub, k)
}

// TestSwappedNumbers swaps unique numbers that cannot be negative.
func TestSwappedNumbers(t *testing.T) {
	ddl := "CREATE TABLE loc (id INT AUTO_INCREMENT PRIMARY KEY, rank_no INT UNSIGNED NOT NULL UNIQUE, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Exec("INSERT INTO loc (rank_no, uuid) VALUES (1, 'l-a'), (2, 'l-b')")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	hub.Exec("UPDATE loc SET rank_no = 9 WHERE uuid = 'l-a'", "UPDATE loc SET rank_no = 1 WHERE uuid = 'l-b'", "UPDATE loc SET rank_no = 2 WHERE uuid = 'l-a'")
	if r, err := k.ImportErr(hub.Export(k)[0], signed); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	sites.Same(t, hub, k)
}

// Rows that cannot be applied are tried again with each file, and a try in vain is no news: sites where some wait for a value that only one row
// may have come to rest all the same.
func TestTriesInVainAreNoNews(t *testing.T) {
	ddl := []string{
		"CREATE TABLE thing (thing_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50) NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE part (part_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, thing_id INT NOT NULL, FOREIGN KEY (thing_id) REFERENCES thing (thing_id)) ENGINE=InnoDB",
	}
	hub, a, b := sites.New(t, "hub", "none", ddl...), sites.New(t, "a", "none", ddl...), sites.New(t, "b", "none", ddl...)
	for _, s := range []*sites.Site{hub, a, b} {
		s.Waits = true
		s.Init()
	}
	hub.Connect(a)
	hub.Connect(b)
	hub.Exec("INSERT INTO thing (uuid, name) VALUES ('t-0', 'zero')")
	sites.ExchangeTwice(hub, a, b)
	sites.Quiet(t, hub, a, b)
	a.Exec("INSERT INTO thing (uuid, name) VALUES ('t-a', 'one')", "INSERT INTO part (uuid, thing_id) SELECT 'p-a', thing_id FROM thing WHERE uuid = 't-a'")
	b.Exec("INSERT INTO thing (uuid, name) VALUES ('t-b', 'one')", "INSERT INTO part (uuid, thing_id) SELECT 'p-b', thing_id FROM thing WHERE uuid = 't-b'")
	hub.Exec("INSERT INTO thing (uuid, name) VALUES ('t-h', 'two')", "UPDATE thing SET name = 'five' WHERE uuid = 't-0'")
	a.Exec("INSERT INTO thing (uuid, name) VALUES ('t-a2', 'two'), ('t-a3', 'five')")
	for range 2 {
		sites.ExchangeTwice(hub, a, b)
	}
	for _, s := range []*sites.Site{hub, a, b} {
		if s.One("SELECT COUNT(*) FROM omsync_waiting") == "0" {
			t.Errorf("nothing waits at %s", s.Name)
		}
	}
	sites.Quiet(t, hub, a, b)
}
