package apply_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

// keptSchema has a value of each kind: text, bytes, long ones, references by integer, in a key, and to a row of one table or another.
var keptSchema = []string{
	"CREATE TABLE kind (kind_id INT AUTO_INCREMENT PRIMARY KEY, format VARCHAR(50) NOT NULL, uuid CHAR(36) NOT NULL UNIQUE)",
	"CREATE TABLE patient (patient_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NULL, parent_id INT NULL, scan BLOB NULL, note LONGTEXT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (parent_id) REFERENCES patient (patient_id))",
	"CREATE TABLE attribute (attribute_id INT AUTO_INCREMENT PRIMARY KEY, patient_id INT NOT NULL, kind_id INT NOT NULL, value VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (patient_id) REFERENCES patient (patient_id), FOREIGN KEY (kind_id) REFERENCES kind (kind_id))",
	"CREATE TABLE label (patient_id INT NOT NULL, name VARCHAR(20) NOT NULL, weight DOUBLE NULL, PRIMARY KEY (patient_id, name), FOREIGN KEY (patient_id) REFERENCES patient (patient_id))",
}

const keptProfile = `[conditional.attribute.value]
via = "kind_id"
column = "format"
targets = { Patient = "patient" }
`

// kept returns what a site keeps of a row.
func kept(t *testing.T, s *sites.Site, table, key string) (journal.Deleted, bool) {
	t.Helper()
	a, err := journal.LoadAuthors(t.Context(), s.DB)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := journal.DeletedRows(t.Context(), s.DB, s.J.Tables[table].ID, []string{key}, a)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := rows[key]
	return d, ok
}

func plainValue(s string) journal.Value { return journal.Value{Text: &s} }

func keyOf(table, key string) journal.Value { return journal.Value{Text: &key, Table: table} }

// keptPair is a hub and a clinic with the hub's patients.
func keptPair(t *testing.T, statements ...string) (hub, clinic *sites.Site) {
	t.Helper()
	hub, clinic = sites.New(t, "hub", keptProfile, keptSchema...), sites.New(t, "clinic", keptProfile, keptSchema...)
	clinic.SetOffset(100)
	hub.Exec(statements...)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	return hub, clinic
}

// Rows that an import deletes are kept as they were, in one transaction with their deletion, with their references as keys.
func TestDeletedRowsAreKept(t *testing.T) {
	hub, clinic := keptPair(t,
		"INSERT INTO kind (format, uuid) VALUES ('text', 'k-text'), ('org.Patient', 'k-patient')",
		"INSERT INTO patient (name, scan, uuid) VALUES ('mother', x'ff00', 'P-1')",
		"INSERT INTO patient (name, parent_id, uuid) VALUES ('child', 1, 'p-2')",
		"INSERT INTO attribute (patient_id, kind_id, value, uuid) VALUES (2, 1, '1', 'a-1'), (2, 2, '1', 'a-2'), (2, 2, 'nobody', 'a-3')",
		"INSERT INTO label VALUES (2, 'twin', 0.25)")
	before := time.Now().UnixMicro()
	clinic.Exec("DELETE FROM label", "DELETE FROM attribute", "DELETE FROM patient WHERE uuid = 'p-2'", "DELETE FROM patient")
	f := clinic.Export(hub)[0]
	hub.Import(f, func(o *apply.Options) { o.DryRun = true })
	if n := hub.One("SELECT COUNT(*) FROM omsync_deleted"); n != "0" {
		t.Errorf("a dry run left %s kept rows", n)
	}
	hub.Import(f)
	if n := hub.One("SELECT COUNT(*) FROM patient") + hub.One("SELECT COUNT(*) FROM omsync_deleted"); n != "06" {
		t.Fatalf("patients and kept rows: %s", n)
	}
	for _, c := range []struct {
		table, key string
		want       journal.Content
	}{
		{"patient", "p-1", journal.Content{"name": plainValue("mother"), "parent_id": {}, "scan": plainValue("\xff\x00"), "note": {}, "uuid": plainValue("P-1")}},
		{"patient", "p-2", journal.Content{"name": plainValue("child"), "parent_id": keyOf("patient", "p-1"), "scan": {}, "note": {}, "uuid": plainValue("p-2")}},
		{"attribute", "a-1", journal.Content{"patient_id": keyOf("patient", "p-2"), "kind_id": keyOf("kind", "k-text"), "value": plainValue("1"), "uuid": plainValue("a-1")}},
		{"attribute", "a-2", journal.Content{"patient_id": keyOf("patient", "p-2"), "kind_id": keyOf("kind", "k-patient"), "value": keyOf("patient", "p-1"), "uuid": plainValue("a-2")}},
		{"attribute", "a-3", journal.Content{"patient_id": keyOf("patient", "p-2"), "kind_id": keyOf("kind", "k-patient"), "value": plainValue("nobody"), "uuid": plainValue("a-3")}},
		{"label", "p-2\x1ftwin", journal.Content{"patient_id": keyOf("patient", "p-2"), "name": plainValue("twin"), "weight": plainValue("0.25")}},
	} {
		d, ok := kept(t, hub, c.table, c.key)
		if !ok || !d.Content.Equal(c.want) {
			t.Errorf("%s %s: %t, %+v", c.table, c.key, ok, printContent(d.Content))
		}
		if d.AddedBy != 0 || d.From != hub.Peer(clinic).ID || d.Author != "clinic" || d.DeletedAt < before || d.Epoch == 0 {
			t.Errorf("%s %s: %+v", c.table, c.key, d)
		}
	}
	clinic.Exec("INSERT INTO patient (name, uuid) VALUES ('of the clinic', 'p-3')")
	sites.Exchange(hub, clinic)
	clinic.Exec("DELETE FROM patient")
	sites.Exchange(hub, clinic)
	if d, ok := kept(t, hub, "patient", "p-3"); !ok || d.AddedBy != hub.Peer(clinic).ID {
		t.Errorf("a row that the clinic had added: %t, %+v", ok, d)
	}
	if n := clinic.One("SELECT COUNT(*) FROM omsync_deleted"); n != "0" {
		t.Errorf("the clinic keeps %s rows that its own application deleted", n)
	}
}

