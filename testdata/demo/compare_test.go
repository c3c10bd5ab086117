package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
)

// TestCompare makes one clinic twice, with other numbers: the two are equal. Then it changes one thing at a time in the
// second and takes it back: each is found, in the table where it is.
func TestCompare(t *testing.T) {
	server := dbtest.Server(t)
	clinic := func(name string, offset int64) *site {
		database, _ := server.Database(t, openmrs.Schema("2.6")...)
		db := server.Open(t, database)
		_, err := openmrs.Load(t.Context(), db, openmrs.Options{Seed: 7, Site: "hub", Patients: 20, Metadata: true, Offset: offset})
		if err != nil {
			t.Fatal(err)
		}
		// Numbers of rows in texts that nothing tells from other texts.
		dbtest.Exec(t, db, "UPDATE orders SET order_number = uuid", "DELETE FROM user_property WHERE property = 'defaultLocation'",
			"DELETE FROM global_property WHERE property LIKE 'concept.%'")
		return &site{name: name, db: db}
	}
	sites := []*site{clinic("hub", 0), clinic("kisumu", 5000)}
	var out bytes.Buffer
	if err := compare(t.Context(), &out, sites); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "together") {
		t.Errorf("no counts in:\n%s", out.String())
	}
	db := sites[1].db
	db.SetMaxOpenConns(1) // so that transactions can be statements
	dbtest.Exec(t, db, "SET foreign_key_checks = 0")
	for _, c := range []struct{ name, table, change string }{
		{"a value", "obs", "UPDATE obs SET comments = 'other' LIMIT 1"},
		{"NULL for an empty text", "person_name", "UPDATE person_name SET middle_name = '' WHERE middle_name IS NULL LIMIT 1"},
		{"the last digit of a number", "obs", "UPDATE obs SET value_numeric = value_numeric + 1e-9 WHERE value_numeric IS NOT NULL LIMIT 1"},
		{"a reference", "obs", "UPDATE obs SET concept_id = IF(concept_id = 5001, 5002, 5001) LIMIT 1"},
		{"another patient's encounter", "encounter", "UPDATE encounter e, (SELECT MIN(patient_id) a, MAX(patient_id) b FROM patient) p SET e.patient_id = IF(e.patient_id = a, b, a)"},
		{"a reference without a foreign key", "orders", "UPDATE orders SET concept_id = IF(concept_id = 5001, 5002, 5001) LIMIT 1"},
		{"a reference to nothing", "orders", "UPDATE orders SET concept_id = 999999 LIMIT 1"},
		{"a number in a text", "person_attribute", `UPDATE person_attribute a JOIN person_attribute_type t USING (person_attribute_type_id)
			SET a.value = a.value + 1 WHERE t.format LIKE '%.Concept'`},
		{"a row less", "patient_identifier", "DELETE FROM patient_identifier LIMIT 1"},
		{"a row less without a uuid", "role_privilege", "DELETE FROM role_privilege LIMIT 1"},
		{"a row more", "note", `INSERT INTO note (note_id, date_created, text, creator, date_changed, uuid)
			SELECT 1 + MAX(note_id), NOW(), 'more', MAX(creator), NOW(), 'more' FROM note`},
		{"a row twice", "concept_name_tag_map", "INSERT INTO concept_name_tag_map SELECT * FROM concept_name_tag_map LIMIT 1"},
		{"a uuid", "visit", "UPDATE visit SET uuid = 'other' LIMIT 1"},
		{"a patient who is somebody else", "patient", "UPDATE patient SET patient_id = (SELECT MIN(person_id) FROM person) ORDER BY patient_id LIMIT 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dbtest.Exec(t, db, "START TRANSACTION", c.change)
			defer dbtest.Exec(t, db, "ROLLBACK")
			var out bytes.Buffer
			if err := compare(t.Context(), &out, sites); !errors.Is(err, errDiffer) {
				t.Errorf("not found (%v)\n%s", err, out.String())
			} else if !strings.Contains(out.String(), "\n  "+c.table+", hub against kisumu: ") {
				t.Errorf("not found in %s:\n%s", c.table, out.String())
			}
		})
	}
	if err := compare(t.Context(), &out, sites); err != nil {
		t.Errorf("after all was taken back: %v", err)
	}
}

// Every table is in the group that one would look for it in.
func TestGroups(t *testing.T) {
	for table, want := range map[string]string{
		"obs": "observations", "patient": "patients and persons", "person_attribute_type": "patients and persons", "drug": "concepts, drugs, forms",
		"drug_order": "orders", "orders": "orders", "order_set_member": "concepts, drugs, forms", "encounter_diagnosis": "visits and encounters",
		"user_role": "users, providers, rights", "location_tag_map": "locations", "global_property": "the rest",
	} {
		if got := groups[groupOf(table)].name; got != want {
			t.Errorf("%s is among %q, not %q", table, got, want)
		}
	}
}
