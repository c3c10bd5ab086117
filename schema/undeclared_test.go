package schema

import (
	"regexp"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/internal/openmrs"
)

var foreignKey = regexp.MustCompile(`,\s*FOREIGN KEY [^\n]*?(,?)(\n|$)`)

// withoutForeignKeys is statements that make the same tables, as tools that copy them do.
func withoutForeignKeys(ddl []string) []string {
	var out []string
	for _, s := range ddl {
		for foreignKey.MatchString(s) {
			s = foreignKey.ReplaceAllString(s, "$1$2")
		}
		out = append(out, s)
	}
	return out
}

// The profile knows the data model's own references, whether the server enforces them or not.
func TestReferencesWithoutForeignKeys(t *testing.T) {
	p := builtin(t, "openmrs")
	for _, version := range []string{"1.9", "2.6"} {
		t.Run(version, func(t *testing.T) {
			with := read(t, p, openmrs.Schema(version)...)
			ddl := withoutForeignKeys(openmrs.Schema(version))
			if strings.Contains(strings.Join(ddl, ""), "FOREIGN KEY") {
				t.Fatal("a foreign key is left")
			}
			without := read(t, p, ddl...)
			seen := 0
			for _, table := range with.Tables {
				other := without.Table(table.Name)
				if table.Replicated != other.Replicated || table.Key != other.Key || table.Root.nameOr() != other.Root.nameOr() {
					t.Errorf("%s: travels %t by %s of %s; without foreign keys %t by %s of %s (%s)", table.Name, table.Replicated, table.Key, table.Root.nameOr(),
						other.Replicated, other.Key, other.Root.nameOr(), other.Why)
				}
				for _, c := range table.Columns {
					if !table.Replicated || c.Ref == nil || c.Ref.When != nil {
						continue
					}
					seen++
					o := other.Column(c.Name)
					if o.Ref == nil || o.Ref.To.Name != c.Ref.To.Name || o.Ref.ToColumn.Name != c.Ref.ToColumn.Name {
						t.Errorf("%s.%s refers to %s; without foreign keys to %s", table.Name, c.Name, c.Ref.To.Name, o.Ref.toName())
					}
					if o.Excluded != c.Excluded {
						t.Errorf("%s.%s: %q; without foreign keys %q", table.Name, c.Name, c.Excluded, o.Excluded)
					}
				}
			}
			if seen < 200 {
				t.Errorf("only %d references were compared", seen)
			}
			t.Logf("%d references", seen)
		})
	}
}

func (t *Table) nameOr() string {
	if t == nil {
		return ""
	}
	return t.Name
}

func (r *Ref) toName() string {
	if r == nil || r.To == nil {
		return "nothing"
	}
	return r.To.Name
}