func printContent(c journal.Content) string {
	var b strings.Builder
	for name, v := range c {
		text := "NULL"
		if v.Text != nil {
			text = fmt.Sprintf("%q", *v.Text)
		}
		fmt.Fprintf(&b, "%s: %s %s; ", name, v.Table, text)
	}
	return b.String()
}

// What is old is forgotten by the next import; and a node may keep nothing.
func TestKeptRowsAreForgotten(t *testing.T) {
	hub, clinic := keptPair(t, "INSERT INTO patient (name, uuid) VALUES ('one', 'p-1'), ('two', 'p-2')")
	clinic.Exec("DELETE FROM patient WHERE uuid = 'p-1'")
	sites.Exchange(hub, clinic)
	count := func(want, when string) {
		t.Helper()
		if n := hub.One("SELECT COUNT(*) FROM omsync_deleted"); n != want {
			t.Errorf("%s: %s rows are kept, want %s", when, n, want)
		}
	}
	count("1", "after the deletion")
	day := 24 * time.Hour
	hub.SetClock(apply.DefaultKeep - day)
	clinic.Exec("INSERT INTO patient (name, uuid) VALUES ('three', 'p-3')")
	hub.Import(clinic.Export(hub)[0])
	count("1", "a day before its time")
	hub.SetClock(apply.DefaultKeep + day)
	clinic.Exec("DELETE FROM patient WHERE uuid = 'p-2'")
	hub.Import(clinic.Export(hub)[0], func(o *apply.Options) { o.Keep = -1 })
	count("0", "where nothing is kept")
}

// A row whose record would be too long is deleted and not kept, and the report says so; it counts as deleted. Others are kept in portions.
func TestLongRowsAreKept(t *testing.T) {
	hub, clinic := keptPair(t, "INSERT INTO patient (name, note, uuid) VALUES ('a', REPEAT('n', 3000000), 'p-1'), ('b', REPEAT('n', 3000001), 'p-2'), ('c', 'short', 'p-3')",
		"ALTER TABLE patient ADD more LONGTEXT", "INSERT INTO patient (name, note, uuid) VALUES ('d', REPEAT('n', 8500000), 'p-4')", "UPDATE patient SET more = note WHERE uuid = 'p-4'")
	clinic.Exec("DELETE FROM patient")
	report := hub.Import(clinic.Export(hub)[0])
	if got := fmt.Sprint(report.Notes); !strings.Contains(got, "1 rows of patient were deleted and are not kept") {
		t.Errorf("notes: %s", got)
	}
	for key, want := range map[string]bool{"p-1": true, "p-2": true, "p-3": true, "p-4": false} {
		if _, ok := kept(t, hub, "patient", key); ok != want {
			t.Errorf("%s is kept: %t", key, ok)
		}
	}
	counted, err := journal.RecentDeletions(t.Context(), hub.DB, hub.J.Tables["patient"].ID, hub.Peer(clinic).ID, time.Now().Add(-time.Hour))
	if err != nil || fmt.Sprint(counted) != "[4]" {
		t.Errorf("counted: %v, %v", counted, err)
	}
}

// TestCostOfKeeping measures an import of many deletions with and without keeping them. It takes long: OMSYNC_MEASURE=1.
func TestCostOfKeeping(t *testing.T) {
	if os.Getenv("OMSYNC_MEASURE") == "" {
		t.Skip("set OMSYNC_MEASURE=1")
	}
	hub, clinic := keptPair(t)
	took := map[bool]time.Duration{}
	for round := range 6 {
		for i := range 20 {
			values := make([]string, 1000)
			for n := range values {
				values[n] = fmt.Sprintf("('a patient', '%s', 'r%d-%d-%d')", strings.Repeat("text ", 40), round, i, n)
			}
			hub.Exec("INSERT INTO patient (name, note, uuid) VALUES " + strings.Join(values, ","))
		}
		sites.Exchange(hub, clinic)
		clinic.Exec("DELETE FROM patient")
		f := clinic.Export(hub)[0]
		keep := round%2 == 1
		start := time.Now()
		hub.Import(f, func(o *apply.Options) {
			if !keep {
				o.Keep = -1
			}
		})
		took[keep] += time.Since(start)
		sites.Exchange(hub, clinic)
	}
	t.Logf("20,000 deletions: %v without, %v with keeping them: %.2f times", took[false]/3, took[true]/3, float64(took[true])/float64(took[false]))
}
