package schema

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/internal/openmrs"
)

// directions are those of every table of OpenMRS, and which give rights or are code.
var directions = map[string]string{
	"1.9": `
add:
location location_attribute location_tag_map provider users
both:
active_list active_list_allergy active_list_problem cohort cohort_member concept_proposal concept_proposal_tag_map
drug_order encounter note obs orders patient patient_identifier patient_program patient_state person person_address
person_attribute person_name relationship visit visit_attribute
down:
active_list_type concept concept_answer concept_class concept_complex concept_datatype concept_description
concept_map_type concept_name concept_name_tag concept_name_tag_map concept_numeric concept_reference_map
concept_reference_source concept_reference_term concept_reference_term_map concept_set concept_state_conversion
concept_stop_word drug drug_ingredient encounter_role encounter_type field field_answer field_type form form_field
hl7_source location_attribute_type location_tag order_type patient_identifier_type person_attribute_type program
program_workflow program_workflow_state relationship_type visit_attribute_type visit_type
down code:
report_object report_schema_xml serialized_object
down rights:
privilege role role_privilege role_role user_property user_role
down rights code:
global_property
none:
concept_set_derived concept_word hl7_in_archive hl7_in_error hl7_in_queue notification_alert
notification_alert_recipient
none code:
liquibasechangelog liquibasechangeloglock notification_template scheduler_task_config scheduler_task_config_property
`,
	"2.6": `
add:
clob_datatype_storage location location_attribute location_tag_map provider provider_attribute users
both:
allergy allergy_reaction cohort cohort_member concept_proposal concept_proposal_tag_map conditions diagnosis_attribute
drug_order encounter encounter_diagnosis encounter_provider medication_dispense note obs order_attribute order_group
order_group_attribute orders patient patient_identifier patient_program patient_program_attribute patient_state person
person_address person_attribute person_merge_log person_name referral_order relationship test_order visit
visit_attribute
down:
care_setting concept concept_answer concept_attribute concept_attribute_type concept_class concept_complex
concept_datatype concept_description concept_map_type concept_name concept_name_tag concept_name_tag_map concept_numeric
concept_reference_map concept_reference_source concept_reference_term concept_reference_term_map concept_set
concept_state_conversion concept_stop_word diagnosis_attribute_type drug drug_ingredient drug_reference_map
encounter_role encounter_type field field_answer field_type form form_field hl7_source location_attribute_type
location_tag order_attribute_type order_frequency order_group_attribute_type order_set order_set_attribute
order_set_attribute_type order_set_member order_type order_type_class_map patient_identifier_type person_attribute_type
program program_attribute_type program_workflow program_workflow_state provider_attribute_type relationship_type
visit_attribute_type visit_type
down code:
form_resource report_object report_schema_xml serialized_object
down rights:
privilege role role_privilege role_role user_property user_role
down rights code:
global_property
none:
hl7_in_archive hl7_in_error hl7_in_queue notification_alert notification_alert_recipient
none code:
liquibasechangelog liquibasechangeloglock notification_template scheduler_task_config scheduler_task_config_property
`,
}

func TestDirectionsOfOpenMRS(t *testing.T) {
	for version, want := range directions {
		c := read(t, builtin(t, "openmrs"), openmrs.Schema(version)...)
		if got := described(c); got != strings.TrimSpace(want) {
			line, g, w := difference(got, strings.TrimSpace(want))
			t.Errorf("OpenMRS %s, line %d: got\n%s\nwant\n%s\nall:\n%s", version, line, g, w, got)
		}
		if len(c.Notes) > 0 {
			t.Errorf("OpenMRS %s: %q", version, c.Notes)
		}
	}
}

// described lists tables by their direction.
func described(c *Catalogue) string {
	kinds := map[string][]string{}
	for _, t := range c.Tables {
		kind := t.Direction.String()
		if t.DownByDefault {
			kind += " by default"
		}
		if t.Rights {
			kind += " rights"
		}
		if t.Code {
			kind += " code"
		}
		kinds[kind] = append(kinds[kind], t.Name)
	}
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		line := ""
		var lines []string
		for _, name := range kinds[kind] {
			if len(line)+1+len(name) > 120 {
				lines, line = append(lines, line), ""
			}
			line = strings.TrimSpace(line + " " + name)
		}
		out = append(out, kind+":\n"+strings.Join(append(lines, line), "\n"))
	}
	return strings.Join(out, "\n")
}

