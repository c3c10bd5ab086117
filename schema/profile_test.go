package schema

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/openmrs"
)

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"never = [\"a\"]\nnevr = [\"b\"]":                 "profile mine: line 2: unknown key nevr",
		"[direction]\ndown = []\nsideways = [\"a\"]":      "profile mine: line 3: unknown key direction.sideways",
		"\n\n[filter.x]\ncolumn = \"a\"\nalways = []":     "profile mine: line 5: unknown key filter.x.always",
		"[direction.deep.er]\nx = 1":                      "profile mine: line 1: unknown key direction.deep",
		"never = [\"a\"]\ntravel = [\"A\"]":               "profile mine: line 2: table A is named twice: under never and travel",
		"[direction]\ndown = [\"a\"]\nadd = [\"a\"]":      "profile mine: line 3: table a is named twice: under direction.down and direction.add",
		"[key]\nx = [\"a\"]\n\ny = []":                    "profile mine: line 4: the key of table y names no column",
		"[filter.x]\nnever = [\"a\"]":                     "profile mine: line 1: a filter needs column",
		"[conditional.a.b]\nvia = \"c\"":                  "profile mine: line 1: a conditional reference needs column (what decides) and targets",
		"never = [\"\"]":                                  "profile mine: line 1: an empty table name",
		"x = [":                                           "line 1",
		"[references]\na = \"b\"":                         "line 2: references.a must be a table of keys and values, not a string",
		"filter = 3":                                      "line 1: filter must be a table",
		"[[key]]\na=[\"x\"]":                              "line 1: key must be a table",
		"[conditional.a.b]\ncolumn = \"c\"\ntargets = 3":  "line 3: conditional.a.b.targets must be a table",
		"never = 1":                                       "line 1",
		"never = []\n[reindex]\ntable = \"a\"\nwhen = []": "profile mine: line 2: reindex needs table, column and value (which row)",
		"[reindex]\ntables = \"a\"":                       "profile mine: line 2: unknown key reindex.tables",
		"reindex = true":                                  "line 1",
		"\n[undeclared.a]\nb = \"c or d\"":                "profile mine: line 3: \"c or d\" names no table",
		"[undeclared]\na = \"b\"":                         "line 2: undeclared.a must be a table of keys and values, not a string",
		"[key]\n\"a.b c\" = []":                           "line 2: the key of table a.b c names no column",
	} {
		p, err := ParseProfile("mine", []byte(text), nil)
		if err == nil {
			t.Errorf("%q: no error, %+v", text, p)
		} else if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "profile mine: ") {
			t.Errorf("%q:\n%v, want\n%s", text, err, want)
		}
	}
	if _, err := Builtin("../openmrs"); err == nil || !strings.Contains(err.Error(), "use one of") {
		t.Errorf("unknown built-in profile: %v", err)
	}
}

// The examples in none.toml are a valid profile, and do what they say.
func TestDocumentedProfile(t *testing.T) {
	data, err := profiles.ReadFile("profiles/none.toml")
	if err != nil {
		t.Fatal(err)
	}
	var example []string
	for _, line := range strings.Split(string(data), "\n") {
		if line, ok := strings.CutPrefix(line, "#   "); ok {
			if text, _, found := strings.Cut(line, "  "); found {
				line = text
			}
			if strings.ContainsAny(line, "=[") {
				example = append(example, line)
			}
		}
	}
	p, err := ParseProfile("example", []byte(strings.Join(example, "\n")), nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, strings.Join(example, "\n"))
	}
	for table, want := range map[string]access.Direction{"audit_log": access.None, "audit_reason": access.Both, "staff": access.Add, "other": access.Both} {
		if got, _ := p.named(table); got != want {
			t.Errorf("%s goes %s, want %s", table, got, want)
		}
	}
	if owners, apart := p.owners(); !slices.Equal(owners, []string{"customer"}) || !slices.Equal(apart, []string{"login"}) {
		t.Errorf("owners %q, not by %q", owners, apart)
	}
	if !p.rights("role") || p.rights("staff") {
		t.Error("rights")
	}
	if !p.code("script_a") || p.code("script_log") || p.code("staff") {
		t.Error("code")
	}
	if s := p.Secret("LOGIN"); s == nil || !slices.Equal(s.Columns, []string{"pin"}) || s.Roles != "login_role" || s.Row != "login_id" || s.Role != "role" || p.Secret("staff") != nil {
		t.Errorf("secrets %+v", s)
	}
	if p.Excluded("login", "PIN") != ExcludeSecret || !p.HasSecrets() {
		t.Error("pin is no secret")
	}
	if n := p.Names("login"); n == nil || !slices.Equal(n.Columns, []string{"name", "number"}) || !slices.Equal(n.Numbered, []string{"number"}) || p.Names("staff") != nil {
		t.Errorf("names %+v", n)
	}
	if p.Excluded("STAFF", "Password") != ExcludeUp || p.Excluded("staff", "last_login") != ExcludeAlways || p.Excluded("staff", "salt") != ExcludeNever {
		t.Error("exclusions")
	}
	if !slices.Equal(p.key("country"), []string{"iso_code"}) {
		t.Error("keys")
	}
	f := p.RowFilter("setting")
	if f == nil || f.Column != "name" || !f.Match("Print.HOST") || f.Match("mail.host") || f.Match("host") {
		t.Errorf("filter %+v", f)
	}
	r, err := p.Reindex()
	if err != nil || r.Table != "setting" || r.Column != "name" || r.Value != "index.version" || r.Blank != "content" || !r.Match("WARD_bed") || r.Match("bed") {
		t.Errorf("reindex %+v, %v", r, err)
	}
}

