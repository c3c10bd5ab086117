package conflicts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// list lists conflicts at a site.
func list(t *testing.T, s *sites.Site, f conflicts.Filter) *conflicts.Listing {
	t.Helper()
	l, err := conflicts.List(t.Context(), s.J.DB, s.J, f)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// rows names the rows of a list.
func rows(l *conflicts.Listing) (out []string) {
	for _, e := range l.Conflicts {
		out = append(out, e.Table+": "+e.Row)
	}
	return out
}

// A small clinic in the words of OpenMRS.
var clinic = []string{
	`CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, gender VARCHAR(50), uuid CHAR(38) NOT NULL UNIQUE, date_changed DATETIME) ENGINE=InnoDB`,
	`CREATE TABLE person_name (person_name_id INT AUTO_INCREMENT PRIMARY KEY, preferred TINYINT NOT NULL DEFAULT 0, person_id INT NOT NULL, given_name VARCHAR(50),
		family_name VARCHAR(50), voided TINYINT NOT NULL DEFAULT 0, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (person_id) REFERENCES person (person_id)) ENGINE=InnoDB`,
	`CREATE TABLE patient (patient_id INT PRIMARY KEY, allergy_status VARCHAR(50), FOREIGN KEY (patient_id) REFERENCES person (person_id)) ENGINE=InnoDB`,
	`CREATE TABLE patient_identifier (patient_identifier_id INT AUTO_INCREMENT PRIMARY KEY, patient_id INT NOT NULL, identifier VARCHAR(50) NOT NULL, preferred TINYINT NOT NULL DEFAULT 0,
		voided TINYINT NOT NULL DEFAULT 0, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (patient_id) REFERENCES patient (patient_id)) ENGINE=InnoDB`,
	`CREATE TABLE encounter_type (encounter_type_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB`,
	`CREATE TABLE encounter (encounter_id INT AUTO_INCREMENT PRIMARY KEY, encounter_type INT NOT NULL, patient_id INT NOT NULL, encounter_datetime DATETIME NOT NULL, note TEXT,
		uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (encounter_type) REFERENCES encounter_type (encounter_type_id), FOREIGN KEY (patient_id) REFERENCES patient (patient_id)) ENGINE=InnoDB`,
}

// Conflicts are listed in the words of a clinic, and by table, peer, patient and time.
func TestList(t *testing.T) {
	hub, kisumu, migori := sites.New(t, "hub", "openmrs", clinic...), sites.New(t, "kisumu", "openmrs", clinic...), sites.New(t, "migori", "openmrs", clinic...)
	for _, s := range []*sites.Site{hub, kisumu, migori} {
		s.Init()
	}
	hub.Connect(kisumu)
	hub.Connect(migori)
	hub.Exec("INSERT INTO encounter_type (encounter_type_id, name, uuid) VALUES (7, 'Vitals', 'et')")
	for i, name := range []string{"Achieng", "Barasa"} {
		id := i + 1
		hub.Exec(fmt.Sprintf("INSERT INTO person (person_id, gender, uuid) VALUES (%d, 'F', 'p%[1]d')", id),
			fmt.Sprintf("INSERT INTO person_name (person_id, given_name, family_name, voided, uuid) VALUES (%d, 'Old', 'Name', 1, 'v%[1]d'), (%[1]d, 'Grace', '%s', 0, 'n%[1]d')", id, name),
			fmt.Sprintf("INSERT INTO patient (patient_id) VALUES (%d)", id),
			fmt.Sprintf("INSERT INTO patient_identifier (patient_id, identifier, preferred, uuid) VALUES (%d, 'MTRH-%[1]d', 0, 'i%[1]d'), (%[1]d, '100-%[1]d', 1, 'j%[1]d')", id),
			fmt.Sprintf("INSERT INTO encounter (encounter_type, patient_id, encounter_datetime, uuid) VALUES (7, %d, '2026-11-2%[1]d 08:30:15', 'e%[1]d')", id))
	}
	sites.ExchangeTwice(hub, kisumu, migori)
	for _, q := range []string{"UPDATE person SET gender = '%s', date_changed = NOW() WHERE uuid = 'p1'", "UPDATE encounter SET note = '%s' WHERE uuid = 'e2'"} {
		kisumu.Exec(fmt.Sprintf(q, "k"))
		hub.Exec(fmt.Sprintf(q, "h"))
	}
	sites.ExchangeTwice(hub, kisumu, migori)
	time.Sleep(1100 * time.Millisecond)
	between := time.Now()
	time.Sleep(1100 * time.Millisecond)
	migori.Exec("UPDATE patient SET allergy_status = 'm' WHERE patient_id = (SELECT person_id FROM person WHERE uuid = 'p2')")
	hub.Exec("UPDATE patient SET allergy_status = 'h' WHERE patient_id = 2")
	sites.ExchangeTwice(hub, kisumu, migori)

	const person, encounter, patient = "person: Grace Achieng, 100-1", "encounter: Vitals, 2026-11-22 08:30 of Grace Barasa, 100-2", "patient: Grace Barasa, 100-2"
	for _, c := range []struct {
		says string
		f    conflicts.Filter
		want []string
	}{
		{"all", conflicts.Filter{}, []string{encounter, patient, person}},
		{"a table", conflicts.Filter{Table: "person"}, []string{person}},
		{"a table that is not here", conflicts.Filter{Table: "obs"}, nil},
		{"a peer", conflicts.Filter{Peer: hub.Peer(migori).ID}, []string{patient}},
		{"another peer", conflicts.Filter{Peer: hub.Peer(kisumu).ID}, []string{encounter, person}},
		{"a patient", conflicts.Filter{Patient: "100-2"}, []string{encounter, patient}},
		{"by the other identifier", conflicts.Filter{Patient: "MTRH-1"}, []string{person}},
		{"a patient and a table", conflicts.Filter{Patient: "100-2", Table: "encounter"}, []string{encounter}},
		{"since", conflicts.Filter{Since: between}, []string{patient}},
		{"since later", conflicts.Filter{Since: time.Now().Add(time.Hour)}, nil},
		{"open since later", conflicts.Filter{OpenSince: time.Now().Add(time.Hour)}, nil},
		{"old ones too", conflicts.Filter{OpenSince: time.Now().Add(time.Hour), All: true}, []string{encounter, patient, person}},
	} {
		l := list(t, hub, c.f)
		got := rows(l)
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.says, got)
		}
		for _, e := range l.Conflicts {
			if want := map[bool]string{true: "old", false: "open"}[c.f.All]; e.State != want {
				t.Errorf("%s: %s is %s, not %s", c.says, e.Row, e.State, want)
			}
		}
	}
	if l := list(t, hub, conflicts.Filter{Limit: 2}); len(l.Conflicts) != 2 || !l.More || l.Open != 3 || l.Conflicts[0].Table != "patient" {
		t.Errorf("the newest two: %q, %+v", rows(l), l)
	}
	if _, err := conflicts.List(t.Context(), hub.J.DB, hub.J, conflicts.Filter{Patient: "100-3"}); err == nil || !strings.Contains(err.Error(), "nobody here has that identifier") {
		t.Errorf("nobody's identifier: %v", err)
	}
	// date_changed is folded under what matters, at the hub and where the records came to.
	for _, s := range []*sites.Site{hub, kisumu, migori} {
		e := list(t, s, conflicts.Filter{Table: "person"}).Conflicts
		if len(e) != 1 || e[0].Records[0].Column != "gender" {
			t.Errorf("%s: %q", s.Name, rows(list(t, s, conflicts.Filter{})))
		}
	}
	since := time.Now().Add(-time.Hour)
	if open, more, err := conflicts.CountOpen(t.Context(), hub.J.DB, hub.J, since); open != 3 || more || err != nil {
		t.Errorf("%d open, more %t, %v", open, more, err)
	}
	if open, _, err := conflicts.CountOpen(t.Context(), hub.J.DB, hub.J, time.Now().Add(time.Hour)); open != 0 || err != nil {
		t.Errorf("%d open in an hour, %v", open, err)
	}
}

