package apply_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// returnSchema has what flows down only (types, in a tree and in groups, and tags, which have no uuid of their own), what a clinic may add
// to (places) and what goes both ways.
var returnSchema = []string{
	"CREATE TABLE family (family_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE)",
	"CREATE TABLE visit_type (type_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NULL, code MEDIUMTEXT NULL, parent_id INT NULL, family_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (parent_id) REFERENCES visit_type (type_id), FOREIGN KEY (family_id) REFERENCES family (family_id))",
	"CREATE TABLE place (place_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE)",
	"CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, type_id INT NULL, place_id INT NULL, note VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (type_id) REFERENCES visit_type (type_id), FOREIGN KEY (place_id) REFERENCES place (place_id))",
	"CREATE TABLE wish (type_id INT NOT NULL, name VARCHAR(20) NOT NULL, PRIMARY KEY (type_id, name), FOREIGN KEY (type_id) REFERENCES visit_type (type_id))",
}

const returnProfile = "[direction]\ndown = [\"visit_type\", \"family\"]\nadd = [\"place\"]\n"

// returnNetwork is a hub with two clinics that hold the hub's types and places. The hub's connection comes last.
func returnNetwork(t *testing.T) (hub, kisumu, migori *sites.Site) {
	t.Helper()
	hub, kisumu, migori = sites.New(t, "hub", returnProfile, returnSchema...), sites.New(t, "kisumu", returnProfile, returnSchema...), sites.New(t, "migori", returnProfile, returnSchema...)
	kisumu.SetOffset(100)
	migori.SetOffset(200)
	hub.Exec("INSERT INTO family (name, uuid) VALUES ('care', 'f-1')",
		"INSERT INTO visit_type (name, code, family_id, uuid) VALUES ('outpatient', 'print(1)', 1, 't-1'), ('other', NULL, NULL, 't-2')",
		"INSERT INTO visit_type (name, parent_id, uuid) VALUES ('dental', 1, 't-3')",
		"INSERT INTO place (name, uuid) VALUES ('ward 1', 'p-1'), ('ward 2', 'p-2')")
	for _, s := range []*sites.Site{hub, kisumu, migori} {
		s.Init()
	}
	hub.Connect(kisumu)
	hub.Connect(migori)
	sites.ExchangeTwice(hub, kisumu, migori)
	return hub, kisumu, migori
}

const typesOf = "SELECT t.uuid, t.name, t.code, p.uuid, f.uuid FROM visit_type t LEFT JOIN visit_type p ON p.type_id = t.parent_id LEFT JOIN family f ON f.family_id = t.family_id ORDER BY 1"

// The hub deletes a type that a clinic's new visit has: it comes back everywhere, as it was, whatever the clinic did to it.
func TestDeletedRowReturnsAsItWas(t *testing.T) {
	for _, refused := range []bool{false, true} {
		t.Run(fmt.Sprintf("the clinic has refused the deletion: %t", refused), func(t *testing.T) {
			hub, kisumu, migori := returnNetwork(t)
			kisumu.Exec("UPDATE visit_type SET name = 'of the clinic', code = 'evil()' WHERE uuid = 't-1'",
				"INSERT INTO visit (type_id, uuid) SELECT type_id, 'v-1' FROM visit_type WHERE uuid = 't-1'",
				"INSERT INTO wish SELECT type_id, 'soon' FROM visit_type WHERE uuid = 't-1'")
			hub.Exec("UPDATE visit_type SET parent_id = NULL WHERE uuid = 't-3'")
			sites.Exchange(hub, migori)
			hub.Exec("DELETE FROM visit_type WHERE uuid = 't-1'")
			hub.Send(migori)
			if refused {
				hub.Send(kisumu)
			}
			if n := migori.One("SELECT COUNT(*) FROM visit_type WHERE uuid = 't-1'"); n != "0" {
				t.Fatal("the deletion did not arrive")
			}
			up := kisumu.Export(hub)[0]
			report := hub.Import(up)
			if got := fmt.Sprint(report.Notes); !strings.Contains(got, "1 rows of visit_type that were deleted here came back as they were") || report.Refused != 0 {
				t.Errorf("%d refused, notes %s", report.Refused, got)
			}
			sites.ExchangeTwice(hub, kisumu, migori)
			for _, s := range []*sites.Site{hub, kisumu, migori} {
				shows(t, s, typesOf, "t-1 outpatient print(1) NULL f-1", "t-2 other NULL NULL NULL", "t-3 dental NULL NULL NULL")
				shows(t, s, "SELECT v.uuid, t.uuid, w.name FROM visit v JOIN visit_type t USING (type_id) JOIN wish w USING (type_id)", "v-1 t-1 soon")
			}
			if n := hub.One("SELECT COUNT(*) FROM omsync_conflict WHERE deletion = 1 AND row_key = 't-1'"); n != "1" {
				t.Errorf("the deletion that lost is recorded %s times", n)
			}
			sites.Quiet(t, hub, kisumu, migori)
			sites.Same(t, hub, kisumu)
			sites.Same(t, hub, migori)
		})
	}
}

