package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/internal/openmrs"
)

// TestOwnership is one rule after the other. Persons and patients share a key; visit, obs and bed stand in each case.
func TestOwnership(t *testing.T) {
	const patient = "[owner]\ntable = \"patient\"\n"
	const apart = "[direction]\nowners = [\"person\"]\nnot_by = [\"users\"]\n"
	for _, x := range []struct{ name, profile, tables, table, want string }{
		{"nobody speaks of owners", "", "", "visit", "everybody: the profile names no owners"},
		{"an owner", patient, "", "patient", "itself"},
		{"what shares an owner's key", patient, "", "person", "id"},
		{"refers to an owner", patient, "", "visit", "patient_id"},
		{"refers to what shares an owner's key", patient, "name person_id>person", "name", "person_id"},
		{"refers to what belongs", patient, "", "obs", "visit_id → visit.patient_id"},
		{"refers to nothing", patient, "", "bed", "everybody: leads to no owner"},
		{"refers to what belongs to nobody", patient, "pillow bed_id>bed", "pillow", "everybody: leads to no owner"},

		{"the shorter path", patient, "note visit_id>visit obs_id>obs", "note", "visit_id → visit.patient_id"},
		{"the shorter path, by a later column", patient, "note obs_id>obs visit_id>visit", "note", "visit_id → visit.patient_id"},
		{"not by what may be NULL", patient, "note patient_id?>patient obs_id>obs", "note", "obs_id → obs.visit_id → visit.patient_id"},
		{"not by way of what may be NULL", patient, "x patient_id?>patient|note x_id>x obs_id>obs", "note", "obs_id → obs.visit_id → visit.patient_id"},
		{"what may be NULL where nothing else leads there", patient, "note visit_id?>visit", "note", "visit_id → visit.patient_id"},
		{"of what may be NULL the shorter", patient, "note visit_id?>visit obs_id?>obs", "note", "visit_id → visit.patient_id"},
		{"equals, by the name of the column", patient, "note visit_b>visit visit_a>visit", "note", "visit_a → visit.patient_id"},
		{"two owners", patient, "pair a>patient b>patient", "pair", "a, b"},
		{"two persons", patient, "pair b>person a>person", "pair", "a, b"},
		{"an owner and a person", patient, "pair doctor>person patient_id>patient", "pair", "patient_id"},
		{"not by what it refers to in some rows", patient, "setting value~>patient", "setting", "everybody: leads to no owner"},
		{"not by itself", patient, "note parent>note", "note", "everybody: leads to no owner"},
		{"round a circle", patient, "a b_id>b|b a_id>a", "a", "everybody: leads to no owner"},
		{"out of a circle", patient, "a b_id>b|b a_id>a visit_id>visit", "a", "b_id → b.visit_id → visit.patient_id"},
		{"what an owner refers to", patient, "", "ward", "everybody: leads to no owner"},

		{"who did it", apart + patient, "users person_id>person", "users", "everybody: who did it, where, or about what: shared by all"},
		{"who made it", apart + patient, "users person_id>person|script creator>users", "script", "everybody: leads to no owner"},
		{"who made it, named all the same", apart + patient + "[owner.by]\nusers = [\"person_id\"]\n", "users person_id>person", "users", "person_id"},
		{"sent up by name", apart + "both = [\"letter\"]\n" + patient, "letter", "letter", "nobody: goes up, and no reference says whose it is"},
		{"only up by name", apart + "up = [\"letter\"]\n" + patient, "letter", "letter", "nobody: goes up, and no reference says whose it is"},
		{"may be added, by name", apart + "add = [\"letter\"]\n" + patient, "letter", "letter", "everybody: leads to no owner"},
		{"all go both ways", patient, "letter", "letter", "everybody: leads to no owner"},

		{"named", patient + "[owner.by]\nnote = [\"obs_id\"]\n", "note patient_id>patient obs_id>obs", "note", "obs_id → obs.visit_id → visit.patient_id"},
		{"named, several together", patient + "[owner.by]\nnote = [\"patient_id\", \"obs_id\"]\n", "note patient_id?>patient obs_id?>obs", "note", "patient_id, obs_id → obs.visit_id → visit.patient_id"},
		{"passed on, all of them", patient + "[owner.by]\nnote = [\"patient_id\", \"obs_id\"]\n", "note patient_id?>patient obs_id?>obs|reply note_id>note", "reply",
			"note_id → note.patient_id, note_id → note.obs_id → obs.visit_id → visit.patient_id"},
		{"named by none", patient + "[owner.by]\nvisit = []\n", "", "visit", "everybody: the profile says so"},
		{"nothing by way of what is everybody's", patient + "[owner.by]\nvisit = []\n", "", "obs", "everybody: leads to no owner"},
		{"named as nobody's", patient + "nobody = [\"vis*\"]\n", "", "visit", "nobody: may be part of somebody's records, and no reference says whose"},
		{"a full name before a pattern", patient + "nobody = [\"vis*\"]\n[owner.by]\nvisit = [\"patient_id\"]\n", "", "visit", "patient_id"},
		{"belongs to what is nobody's", patient + "nobody = [\"visit\"]\n[owner.by]\nobs = [\"visit_id\"]\n", "", "obs", "nobody: belongs to visit, of which nothing says whose it is"},
		{"refers to what is nobody's", patient + "nobody = [\"letter\"]\n", "letter|page letter_id>letter|line page_id?>page", "line", "nobody: page_id refers to page, of which nothing says whose it is"},
		{"refers to what is nobody's, and to an owner", patient + "nobody = [\"letter\"]\n", "letter|page letter_id>letter patient_id>patient", "page", "patient_id"},
		{"refers to what is nobody's, and is named", patient + "nobody = [\"letter\"]\n[owner.by]\npage = []\n", "letter|page letter_id>letter", "page", "everybody: the profile says so"},
		{"a pattern that does not fit a table", patient + "[owner.by]\n\"*\" = [\"patient_id\"]\n", "", "obs", "visit_id → visit.patient_id"},

		{"no such table", "[owner]\ntable = \"customer\"\n", "", "visit", "error: profile test: owner.table: no table is called customer"},
		{"no such column", patient + "[owner.by]\nobs = [\"person_id\"]\n", "", "obs", "error: profile test: owner.by.obs: the table has no column person_id"},
		{"no reference", patient + "[owner.by]\nnote = [\"text\"]\n", "note text", "note", "error: profile test: owner.by.note: text refers to no table: say to which under [references.note]"},
		{"a reference in some rows", patient + "[owner.by]\nsetting = [\"value\"]\n", "setting value~>patient", "setting", "error: profile test: owner.by.setting: value refers to a table in some rows only, and no path goes by that"},
		{"to the same table", patient + "[owner.by]\nnote = [\"parent\"]\n", "note parent>note", "note", "error: profile test: owner.by.note: parent refers to rows of the same table, which leads to no owner"},
		{"to no owner", patient + "[owner.by]\npillow = [\"bed_id\"]\n", "pillow bed_id>bed", "pillow", "error: profile test: owner.by.pillow: bed_id leads to bed, whose rows have no owner"},
		{"a circle", patient + "[owner.by]\na = [\"b_id\"]\nb = [\"a_id\"]\n", "a b_id>b patient_id>patient|b a_id>a", "a", "error: profile test: owner.by.b: it leads in a circle (a → b → a): name a column that leads to an owner"},
		{"a circle beside a path", patient + "[owner.by]\na = [\"patient_id\", \"b_id\"]\n", "a b_id>b patient_id>patient|b a_id>a", "a", "error: profile test: owner.by.a: it leads in a circle (a → b → a): name a column that leads to an owner"},
	} {
		t.Run(x.name, func(t *testing.T) {
			lines := []string{"ward", "person", "patient id>person ward_id>ward", "visit patient_id>patient", "obs visit_id>visit", "bed"}
			if x.tables != "" {
				lines = append(lines, strings.Split(x.tables, "|")...)
			}
			c := model(t, x.profile, lines...)
			o, err := c.Owners()
			got := fmt.Sprint(o.Of(c.Table(x.table)))
			if err != nil {
				got = "error: " + err.Error()
				if !slices.Contains(c.Notes, err.Error()) {
					t.Errorf("%v is in no note", err)
				}
			}
			if got != x.want {
				t.Errorf("belongs to %s\nwant       %s", got, x.want)
			}
		})
	}
}

