package apply_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/internal/sites"
)

// With foreign key checks off an application deletes and inserts in any order, uses integers and uuids again, and all that before one
// seal: both sites end the same.
func TestIntegersUsedAgain(t *testing.T) {
	tables := []string{
		"CREATE TABLE person (person_id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE patient (patient_id INT PRIMARY KEY, note VARCHAR(20), FOREIGN KEY (patient_id) REFERENCES person (person_id)) ENGINE=InnoDB",
		"CREATE TABLE visit (visit_id INT PRIMARY KEY AUTO_INCREMENT, patient_id INT NOT NULL, note VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (patient_id) REFERENCES patient (patient_id)) ENGINE=InnoDB",
	}
	hub, clinic := sites.New(t, "hub", "none", tables...), sites.New(t, "clinic", "none", tables...)
	hub.Exec("INSERT INTO person VALUES (1, 'a', 'p-1'), (2, 'b', 'p-2'), (3, 'c', 'p-3')", "INSERT INTO patient VALUES (1, 'a'), (2, 'b')", "INSERT INTO visit VALUES (1, 1, 'a', 'v-1'), (2, 2, 'b', 'v-2')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	same := func(t fataler, at *sites.Site, done []string) {
		at.Exec("SET foreign_key_checks = 0")
		at.Exec(done...)
		// What refers to nothing in the end is nobody's row.
		at.Exec("DELETE t FROM patient t LEFT JOIN person p ON p.person_id = t.patient_id WHERE p.person_id IS NULL",
			"DELETE v FROM visit v LEFT JOIN patient t ON t.patient_id = v.patient_id WHERE t.patient_id IS NULL", "SET foreign_key_checks = 1")
		sites.Exchange(hub, clinic)
		const all = "SELECT CONCAT_WS(' ', p.uuid, p.name, t.note, v.uuid, v.note) FROM person p LEFT JOIN patient t ON t.patient_id = p.person_id LEFT JOIN visit v ON v.patient_id = t.patient_id ORDER BY p.uuid, v.uuid"
		if h, c := fmt.Sprint(hub.Query(all)), fmt.Sprint(clinic.Query(all)); h != c {
			t.Fatalf("at %s: %q\nthe hub has    %s\nthe clinic has %s", at.Name, done, h, c)
		}
	}
	// The person goes first, another comes and goes under the integer, and the first one comes back without the patient.
	same(t, hub, []string{"DELETE FROM visit WHERE visit_id = 1", "DELETE FROM person WHERE person_id = 1", "DELETE FROM patient WHERE patient_id = 1", "INSERT INTO person VALUES (1, 'y', 'p-9')", "INSERT INTO patient VALUES (1, 'y')",
		"DELETE FROM patient WHERE patient_id = 1", "DELETE FROM person WHERE person_id = 1", "INSERT INTO person VALUES (1, 'a', 'p-1')"})
	if got := clinic.One("SELECT COUNT(*) FROM patient"); got != "1" {
		t.Errorf("the clinic has %s patients", got)
	}
	id, n := rapid.IntRange(1, 4), 0
	statement := rapid.Custom(func(t *rapid.T) []string {
		i, u := id.Draw(t, "id"), id.Draw(t, "uuid")
		n++
		if rapid.IntRange(0, 2).Draw(t, "person") == 0 { // another person under the integer
			return []string{fmt.Sprintf("DELETE FROM person WHERE person_id = %d OR uuid = 'p-%d'", i, u), fmt.Sprintf("INSERT INTO person VALUES (%d, 'n%d', 'p-%d')", i, n, u)}
		}
		one := rapid.SampledFrom([]string{
			fmt.Sprintf("INSERT IGNORE INTO person VALUES (%d, 'n%d', 'p-%d')", i, n, u),
			fmt.Sprintf("REPLACE INTO person VALUES (%d, 'n%d', 'p-%d')", i, n, u),
			fmt.Sprintf("UPDATE IGNORE person SET uuid = 'p-%d' WHERE person_id = %d", u, i),
			fmt.Sprintf("UPDATE person SET name = 'n%d' WHERE person_id = %d", n, i),
			fmt.Sprintf("DELETE FROM person WHERE person_id = %d", i),
			fmt.Sprintf("DELETE FROM patient WHERE patient_id = %d", i),
			fmt.Sprintf("DELETE FROM patient WHERE patient_id = %d", i),
			fmt.Sprintf("REPLACE INTO patient VALUES (%d, 'n%d')", i, n),
			fmt.Sprintf("INSERT IGNORE INTO patient VALUES (%d, 'n%d')", i, n),
			fmt.Sprintf("UPDATE patient SET note = 'n%d' WHERE patient_id = %d", n, i),
			fmt.Sprintf("REPLACE INTO visit VALUES (%d, %d, 'n%d', 'v-%d')", i, u, n, u),
			fmt.Sprintf("DELETE FROM visit WHERE visit_id = %d", i),
		}).Draw(t, "statement")
		return []string{one}
	})
	rapid.Check(t, func(r *rapid.T) {
		at := hub
		if rapid.Bool().Draw(r, "at the clinic") {
			at = clinic
		}
		done := slices.Concat(rapid.SliceOfN(statement, 1, 14).Draw(r, "statements")...)
		same(r, at, done)
	})
}

// fataler is a test, or one draw of it.
type fataler interface {
	Fatalf(format string, args ...any)
}
