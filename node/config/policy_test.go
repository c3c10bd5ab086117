package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

const minimal = "node = \"hub\"\ndsn = \"root@unix(/tmp/s)/openmrs\"\n"

// written is the configuration that a text is.
func written(t *testing.T, text string) *Config {
	t.Helper()
	c := &Config{Home: t.TempDir()}
	if err := c.parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Home, Name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// The most specific rule decides: one for a column before one for a table, a name before a pattern, a longer pattern before a shorter.
func TestPolicyOf(t *testing.T) {
	c := written(t, minimal+`[policy]
"*" = "child"
"person*" = "parent"
person_name = "child"
"person.gender" = "newest"
person.birthdate = "child"
"*.date_changed" = "newest"
"OBS" = "parent"
`)
	rules, err := c.PolicyRules()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		table, column string
		want          merge.Policy
		by            string
	}{
		{"visit", "location_id", merge.Child, "*"},
		{"person", "dead", merge.Parent, "person*"},
		{"person_name", "given_name", merge.Child, "person_name"},
		{"person", "gender", merge.Newest, "person.gender"},
		{"person", "birthdate", merge.Child, "person.birthdate"},
		{"person_name", "date_changed", merge.Newest, "*.date_changed"},
		{"obs", "comments", merge.Parent, "OBS"},
	} {
		if got, by := PolicyOf(rules, x.table, x.column); got != x.want || by != x.by {
			t.Errorf("%s.%s: %s by %q, want %s by %q", x.table, x.column, got, by, x.want, x.by)
		}
	}
	if got, by := PolicyOf(nil, "obs", "comments"); got != merge.Newest || by != "" {
		t.Errorf("without rules: %s by %q", got, by)
	}
}

func TestPoliciesThatCannotBeMeant(t *testing.T) {
	for text, want := range map[string]string{
		`obs = "latest"`:              `policy of obs is "latest": use "newest", "parent" or "child"`,
		`obs = 3`:                     `policy of obs: use "newest", "parent" or "child"`,
		`person.gender = "hub"`:       `policy of person.gender is "hub"`,
		`person.gender = { a = "x" }`: `policy of person.gender: use`,
		`"a.b.c" = "child"`:           `policy of "a.b.c": name a table, or a table and a column as TABLE.COLUMN`,
		`".b" = "child"`:              `name a table`,
		`"a." = "child"`:              `name a table`,
		`"" = "child"`:                `name a table`,
	} {
		err := (&Config{}).parse([]byte(minimal + "[policy]\n" + text + "\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// A policy for what the database does not have is refused, with the names that are near.
func TestPolicyMisses(t *testing.T) {
	table := func(name string, columns ...string) *schema.Table {
		t := &schema.Table{Name: name}
		for _, c := range columns {
			t.Columns = append(t.Columns, &schema.Column{Name: c})
		}
		return t
	}
	cat := &schema.Catalogue{Tables: []*schema.Table{table("visit", "visit_id", "location_id"), table("visit_type", "name"), table("person", "gender", "birthdate"), table("obs", "comments")}}
	for name, want := range map[string]string{
		"visit": "", "VISIT": "", "vis*": "", "*.gender": "", "person.birth*": "",
		"vist":             "the table vist, which the database does not have: did you mean visit?",
		"visi":             "the table visi, which the database does not have: did you mean visit or visit_type?",
		"persn.gender":     "the table persn, which the database does not have: did you mean person?",
		"person.gendre":    "the column person.gendre, which the database does not have: did you mean gender?",
		"person.birth":     "the column person.birth, which the database does not have: did you mean birthdate?",
		"zebra":            "the table zebra, which the database does not have",
		"obs.zebra*":       "the column obs.zebra*, which the database does not have",
		"visit*.birthdate": "the column visit*.birthdate, which the database does not have",
	} {
		r, err := ParsePolicyRule(name, "parent")
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Misses(cat); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A policy is written where it stands or belongs, and nothing else of the file changes.
func TestSetPolicy(t *testing.T) {
	rule := func(name, policy string) PolicyRule {
		r, err := ParsePolicyRule(name, policy)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, x := range []struct{ name, text, want string }{
		{"no section", "part_size = \"1MiB\"", "part_size = \"1MiB\"\n\n[policy]\nobs = \"parent\"\n"},
		{"an empty section", "[policy]\n# mine\n\n[hooks]\nreindex = true\n", "[policy]\nobs = \"parent\"\n# mine\n\n[hooks]\nreindex = true\n"},
		{"a section at the end", "[policy]", "[policy]\nobs = \"parent\"\n"},
		{"the same name", "[ policy ] # here\nobs   =  'child' # why\nvisit = \"child\"\n", "[ policy ] # here\nobs   = \"parent\" # why\nvisit = \"child\"\n"},
		{"lines of Windows", "[policy]\r\nvisit = \"child\"\r\n", "[policy]\r\nobs = \"parent\"\r\nvisit = \"child\"\r\n"},
		{"the same policy", "[policy]\nobs = \"parent\"\n", "[policy]\nobs = \"parent\"\n"},
	} {
		c := written(t, minimal+x.text)
		if err := c.SetPolicy(rule("obs", "parent")); err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		if got, _ := os.ReadFile(c.path()); string(got) != minimal+x.want {
			t.Errorf("%s: %q, want %q", x.name, got, minimal+x.want)
		}
		if rules, err := c.PolicyRules(); err != nil || !slices.Contains(rules, rule("obs", "parent")) {
			t.Errorf("%s: the rules are %v, %v", x.name, rules, err)
		}
	}
	c := written(t, minimal+"[policy]\nperson.gender = \"parent\"\n")
	for _, step := range []struct {
		change func() error
		want   string
	}{
		{func() error { return c.SetPolicy(rule("person.gender", "child")) }, "[policy]\nperson.gender = \"child\"\n"},
		{func() error { return c.SetPolicy(rule("visit*", "child")) }, "[policy]\n\"visit*\" = \"child\"\nperson.gender = \"child\"\n"},
		{func() error { return c.RemovePolicy("person.gender") }, "[policy]\n\"visit*\" = \"child\"\n"},
	} {
		if err := step.change(); err != nil {
			t.Error(err)
		}
		if got, _ := os.ReadFile(c.path()); string(got) != minimal+step.want {
			t.Errorf("%q, want %q", got, minimal+step.want)
		}
	}
	if err := c.RemovePolicy("person.gender"); err == nil || !strings.Contains(err.Error(), "has no policy of person.gender") {
		t.Errorf("one that is not there: %v", err)
	}
}

// A file in which a policy cannot be written line by line stays as it is, and the error says what to write.
func TestPolicyByHand(t *testing.T) {
	for text, name := range map[string]string{
		"policy = { obs = \"child\" }\n":                                "visit",
		"policy.obs = \"child\"\n":                                      "visit",
		"[policy]\nobs = \"\"\"child\"\"\"\n":                           "obs",
		"[\"policy\"]\nobs = \"child\"\n":                               "visit",
		"[policy]\nperson = { gender = \"child\", dead = \"child\" }\n": "person.dead",
	} {
		c := written(t, minimal+text)
		r, err := ParsePolicyRule(name, "parent")
		if err != nil {
			t.Fatal(err)
		}
		if err = c.SetPolicy(r); name == "person.dead" {
			err = c.RemovePolicy(name)
		}
		if got, _ := os.ReadFile(c.path()); err == nil || string(got) != minimal+text || !strings.Contains(err.Error(), "a way that omsync does not edit") {
			t.Errorf("%q: %v, and the file is %q", text, err, got)
		}
	}
}