func TestOpenMRSProfile(t *testing.T) {
	p := builtin(t, "openmrs")
	for _, column := range []string{"password", "salt", "secret_question", "secret_answer", "activation_key"} {
		if p.Excluded("users", column) != ExcludeSecret {
			t.Errorf("users.%s is no secret", column)
		}
	}
	if p.Excluded("users", "username") != ExcludeNever {
		t.Error("users.username does not travel")
	}
	f := p.RowFilter("global_property")
	for value, want := range map[string]bool{"idgen.started": true, "x.y.mandatory": true, "order.nextOrderNumberSeed": true, "search.indexVersion": true, "ORDER.nextordernumberseed": true, "default_locale": false, "started": false} {
		if f.Match(value) != want {
			t.Errorf("global property %s stays: %t, want %t", value, !want, want)
		}
	}
	f = p.RowFilter("user_property")
	for value, want := range map[string]bool{"loginAttempts": true, "authentication.totp.secret": true, "authentication.secondaryType": true, "apiToken": true, "defaultLocale": false, "forcePassword": false} {
		if f.Match(value) != want {
			t.Errorf("user property %s stays: %t, want %t", value, !want, want)
		}
	}
	if p.RowFilter("obs").Match("x") {
		t.Error("obs has no filter")
	}
}

func TestLayers(t *testing.T) {
	p, err := ParseProfile("site", []byte(`
never = ["obs"]
travel = ["idgen_identifier_source"]
[direction]
both = ["location*"]
down = ["locat*"]
none = ["concept"]
[exclude.users]
never = ["password"]
[filter.global_property]
column = "property"
never = ["site.*"]
except = ["core.started"]`), builtin(t, "openmrs"))
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]access.Direction{"obs": access.None, "idgen_identifier_source": access.Both, "idgen_log_entry": access.None, "location": access.Both, "location_tag": access.Both, "locate": access.Down, "concept": access.None, "concept_name": access.Down} {
		if got, _ := p.named(table); got != want {
			t.Errorf("%s: %s, want %s", table, got, want)
		}
	}
	if p.Excluded("users", "password") != ExcludeNever || p.Excluded("users", "salt") != ExcludeSecret {
		t.Error("exclusions of users")
	}
	f := p.RowFilter("global_property")
	for value, want := range map[string]bool{"site.name": true, "x.started": true, "core.started": false} {
		if f.Match(value) != want {
			t.Errorf("%s: stays %t", value, !want)
		}
	}
	if b := builtin(t, "openmrs"); b.RowFilter("global_property").Match("site.name") || b.never("obs") {
		t.Error("a user's file changes the built-in profile")
	}
	var none *Profile
	if d, named := none.named("x"); d != access.Both || named || none.Excluded("x", "y") != ExcludeNever || none.RowFilter("x").Match("v") || none.rights("x") || none.code("x") ||
		none.NaturalKeys(nil, &Table{Name: "x"}) != nil || none.Label(nil, &Table{Name: "x"}) != nil || none.Secret("x") != nil || none.Names("x") != nil || none.HasSecrets() || none.Released() != nil {
		t.Error("a nil profile says something")
	}
}

