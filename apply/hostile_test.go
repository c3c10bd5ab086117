package apply_test

import (
	"testing"

	"github.com/omsync/omsync/testdata/sites"
)

// A foreign key compares as its column does: a row that refers in another case keeps its parent all the same.
func TestDeletionSparesWhatIsReferredToInAnotherForm(t *testing.T) {
	ddl := []string{
		"CREATE TABLE role (role VARCHAR(20) PRIMARY KEY)",
		"CREATE TABLE uses (id INT AUTO_INCREMENT PRIMARY KEY, role VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (role) REFERENCES role (role))",
	}
	for _, reference := range []string{"nurse", "Nurse "} {
		t.Run(reference, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "clinic", "none", ddl...)
			hub.Exec("INSERT INTO role VALUES ('Nurse')")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.Exchange(hub, clinic)
			clinic.Exec("INSERT INTO uses (role, uuid) VALUES ('" + reference + "', 'u-1')")
			hub.Exec("DELETE FROM role")
			hub.Send(clinic)
			if n := clinic.One("SELECT COUNT(*) FROM role JOIN uses ON uses.role = role.role"); n != "1" {
				t.Fatalf("%s rows refer to their parent, want 1: it was deleted under one", n)
			}
		})
	}
}