// A column that may name several rows leads nowhere, and what it may lead to is not everybody's for that.
func TestColumnsThatNameSeveralRows(t *testing.T) {
	ddl := []string{
		"CREATE TABLE customer (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE card (number VARCHAR(20) NOT NULL, customer_id INT NOT NULL, FOREIGN KEY (customer_id) REFERENCES customer (id)) ENGINE=InnoDB",
		"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, card VARCHAR(20) NOT NULL) ENGINE=InnoDB",
	}
	profile := "[owner]\ntable = \"customer\"\n[key]\ncard = [\"number\"]\n[references.visit]\ncard = \"card\"\n"
	belongs := func(profile string, more ...string) (string, error) {
		c := read(t, parse(t, profile), append(slices.Clone(ddl), more...)...)
		o, err := c.Owners()
		return o.Of(c.Table("visit")).String(), err
	}
	if got, err := belongs(profile); err != nil || got != "nobody: card may name several rows of card" {
		t.Errorf("belongs to %s, %v", got, err)
	}
	if _, err := belongs(profile + "[owner.by]\nvisit = [\"card\"]\n"); err == nil || err.Error() != "profile test: owner.by.visit: card may name several rows of card, which has no unique index on number" {
		t.Errorf("error %v", err)
	}
	if got, err := belongs(profile, "CREATE UNIQUE INDEX one ON card (number)"); err != nil || got != "card → card.customer_id" {
		t.Errorf("with an index, belongs to %s, %v", got, err)
	}
}

