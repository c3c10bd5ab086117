package apply_test

import (
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// Of a load in which nearly every row refers to one that comes later, references are filled in while it is read: all of them would be
// more than an import holds to the end. The last row refers to the first, and the first to the last, which is not there until then.
func TestReferencesAreFilledInEarly(t *testing.T) {
	ddl := "CREATE TABLE chain (id INT AUTO_INCREMENT PRIMARY KEY, next_id INT NULL, uuid VARCHAR(250) NOT NULL, UNIQUE KEY (uuid), FOREIGN KEY (next_id) REFERENCES chain (id)) CHARACTER SET latin1"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Exec("SET foreign_key_checks = 0", "INSERT INTO chain (id, next_id, uuid) VALUES (1, 2, 'first')")
	const doublings = 17 // 131,072 rows, each with more than 600 bytes to be held
	for range doublings {
		hub.Exec("INSERT INTO chain (id, next_id, uuid) SELECT id + (SELECT COUNT(*) FROM chain), id + (SELECT COUNT(*) FROM chain) + 1, CONCAT(RPAD('c', 240, '-'), id + (SELECT COUNT(*) FROM chain)) FROM chain")
	}
	hub.Exec("UPDATE chain SET next_id = 1 WHERE id = 131072", "UPDATE chain SET next_id = 131072 WHERE id = 1", "SET foreign_key_checks = 1")
	clinic.SetOffset(500_000)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	hub.Send(clinic)
	if n := clinic.One("SELECT COUNT(*) FROM chain a JOIN chain b ON b.id = a.next_id WHERE b.id = a.id + 1"); n != "131070" {
		t.Errorf("%s rows refer to the next one, want 131070", n)
	}
	sites.Same(t, hub, clinic)
}
