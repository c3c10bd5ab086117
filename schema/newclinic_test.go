package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// Which rows of a table a new site gets, by the value of a column.
func TestNewClinicTakes(t *testing.T) {
	filter := &RowFilter{Column: "Property", Patterns: []string{"*.started", "*.password"}, Except: []string{"a.password"}}
	all := NewClinicRows{Column: "property", Although: []string{"*.started"}}
	some := NewClinicRows{Column: "property", Take: []string{"a.*", "b"}}
	for _, c := range []struct {
		rows   NewClinicRows
		filter *RowFilter
		value  string
		want   bool
	}{
		{all, filter, "a.words", true},
		{all, filter, "b.password", false},
		{all, filter, "a.password", true}, // the filter lets it go
		{all, filter, "a.started", true},  // a part of the schema
		{all, &RowFilter{Column: "other", Patterns: []string{"*"}}, "b", true},
		{all, nil, "b.password", true},
		{some, filter, "a.words", true},
		{some, filter, "a.started", false},
		{some, filter, "c", false},
		{some, nil, "", false},
	} {
		if got := c.rows.Takes(c.value, c.filter); got != c.want {
			t.Errorf("%+v, %+v: %q is taken: %t", c.rows, c.filter, c.value, got)
		}
	}
}

// A file adds tables to those of an earlier one, and replaces what that says of a table or of the account.
func TestNewClinicLayers(t *testing.T) {
	p, err := ParseProfile("mine", []byte(`[new_clinic]
rows = ["beds"]
[new_clinic.only.scheduler_task_config]
column = "name"
[new_clinic.account]
table = "logins"
names = ["name"]
first = "root"
password = "p"
salt = "s"
`), builtin(t, "openmrs"))
	if err != nil {
		t.Fatal(err)
	}
	n := p.NewClinic()
	got := fmt.Sprintln(n.Whole("beds"), n.Whole("LIQUIBASECHANGELOG"), n.Whole("patient"), n.Only["scheduler_task_config"], n.Only["global_property"].Column, n.Account, n.First, n.Also)
	if want := "true true false {name [] []} property logins root []\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if none := builtin(t, "none").NewClinic(); none != nil || (*Profile)(nil).NewClinic() != nil {
		t.Errorf("%+v", none)
	}
	for text, want := range map[string]string{
		"[new_clinic.account]\ntable = \"a\"":                                          "line 1: a new clinic's rows need a column",
		"[new_clinic.only.a]\ntake = [\"b\"]":                                          "a new clinic's rows need a column",
		"[new_clinic]\nrows = [\"\"]":                                                  "a new clinic's rows need a column",
		"[new_clinic]\nwith = \"a\"":                                                   "line 2: new_clinic.with must be a table",
		"[distinct]\na = \"b\"":                                                        "line 2: distinct.a cannot be a string",
		"[distinct.a]\ncolumns = [\"b\"]\nvia = \"c\"":                                 "line 1: distinct needs columns",
		"[distinct.a]\ncolumns = [\"b\"]\nvia = \"c\"\nunless = \"d\"\nbeside = \"e\"": "line 1: distinct needs columns",
		"[distinct.a]\ncolumns = [\"\"]":                                               "line 1: distinct needs columns",
	} {
		if _, err := ParseProfile("bad", []byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestNewClinicMutants(t *testing.T) {
	mutation.Check(t, "^TestNewClinicTakes$",
		mutation.Mutant{Rule: "only what is named", File: "newclinic.go", Old: "len(r.Take) > 0 && !matchesAny(r.Take, value)", New: "false"},
		mutation.Mutant{Rule: "what stays at its site stays there", File: "newclinic.go", Old: "!filter.Match(value) || ", New: "true || "},
		mutation.Mutant{Rule: "the schema's bookkeeping comes all the same", File: "newclinic.go", Old: " || matchesAny(r.Although, value)", New: ""},
		mutation.Mutant{Rule: "a filter of another column says nothing", File: "newclinic.go", Old: "!strings.EqualFold(filter.Column, r.Column) || ", New: "!strings.EqualFold(r.Column, r.Column) || "},
	)
}