// What stands for a table, and where it does not.
func TestUndeclared(t *testing.T) {
	p, err := ParseProfile("mine", []byte(`
[undeclared."*"]
ward_id = "ward"
by_name = "ward"

[undeclared.bed]
asked_by = "doctor where since else ward"

[undeclared.old_bed]
asked_by = "doctor where since else ward"

[undeclared.lamp]
ward_id = "ward"

[undeclared.ward_tag]
ward_id = "ward"

[references.plain]
ward_id = ""
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := read(t, p,
		"CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE doctor (doctor_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT, asked_by INT, since DATE, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE old_bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, ward_id BIGINT NOT NULL, asked_by INT, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE enforced (id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (ward_id) REFERENCES doctor(doctor_id))",
		"CREATE TABLE own (ward_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE known_by_uuid (ward_id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE theatre (ward_id INT PRIMARY KEY, lamps INT)",
		"CREATE TABLE lamp (ward_id INT AUTO_INCREMENT PRIMARY KEY, watt INT)",
		"CREATE TABLE counted (ward_id INT AUTO_INCREMENT PRIMARY KEY, watt INT)",
		"CREATE TABLE guess (ward_id INT, tag CHAR(9), PRIMARY KEY (ward_id, tag))",
		"CREATE TABLE ward_tag (ward_id INT, tag CHAR(9), PRIMARY KEY (ward_id, tag))",
		"CREATE TABLE plain (id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE words (id INT AUTO_INCREMENT PRIMARY KEY, ward_id VARCHAR(9), uuid CHAR(38) NOT NULL UNIQUE)",
	)
	for _, x := range []struct{ what, table, column, to string }{
		{"by the column's name", "bed", "ward_id", "ward"},
		{"of another integer type", "old_bed", "ward_id", "ward"},
		{"a table that has the column of today", "bed", "asked_by", "doctor"},
		{"a table of before", "old_bed", "asked_by", "ward"},
		{"the foreign key says something else", "enforced", "ward_id", "doctor"},
		{"the number that the server counts up", "own", "ward_id", "nothing"},
		{"the number of rows that are known by a uuid", "known_by_uuid", "ward_id", "nothing"},
		{"the only key of a table without a uuid", "theatre", "ward_id", "ward"},
		{"the same with a counter, said in full", "lamp", "ward_id", "ward"},
		{"a counter of a table without a uuid", "counted", "ward_id", "nothing"},
		{"a part of a key", "guess", "ward_id", "nothing"},
		{"a part of a key, said in full", "ward_tag", "ward_id", "ward"},
		{"the site says that it is none", "plain", "ward_id", "nothing"},
		{"a text", "words", "ward_id", "nothing"},
	} {
		r := column(t, c, x.table, x.column).Ref
		if got := r.toName(); got != x.to {
			t.Errorf("%s: %s.%s refers to %s, want %s", x.what, x.table, x.column, got, x.to)
		}
		if r != nil && r.Beside == r.Declared {
			t.Errorf("%s.%s: beside %t, declared %t", x.table, x.column, r.Beside, r.Declared)
		}
	}
	if got := c.Table("theatre").Root.Name; got != "ward" {
		t.Errorf("rows of theatre have keys of %s, want those of ward", got)
	}
}

// Whole values and patterns of them stand before the last part of a dotted one, an exact one before a longer pattern before a
// shorter one.
func TestConditionTarget(t *testing.T) {
	concept, form, user := &Table{Name: "concept"}, &Table{Name: "form"}, &Table{Name: "users"}
	c := &Catalogue{byName: map[string]*Table{"concept": concept, "form": form, "users": user}}
	w := &Condition{Targets: map[string]*Table{}}
	w.addTargets(c, map[string]string{"concept.true": "concept", "*Id": "form", "*.userId": "users", "old.userId": "", "User": "users", "x.*": "no_such_table"})
	for value, want := range map[string]string{
		"concept.true": "concept", "Concept.TRUE": "concept", "a.concept.true": "", "concept.true.": "", "true": "",
		"my.formId": "form", "formid": "form", "a.userId": "users", "old.userId": "", "org.openmrs.User": "users", "User": "users", "user": "", "x.y": "",
	} {
		got := ""
		if to := w.Target(value); to != nil {
			got = to.Name
		}
		if got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// A peer that does not know of a reference sends its own numbers.
func TestWithoutKeys(t *testing.T) {
	ward := &Table{Name: "ward"}
	ward.Integer = &Column{Table: ward, Name: "ward_id"}
	name := &Column{Table: ward, Name: "name"}
	for _, x := range []struct {
		what string
		c    Column
		want Without
	}{
		{"no reference", Column{}, TakeValues},
		{"a setting that may hold a number", Column{Ref: &Ref{When: &Condition{}}}, TakeValues},
		{"one that may be empty", Column{Nullable: true, Ref: &Ref{When: &Condition{}}}, TakeValues},
		{"a name", Column{Nullable: true, Ref: &Ref{To: ward, ToColumn: name}}, TakeValues},
		{"a number that may be empty", Column{Nullable: true, Ref: &Ref{To: ward, ToColumn: ward.Integer}}, LeaveColumn},
		{"a number", Column{Ref: &Ref{To: ward, ToColumn: ward.Integer}}, LeaveTable},
	} {
		if got := x.c.WithoutKeys(); got != x.want {
			t.Errorf("%s: %d, want %d", x.what, got, x.want)
		}
	}
}

func TestUndeclaredMutants(t *testing.T) {
	mutation.Check(t, "^(TestUndeclared|TestConditionTarget|TestWithoutKeys)$",
		mutation.Mutant{Rule: "a foreign key of the database stands before the data model", File: "undeclared.go", Old: "p == nil || len(col.links) > 0", New: "p == nil"},
		mutation.Mutant{Rule: "what the server counts up is no guess", File: "undeclared.go", Old: "len(ix.columns) > 1 || c.AutoIncrement", New: "len(ix.columns) > 1"},
		mutation.Mutant{Rule: "a part of a key is no guess", File: "undeclared.go", Old: "len(ix.columns) > 1 || c.AutoIncrement", New: "c.AutoIncrement"},
		mutation.Mutant{Rule: "rows with a uuid are not known by a number", File: "undeclared.go", Old: `len(ix.columns) == 1 && c.Table.Column("uuid") != nil || `, New: ""},
		mutation.Mutant{Rule: "what the model says in full counts for keys", File: "undeclared.go", Old: "!exact && (len", New: "(len"},
		mutation.Mutant{Rule: "data models change", File: "undeclared.go", Old: `u.where != "" && t.Column(u.where) == nil`, New: "false"},
		mutation.Mutant{Rule: "another node's number is not taken", File: "undeclared.go", Old: "case c.Nullable:\n\t\treturn LeaveColumn", New: "case c.Nullable:\n\t\treturn TakeValues"},
		mutation.Mutant{Rule: "a row without what it must have is none", File: "undeclared.go", Old: "\t}\n\treturn LeaveTable", New: "\t}\n\treturn LeaveColumn"},
		mutation.Mutant{Rule: "settings and names mean the same everywhere", File: "undeclared.go", Old: "case c.Ref == nil || c.Ref.When != nil || c.Ref.ByName():", New: "case c.Ref == nil:"},
		mutation.Mutant{Rule: "whole values first", File: "catalogue.go", Old: "if Matches(p.Value, format)", New: "if false"},
		mutation.Mutant{Rule: "the exact pattern first", File: "references.go", Old: "cmp.Compare(Specificity(b.Value), Specificity(a.Value))", New: "cmp.Compare(Specificity(a.Value), Specificity(b.Value))"},
	)
}