// With a row comes what it refers to, up to rows of other tables and in a circle.
func TestChainOfDeletedRowsReturns(t *testing.T) {
	hub, kisumu, migori := returnNetwork(t)
	kisumu.Exec("INSERT INTO visit (type_id, uuid) SELECT type_id, 'v-1' FROM visit_type WHERE uuid = 't-3'")
	hub.Exec("UPDATE visit_type a JOIN visit_type b ON b.uuid = 't-3' SET a.parent_id = b.type_id WHERE a.uuid = 't-1'")
	sites.Exchange(hub, migori)
	hub.Exec("SET foreign_key_checks = 0", "DELETE FROM visit_type WHERE uuid <> 't-2'", "DELETE FROM family", "SET foreign_key_checks = 1")
	hub.Send(migori)
	sites.ExchangeTwice(hub, kisumu, migori)
	for _, s := range []*sites.Site{hub, kisumu, migori} {
		shows(t, s, typesOf, "t-1 outpatient print(1) t-3 f-1", "t-2 other NULL NULL NULL", "t-3 dental NULL t-1 NULL")
	}
	sites.Quiet(t, hub, kisumu, migori)
	sites.Same(t, hub, kisumu)
}

// Where nothing is kept of the row, or of one that it referred to, the file waits: its error names the row and says what to do. Once that
// is done it is taken.
func TestDeletedRowThatStaysAway(t *testing.T) {
	for _, c := range []struct {
		name   string
		forget string // a statement
		want   string
	}{
		{"nothing is kept", "DELETE FROM omsync_deleted", "nothing is kept of it"},
		{"it was too long to be kept", `UPDATE omsync_deleted SET content = '{"version":1,"too_long":true}'`, "nothing is kept of it"},
		{"what it referred to is gone", "DELETE d FROM omsync_deleted d JOIN omsync_table t ON t.id = d.table_id WHERE t.name = 'family'",
			"it referred to a row of family that is gone too (f-1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub, kisumu, migori := returnNetwork(t)
			kisumu.Exec("INSERT INTO visit (type_id, uuid) SELECT type_id, 'v-1' FROM visit_type WHERE uuid = 't-1'")
			hub.Exec("UPDATE visit_type SET parent_id = NULL", "DELETE FROM visit_type WHERE uuid = 't-1'", "DELETE FROM family")
			hub.Send(kisumu)
			hub.Exec(c.forget)
			up := kisumu.Export(hub)[0]
			_, err := hub.ImportErr(up)
			for _, part := range []string{"visit, row v-1", "its type_id refers to a row of visit_type that was deleted here at 20", "(t-1)", c.want, "put that row back here with its uuid, or delete at the sender what refers to it"} {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Fatalf("%q is not in %v", part, err)
				}
			}
			migori.Exec("INSERT INTO visit (uuid) VALUES ('v-2')")
			sites.Exchange(hub, migori)
			if n := hub.One("SELECT COUNT(*) FROM visit WHERE uuid = 'v-2'"); n != "1" {
				t.Error("the other clinic has to wait")
			}
			hub.Exec("INSERT INTO visit_type (name, uuid) VALUES ('put back', 't-1')")
			hub.Import(up)
			sites.ExchangeTwice(hub, kisumu, migori)
			sites.Same(t, hub, kisumu, "visit_type", "family")
			shows(t, hub, "SELECT v.uuid, t.name FROM visit v JOIN visit_type t USING (type_id)", "v-1 put back")
		})
	}
}

