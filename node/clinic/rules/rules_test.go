package rules_test

import (
	"fmt"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/node/clinic/rules"
	"github.com/omsync/omsync/schema"
)

// table returns a table of which rows are known by an integer.
func table(name string) *schema.Table {
	return &schema.Table{Name: name, Integer: &schema.Column{Name: "id"}}
}

// column returns a column that refers to a table (nil: to none).
func column(name string, nullable bool, to *schema.Table) *schema.Column {
	c := &schema.Column{Name: name, Nullable: nullable}
	if to != nil {
		c.Ref = &schema.Ref{From: c, To: to, ToColumn: to.Integer}
	}
	return c
}

func TestValue(t *testing.T) {
	users, person, role := table("users"), table("person"), &schema.Table{Name: "role"}
	role.KeyColumns = []*schema.Column{{Name: "role"}}
	byName := column("role", false, role)
	byName.Ref.ToColumn = role.KeyColumns[0]
	privilege := column("privilege", false, &schema.Table{Name: "privilege"})
	wants := &schema.NewClinic{Rows: []string{"role"}, Account: "users", Password: "password", Salt: "salt"}
	for _, c := range []struct {
		what   string
		table  string
		column *schema.Column
		value  any
		id     int64
		want   string
	}{
		{"a plain value", "users", column("name", true, nil), "ann", 5, "ann"},
		{"NULL", "users", column("person", true, person), nil, 5, "NULL"},
		{"the new password", "users", column("Password", true, nil), "old", 1, "hash"},
		{"its salt", "users", column("salt", true, nil), "old", 1, "grain"},
		{"another's password", "users", column("password", true, nil), "old", 5, "NULL"},
		{"one that cannot be NULL", "users", column("password", false, nil), "old", 5, ""},
		{"the same number in another table", "logins", column("password", true, nil), "old", 1, "NULL"},
		{"a secret of the one who can log in", "users", column("answer", true, nil), "blue", 1, "NULL"},
		{"a value that is set", "tasks", column("locked", false, nil), "1", 5, "0"},
		{"one that is set to nothing", "tasks", column("By", true, nil), "hub", 5, "NULL"},
		{"a row that is taken", "tasks", column("creator", false, users), "7", 5, "7"},
		{"one that is not", "tasks", column("changed", true, users), "8", 5, "NULL"},
		{"one that is not, and must be", "tasks", column("creator", false, users), "8", 5, "1"},
		{"by a name, of a table that is taken", "tasks", byName, "7", 5, "7"},
		{"of a table that is not", "tasks", column("person", false, person), "8", 5, "a row of tasks that a new clinic needs refers by person to person, of which it gets no such row"},
		{"by a name, of a table that is not", "tasks", privilege, "7", 5, "a row of tasks that a new clinic needs refers by privilege to privilege, of which it gets no such row"},
	} {
		r := rules.Rules{Wants: wants, Table: c.table, Secret: &schema.SecretColumns{Columns: []string{"password", "salt", "answer"}},
			Set: map[string]string{"LOCKED": "0", "by": ""}, First: 1, Password: "hash", Salt: "grain",
			Taken: func(_ *schema.Table, id int64) bool { return id == 7 }}
		var v []byte
		if c.value != nil {
			v = []byte(fmt.Sprint(c.value))
		}
		v, err := r.Value(c.column, v, c.id)
		got := string(v)
		switch {
		case err != nil:
			got = err.Error()
		case v == nil:
			got = "NULL"
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestTakes(t *testing.T) {
	name, value := column("property", false, nil), column("value", true, nil)
	value.Ref = &schema.Ref{From: value, When: &schema.Condition{LookupColumn: name, Patterns: []schema.Pattern{{Value: "*.concept", To: table("concept")}}}}
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"a.words", "7", true},
		{"a.host", "7", false},      // a filter keeps it
		{"a.started", "true", true}, // and this one not here
		{"a.concept", "7", false},
		{"a.concept", "7,8", true},
		{"a.concept", "", true},
	} {
		r := rules.Rules{Only: &schema.NewClinicRows{Column: "Property", Although: []string{"*.started"}},
			Filter: &schema.RowFilter{Column: "property", Patterns: []string{"*.host", "*.started"}}}
		got := r.Takes([]*schema.Column{name, value}, func(of *schema.Column) []byte {
			if of == name {
				return []byte(c.name)
			}
			return []byte(c.value)
		})
		if got != c.want {
			t.Errorf("%s = %q is taken: %t", c.name, c.value, got)
		}
	}
}

func TestMutants(t *testing.T) {
	mutation.Check(t, "^(TestValue|TestTakes)$",
		mutation.Mutant{Rule: "only one gets the password", File: "rules.go", Old: " && id == r.First", New: ""},
		mutation.Mutant{Rule: "a number of another table is another row", File: "rules.go", Old: "strings.EqualFold(r.Table, r.Wants.Account) && ", New: ""},
		mutation.Mutant{Rule: "no secrets", File: "rules.go", Old: "r.Secret != nil && ", New: "false && r.Secret != nil && "},
		mutation.Mutant{Rule: "what is set is set", File: "rules.go", Old: "strings.EqualFold(name, c.Name)", New: "name == c.Name"},
		mutation.Mutant{Rule: "no reference to a row that is not there", File: "rules.go", Old: "r.Taken(to, id)", New: "(true || r.Taken(to, id))"},
		mutation.Mutant{Rule: "a name is no number", File: "rules.go", Old: "err == nil && !byName && ", New: "err == nil && "},
		mutation.Mutant{Rule: "no numbers of rows", File: "rules.go", Old: "w.Via != nil || w.Target", New: "w.Via != nil && w.Target"},
		mutation.Mutant{Rule: "a list is no number", File: "rules.go", Old: ` || strings.Trim(v, "0123456789") != ""`, New: ""},
		mutation.Mutant{Rule: "the filter counts", File: "rules.go", Old: "r.Only != nil && ", New: "false && "},
	)
}
