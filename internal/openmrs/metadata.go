package openmrs

import (
	"fmt"
	"strconv"
	"strings"
)

// writeMetadata writes what every site has: the same rows with the same uuids, under this database's integers.
func writeMetadata(w *writer) {
	m := &metadata{registry: newRegistry(w, concepts()), dictionary: concepts()}
	m.people()
	m.access()
	m.concepts()
	m.conceptReferences()
	m.drugs()
	m.attributeTypes()
	m.types()
	m.locations()
	m.programs()
	m.forms()
	m.orderSets()
	m.server()
}

type metadata struct {
	*registry
	dictionary []concept
}

// people are the two accounts that no site is without. The administrator made itself.
func (m *metadata) people() {
	admin := m.w.next["users"]
	m.ids["users"] = map[string]id{} // so that the rows before it can name it
	for i, p := range []struct{ username, system, given, family string }{
		{"admin", "admin", "Super", "User"},
		{"daemon", "daemon", "Daemon", "User"},
	} {
		person := m.w.newID("person")
		m.w.into("person", "person_id,gender,creator,date_created,uuid").
			add(person, "M", admin, established(), metadataUUID("person", p.username))
		user, uuid := m.w.newID("users"), metadataUUID("users", p.username)
		m.ids["users"][strings.ToLower(uuid)] = user
		m.w.into("users", "user_id,system_id,username,password,salt,creator,date_created,person_id,uuid").
			add(user, p.system, p.username, strings.Repeat(fmt.Sprintf("%02x", 74+i), 64), strings.Repeat("c7", 64), admin,
				established(), person, uuid)
		m.put("person_name", p.username, "person_id,preferred,given_name,family_name", person, true, p.given, p.family)
	}
	m.put("provider", "Unknown Provider", "name,identifier", "Unknown Provider", "UNKNOWN")
	m.w.into("user_property", "user_id,property,property_value").add(admin, "loginAttempts", "0")
}

// access writes privileges and roles, which have names instead of integer keys.
func (m *metadata) access() {
	privilege := m.w.into("privilege", "privilege,description,uuid")
	var all []string
	for _, thing := range []string{"Patients", "Encounters", "Observations", "Orders", "Visits", "Concepts", "Locations",
		"Users", "Providers", "Programs", "Cohorts", "Forms", "Allergies", "Conditions", "Diagnoses", "Notes"} {
		for _, verb := range []string{"Get", "Add", "Edit", "Delete"} {
			name := verb + " " + thing
			privilege.add(name, "Able to "+strings.ToLower(name), metadataUUID("privilege", name))
			all = append(all, name)
		}
	}
	role := m.w.into("role", "role,description,uuid")
	grant := m.w.into("role_privilege", "role,privilege")
	for _, r := range []struct {
		name  string
		every int // each so many'th privilege
	}{
		{"Anonymous", 0}, {"Authenticated", 4}, {"System Developer", 0}, {"Provider", 3}, {"Clinician", 2}, {"Nurse", 3},
		{"Data Clerk", 5}, {"Laboratory Technician", 6}, {"Pharmacist", 5}, {"Application: Registers Patients", 7},
		{"Organizational: Hospital Administrator", 2},
	} {
		role.add(r.name, "Those who work as "+strings.ToLower(r.name), metadataUUID("role", r.name))
		for i := 0; r.every > 0 && i < len(all); i += r.every {
			grant.add(r.name, all[i])
		}
	}
	inherit := m.w.into("role_role", "parent_role,child_role")
	for _, child := range []string{"Clinician", "Nurse", "Data Clerk", "Pharmacist", "Laboratory Technician"} {
		inherit.add("Application: Registers Patients", child)
	}
	inherit.add("Provider", "Clinician")
	m.w.into("user_role", "user_id,role").add(m.get("users", "admin"), "System Developer")
}

