package exchange

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/match"
)

// A person decides once rows have been exchanged: what waits at either side is applied, and what refers to the row is sent again. Of a row
// that was in a file for the hub nothing can be decided any more.
func TestDecideLate(t *testing.T) {
	ddl := []string{
		"CREATE TABLE kind (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50) UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE person (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50) UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, kind_id INT NOT NULL, note VARCHAR(50), FOREIGN KEY (kind_id) REFERENCES kind (id)) ENGINE=InnoDB",
	}
	hub, all := treeOf(t, "[direction]\ndown = [\"kind\"]\n[label]\nkind = [\"name\"]\nperson = [\"name\"]\n", ddl, "clinic")
	clinic := all["clinic"]
	dbtest.Exec(t, hub.DB, "INSERT INTO kind (uuid, name) VALUES ('h-vitals', 'Vitals'), ('h-lab', 'Lab')", "INSERT INTO person (uuid, name) VALUES ('h-ann', 'Ann')", "INSERT INTO visit (uuid, kind_id, note) VALUES ('h-v', 1, 'of the hub')")
	dbtest.Exec(t, clinic.DB, "INSERT INTO kind (id, uuid, name) VALUES (7, 'c-vitals', 'Vitals')", "INSERT INTO person (uuid, name) VALUES ('c-ann', 'Ann')", "INSERT INTO visit (uuid, kind_id, note) VALUES ('c-v1', 7, 'a'), ('c-v2', 7, 'b')")
	clinic.deliver(hub)
	hub.deliver(clinic)
	clinic.deliver(hub)
	if n := clinic.peer("hub").Link; n.Applied.Epoch == 0 || !n.HasSent() {
		t.Fatalf("%+v", n)
	}
	m, _ := clinic.match("hub", hub.exportMatch("clinic", filepath.Join(t.TempDir(), "m")))
	decide := func(table, here, there, label string) []match.Decision {
		return []match.Decision{{Table: table, Here: here, There: there, Kind: match.Same, Line: 2, LabelHere: label}}
	}
	if problems := m.Check(decide("person", "c-ann", "h-ann", "Ann")); len(problems) != 1 || !strings.Contains(problems[0].Error(), "has had the row c-ann from here") {
		t.Errorf("%v", problems)
	}
	if err := clinic.x.DecideLate(t.Context(), clinic.peer("hub"), nil, decide("person", "c-ann", "h-ann", "Ann")); err == nil || !strings.Contains(err.Error(), "cannot become") {
		t.Errorf("decided: %v", err)
	}
	if problems := m.Check(decide("kind", "c-vitals", "h-lab", "Vitals")); len(problems) != 1 {
		t.Errorf("of a row that is here too: %v", problems)
	}
	vitals := decide("kind", "c-vitals", "h-vitals", "Vitals")
	if problems := m.Check(vitals); len(problems) > 0 {
		t.Fatal(problems[0])
	}
	if err := clinic.x.DecideLate(t.Context(), clinic.peer("hub"), nil, vitals); err != nil {
		t.Fatal(err)
	}
	clinic.deliver(hub)
	hub.deliver(clinic)
	clinic.deliver(hub)
	for _, s := range []struct {
		at   *node
		kind string
	}{{hub, "h-vitals"}, {clinic, "c-vitals"}} {
		var got string
		err := s.at.DB.QueryRow("SELECT CONCAT(GROUP_CONCAT(DISTINCT k.uuid), COUNT(*), (SELECT COUNT(*) FROM kind), (SELECT COUNT(*) FROM omsync_waiting w JOIN omsync_table t ON t.id = w.table_id WHERE t.name <> 'person')) FROM visit v JOIN kind k ON k.id = v.kind_id").Scan(&got)
		if err != nil || got != s.kind+"320" {
			t.Errorf("at the end of %s: %s, %v", s.kind, got, err)
		}
	}
}