// Paths that are too many are refused, however they branch.
func TestTooManyPaths(t *testing.T) {
	profile, lines := "[owner]\ntable = \"patient\"\n[owner.by]\n", []string{"patient", "t0 a>patient b>patient"}
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("t%d a>t%d b>t%[2]d", i+1, i))
		profile += fmt.Sprintf("t%d = [\"a\", \"b\"]\n", i+1)
	}
	if _, err := model(t, profile, lines...).Owners(); err == nil || !strings.Contains(err.Error(), "steps together, more than 24: name fewer columns") {
		t.Errorf("error %v", err)
	}
}

// What cannot be meant is refused with its line.
func TestOwnerSectionsThatCannotBeMeant(t *testing.T) {
	for text, want := range map[string]string{
		"[owner]\nnobody = [\"\"]\n":                           "line 2: an empty table name",
		"[owner]\nnobody = [\"a\"]\n[owner.by]\nA = [\"b\"]\n": "line 2: table a is named twice: under owner.by and owner.nobody",
		"[owner.by]\nvisit = [\"\"]\n":                         "line 2: table visit belongs by a column without a name: name one, or none with []",
		"[owner]\nby = \"patient_id\"\n":                       "line 2: owner.by must be a table of keys and values, not a string",
		"owner = \"patient\"\n":                                "line 1: owner must be a table of keys and values, not a string",
		"[owner]\nowner = \"patient\"\n":                       "line 2",
	} {
		if _, err := ParseProfile("site", []byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// pathsOf are those of every table of OpenMRS whose rows belong to patients.
var pathsOf = map[string]string{
	"1.9": `
active_list: person_id
active_list_allergy: active_list_id → active_list.person_id
active_list_problem: active_list_id → active_list.person_id
cohort_member: patient_id
concept_proposal: encounter_id → encounter.patient_id, obs_id → obs.person_id
concept_proposal_tag_map: concept_proposal_id → concept_proposal.encounter_id → encounter.patient_id, concept_proposal_id → concept_proposal.obs_id → obs.person_id
drug_order: order_id → orders.patient_id
encounter: patient_id
note: patient_id, obs_id → obs.person_id, encounter_id → encounter.patient_id
obs: person_id
orders: patient_id
patient: itself
patient_identifier: patient_id
patient_program: patient_id
patient_state: patient_program_id → patient_program.patient_id
person: person_id
person_address: person_id
person_attribute: person_id
person_name: person_id
relationship: person_a, person_b
visit: patient_id
visit_attribute: visit_id → visit.patient_id
`,
	"2.6": `
allergy: patient_id
allergy_reaction: allergy_id → allergy.patient_id
cohort_member: patient_id
concept_proposal: encounter_id → encounter.patient_id, obs_id → obs.person_id
concept_proposal_tag_map: concept_proposal_id → concept_proposal.encounter_id → encounter.patient_id, concept_proposal_id → concept_proposal.obs_id → obs.person_id
conditions: patient_id
diagnosis_attribute: diagnosis_id → encounter_diagnosis.patient_id
drug_order: order_id → orders.patient_id
encounter: patient_id
encounter_diagnosis: patient_id
encounter_provider: encounter_id → encounter.patient_id
medication_dispense: patient_id
note: patient_id, obs_id → obs.person_id, encounter_id → encounter.patient_id
obs: person_id
order_attribute: order_id → orders.patient_id
order_group: patient_id
order_group_attribute: order_group_id → order_group.patient_id
orders: patient_id
patient: itself
patient_identifier: patient_id
patient_program: patient_id
patient_program_attribute: patient_program_id → patient_program.patient_id
patient_state: patient_program_id → patient_program.patient_id
person: person_id
person_address: person_id
person_attribute: person_id
person_merge_log: winner_person_id, loser_person_id
person_name: person_id
referral_order: order_id → orders.patient_id
relationship: person_a, person_b
test_order: order_id → orders.patient_id
visit: patient_id
visit_attribute: visit_id → visit.patient_id
`,
}

// Every table of OpenMRS has its paths, or is everybody's; one alone is nobody's. The rule for tables that are not named finds the same, but
// for those that refer to several things of which each may be NULL, and a list that goes both ways. And what belongs to a person by the rule
// for directions is never everybody's.
func TestOwnersOfOpenMRS(t *testing.T) {
	unnamed := builtin(t, "openmrs")
	unnamed.layers[0].Owner.By = nil
	for version, want := range pathsOf {
		c, found := read(t, builtin(t, "openmrs"), openmrs.Schema(version)...), read(t, unnamed, openmrs.Schema(version)...)
		o, err := c.Owners()
		if err != nil {
			t.Fatal(err)
		}
		free, err := found.Owners()
		if err != nil {
			t.Fatal(err)
		}
		var lines, nobodys, differ, names []string
		for _, x := range c.Tables {
			own := o.Of(x)
			switch own.Kind {
			case Owned:
				lines = append(lines, x.Name+": "+own.String())
			case Nobodys:
				nobodys = append(nobodys, x.Name)
			}
			if x.Owned && own.Kind == Everybodys {
				t.Errorf("OpenMRS %s: %s belongs to a person, and is everybody's", version, x.Name)
			}
			if y := free.Of(found.Table(x.Name)); own.Kind != y.Kind || own.Kind == Owned && sorted(own) != sorted(y) {
				differ = append(differ, x.Name)
			}
			for _, col := range own.Names {
				names = append(names, x.Name+"."+col.Name)
			}
			for _, p := range own.Paths {
				for _, s := range p {
					if !s.Indexed() && s.From.Table.Name != "active_list_allergy" && s.From.Table.Name != "active_list_problem" {
						t.Errorf("OpenMRS %s: no index finds rows of %s by %s", version, s.From.Table.Name, s.From.Name)
					}
				}
			}
		}
		got := strings.Join(lines, "\n")
		if line, g, w := difference(got, strings.TrimSpace(want)); line > 0 {
			t.Errorf("OpenMRS %s, line %d: got\n%s\nwant\n%s", version, line, g, w)
		}
		if got := strings.Join(nobodys, " "); got != map[string]string{"1.9": "", "2.6": "clob_datatype_storage"}[version] {
			t.Errorf("OpenMRS %s: nobody's are %s", version, got)
		}
		if got := strings.Join(differ, " "); got != "cohort concept_proposal concept_proposal_tag_map note" {
			t.Errorf("OpenMRS %s: found otherwise without being named: %s", version, got)
		}
		if got := strings.Join(names, " "); got != "provider.person_id users.person_id" {
			t.Errorf("OpenMRS %s: people are named by %s", version, got)
		}
	}
}

func sorted(o Ownership) string {
	paths := map[string]bool{}
	for _, p := range o.Paths {
		paths[p.String()] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(paths)), ", ")
}

// TestOwnerMutants takes out each rule in turn: some test must fail.
func TestOwnerMutants(t *testing.T) {
	mutation.Check(t, "^TestOwnership$|^TestTooManyPaths$",
		mutation.Mutant{Rule: "fewer columns that may be NULL first", File: "ownerfind.go", Old: "cmp.Compare(a.nullable, b.nullable), ", New: ""},
		mutation.Mutant{Rule: "then fewer steps", File: "ownerfind.go", Old: ", cmp.Compare(a.steps, b.steps)", New: ""},
		mutation.Mutant{Rule: "all columns that refer to an owner", File: "ownerfind.go", Old: "return owners\n", New: "return owners[:1]\n"},
		mutation.Mutant{Rule: "those to an owner before those to what shares its key", File: "ownerfind.go", Old: "case len(owners) > 0:", New: "case len(owners) > 100:"},
		mutation.Mutant{Rule: "all columns that refer to what shares its key", File: "ownerfind.go", Old: "case f.isOwner(equal[0].leads().To):", New: "case false:"},
		mutation.Mutant{Rule: "equals by name", File: "ownerfind.go", Old: "strings.ToLower(b.Name)", New: "strings.ToLower(a.Name)"},
		mutation.Mutant{Rule: "nothing by way of who did it", File: "ownerfind.go", Old: "case !ok && matchesAny(f.apart, t.Name):", New: "case false:"},
		mutation.Mutant{Rule: "not by itself", File: "ownerfind.go", Old: "case col.leads().To == t:", New: "case false:"},
		mutation.Mutant{Rule: "what goes up and has no path is nobody's", File: "ownerfind.go", Old: "if len(owners) > 0 && (t.Direction", New: "if len(owners) > 100 && (t.Direction"},
		mutation.Mutant{Rule: "only where the profile has owners", File: "ownerfind.go", Old: "if len(owners) > 0 && (t.Direction", New: "if len(owners) >= 0 && (t.Direction"},
		mutation.Mutant{Rule: "what is named as nobody's is", File: "ownerfind.go", Old: "case rule.nobody:", New: "case false:"},
		mutation.Mutant{Rule: "what belongs to nobody's is nobody's", File: "ownerfind.go", Old: "lost = r.To", New: "_ = r.To"},
		mutation.Mutant{Rule: "named by none", File: "ownerfind.go", Old: "case len(rule.columns) == 0:", New: "case false:"},
		mutation.Mutant{Rule: "what refers to nobody's is nobody's", File: "ownerfind.go", Old: "case f.out.of[r.To].Kind == Nobodys:", New: "case false:"},
		mutation.Mutant{Rule: "what is named stays as it is named", File: "ownerfind.go", Old: "settled || f.out.of[t].Kind != Everybodys", New: "settled && false || f.out.of[t].Kind != Everybodys"},
		mutation.Mutant{Rule: "circles are refused", File: "ownerfind.go", Old: "f.failCircle(t, r.To)", New: ""},
		mutation.Mutant{Rule: "too many paths", File: "ownerfind.go", Old: "case steps > maxSteps:", New: "case false:"},
	)
}