func (m *metadata) concepts() {
	for _, name := range []string{"Test", "Finding", "Question", "Diagnosis", "Symptom", "Drug", "Misc", "Units", "Route",
		"Frequency", "Dosage form", "Specimen", "Anatomy", "Allergen", "Program", "Workflow", "State", "Procedure",
		"LabSet", "ConvSet"} {
		m.put("concept_class", name, "name,description", name, "Concepts of the kind "+name)
	}
	for _, d := range [][2]string{{"Numeric", "NM"}, {"Coded", "CWE"}, {"Text", "ST"}, {"N/A", "ZZ"}, {"Date", "DT"},
		{"Time", "TM"}, {"Datetime", "TS"}, {"Boolean", "BIT"}, {"Complex", "ED"}} {
		m.put("concept_datatype", d[0], "name,hl7_abbreviation,description", d[0], d[1], "Values that are "+d[0])
	}
	tags := []string{"preferred_en", "short_fr", "patient_friendly", "default", "synonym"}
	for _, tag := range tags {
		m.put("concept_name_tag", tag, "tag,description", tag, "Names marked "+tag)
	}
	for _, c := range m.dictionary {
		m.put("concept", c.name, "datatype_id,class_id,is_set,version", m.get("concept_datatype", c.datatype),
			m.get("concept_class", c.class), len(c.members) > 0, "2.6")
	}
	for _, c := range m.dictionary {
		m.conceptDetails(c)
	}
	tagged := m.w.into("concept_name_tag_map", "concept_name_id,concept_name_tag_id")
	for i, c := range m.dictionary {
		if i%4 == 0 {
			tagged.add(m.get("concept_name", c.name+"/en"), m.get("concept_name_tag", tags[i/4%len(tags)]))
		}
	}
	for _, word := range []string{"and/en", "or/en", "the/en", "de/fr", "la/fr", "ya/sw"} {
		text, locale, _ := strings.Cut(word, "/")
		m.put("concept_stop_word", word, "word,locale", text, locale)
	}
	m.put("concept_attribute_type", "Audit date", "name,description,datatype,min_occurs,max_occurs", "Audit date",
		"When the concept was last reviewed", "org.openmrs.customdatatype.datatype.DateDatatype", 0, 1)
	for i, c := range m.dictionary {
		if i%20 == 0 {
			m.put("concept_attribute", c.name, "concept_id,attribute_type_id,value_reference", m.concept(c.name),
				m.get("concept_attribute_type", "Audit date"), fmt.Sprintf("2014-02-%02d", 1+i%28))
		}
	}
}

// conceptDetails writes what hangs on one concept.
func (m *metadata) conceptDetails(c concept) {
	n := m.concept(c.name)
	name := func(locale, text string, kind any, preferred bool) {
		m.put("concept_name", c.name+"/"+locale, "concept_id,name,locale,locale_preferred,concept_name_type", n, text, locale,
			preferred, kind)
	}
	name("en", c.name, "FULLY_SPECIFIED", true)
	if c.french != "" {
		name("fr", c.french, "FULLY_SPECIFIED", true)
	}
	if c.swahili != "" {
		name("sw", c.swahili, nil, false)
	}
	if short, _, ok := strings.Cut(c.name, " ("); ok {
		name("en_GB", short, "SHORT", false)
	}
	if c.number%3 == 0 {
		m.put("concept_description", c.name, "concept_id,description,locale", n,
			"What is meant by “"+c.name+"” in the records of this country’s clinics.", "en")
	}
	switch c.datatype {
	case "Numeric":
		span := c.high - c.low
		m.w.into("concept_numeric", "concept_id,hi_absolute,hi_critical,hi_normal,low_absolute,low_critical,low_normal,units,allow_decimal,display_precision").
			add(n, c.high, c.low+span*0.9, c.low+span*0.7, c.low, c.low+span*0.1, c.low+span*0.3, c.units, c.decimals > 0, c.decimals)
	case "Complex":
		m.w.into("concept_complex", "concept_id,handler").add(n, c.extra)
	}
	for i, a := range c.answers {
		m.put("concept_answer", c.name+"/"+a, "concept_id,answer_concept,sort_weight", n, m.concept(a), float64(i+1))
	}
	for i, member := range c.members {
		m.put("concept_set", c.name+"/"+member, "concept_id,concept_set,sort_weight", m.concept(member), n, float64(i)*10.5)
	}
}

