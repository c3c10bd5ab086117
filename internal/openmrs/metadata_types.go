package openmrs

import (
	"fmt"
	"strconv"
)

// attributeTypes writes the types of the nine kinds of attributes.
func (m *metadata) attributeTypes() {
	const columns = "name,description,datatype,datatype_config,min_occurs,max_occurs"
	for _, t := range []struct{ table, name, datatype string }{
		{"location_attribute_type", "Facility code", "FreeTextDatatype"},
		{"location_attribute_type", "Beds", "RegexValidatedTextDatatype"},
		{"provider_attribute_type", "Licence number", "FreeTextDatatype"},
		{"provider_attribute_type", "Trained on", "DateDatatype"},
		{"visit_attribute_type", "Insurance scheme", "FreeTextDatatype"},
		{"visit_attribute_type", "Discharge letter", "LongFreeTextDatatype"},
		{"diagnosis_attribute_type", "Reported to surveillance", "BooleanDatatype"},
		{"order_attribute_type", "Paid", "BooleanDatatype"},
		{"order_group_attribute_type", "Cycle number", "FreeTextDatatype"},
		{"order_set_attribute_type", "Guideline edition", "FreeTextDatatype"},
		{"program_attribute_type", "Treatment supporter", "FreeTextDatatype"},
	} {
		m.put(t.table, t.name, columns, t.name, t.name+", as the national register asks for it",
			"org.openmrs.customdatatype.datatype."+t.datatype, nil, 0, 1)
	}
	// Values of the last seven are integer keys of rows, in a varchar.
	for i, t := range []struct {
		name, format string
		foreignKey   id
	}{
		{"Telephone number", "java.lang.String", 0},
		{"Number of children", "java.lang.Integer", 0},
		{"Consent to messages", "java.lang.Boolean", 0},
		{"Moved on", "org.openmrs.util.AttributableDate", 0},
		{"Civil status", "org.openmrs.Concept", m.concept("Civil status")},
		{"Health centre", "org.openmrs.Location", 0},
		{"Registered by", "org.openmrs.User", 0},
		{"Treatment supporter", "org.openmrs.Person", 0},
		{"Index case", "org.openmrs.Patient", 0},
		{"Family doctor", "org.openmrs.Provider", 0},
		{"First encounter", "org.openmrs.Encounter", 0},
	} {
		var privilege any
		if i%4 == 1 {
			privilege = "Edit Patients"
		}
		m.put("person_attribute_type", t.name, "name,description,format,foreign_key,searchable,edit_privilege,sort_weight",
			t.name, "", t.format, t.foreignKey, i == 0, privilege, float64(i))
	}
}

// types writes the small lists of names.
func (m *metadata) types() {
	for i, name := range []string{"OpenMRS ID", "Old identification number", "National ID"} {
		m.put("patient_identifier_type", name, "name,description,format,check_digit,required,uniqueness_behavior,location_behavior",
			name, "Number on the patient’s card", `[0-9A-Z\-]{4,20}`, false, i == 0, nil, "NOT_USED")
	}
	for i, name := range []string{"Registration", "Vitals", "Adult visit", "Paediatric visit", "Laboratory results",
		"Pharmacy", "Antenatal visit", "Discharge"} {
		var view, edit any
		if i%3 == 0 {
			view, edit = "Get Encounters", "Edit Encounters"
		}
		m.put("encounter_type", name, "name,description,view_privilege,edit_privilege", name, name+" form", view, edit)
	}
	for _, name := range []string{"Clinician", "Nurse", "Clerk", "Unknown"} {
		m.put("encounter_role", name, "name,description", name, "Took part as "+name)
	}
	for _, name := range []string{"Outpatient visit", "Inpatient stay", "Home visit"} {
		m.put("visit_type", name, "name,description", name, name)
	}
	for i, r := range [][2]string{{"Parent", "Child"}, {"Sibling", "Sibling"}, {"Doctor", "Patient"}, {"Supporter", "Supported"}} {
		m.put("relationship_type", r[0], "a_is_to_b,b_is_to_a,preferred,weight,description", r[0], r[1], i == 0, i, r[0]+" of")
	}
	for _, s := range [][2]string{{"Outpatient", "OUTPATIENT"}, {"Inpatient", "INPATIENT"}} {
		m.put("care_setting", s[0], "name,description,care_setting_type", s[0], s[0]+" care", s[1])
	}
	for _, t := range [][3]string{{"Drug order", "org.openmrs.DrugOrder", ""}, {"Test order", "org.openmrs.TestOrder", ""},
		{"Referral order", "org.openmrs.ReferralOrder", ""}, {"Radiology order", "org.openmrs.TestOrder", "Test order"}} {
		var parent id
		if t[2] != "" {
			parent = m.get("order_type", t[2])
		}
		m.put("order_type", t[0], "name,description,java_class_name,parent", t[0], t[0], t[1], parent)
	}
	classes := m.w.into("order_type_class_map", "order_type_id,concept_class_id")
	for _, c := range [][2]string{{"Drug order", "Drug"}, {"Test order", "Test"}, {"Test order", "LabSet"}, {"Referral order", "Procedure"}} {
		classes.add(m.get("order_type", c[0]), m.get("concept_class", c[1]))
	}
	for i, name := range namesOf(m.dictionary, "Frequency") {
		m.put("order_frequency", name, "concept_id,frequency_per_day", m.concept(name), []float64{1, 2, 3, 4, 3, 1, 1.0 / 7, 0.5}[i])
	}
	m.put("hl7_source", "LOCAL", "name,description", "LOCAL", "Messages made here")
	m.put("hl7_source", "Laboratory", "name,description", "Laboratory", "Results from analysers")
}