// Two copies of one database that differ from before are no heap of conflicts: they are counted, and listed if somebody asks.
func TestFirstMeeting(t *testing.T) {
	hub, kisumu := sites.New(t, "hub", bookkeeping, ward, bed), sites.New(t, "kisumu", bookkeeping, ward, bed)
	for _, s := range []*sites.Site{hub, kisumu} {
		s.Exec(fmt.Sprintf("INSERT INTO ward (uuid, name, size, changed_by) VALUES ('a', 'of %s', 1, '%[1]s'), ('b', 'of %[1]s', 1, '%[1]s'), ('c', 'same', 1, '%[1]s')", s.Name))
		s.Init()
	}
	hub.Connect(kisumu)
	sites.ExchangeTwice(hub, kisumu)
	sites.Same(t, hub, kisumu)
	for _, s := range []*sites.Site{hub, kisumu} {
		l := list(t, s, conflicts.Filter{All: true})
		if len(l.Conflicts) != 0 || !slices.Equal(l.Earlier, []journal.EarlierConflicts{{Table: "ward", Rows: 3, Values: 5}}) {
			t.Errorf("%s: %q, %+v", s.Name, rows(l), l.Earlier)
		}
		if open, _, err := conflicts.CountOpen(t.Context(), s.J.DB, s.J, time.Time{}); open != 0 || err != nil {
			t.Errorf("%s: %d open, %v", s.Name, open, err)
		}
		if l := list(t, s, conflicts.Filter{Table: "bed"}); len(l.Earlier) != 0 {
			t.Errorf("%s: of another table: %+v", s.Name, l.Earlier)
		}
	}
	l := list(t, hub, conflicts.Filter{Earlier: true})
	if len(l.Conflicts) != 3 || l.Conflicts[0].State != "earlier" {
		t.Fatalf("%q", rows(l))
	}
	// Such a value can be taken too, at any site.
	i := slices.IndexFunc(l.Conflicts, func(e *conflicts.Entry) bool { return e.Key == "a" })
	mustDecide(hub, t, l.Conflicts[i].ID(), merge.TookLost)
	sites.ExchangeTwice(hub, kisumu)
	sites.Same(t, hub, kisumu)
	if got := kisumu.One("SELECT name FROM ward WHERE uuid = 'a'"); got != "of kisumu" {
		t.Errorf("kisumu has %s", got)
	}
	for _, s := range []*sites.Site{hub, kisumu} {
		if l := list(t, s, conflicts.Filter{}); len(l.Conflicts) != 0 || len(l.Earlier) != 1 || l.Earlier[0].Rows != 2 {
			t.Errorf("%s: %q, %+v", s.Name, rows(l), l.Earlier)
		}
	}
}