// A user's own corrections of an OpenMRS database: they take effect, and what fits nothing is told.
func TestCorrections(t *testing.T) {
	p, err := ParseProfile("site", []byte(`
never = ["no_such_table", "location"]
[direction]
none = ["concept"]
[key]
visit_type = ["name"]
form = ["nickname"]
[exclude.obs]
always = ["comments", "uuid"]
[references.encounter]
form_id = ""
visit_id = "nothing"
[references.obs]
value_group_id = "obs"
comments = "concept"
[conditional.person_attribute.value]
via = "value"
column = "format"
targets = { Concept = "concept" }`), builtin(t, "openmrs"))
	if err != nil {
		t.Fatal(err)
	}
	c := read(t, p, openmrs.Schema("2.6")...)
	if k := c.Table("visit_type"); k.Key != KeyColumns || names(k.KeyColumns) != "name" || !k.Column("uuid").InsertOnly || k.KeyUnique {
		t.Errorf("visit_type: %s (%s)", k.Key, names(k.KeyColumns))
	}
	if k := c.Table("form"); k.Key != KeyUUID {
		t.Errorf("form: %s", k.Key)
	}
	if r := column(t, c, "encounter", "form_id").Ref; r != nil {
		t.Errorf("encounter.form_id still refers to %s", r.To.Name)
	}
	if r := column(t, c, "encounter", "visit_id").Ref; r == nil || r.To.Name != "visit" {
		t.Error("encounter.visit_id lost its foreign key")
	}
	if r := column(t, c, "obs", "value_group_id").Ref; r == nil || r.To.Name != "obs" || r.Declared {
		t.Errorf("obs.value_group_id: %+v", r)
	}
	if w := column(t, c, "obs", "location_id").Excluded; w != "refers to location, which does not travel" {
		t.Errorf("obs.location_id: %q", w)
	}
	if w := column(t, c, "obs", "value_coded"); w.Excluded != "" || w.Ref == nil {
		t.Errorf("obs.value_coded refers to a table of direction none: %q", w.Excluded)
	}
	if column(t, c, "obs", "comments").Excluded != "profile: excluded" || column(t, c, "obs", "uuid").Excluded != "" {
		t.Error("exclusions of obs")
	}
	if !c.Table("concept").Replicated || c.Table("location").Replicated {
		t.Error("direction none still travels in principle, never does not")
	}
	for _, want := range []string{
		"profile site: never: no table is called no_such_table",
		"form: the profile's key (nickname) names columns that the table does not have: it is left out",
		"profile site: key: table form has no column nickname",
		"obs.uuid is part of the key: it cannot be excluded",
		"encounter.visit_id: the profile makes it refer to nothing, which does not exist",
		"obs.comments: the profile makes it refer to concept, whose rows are not known by one column of its type",
		"person_attribute.value: the profile decides by way of value, which refers to no table",
		"location_attribute.location_id refers to location, which does not travel (profile: never): rows arrive only where the other side has that row",
	} {
		if !slices.Contains(c.Notes, want) {
			t.Errorf("no note %q", want)
		}
	}
	if len(c.Notes) != 9 { // and location_tag_map.location_id
		t.Errorf("notes:\n%s", strings.Join(c.Notes, "\n"))
	}
}

