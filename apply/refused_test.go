package apply_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/sites"
)

// A batch whose rows are refused is not applied, and its header is read all the same. Here it says that a load never came,
// without which the two would refuse each other's batches for ever.
func TestRefusedRowsHealByThemselves(t *testing.T) {
	hub, clinic := sites.New(t, "hub", "none", wards...), sites.New(t, "clinic", "none", wards...)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('maternity', 'w-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	hub.Send(clinic)
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('surgery', 'w-2')")
	clinic.Export(hub) // a load that is lost
	clinic.Exec("DELETE FROM ward WHERE uuid = 'w-1'")
	hub.Exec("INSERT INTO bed (ward_id, uuid) VALUES (1, 'b-1')")
	clinic.Seal()
	if r := hub.Import(clinic.Export(hub)[0]); r.Outcome != apply.Gap {
		t.Fatalf("outcome %s: the case is not the one to be tested", r.Outcome)
	}
	f := hub.Export(clinic)[0] // asks for the load, and brings a bed in the ward that the clinic deleted
	if _, err := clinic.ImportErr(f); err == nil || !strings.Contains(err.Error(), "neither here nor in the batch") {
		t.Fatalf("error %v: the case is not the one to be tested", err)
	}
	for range 4 {
		for _, f := range clinic.Export(hub) {
			hub.Import(f)
		}
		for _, f := range hub.Export(clinic) {
			clinic.Import(f)
		}
	}
	sites.Quiet(t, hub, clinic)
	sites.Same(t, hub, clinic)
	if n := clinic.One("SELECT COUNT(*) FROM bed JOIN ward USING (ward_id) WHERE ward.uuid = 'w-1'"); n != "1" {
		t.Errorf("%s beds in the ward that came back, want 1", n)
	}
}

// A value that the clinic's column does not take stops the whole import, with an error that names the row.
func TestValueThatDoesNotFit(t *testing.T) {
	for _, c := range []struct{ alter, change, want string }{
		{"MODIFY name VARCHAR(40) NOT NULL", "name = 'a name of more than twelve'", "its name is too long"},
		{"MODIFY size INT NULL", "size = 256", "1264"},
		{"MODIFY kind ENUM('a','b','c') NULL", "kind = 'c'", "1265"},
		{"MODIFY opened VARCHAR(20) NULL", "opened = 'soon'", "1292"},
		{"MODIFY name VARCHAR(12) NULL", "name = NULL", "1048"},
		{"MODIFY uuid CHAR(60) NOT NULL", "uuid = REPEAT('u', 40)", "1406"},
	} {
		t.Run(c.change, func(t *testing.T) {
			hub, clinic, f := wardPair(t)
			clinic.Import(f)
			hub.Exec("ALTER TABLE ward " + c.alter)
			hub.Follow()
			sites.Exchange(hub, clinic)
			hub.Exec("UPDATE ward SET size = 3 WHERE uuid = 'w-2'", "UPDATE ward SET "+c.change+" WHERE uuid = 'w-1'")
			before := refusedLeaves(clinic)
			_, err := clinic.ImportErr(hub.Export(clinic)[0])
			if err == nil || !strings.Contains(err.Error(), "ward") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want an error of ward with %s", err, c.want)
			}
			if refusedLeaves(clinic) != before {
				t.Error("the database has changed")
			}
		})
	}
}

// Two rows made apart that may not both be: the import fails whole, and goes on once a person has decided.
func TestUniqueValueTaken(t *testing.T) {
	hub, clinic, f := wardPair(t)
	clinic.Import(f)
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO ward (name, code, uuid) VALUES ('here', 'X', 'w-here')")
	hub.Exec("INSERT INTO ward (name, code, uuid) VALUES ('there', 'X', 'w-there'), ('other', 'Y', 'w-other')")
	before := refusedLeaves(clinic)
	refused := hub.Export(clinic)[0]
	if _, err := clinic.ImportErr(refused); err == nil || !strings.Contains(err.Error(), "w-there") {
		t.Fatalf("%v, want an error that names the row", err)
	}
	if refusedLeaves(clinic) != before {
		t.Error("the database has changed")
	}
	clinic.Exec("UPDATE ward SET code = 'X2' WHERE uuid = 'w-here'")
	clinic.Import(refused)
	sites.Exchange(hub, clinic)
	sites.Same(t, hub, clinic)
}

