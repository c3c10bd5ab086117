package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/openmrs"
)

// naturalText is a natural key as a line.
func naturalText(k *NaturalKey) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s(%s)", k.Name, k.Of.Name, names(k.Columns))
	if k.By != nil {
		fmt.Fprintf(&b, " by %s", k.By.Name)
	}
	for _, f := range k.Where {
		fmt.Fprintf(&b, " %s=%s", f.Column.Name, f.Value)
	}
	if k.Only != nil {
		fmt.Fprintf(&b, " only %s", strings.Join(k.Only, " "))
	}
	if k.Certain {
		b.WriteString(" certain")
	}
	if k.Supports {
		b.WriteString(" supports")
	}
	return b.String()
}

func naturalTexts(keys []*NaturalKey) (out []string) {
	for _, k := range keys {
		out = append(out, naturalText(k))
	}
	return out
}

// What a database's version does not have is left out, and what it has is there.
func TestNaturalKeysOfOpenMRS(t *testing.T) {
	p := builtin(t, "openmrs")
	for version, want := range map[string]map[string]string{
		"1.9": {
			"order_type": "name: order_type(name) certain", "care_setting": "", "drug_ingredient": "", "order_frequency": "", "provider_role": "",
			"users": "account: users(system_id) only admin daemon certain; person: users(person_id); user name: users(username)",
		},
		"2.6": {
			"care_setting":             "name: care_setting(name) certain",
			"drug_ingredient":          "ingredient: drug_ingredient(drug_id, ingredient_id) certain",
			"concept_state_conversion": "workflow and concept: concept_state_conversion(program_workflow_id, concept_id) certain",
			"encounter_type":           "name: encounter_type(name) certain",
			"program_attribute_type":   "name: program_attribute_type(name) certain",
			"relationship_type":        "name: relationship_type(a_is_to_b, b_is_to_a) certain",
			"location_tag_map":         "location: location_tag_map(location_id, location_tag_id) certain",
			"concept":                  "class: concept(class_id) supports; datatype: concept(datatype_id) supports; full name: concept_name(name, locale) by concept_id concept_name_type=FULLY_SPECIFIED voided=0; mapping: concept_reference_map(concept_reference_term_id) by concept_id",
			"patient":                  "birthdate: person(birthdate) by person_id supports; gender: person(gender) by person_id supports; identifier: patient_identifier(identifier_type, identifier) by patient_id voided=0",
			"users":                    "account: users(system_id) only admin daemon certain; email: users(email); person: users(person_id); user name: users(username)",
			"concept_reference_source": "name: concept_reference_source(name) certain; HL7 code: concept_reference_source(hl7_code)",
			"location":                 "district: location(county_district) supports; name: location(name); parent: location(parent_location) supports",
			"obs":                      "",
			"encounter":                "",
		},
	} {
		c := read(t, p, openmrs.Schema(version)...)
		for table, line := range want {
			at := c.Table(table)
			if at == nil {
				if line != "" {
					t.Errorf("%s: no table %s", version, table)
				}
				continue
			}
			if got := strings.Join(naturalTexts(p.NaturalKeys(c, at)), "; "); got != line {
				t.Errorf("%s %s:\n%s, want\n%s", version, table, got, line)
			}
		}
		for _, at := range c.Tables {
			if (strings.HasSuffix(at.Name, "_type") || strings.HasSuffix(at.Name, "_class")) && p.NaturalKeys(c, at) == nil {
				t.Errorf("%s: %s has no natural key", version, at.Name)
			}
		}
		if k := p.Label(c, c.Table("patient")); k == nil || naturalText(k) != "label: person_name(given_name, middle_name, family_name) by person_id voided=0" {
			t.Errorf("%s: label of patients %v", version, k)
		}
		if k := p.Label(c, c.Table("encounter_type")); k == nil || naturalText(k) != "label: encounter_type(name)" {
			t.Errorf("%s: label of types %v", version, k)
		}
		if k := p.Label(c, c.Table("obs")); k != nil {
			t.Errorf("%s: label of observations %v", version, k)
		}
	}
}

func TestNaturalKeysOfAProfile(t *testing.T) {
	p, err := ParseProfile("own", []byte("[natural]\nward = ['code']\n[natural.\"*\"]\nany = { columns = ['name'] }\n[natural.staff]\nsure = { columns = ['badge'], certain = true }\n"+
		"card = { of = 'Card', by = 'staff_id', columns = ['number'] }\nnone = { columns = ['not_there'] }\nloose = { of = 'card', by = 'number', columns = ['number'] }\n[label]\nward = ['code']\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := read(t, p, "CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, code VARCHAR(9), name VARCHAR(9))",
		"CREATE TABLE staff (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, badge VARCHAR(9), name VARCHAR(9))",
		"CREATE TABLE card (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, staff_id INT, number VARCHAR(9), FOREIGN KEY (staff_id) REFERENCES staff (id))",
		"CREATE TABLE other (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(9))")
	for table, want := range map[string][]string{
		"ward":  {"key: ward(code)"}, // as it was written before natural keys were used: not certain
		"staff": {"sure: staff(badge) certain", "card: card(number) by staff_id"},
		"other": {"any: other(name)"},
		"card":  nil,
	} {
		if got := naturalTexts(p.NaturalKeys(c, c.Table(table))); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", table, got, want)
		}
	}
	if k := p.Label(c, c.Table("ward")); k == nil || naturalText(k) != "label: ward(code)" {
		t.Errorf("label %v", k)
	}
	if !slices.Contains(c.Notes, "profile own: natural.none: table staff has no column not_there") {
		t.Errorf("notes %q", c.Notes)
	}
}

func TestNaturalKeysThatCannotBeMeant(t *testing.T) {
	for text, want := range map[string]string{
		"[natural]\nstaff = 'badge'":                                     "line 2: natural.staff must be a table",
		"[natural]\nstaff = []":                                          "line 2: a natural key needs columns",
		"[natural.staff]\nname = 'x'":                                    "line 2: a natural key is a table",
		"\n[natural.staff]\nname = { columns = ['x', 3] }":               "line 3: columns holds a value of another type",
		"[natural.staff]\nname = { columns = ['x'], certain = 'yes' }":   "line 2: certain holds a value of another type",
		"[natural.staff]\nname = { columns = ['x'], where = { a = 1 } }": "line 2: where holds a value of another type",
		"[natural.staff]\nname = { columns = ['x'], of = 'y' }":          "line 2: a natural key of rows that belong",
		"[natural.staff]\nname = { columns = ['x'], colour = 'y' }":      "line 2: unknown key colour",
		"[natural.staff]\nname = { of = 'x', by = 'y' }":                 "line 2: a natural key needs columns",
		"[label]\nstaff = 'x'":                                           "line 2: a natural key is a table",
		"natural = ['x']":                                                "line 1: natural must be a table",
		"label = 'x'":                                                    "line 1: label must be a table",
	} {
		if _, err := ParseProfile("own", []byte(text), nil); err == nil || !strings.HasPrefix(err.Error(), "profile own: "+want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