// A setting is emptied only where it stays, whatever a user's file says.
func TestReindex(t *testing.T) {
	r, err := builtin(t, "openmrs").Reindex()
	if err != nil || r.Value != "search.indexVersion" || !r.Match("person_name") || r.Match("obs") {
		t.Fatalf("%+v, %v", r, err)
	}
	c := read(t, builtin(t, "openmrs"), openmrs.Schema("2.6")...)
	if s := c.Table(r.Table); s == nil || s.Column(r.Column) == nil || s.Column(r.Blank) == nil {
		t.Errorf("OpenMRS has no %s.%s or %[1]s.%[3]s", r.Table, r.Column, r.Blank)
	}
	for _, table := range r.When {
		if c.Table(table) == nil {
			t.Errorf("OpenMRS has no table %s", table)
		}
	}
	for text, want := range map[string]string{
		"": "",
		"[filter.global_property]\ncolumn = \"property\"\nexcept = [\"search.*\"]":               "keep search.indexVersion here by [filter.global_property]",
		"[filter.global_property]\ncolumn = \"uuid\"\nnever = [\"x\"]":                           "keep search.indexVersion here",
		"never = [\"global_property\"]":                                                          "",
		"[reindex]\ntable = \"t\"\ncolumn = \"c\"\nvalue = \"v\"\nblank = \"b\"\nwhen = [\"w\"]": "keep v here by [filter.t]",
	} {
		p, err := ParseProfile("site", []byte(text), builtin(t, "openmrs"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Reindex(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
	var none *Profile
	for _, p := range []*Profile{none, builtin(t, "none")} {
		if _, err := p.Reindex(); err == nil || !strings.Contains(err.Error(), "the profile none has no section [reindex]") {
			t.Errorf("%v", err)
		}
	}
}

func TestConditionalReferences(t *testing.T) {
	c := read(t, builtin(t, "openmrs"), openmrs.Schema("2.6")...)
	value := column(t, c, "person_attribute", "value").Ref
	if value == nil || value.When == nil || value.To != nil {
		t.Fatalf("person_attribute.value: %+v", value)
	}
	w := value.When
	if w.Via.Name != "person_attribute_type_id" || w.Lookup.Name != "person_attribute_type" || w.LookupColumn.Name != "format" {
		t.Errorf("condition: %+v", w)
	}
	for format, want := range map[string]string{"org.openmrs.Concept": "concept", "org.openmrs.User": "users", "Location": "location", "java.lang.String": "", "": "", "org.openmrs.": "", "org.openmrs.concept": ""} {
		got := ""
		if to := w.Target(format); to != nil {
			got = to.Name
		}
		if got != want {
			t.Errorf("format %q: %q, want %q", format, got, want)
		}
	}
	own := column(t, c, "person_attribute_type", "foreign_key").Ref
	if own == nil || own.When.Via != nil || own.When.Lookup.Name != "person_attribute_type" || own.When.Target("org.openmrs.Concept").Name != "concept" {
		t.Errorf("person_attribute_type.foreign_key: %+v", own)
	}
	for _, table := range []string{"concept", "users"} {
		if !slices.Contains(c.Table(table).Children, value) {
			t.Errorf("%s does not know that person_attribute.value may refer to it", table)
		}
	}
}

func TestDetect(t *testing.T) {
	for _, version := range []string{"1.9", "2.6"} {
		c := read(t, nil, openmrs.Schema(version)...)
		var tables []string
		for _, x := range c.Tables {
			tables = append(tables, x.Name)
		}
		if got := Detect(tables); got != "openmrs" {
			t.Errorf("%s: %s", version, got)
		}
	}
	if got := Detect([]string{"person", "users"}); got != "none" {
		t.Errorf("two tables: %s", got)
	}
}

func TestMatches(t *testing.T) {
	for _, x := range []struct {
		pattern, s string
		want       bool
	}{
		{"a", "a", true}, {"a", "A", true}, {"a", "ab", false}, {"*", "", true}, {"a*", "a", true}, {"a*b", "ab", true}, {"a*b", "a", false},
		{"aa*aa", "aaa", false}, {"*x*y*", "1x2y3", true}, {"*x*y*", "yx", false}, {"[a]", "a", false}, {"a?", "ab", false},
	} {
		if got := Matches(x.pattern, x.s); got != x.want {
			t.Errorf("%s matches %s: %t", x.pattern, x.s, got)
		}
	}
}

// A pattern made from a string by putting stars in the place of pieces matches the string.
func TestMatchesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.StringMatching(`[ab._]{0,4}`), 1, 6).Draw(t, "pieces")
		pattern := slices.Clone(pieces)
		for i := range pattern {
			if rapid.Bool().Draw(t, "star") {
				pattern[i] = "*"
			}
		}
		if p, s := strings.Join(pattern, ""), strings.Join(pieces, ""); !Matches(p, s) {
			t.Fatalf("%q does not match %q", p, s)
		}
	})
}

func FuzzParseProfile(f *testing.F) {
	for _, name := range []string{"none", "openmrs"} {
		data, err := profiles.ReadFile("profiles/" + name + ".toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("[key]\nx=[]\n[[filter]]\n\"\\u0000\"=1")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProfile("fuzz", []byte(text), nil)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "profile fuzz: ") || p != nil {
				t.Errorf("%v, %v", p, err)
			}
			return
		}
		p.named("x")
		p.owners()
		p.RowFilter("x").Match("y")
		p.Excluded("x", "y")
	})
}

func TestUnquote(t *testing.T) {
	for s, want := range map[string]string{`''`: "", `'it''s'`: "it's", `'a\\b'`: `a\b`, `'a\'b'`: "a'b", `'\n\r\0\Z\x'`: "\n\r\x00\x1ax"} {
		if got, ok := unquote(s); got != want || !ok {
			t.Errorf("%s: %q, %t", s, got, ok)
		}
	}
	for _, s := range []string{"", "'", "NULL", "concat('a','b')", "'a' + 'b'"} {
		if _, ok := unquote(s); ok {
			t.Errorf("%s is no literal", s)
		}
	}
}

func TestDialect(t *testing.T) {
	for version, want := range map[string]bool{"10.11.19-MariaDB": true, "5.5.5-10.11.6-MariaDB-log": true, "10.2.6-MariaDB": false, "10.1.48-MariaDB": false, "11.4.2-MariaDB": true, "9.7.4": false, "5.6.24-log": false} {
		if got := dialectOf(version).quotedDefaults; got != want {
			t.Errorf("%s: quoted defaults %t", version, got)
		}
	}
}

// The package stands below all that decides anything: only tests may use more of the project than how to talk to a server, who may
// send what and where a key stands in a TOML file.
func TestImportsNothingOfTheProject(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	allowed := []string{"github.com/omsync/omsync/internal/sqldb", "github.com/omsync/omsync/internal/tomlfile", "github.com/omsync/omsync/access"}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); strings.HasPrefix(path, "github.com/omsync/") && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}