// A reference that is filled in after its row was written may meet an index of the clinic that the hub has not. The file is
// refused with an error that names the row, and its header counts.
func TestUniqueReferenceTaken(t *testing.T) {
	for name, ddl := range map[string]string{
		"by integer": "CREATE TABLE pair (id INT AUTO_INCREMENT PRIMARY KEY, mate INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (mate) REFERENCES pair (id))",
		"by uuid":    "CREATE TABLE pair (uuid CHAR(36) NOT NULL PRIMARY KEY, mate CHAR(36) NULL, FOREIGN KEY (mate) REFERENCES pair (uuid))",
	} {
		t.Run(name, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl, "CREATE UNIQUE INDEX one_mate ON pair (mate)")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.Exchange(hub, clinic)
			clinic.Exec("INSERT INTO pair (uuid) VALUES ('p-clinic')")
			clinic.Send(hub)
			hub.Exec("INSERT INTO pair (uuid) VALUES ('p-1'), ('p-2'), ('p-3'), ('p-to')")
			mate := "id"
			if name == "by uuid" {
				mate = "uuid"
			}
			set := "UPDATE pair JOIN pair p ON p.uuid = '%s' SET pair.mate = p." + mate + " WHERE pair.uuid = '%s'"
			hub.Exec(fmt.Sprintf(set, "p-3", "p-1"), fmt.Sprintf(set, "p-to", "p-2"), fmt.Sprintf(set, "p-to", "p-3"))
			rows, acked := clinic.Query("SELECT * FROM pair ORDER BY uuid"), clinic.Peer(hub).Link.Acked
			_, err := clinic.ImportErr(hub.Export(clinic)[0])
			if err == nil || !strings.Contains(err.Error(), "pair, row p-3") || !strings.Contains(err.Error(), "1062") || !strings.Contains(err.Error(), "one_mate") {
				t.Errorf("%v, want an error of p-3 with 1062 and the index", err)
			}
			if got := clinic.Query("SELECT * FROM pair ORDER BY uuid"); !reflect.DeepEqual(got, rows) {
				t.Errorf("rows %v, want %v", got, rows)
			}
			if now := clinic.Peer(hub).Link.Acked; now.Epoch <= acked.Epoch {
				t.Errorf("the acknowledgement in the header does not count: %v, and was %v", now, acked)
			}
			clinic.Exec("ALTER TABLE pair DROP INDEX one_mate, ADD INDEX (mate)")
			sites.Exchange(hub, clinic)
			sites.Same(t, hub, clinic)
		})
	}
}

// TestErrorsHoldNoValues collides on a unique value and reads the error.
func TestErrorsHoldNoValues(t *testing.T) {
	ddl := "CREATE TABLE pid (id INT AUTO_INCREMENT PRIMARY KEY, identifier VARCHAR(50) NOT NULL UNIQUE, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	k.Exec("INSERT INTO pid (identifier, uuid) VALUES ('Wanjiru 10001V-3', 'p-k')")
	hub.Exec("INSERT INTO pid (identifier, uuid) VALUES ('Wanjiru 10001V-3', 'p-h')")
	_, err := k.ImportErr(hub.Export(k)[0], signed)
	if err == nil || strings.Contains(err.Error(), "Wanjiru") || !strings.Contains(err.Error(), "identifier") || !strings.Contains(err.Error(), "p-h") {
		t.Errorf("%v", err)
	}
}
