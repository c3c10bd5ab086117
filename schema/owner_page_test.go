package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/openmrs"
)

// cells returns the rows of the n-th table of a text: what its cells name.
func cells(text string, n int) (rows [][][]string) {
	for _, block := range strings.Split(text, "\n\n") {
		if !strings.HasPrefix(strings.TrimSpace(block), "|") {
			continue
		}
		if n--; n >= 0 {
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(block), "\n")[2:] {
			var row [][]string
			for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
				var names []string
				for _, m := range code.FindAllStringSubmatch(cell, -1) {
					names = append(names, m[1])
				}
				row = append(row, names)
			}
			rows = append(rows, row)
		}
		break
	}
	return rows
}

// docs/openmrs.md says of every table of OpenMRS whose its rows are, as the catalogue does.
func TestOpenMRSPageOwners(t *testing.T) {
	text := page(t)["Whose a row is"]
	paths, shared, said := map[string]string{}, []string{}, map[string]bool{}
	for _, row := range cells(text, 0) {
		by := strings.Join(row[1], ", ")
		if by == "" {
			by = "itself"
		}
		for _, table := range row[0] {
			paths[table] = by
		}
	}
	for _, row := range cells(text, 1) {
		shared = append(shared, row[0]...)
	}
	var nobodys []string
	for _, row := range cells(text, 2) {
		nobodys = append(nobodys, row[0]...)
	}
	for version := range pathsOf {
		c := read(t, builtin(t, "openmrs"), openmrs.Schema(version)...)
		o, err := c.Owners()
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range c.Tables {
			own := o.Of(x)
			said[x.Name] = true
			for _, pattern := range shared {
				said[pattern] = said[pattern] || Matches(pattern, x.Name)
			}
			switch {
			case own.Kind == Owned && own.String() != paths[x.Name]:
				t.Errorf("OpenMRS %s: %s belongs by %s, the page says %q", version, x.Name, own, paths[x.Name])
			case own.Kind != Owned && paths[x.Name] != "":
				t.Errorf("OpenMRS %s: %s has the path %s on the page, and none here", version, x.Name, paths[x.Name])
			case own.Kind == Everybodys && x.Direction.String() != "none" && !matchesAny(shared, x.Name):
				t.Errorf("OpenMRS %s: %s is everybody's, and the page does not say so", version, x.Name)
			case own.Kind != Everybodys && matchesAny(shared, x.Name):
				t.Errorf("OpenMRS %s: the page says that %s is everybody's", version, x.Name)
			case own.Kind == Nobodys && !slices.Contains(nobodys, x.Name):
				t.Errorf("OpenMRS %s: %s is nobody's, and the page does not say so", version, x.Name)
			}
		}
	}
	for _, name := range append(slices.Clone(shared), keysOf(paths)...) {
		if !said[name] {
			t.Errorf("the page names %s, which OpenMRS does not have", name)
		}
	}
	for _, pattern := range builtin(t, "openmrs").layers[0].Owner.Nobody {
		if !slices.Contains(nobodys, pattern) {
			t.Errorf("the profile says that %s is nobody's, and the page does not", pattern)
		}
	}
}