func (m *metadata) conceptReferences() {
	for _, t := range []string{"SAME-AS", "NARROWER-THAN", "BROADER-THAN", "Associated finding"} {
		m.put("concept_map_type", t, "name,description,is_hidden", t, "How a concept relates to a term", t == "Associated finding")
	}
	for i, s := range []string{"CIEL-like", "ICD-10-like", "LOINC-like", "National list"} {
		m.put("concept_reference_source", s, "name,description,hl7_code,unique_id", s, "A code system for tests",
			"SRC"+strconv.Itoa(i), "2.25."+strconv.Itoa(1000+i))
	}
	for i, c := range m.dictionary {
		code := strconv.Itoa(c.number)
		m.put("concept_reference_term", "CIEL-like/"+code, "concept_source_id,name,code,version",
			m.get("concept_reference_source", "CIEL-like"), c.name, code, nil)
		m.put("concept_reference_map", c.name, "concept_reference_term_id,concept_map_type_id,concept_id",
			m.get("concept_reference_term", "CIEL-like/"+code), m.get("concept_map_type", "SAME-AS"), m.concept(c.name))
		if c.class == "Diagnosis" {
			other := fmt.Sprintf("%c%02d.%d", 'A'+i%20, i%90, i%10)
			m.put("concept_reference_term", "ICD-10-like/"+other, "concept_source_id,name,code,version",
				m.get("concept_reference_source", "ICD-10-like"), c.name, other, "2010")
			m.put("concept_reference_term_map", code+"/"+other, "term_a_id,term_b_id,a_is_to_b_id",
				m.get("concept_reference_term", "CIEL-like/"+code), m.get("concept_reference_term", "ICD-10-like/"+other),
				m.get("concept_map_type", "NARROWER-THAN"))
		}
	}
}

// drugName is the key of a drug: a medicine in one strength and form.
func drugName(c concept, strength string) string { return c.name + " " + strength }

func (m *metadata) drugs() {
	forms := namesOf(m.dictionary, "Dosage form")
	n := 0
	for _, c := range m.dictionary {
		for _, strength := range c.pack {
			name := drugName(c, strength)
			drug := m.put("drug", name, "concept_id,name,combination,dosage_form,maximum_daily_dose,minimum_daily_dose,route,strength,dose_limit_units",
				m.concept(c.name), name, strings.Contains(c.name, " and "), m.concept(forms[n%len(forms)]), 4000.0, 0.25,
				m.concept("Oral"), strength, m.concept("Milligram"))
			ingredients := []string{c.name}
			if n%10 == 1 && c.name != "Zinc sulfate" {
				ingredients = append(ingredients, "Zinc sulfate")
			}
			for i, ingredient := range ingredients {
				m.w.into("drug_ingredient", "drug_id,ingredient_id,uuid,strength,units").add(drug, m.concept(ingredient),
					metadataUUID("drug_ingredient", name+"/"+strconv.Itoa(i)), float64(50*(i+1)), m.concept("Milligram"))
			}
			m.put("drug_reference_map", name, "drug_id,term_id,concept_map_type", drug,
				m.get("concept_reference_term", "CIEL-like/"+strconv.Itoa(c.number)), m.get("concept_map_type", "NARROWER-THAN"))
			n++
		}
	}
	// Some answers name a drug as well as its concept.
	for _, name := range []string{"Paracetamol 500 mg tablet", "Amoxicillin 250 mg capsule"} {
		concept, _, _ := strings.Cut(name, " ")
		m.put("concept_answer", "drug "+name, "concept_id,answer_concept,answer_drug,sort_weight",
			m.concept("Medication ordered"), m.concept(concept), m.get("drug", name), 99.5)
	}
}