// model makes a catalogue of lines "table column>table column?>table", where ? stands for a column that may be NULL and ~ for a reference
// that holds in some rows only, and lets the profile decide about it. Rows are known by an integer id; of "table id>table" that is another
// row's.
func model(t *testing.T, profile string, lines ...string) *Catalogue {
	t.Helper()
	p, err := ParseProfile("test", []byte(profile), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &Catalogue{byName: map[string]*Table{}}
	for _, l := range lines {
		x := &Table{Name: strings.Fields(l)[0], Replicated: true, Key: KeyUUID}
		x.Integer = &Column{Table: x, Name: "id", Type: "int"}
		x.PrimaryKey, x.columns = []*Column{x.Integer}, map[string]*Column{"id": x.Integer}
		c.Tables, c.byName[x.Name] = append(c.Tables, x), x
	}
	for i, l := range lines {
		for _, f := range strings.Fields(l)[1:] {
			name, to, _ := strings.Cut(f, ">")
			col := &Column{Table: c.Tables[i], Name: strings.TrimRight(name, "?~"), Nullable: strings.HasSuffix(name, "?")}
			if name == "id" {
				col = c.Tables[i].Integer
				c.Tables[i].Key, c.Tables[i].KeyColumns = KeyColumns, c.Tables[i].PrimaryKey
			}
			c.Tables[i].columns[col.Name] = col
			if to == "" { // it refers to nothing
				continue
			}
			r := &Ref{From: col, To: c.byName[to], ToColumn: c.byName[to].Integer, Declared: true}
			if strings.HasSuffix(name, "~") {
				r = &Ref{From: col, When: &Condition{Targets: map[string]*Table{"X": c.byName[to]}}}
			}
			col.Ref, col.links = r, []*Ref{r}
			c.Tables[i].Columns = append(c.Tables[i].Columns, col)
		}
	}
	c.collectChildren()
	c.decideDirections(p)
	c.decideOwners(p)
	return c
}

const owned = "owners = [\"person\"]\nnot_by = [\"users\"]\n"

// A table that the profile does not name goes up if its rows belong to an owner's.
func TestBelonging(t *testing.T) {
	for _, x := range []struct{ name, profile, table, want string }{
		{"an owner", owned, "person", "both"},
		{"refers to an owner", owned, "visit person_id>person", "both"},
		{"refers to what belongs", owned, "obs visit_id>visit", "both"},
		{"in a column that may be NULL", owned, "note visit_id?>visit", "both"},
		{"refers to nothing", owned, "script", "down by default"},
		{"was made by somebody", owned, "script creator>users", "down by default"},
		{"was made by somebody, who goes both ways", owned + "both = [\"users\"]\n", "script creator>users", "down by default"},
		{"refers to one to which a child may only add", owned + "add = [\"visit\"]\n", "obs visit_id>visit", "down by default"},
		{"refers to one that only goes down", owned + "down = [\"visit\"]\n", "obs visit_id>visit", "down by default"},
		{"refers to one that goes nowhere", owned + "none = [\"visit\"]\n", "obs visit_id>visit", "down by default"},
		{"refers to one that is named and belongs", owned + "both = [\"visit\"]\n", "obs visit_id>visit", "both"},
		{"refers to one that goes both ways and does not belong", owned + "both = [\"bed\"]\n", "pillow bed_id>bed", "down by default"},
		{"refers to an owner that only goes down", owned + "down = [\"person\"]\n", "visit2 person_id>person", "both"},
		{"refers to one in some rows", owned, "setting value~>person", "down by default"},
		{"is named", owned + "both = [\"script\"]\n", "script", "both"},
		{"is named, and belongs", owned + "down = [\"obs\"]\n", "obs visit_id>visit", "down"},
		{"is code, and belongs", owned + "code = [\"obs\"]\n", "obs visit_id>visit", "down code"},
		{"is code, and is named", owned + "code = [\"script\"]\nboth = [\"script\"]\n", "script", "down code"},
		{"is code and no code", owned + "code = [\"scr*\"]\nnot_code = [\"script\"]\nboth = [\"script\"]\n", "script", "both"},
		{"is code that goes nowhere", owned + "code = [\"script\"]\nnone = [\"script\"]\n", "script", "none code"},
		{"there are no owners", "owners = []\n", "script", "both"},
		{"nobody speaks of owners", "down = [\"x\"]\n", "script", "both"},
	} {
		t.Run(x.name, func(t *testing.T) {
			lines := []string{"person", "users person_id>person", "bed", "visit person_id>person", x.table}
			lines = slices.DeleteFunc(lines[:4:4], func(l string) bool { return strings.Fields(l)[0] == strings.Fields(x.table)[0] })
			c := model(t, "[direction]\n"+x.profile, append(lines, x.table)...)
			got := c.Table(strings.Fields(x.table)[0])
			text, _, _ := strings.Cut(described(&Catalogue{Tables: []*Table{got}}), ":")
			if text != x.want {
				t.Errorf("goes %s, want %s", text, x.want)
			}
		})
	}
}

// The latest file that speaks of owners counts: one without any takes the rule back.
func TestOwnersOfALaterFile(t *testing.T) {
	p, err := ParseProfile("site", []byte("[direction]\nowners = []\n"), builtin(t, "openmrs"))
	if err != nil {
		t.Fatal(err)
	}
	if owners, apart := p.owners(); len(owners) > 0 || len(apart) == 0 {
		t.Errorf("owners %q, not by %q", owners, apart)
	}
	if owners, _ := builtin(t, "openmrs").owners(); len(owners) != 2 {
		t.Errorf("the built-in profile has the owners %q", owners)
	}
}

// What goes up and needs rows that a child adds elsewhere is told of, and so is code that a profile sends up.
func TestDirectionNotes(t *testing.T) {
	c := model(t, "[direction]\n"+owned+"both = [\"script\"]\ncode = [\"script\"]\n", "person", "users person_id>person", "bed", "ward", "script", "stay person_id>person bed_id?>bed", "plan ward_id>ward creator>users")
	for _, want := range []string{
		"bed goes down only, and rows that go up refer to it (stay): if children add rows to bed, name it in the profile under [direction], in add or both, at both ends of the link",
		"script holds code that the application runs: it goes down only, although the profile says both; if it is no code, the profile's [direction] not_code says so",
	} {
		if !slices.Contains(c.Notes, want) {
			t.Errorf("no note %q", want)
		}
	}
	if len(c.Notes) != 2 {
		t.Errorf("notes:\n%s", strings.Join(c.Notes, "\n"))
	}
	if d := c.Table("plan").Direction; d != access.Down {
		t.Errorf("plan goes %s", d)
	}
}

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Belonging|OwnersOfALaterFile|DirectionNotes)$",
		mutation.Mutant{Rule: "what does not belong goes down only", File: "direction.go", Old: "&& !belongs[t]", New: "&& !belongs[t] && false"},
		mutation.Mutant{Rule: "what is named goes as it is named", File: "direction.go", Old: "if !named && len(owners) > 0", New: "if len(owners) > 0"},
		mutation.Mutant{Rule: "without owners all goes both ways", File: "direction.go", Old: "len(owners) > 0 && !belongs", New: "len(owners) >= 0 && !belongs"},
		mutation.Mutant{Rule: "code goes down only", File: "direction.go", Old: "Code: t.Code}).Flows()", New: "Code: false}).Flows()"},
		mutation.Mutant{Rule: "what belongs passes it on", File: "direction.go", Old: "found = append(found, t)", New: "found = append(found, t)\n\t\t\tfound = found[:min(len(found), 1)]"},
		mutation.Mutant{Rule: "nothing belongs by way of what a child may not change", File: "direction.go", Old: "d != access.Both &&", New: "d > 100 &&"},
		mutation.Mutant{Rule: "an owner is one whichever way it goes", File: "direction.go", Old: "&& !matchesAny(owners, t.Name) ||", New: "||"},
		mutation.Mutant{Rule: "nothing belongs by way of who made it", File: "direction.go", Old: "|| matchesAny(apart, t.Name)", New: "|| len(apart) > 100"},
		mutation.Mutant{Rule: "no code takes a table out", File: "direction.go", Old: "found(pattern, false)", New: "found(pattern, true)"},
		mutation.Mutant{Rule: "the latest file's owners count", File: "direction.go", Old: "if l.Direction.Owners != nil", New: "if len(l.Direction.Owners) > 0"},
	)
}