func keysOf(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// Tables of modules, with the columns that lead somewhere (from the modules' liquibase files).
func TestOwnersOfModules(t *testing.T) {
	text, err := profiles.ReadFile("profiles/openmrs.toml")
	if err != nil {
		t.Fatal(err)
	}
	c := model(t, string(text), "person", "patient id>person creator>users", "users person_id>person", "provider person_id?>person", "location", "concept", "drug", "visit patient_id>patient",
		"encounter patient_id>patient visit_id?>visit", "obs person_id>person encounter_id?>encounter", "orders patient_id>patient encounter_id>encounter", "patient_program patient_id>patient", "person_address person_id>person",
		// appointments
		"appointment_service location_id?>location", "patient_appointment patient_id>patient provider_id?>provider appointment_service_id>appointment_service",
		"patient_appointment_provider patient_appointment_id>patient_appointment provider_id>provider", "patient_appointment_audit appointment_id>patient_appointment", "patient_appointment_recurring_time",
		// billing
		"cashier_bill patient_id>patient provider_id>provider cash_point_id>cashier_cash_point bill_adjusted?>cashier_bill", "cashier_cash_point location_id?>location",
		"cashier_bill_line_item bill_id>cashier_bill", "cashier_bill_payment bill_id>cashier_bill", "cashier_bill_payment_attribute bill_payment_id>cashier_bill_payment", "billing_bill_audit bill_id>cashier_bill",
		// queue, bedmanagement, operationtheater
		"queue location_id>location", "queue_entry queue_id>queue patient_id>patient visit_id?>visit", "bed", "bed_patient_assignment_map patient_id>patient bed_id>bed encounter_id?>encounter",
		"surgical_block provider_id>provider location_id>location", "surgical_appointment surgical_block_id>surgical_block patient_id>patient", "surgical_appointment_attribute surgical_appointment_id>surgical_appointment",
		// episodes, as of 2025
		"episode patient_id?>patient concept_id?>concept care_manager?>users", "episode_encounter episode_id>episode encounter_id>encounter", "episode_visit episode_id>episode visit_id>visit",
		"episode_reason episode_id>episode", "episode_attribute_type", "episode_attribute episode_id>episode attribute_type_id>episode_attribute_type",
		// fhir2
		"fhir_reference creator>users", "fhir_task for_reference_id?>fhir_reference encounter_reference_id?>fhir_reference", "fhir_task_output task_id?>fhir_task", "fhir_concept_source",
		"fhir_diagnostic_report subject_id?>patient encounter_id?>encounter", "fhir_diagnostic_report_results diagnostic_report_id>fhir_diagnostic_report obs_id>obs",
		// stockmanagement
		"stockmgmt_stock_item drug_id?>drug", "stockmgmt_stock_item_transaction stock_item_id>stockmgmt_stock_item patient_id?>patient order_id?>orders encounter_id?>encounter",
		"address_hierarchy_entry", "address_hierarchy_address_to_entry_map address_id>person_address entry_id>address_hierarchy_entry")
	o, err := c.Owners()
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]string{
		"patient_appointment": "patient_id", "patient_appointment_provider": "patient_appointment_id → patient_appointment.patient_id", "appointment_service": "everybody",
		"patient_appointment_audit": "appointment_id → patient_appointment.patient_id", "patient_appointment_recurring_time": "nobody",
		"cashier_bill": "patient_id", "cashier_bill_payment_attribute": "bill_payment_id → cashier_bill_payment.bill_id → cashier_bill.patient_id", "cashier_cash_point": "everybody",
		"cashier_bill_line_item": "bill_id → cashier_bill.patient_id", "billing_bill_audit": "bill_id → cashier_bill.patient_id",
		"queue": "everybody", "queue_entry": "patient_id", "bed": "everybody", "bed_patient_assignment_map": "patient_id",
		"surgical_block": "everybody", "surgical_appointment_attribute": "surgical_appointment_id → surgical_appointment.patient_id",
		"episode": "patient_id", "episode_encounter": "encounter_id → encounter.patient_id", "episode_visit": "visit_id → visit.patient_id", "episode_reason": "episode_id → episode.patient_id",
		"episode_attribute": "episode_id → episode.patient_id", "episode_attribute_type": "everybody",
		"fhir_reference": "nobody", "fhir_task": "nobody", "fhir_task_output": "nobody", "fhir_concept_source": "everybody", "fhir_diagnostic_report": "subject_id",
		"fhir_diagnostic_report_results": "obs_id → obs.person_id",
		"stockmgmt_stock_item":           "everybody", "stockmgmt_stock_item_transaction": "patient_id", "address_hierarchy_address_to_entry_map": "address_id → person_address.person_id",
		"users": "everybody", "provider": "everybody",
	} {
		got := o.Of(c.Table(table))
		if text, _, _ := strings.Cut(got.String(), ":"); text != want {
			t.Errorf("%s belongs to %s, want %s", table, got, want)
		}
	}
	// Before 2025 an episode did not name its patient.
	c = model(t, string(text), "person", "patient id>person", "encounter patient_id>patient", "episode", "episode_encounter episode_id>episode encounter_id>encounter", "episode_patient_program episode_id>episode")
	if o, err = c.Owners(); err != nil || o.Of(c.Table("episode")).Kind != Nobodys || o.Of(c.Table("episode_encounter")).Kind != Owned || o.Of(c.Table("episode_patient_program")).Kind != Nobodys {
		t.Errorf("%v: episode: %s; episode_encounter: %s", err, o.Of(c.Table("episode")), o.Of(c.Table("episode_encounter")))
	}
}