// sentRow is a row that a stolen clinic sends: a name, and a reference.
type sentRow struct {
	table, key, name string
	column           string // of a reference; empty: there is none
	to               int    // which of the rows before it refers to
	time             int64
}

// sentRows writes rows, each with all its columns under one stamp.
func sentRows(rows ...sentRow) func(w *batch.Writer) error {
	return func(w *batch.Writer) error {
		text := func(s string) batch.Values { return batch.Values{Bytes: [][]byte{[]byte(s)}} }
		var keys []uint32
		for _, r := range rows {
			name := "name"
			if r.table == "visit" {
				name = "note"
			}
			t, values := batch.Table{Name: r.table, Root: r.table, Key: uuidKey, Columns: []batch.Column{{Name: name, Slot: 1}}}, []batch.Values{text(r.name)}
			if r.column != "" {
				t.Columns = append(t.Columns, batch.Column{Name: r.column, Slot: 2, Ref: true})
				values = append(values, batch.Values{Refs: []uint32{keys[r.to]}})
			}
			n, err := w.Table(t)
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{text(r.key)})
			if err != nil {
				return err
			}
			keys = append(keys, first)
			if r.name == "" { // named alone
				continue
			}
			mask := uint64(1<<(len(t.Columns)+1) - 1)
			if err := w.Rows(&batch.Rows{Table: n, Keys: []uint32{first}, Columns: values, Masks: []uint64{mask}, Times: []int64{r.time}, Authors: []string{"kisumu"}, Epochs: []uint64{1000}}); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestForgedRowsThatWereDeleted has a stolen clinic bring back rows that were deleted, with content of its own, beside an honest clinic
// whose exchange goes on. Nothing of that content is taken but of what the clinic had added itself.
func TestForgedRowsThatWereDeleted(t *testing.T) {
	late := time.Now().Add(time.Hour).UnixMicro()
	evilType := sentRow{"visit_type", "t-1", "evil", "", 0, late}
	place := func(key string) sentRow { return sentRow{"place", key, "evil", "", 0, late} }
	for _, c := range []struct {
		name         string
		rows         []sentRow
		types, place string // the names at the hub and the honest clinic
	}{
		{"a type alone", []sentRow{evilType}, "dental other", "ward 1"},
		{"a type and a visit that has it", []sentRow{evilType, {"visit", "v-7", "new", "type_id", 0, late}}, "dental other outpatient", "ward 1"},
		{"a visit alone that has a type", []sentRow{{"visit_type", "t-1", "", "", 0, 0}, {"visit", "v-7", "new", "type_id", 0, late}}, "dental other outpatient", "ward 1"},
		{"a type and a version of a visit that is not taken", []sentRow{evilType, {"visit", "v-1", "stale", "type_id", 0, 5}}, "dental other", "ward 1"},
		{"a place of the hub's", []sentRow{place("p-2")}, "dental other", "ward 1"},
		{"a place of the hub's and a visit there", []sentRow{place("p-2"), {"visit", "v-7", "new", "place_id", 0, late}}, "dental other", "ward 1 ward 2"},
		{"a place of the other clinic's", []sentRow{place("p-migori")}, "dental other", "ward 1"},
		{"a place of the other clinic's and a visit there", []sentRow{place("p-migori"), {"visit", "v-7", "new", "place_id", 0, late}}, "dental other", "of migori ward 1"},
		{"a place of its own", []sentRow{place("p-kisumu")}, "dental other", "evil ward 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub, kisumu, migori := returnNetwork(t)
			kisumu.Exec("INSERT INTO place (name, uuid) VALUES ('of kisumu', 'p-kisumu')")
			migori.Exec("INSERT INTO place (name, uuid) VALUES ('of migori', 'p-migori')", "INSERT INTO visit (note, uuid) VALUES ('of migori', 'v-1')")
			sites.ExchangeTwice(hub, kisumu, migori)
			kisumu.Exec("DELETE FROM place WHERE uuid = 'p-kisumu'")
			migori.Exec("DELETE FROM place WHERE uuid = 'p-migori'")
			hub.Exec("UPDATE visit_type SET parent_id = NULL")
			hub.Exec("DELETE FROM visit_type WHERE uuid = 't-1'")
			hub.Exec("DELETE FROM place WHERE uuid = 'p-2'")
			sites.ExchangeTwice(hub, kisumu, migori)
			kisumu.Exec("UPDATE visit SET note = 'a file to forge from' WHERE uuid = 'v-1'")
			hub.Import(forge(t, kisumu.Export(hub)[0], sentRows(c.rows...)), signed)
			migori.Exec("INSERT INTO visit (note, uuid) VALUES ('goes on', 'v-2')")
			sites.ExchangeTwice(hub, migori)
			for _, s := range []*sites.Site{hub, migori} {
				shows(t, s, "SELECT GROUP_CONCAT(name ORDER BY name SEPARATOR ' ') FROM visit_type", c.types)
				shows(t, s, "SELECT GROUP_CONCAT(name ORDER BY name SEPARATOR ' ') FROM place", c.place)
			}
			sites.Quiet(t, hub, migori)
			sites.Same(t, hub, migori)
			if n := hub.One("SELECT COUNT(*) FROM visit WHERE uuid = 'v-2'"); n != "1" {
				t.Error("the honest clinic's visit did not arrive")
			}
		})
	}
}

// Rows that give rights come back by nobody's file, whatever refers to them.
func TestDeletedRightsStayAway(t *testing.T) {
	profile := "[direction]\ndown = [\"visit_type\", \"family\"]\nrights = [\"visit_type\"]\n"
	hub, clinic := sites.New(t, "hub", profile, returnSchema...), sites.New(t, "clinic", profile, returnSchema...)
	hub.Exec("INSERT INTO visit_type (name, uuid) VALUES ('a right', 't-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO visit (type_id, uuid) SELECT type_id, 'v-1' FROM visit_type")
	hub.Exec("DELETE FROM visit_type")
	hub.Seal()
	_, err := hub.ImportErr(clinic.Export(hub)[0])
	if err == nil || !strings.Contains(err.Error(), "rows that give rights or are code come back by nobody's file") {
		t.Errorf("%v", err)
	}
	if n := hub.One("SELECT COUNT(*) FROM visit_type"); n != "0" {
		t.Errorf("%s came back", n)
	}
}

// Very many rows come back at once, in portions, and a chain of them as long as may be.
func TestManyDeletedRowsReturn(t *testing.T) {
	hub, kisumu, _ := returnNetwork(t)
	const many = 1500
	var values []string
	for i := range many {
		values = append(values, fmt.Sprintf("('type %d', 'm-%04d')", i, i))
	}
	hub.Exec("INSERT INTO visit_type (name, uuid) VALUES "+strings.Join(values, ","),
		"UPDATE visit_type a JOIN visit_type b ON b.type_id = a.type_id - 1 SET a.parent_id = b.type_id WHERE a.uuid LIKE 'm-%' AND b.uuid LIKE 'm-%' AND a.uuid > 'm-1000'")
	sites.Exchange(hub, kisumu)
	kisumu.Exec("INSERT INTO visit (type_id, uuid) SELECT type_id, CONCAT('v-', uuid) FROM visit_type WHERE uuid LIKE 'm-0%' OR uuid = 'm-1499'")
	hub.Exec("SET foreign_key_checks = 0", "DELETE FROM visit_type WHERE uuid LIKE 'm-%'", "SET foreign_key_checks = 1")
	start := time.Now()
	hub.Import(kisumu.Export(hub)[0])
	t.Logf("%d rows came back in %v", many, time.Since(start))
	if n := hub.One("SELECT COUNT(*) FROM visit_type WHERE uuid LIKE 'm-%'"); n != fmt.Sprint(many) {
		t.Errorf("%s came back", n)
	}
	sites.ExchangeTwice(hub, kisumu)
	sites.Same(t, hub, kisumu)
}