// locations are a tree: country, counties, districts.
func (m *metadata) locations() {
	const columns = "name,description,country,state_province,county_district,parent_location,location_type_concept_id,latitude,longitude"
	m.put("location", "Unknown Location", columns, "Unknown Location", nil, nil, nil, nil, id(0), id(0), nil, nil)
	country := m.put("location", "Republic", columns, "Republic", "The country", "Republic", nil, nil, id(0), id(0), "-0.5", "37.2")
	for c := range 4 {
		county := fmt.Sprintf("County %c", 'A'+c)
		at := m.put("location", county, columns, county, nil, "Republic", county, nil, country, id(0), strconv.Itoa(c), "36.0")
		for d := range 3 {
			district := fmt.Sprintf("%s, district %d", county, d+1)
			m.put("location", district, columns, district, nil, "Republic", county, district, at, m.concept("Hospital"), nil, nil)
		}
	}
	tags := m.w.into("location_tag_map", "location_id,location_tag_id")
	for _, tag := range []string{"Login Location", "Visit Location", "Admission Location", "Transfer Location"} {
		n := m.put("location_tag", tag, "name,description", tag, "May be used as "+tag)
		for d := range 3 {
			tags.add(m.get("location", fmt.Sprintf("County A, district %d", d+1)), n)
		}
	}
	m.put("location_attribute", "County A, district 1", "location_id,attribute_type_id,value_reference",
		m.get("location", "County A, district 1"), m.get("location_attribute_type", "Facility code"), "10001")
}

// programme is a treatment programme, its workflow and the states a patient goes through.
type programme struct {
	name, workflow, outcomes string
	states                   []string // the first is where patients start, the last three end it
}

func programmes() []programme {
	end := []string{"State died", "State lost to follow-up", "State transferred out"}
	return []programme{
		{"HIV programme", "HIV treatment status", "HIV outcomes", append([]string{"Pre-treatment", "On antiretrovirals"}, end...)},
		{"Tuberculosis programme", "Tuberculosis treatment status", "Tuberculosis outcomes", append([]string{"On tuberculosis treatment"}, end...)},
		{"Antenatal programme", "Antenatal status", "", append([]string{"Registered for antenatal care", "Delivered"}, end...)},
	}
}

// key is by what a state is known: states of two programmes share concepts.
func (p programme) key(state string) string { return p.name + "/" + state }

func (m *metadata) programs() {
	for _, p := range programmes() {
		var outcomes id
		if p.outcomes != "" {
			outcomes = m.concept(p.outcomes)
		}
		program := m.put("program", p.name, "concept_id,outcomes_concept_id,name,description", m.concept(p.name), outcomes, p.name, "")
		workflow := m.put("program_workflow", p.workflow, "program_id,concept_id", program, m.concept(p.workflow))
		for i, s := range p.states {
			m.put("program_workflow_state", p.key(s), "program_workflow_id,concept_id,initial,terminal", workflow, m.concept(s),
				i == 0, i >= len(p.states)-3)
		}
		m.put("concept_state_conversion", p.name, "concept_id,program_workflow_id,program_workflow_state_id", m.concept("Died"),
			workflow, m.get("program_workflow_state", p.key("State died")))
	}
}
