package openmrs

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

func emptyDatabase(t *testing.T) (*sql.DB, string) {
	t.Helper()
	s := dbtest.Server(t)
	name, _ := s.Database(t, Schema("2.6")...)
	return s.Open(t, name), name
}

func load(t *testing.T, db *sql.DB, o Options) Stats {
	t.Helper()
	stats, err := Load(t.Context(), db, o)
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func count(t *testing.T, db *sql.DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func tableNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, s := range Schema("2.6") {
		names = append(names, strings.Split(s, "`")[1])
	}
	return names
}

// Fifty patients are enough for rows in every table, and the statistics say how many.
func TestEveryTableHasRows(t *testing.T) {
	for _, traps := range []bool{false, true} {
		db, _ := emptyDatabase(t)
		stats := load(t, db, Options{Seed: 1, Site: "kisumu", Patients: 50, Metadata: true, Traps: traps})
		total := 0
		for _, table := range tableNames(t) {
			n := count(t, db, "SELECT COUNT(*) FROM `"+table+"`")
			if n == 0 {
				t.Errorf("%s is empty", table)
			}
			if n != stats.Tables[table] {
				t.Errorf("%s has %d rows, the statistics say %d", table, n, stats.Tables[table])
			}
			total += n
		}
		if total != stats.Rows {
			t.Errorf("%d rows, the statistics say %d", total, stats.Rows)
		}
		checkReferences(t, db, traps)
		checkKinds(t, db)
	}
}

// checkReferences looks for rows that refer to nothing, by every declared foreign key and by those that are not.
func checkReferences(t *testing.T, db *sql.DB, traps bool) {
	t.Helper()
	rows, err := db.Query(`SELECT table_name, column_name, referenced_table_name, referenced_column_name
		FROM information_schema.key_column_usage WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var declared, undeclared [][4]string
	for rows.Next() {
		var r [4]string
		if err := rows.Scan(&r[0], &r[1], &r[2], &r[3]); err != nil {
			t.Fatal(err)
		}
		declared = append(declared, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(declared) != 440 {
		t.Fatalf("%d declared foreign keys", len(declared))
	}
	for _, s := range []string{"orders.concept_id concept.concept_id", "concept_set.concept_id concept.concept_id",
		"person_name.changed_by users.user_id", "cohort_member.voided_by users.user_id", "concept_name_tag.creator users.user_id",
		"hl7_in_archive.hl7_source hl7_source.hl7_source_id", "hl7_in_error.hl7_source hl7_source.hl7_source_id",
		"person_attribute_type.foreign_key concept.concept_id"} {
		f := strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == ' ' })
		undeclared = append(undeclared, [4]string(f))
	}
	dangling := func(r [4]string) int {
		return count(t, db, fmt.Sprintf("SELECT COUNT(*) FROM `%s` c LEFT JOIN `%s` p ON p.`%s` = c.`%s` WHERE c.`%s` IS NOT NULL AND p.`%s` IS NULL",
			r[0], r[2], r[3], r[1], r[1], r[3]))
	}
	for _, r := range declared {
		if n := dangling(r); n > 0 {
			t.Errorf("%d rows whose %s.%s is no %s.%s", n, r[0], r[1], r[2], r[3])
		}
	}
	lost := 0
	for _, r := range undeclared {
		n := dangling(r)
		lost += n
		if n > 0 && !traps {
			t.Errorf("%d rows whose %s.%s is no %s.%s", n, r[0], r[1], r[2], r[3])
		}
	}
	if traps && lost == 0 {
		t.Error("no trap was set: every undeclared reference holds")
	}
	for _, f := range [][3]string{{"Concept", "concept", "concept_id"}, {"Location", "location", "location_id"},
		{"User", "users", "user_id"}, {"Person", "person", "person_id"}, {"Patient", "patient", "patient_id"},
		{"Provider", "provider", "provider_id"}, {"Encounter", "encounter", "encounter_id"}} {
		from := `FROM person_attribute a JOIN person_attribute_type t USING (person_attribute_type_id)
			LEFT JOIN ` + f[1] + ` p ON p.` + f[2] + ` = a.value WHERE t.format = 'org.openmrs.` + f[0] + `'`
		if count(t, db, "SELECT COUNT(*) "+from) == 0 {
			t.Errorf("no person attribute is a %s", f[0])
		}
		if n := count(t, db, "SELECT COUNT(*) "+from+" AND p."+f[2]+" IS NULL"); n > 0 {
			t.Errorf("%d person attributes are no %s", n, f[0])
		}
	}
}

// checkKinds looks for the kinds of rows that a sync tool has to cope with.
func checkKinds(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, where := range []string{
		"obs WHERE value_coded IS NOT NULL AND value_coded_name_id IS NOT NULL",
		"obs WHERE value_numeric IS NOT NULL",
		"obs WHERE value_text IS NOT NULL",
		"obs WHERE value_datetime IS NOT NULL",
		"obs WHERE value_drug IS NOT NULL",
		"obs WHERE value_complex IS NOT NULL",
		"obs WHERE order_id IS NOT NULL",
		"obs o JOIN concept c USING (concept_id) JOIN concept_datatype d USING (concept_datatype_id) WHERE d.name = 'Boolean'",
		"obs m JOIN obs g ON g.obs_id = m.obs_group_id AND g.person_id = m.person_id",
		"obs m JOIN obs g ON g.obs_id = m.obs_group_id JOIN obs gg ON gg.obs_id = g.obs_group_id",
		"obs n JOIN obs o ON o.obs_id = n.previous_version AND o.voided = 1 AND o.concept_id = n.concept_id",
		"orders o JOIN orders p ON p.order_id = o.previous_order_id WHERE o.order_action = 'REVISE'",
		"orders o JOIN orders p ON p.order_id = o.previous_order_id WHERE o.order_action = 'DISCONTINUE'",
		"orders o JOIN order_group g USING (order_group_id)",
		"order_group WHERE parent_order_group IS NOT NULL",
		"conditions WHERE previous_version IS NOT NULL",
		"form_field WHERE parent_form_field IS NOT NULL",
		"location c JOIN location p ON p.location_id = c.parent_location WHERE p.parent_location IS NOT NULL",
		"note WHERE parent IS NOT NULL",
		"users WHERE creator = user_id",
		"users WHERE changed_by IS NOT NULL",
		"medication_dispense WHERE drug_order_id IS NOT NULL",
		"visit_attribute a JOIN clob_datatype_storage s ON s.uuid = a.value_reference",
		"person WHERE birthtime IS NOT NULL",
		"concept WHERE uuid LIKE '____AAAA%'",
		"concept WHERE BINARY uuid = UPPER(uuid) AND uuid LIKE '%-%'",
	} {
		where = strings.Replace(where, "USING (concept_datatype_id)", "ON d.concept_datatype_id = c.datatype_id", 1)
		if count(t, db, "SELECT COUNT(*) FROM "+where) == 0 {
			t.Errorf("none of: %s", where)
		}
	}
}

// Two sites share the metadata by uuid, under other integers, and nothing else.
func TestSites(t *testing.T) {
	hub, hubName := emptyDatabase(t)
	load(t, hub, Options{Metadata: true, Offset: 5000})
	if low := count(t, hub, "SELECT MIN(concept_id) FROM concept"); low != 5001 {
		t.Errorf("the lowest concept_id is %d", low)
	}
	dbtest.Exec(t, hub, "INSERT INTO visit_type (name, creator, date_created, uuid) VALUES ('x', 5001, NOW(), 'x')",
		"INSERT INTO cohort (name, creator, date_created, uuid) VALUES ('x', 5001, NOW(), 'x')")
	if n := count(t, hub, "SELECT cohort_id FROM cohort"); n != 5001 {
		t.Errorf("the first row of an empty table gets key %d", n)
	}
	// A clinic that got its metadata from the hub goes by that.
	load(t, hub, Options{Seed: 1, Site: "a", Patients: 30})
	checkReferences(t, hub, false)
	clinic, clinicName := emptyDatabase(t)
	load(t, clinic, Options{Seed: 1, Site: "b", Patients: 30, Metadata: true})
	load(t, clinic, Options{Seed: 2, Site: "b", Patients: 20})
	checkReferences(t, clinic, false)
	if n := count(t, clinic, "SELECT COUNT(*) FROM patient"); n != 50 {
		t.Errorf("%d patients after a second load", n)
	}
	for table, want := range map[string]bool{"concept": true, "concept_name": true, "encounter_type": true, "drug": true,
		"program_workflow_state": true, "person_attribute_type": true, "role": true, "global_property": true,
		"encounter": false, "obs": false, "patient_identifier": false, "cohort": false, "visit": false} {
		shared := count(t, hub, fmt.Sprintf("SELECT COUNT(*) FROM `%s`.`%s` a JOIN `%s`.`%s` b USING (uuid)", hubName, table, clinicName, table))
		all := count(t, clinic, "SELECT COUNT(*) FROM `"+table+"`")
		if want && shared != all || !want && shared != 0 {
			t.Errorf("%s: %d of %d uuids are at the other site too", table, shared, all)
		}
	}
	if n := count(t, hub, fmt.Sprintf("SELECT COUNT(*) FROM `%s`.concept a JOIN `%s`.concept b USING (uuid) WHERE a.concept_id = b.concept_id", hubName, clinicName)); n > 0 {
		t.Errorf("%d concepts have one integer at both sites", n)
	}
}

func TestSameSeedSameRows(t *testing.T) {
	var sums [2]string
	for i := range sums {
		db, _ := emptyDatabase(t)
		load(t, db, Options{Seed: 7, Site: "a", Patients: 12, Metadata: true})
		for _, table := range tableNames(t) {
			var name, sum string
			if err := db.QueryRow("CHECKSUM TABLE `"+table+"`").Scan(&name, &sum); err != nil {
				t.Fatal(err)
			}
			sums[i] += table + " " + sum + "\n"
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("one seed, two clinics:\n%s\n%s", sums[0], sums[1])
	}
}

func TestLoadNeedsMetadata(t *testing.T) {
	db, _ := emptyDatabase(t)
	_, err := Load(t.Context(), db, Options{Patients: 1})
	if err == nil || !strings.Contains(err.Error(), "Options.Metadata") {
		t.Fatalf("error: %v", err)
	}
	for _, o := range []Options{{Patients: -1}, {Offset: -1}, {Obs: -1}, {Users: -1}} {
		if _, err := Load(t.Context(), db, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestLoadStopsWhenCancelled(t *testing.T) {
	db, _ := emptyDatabase(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, db, Options{Patients: 1, Metadata: true}); err == nil {
		t.Fatal("no error")
	}
}

// The size is about what was asked for, and the connections of the pool keep their settings.
func TestSize(t *testing.T) {
	db, _ := emptyDatabase(t)
	stats := load(t, db, Options{Seed: 3, Patients: 1100, Obs: 33000, Users: 9, Metadata: true})
	obs := stats.Tables["obs"]
	if obs < 31000 || obs > 35000 {
		t.Errorf("%d obs, want about 33,000", obs)
	}
	others := stats.Rows - obs - 4000 // metadata
	if perPatient := float64(others) / 1100; perPatient < 9.5 || perPatient > 12.5 {
		t.Errorf("%.1f other rows for each patient", perPatient)
	}
	if n := stats.Tables["patient"]; n != 1100 {
		t.Errorf("%d patients", n)
	}
	if n := count(t, db, "SELECT @@foreign_key_checks"); n != 1 {
		t.Error("foreign key checks are off after Load")
	}
	t.Log(stats)
}

func TestQuoting(t *testing.T) {
	s := dbtest.Server(t)
	name, _ := s.Database(t, "CREATE TABLE q (v TEXT, x DOUBLE) CHARACTER SET utf8")
	db := s.Open(t, name)
	for _, text := range append(texts(), `\`, `\'`, "a\x00b", "''", "") {
		dbtest.Exec(t, db, "DELETE FROM q", "INSERT INTO q VALUES ("+string(appendValue(nil, text))+","+string(appendValue(nil, 1.0/7))+")")
		var got string
		var x float64
		if err := db.QueryRow("SELECT v, x FROM q").Scan(&got, &x); err != nil {
			t.Fatal(err)
		}
		if got != text || x != 1.0/7 {
			t.Errorf("%q came back as %q, %v", text, got, x)
		}
	}
}
