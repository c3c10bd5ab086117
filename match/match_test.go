package match_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/omsync/omsync/match"
)

// What is certain, by the rows of one table with a name.
func TestCertain(t *testing.T) {
	for _, c := range []struct {
		what        string
		here, there []string
		want        string
	}{
		{"one name", []string{"a=Visit"}, []string{"b=Visit"}, "type matched a~b"},
		{"the same key", []string{"a=Visit"}, []string{"a=Other"}, ""},
		{"letter case", []string{"a=VISIT"}, []string{"b=visit"}, "type matched a~b"},
		{"blanks", []string{"a= Visit  "}, []string{"b=Visit"}, "type matched a~b"},
		{"composed and not", []string{"a=De\u0301ce\u0300s"}, []string{"b=D\u00e9c\u00e8s"}, "type matched a~b"},
		{"accents count", []string{"a=Deces"}, []string{"b=Décès"}, "type only here a~; type only there ~b"},
		{"NULL is no name", []string{"a=NULL"}, []string{"b=NULL"}, "type only here a~; type only there ~b"},
		{"nor is nothing", []string{"a="}, []string{"b=  "}, "type only here a~; type only there ~b"},
		{"two here", []string{"a=Visit", "c=visit"}, []string{"b=Visit"}, "type proposed a~b; type proposed c~b"},
		{"two there", []string{"a=Visit"}, []string{"b=Visit", "c=VISIT"}, "type proposed a~b; type proposed a~c"},
		{"one of two has its own", []string{"a=Visit", "b=visit"}, []string{"b=Visit"}, "type only here a~"},
		{"another name", []string{"a=Visit"}, []string{"b=Admission"}, "type only here a~; type only there ~b"},
	} {
		got := strings.Join(lines(report(side("clinic", named("type", true, c.here...)), side("hub", named("type", true, c.there...)))), "; ")
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

// A row that the other side has had from here was renamed, or is deleted there: it is no row made apart.
func TestCertainSeen(t *testing.T) {
	here := side("clinic", named("type", true, "a=nurse1"))
	here.Tables[0].Rows[0].Seen = true
	if got := lines(report(here, side("hub", named("type", true, "b=nurse1")))); !slices.Equal(got, []string{"type only here a~", "type only there ~b"}) {
		t.Error(got)
	}
	here.Tables[0].Sends = true // then the other side has it
	if got := lines(report(here, side("hub", named("type", true, "b=nurse1")))); !slices.Equal(got, []string{"type only there ~b"}) {
		t.Error(got)
	}
}

func TestProposed(t *testing.T) {
	users := func(rows ...string) *match.Table {
		t := &match.Table{Name: "users", Root: "users", Sends: true, Keys: []match.Key{
			{Name: "account", Refs: []string{""}, Only: []string{"admin", "daemon"}, Certain: true}, {Name: "user name", Refs: []string{""}}, {Name: "born", Refs: []string{""}, Supports: true}}}
		for _, r := range rows {
			f := strings.Split(r, " ")
			t.Rows = append(t.Rows, match.Row{Key: f[0], Label: f[2], Natural: [][]match.Parts{{parts(f[1])}, {parts(f[2])}, {parts(f[3])}}})
		}
		return t
	}
	r := report(side("clinic", users("a admin adm 1", "j 5-1 jane 1980", "k 5-2 karim 1970", "m 5-3 mary 1960")),
		side("hub", users("A ADMIN root 2", "J 5-1 jane 1990", "K 6-2 karim 1970")))
	if got := strings.Join(lines(r), "; "); got != "users matched a~A; users proposed j~J; users proposed k~K" {
		t.Fatal(got)
	}
	if c := byTable(r, "users"); c != (match.Count{Table: "users", Matched: 1, Proposed: 2, Goes: 1}) {
		t.Errorf("%+v", c)
	}
	jane, karim := r.Proposed[0], r.Proposed[1]
	if !slices.Equal(jane.For, []string{"same user name: jane"}) || !slices.Equal(jane.Against, []string{"born: 1980 here, 1990 there"}) {
		t.Errorf("for %q, against %q", jane.For, jane.Against)
	}
	if !slices.Equal(karim.For, []string{"same user name: karim", "same born: 1970"}) || karim.Against != nil {
		t.Errorf("for %q, against %q", karim.For, karim.Against)
	}
	if !slices.Equal(r.Matched[0].For, []string{"the only one with this account on both sides"}) {
		t.Errorf("%q", r.Matched[0].For)
	}
}

// Ten thousand rows of one name are one line.
func TestProposedCrowd(t *testing.T) {
	var many, few []string
	for i := range 10_000 {
		many = append(many, fmt.Sprintf("a%d=Unknown", i))
	}
	for i := range match.MaxEach {
		few = append(few, fmt.Sprintf("b%d=Unknown", i))
	}
	for _, c := range []struct{ here, there []string }{{many, few}, {few, many}, {many, []string{"c=unknown"}}} {
		r := report(side("clinic", named("place", false, c.here...)), side("hub", named("place", false, c.there...)))
		if len(r.Proposed) != 0 || len(r.Crowds) != 1 || r.Crowds[0] != (match.Crowd{"place", "name", "Unknown", len(c.here), len(c.there)}) {
			t.Errorf("%d proposals, crowds %+v", len(r.Proposed), r.Crowds)
		}
	}
	r := report(side("clinic", named("place", false, few...)), side("hub", named("place", false, few...)))
	if r.Crowds != nil || byTable(r, "place").Same != match.MaxEach {
		t.Errorf("rows with one key on both sides: %+v", r)
	}
	other := few
	for i := range other {
		other = append(slices.Clone(other[:i]), append([]string{"c" + other[i]}, other[i+1:]...)...)
	}
	r = report(side("clinic", named("place", false, few...)), side("hub", named("place", false, other...)))
	if len(r.Proposed) != match.MaxEach*match.MaxProposals || r.Crowds != nil {
		t.Errorf("%d proposals, crowds %+v", len(r.Proposed), r.Crowds)
	}
}

// terms are rows with a reference to a source and a code: key=source/code.
func terms(rows ...string) *match.Table {
	t := &match.Table{Name: "term", Root: "term", Keys: []match.Key{{Name: "source and code", Refs: []string{"source", ""}, Certain: true}}}
	for _, r := range rows {
		key, values, _ := strings.Cut(r, "=")
		source, code, _ := strings.Cut(values, "/")
		t.Rows = append(t.Rows, match.Row{Key: key, Label: code, Natural: [][]match.Parts{{parts(source, code)}}})
	}
	return t
}

// A part that is a reference is the same where its row is; matches make matches, whatever the order of the tables.
func TestThroughParents(t *testing.T) {
	here := side("clinic", named("source", true, "s1=CIEL", "s2=Local"), terms("t1=s1/5", "t2=s2/5"))
	there := side("hub", named("source", true, "S1=ciel", "S3=Other"), terms("T1=S1/5", "T2=s2/5", "T3=S3/5"))
	want := "source matched s1~S1; source only here s2~; source only there ~S3; term matched t1~T1; term only here t2~; term only there ~T2; term only there ~T3"
	for range 2 {
		if got := strings.Join(lines(report(here, there)), "; "); got != want {
			t.Errorf("%s, want\n%s", got, want)
		}
		slices.Reverse(here.Tables)
	}
}

// A concept is recognised by rows that belong to it: one of its mappings is enough to propose it.
func TestThroughChildren(t *testing.T) {
	concepts := func(rows ...string) *match.Table {
		t := &match.Table{Name: "concept", Root: "concept", Keys: []match.Key{{Name: "mapping", Refs: []string{"term"}}, {Name: "full name", Refs: []string{"", ""}}}}
		for _, r := range rows {
			f := strings.Split(r, " ")
			row := match.Row{Key: f[0], Label: f[2], Natural: [][]match.Parts{nil, {parts(f[2], "en")}}}
			for term := range strings.SplitSeq(f[1], ",") {
				row.Natural[0] = append(row.Natural[0], parts(term))
			}
			t.Rows = append(t.Rows, row)
		}
		return t
	}
	here := side("clinic", named("source", true, "s=CIEL"), terms("t1=s/5", "t2=s/6"), concepts("c t1,t2 Malaria", "d t9 Fever"))
	there := side("hub", named("source", true, "S=CIEL"), terms("T1=S/5", "T2=S/6"), concepts("C T1 Paludisme", "D T8 Fever", "E T7 Cough"))
	r := report(here, there)
	if got := strings.Join(lines(r), "; "); !strings.HasPrefix(got, "concept only there ~E; concept proposed c~C; concept proposed d~D") {
		t.Fatal(got)
	}
	for _, l := range r.Proposed {
		switch l.Here {
		case "c":
			if !slices.Equal(l.For, []string{"same mapping: 5"}) || !slices.Equal(l.Against, []string{"full name: Malaria, en here, Paludisme, en there"}) {
				t.Errorf("for %q, against %q", l.For, l.Against)
			}
		case "d":
			if !slices.Equal(l.For, []string{"same full name: Fever, en"}) || l.Against != nil { // what their mappings name is nowhere to compare
				t.Errorf("for %q, against %q", l.For, l.Against)
			}
		}
	}
}

// Rows whose key is made of references are the same where what they refer to is.
func TestComposedKeys(t *testing.T) {
	tagged := func(rows ...string) *match.Table {
		t := &match.Table{Name: "tagged", Root: "tagged", KeyRefs: []string{"place", "tag"}}
		for _, r := range rows {
			place, tag, _ := strings.Cut(r, "/")
			t.Rows = append(t.Rows, match.Row{Key: r, KeyParts: parts(place, tag)})
		}
		return t
	}
	r := report(side("clinic", named("tag", true, "t=Login"), named("place", false, "p=Ward", "q=Room"), tagged("p/t", "q/t")),
		side("hub", named("tag", true, "T=Login"), named("place", false, "p=Ward"), tagged("p/T", "q/T")))
	if c := byTable(r, "tagged"); c.Same != 1 || c.OnlyHere != 1 || c.OnlyThere != 1 {
		t.Errorf("%+v", c)
	}
}

func TestCollisions(t *testing.T) {
	mails := func(rows ...string) *match.Table {
		t := named("users", false, rows...)
		t.Unique = []match.Key{{Name: "email", Refs: []string{""}}}
		for i, r := range rows {
			_, mail, _ := strings.Cut(r, " ")
			t.Rows[i].Unique = []match.Parts{parts(mail)}
		}
		return t
	}
	r := report(side("clinic", mails("a=ann x@y", "b=bob b@y", "n=nil NULL", "m=Mia mia@Y")), side("hub", mails("A=carl X@Y ", "b=bob b@y", "N=nobody NULL", "m=Mia b@y", "M=ann míà@y")))
	want := []string{"users collision a~A", "users collision b~m", "users collision m~M"}
	var got []string
	for _, l := range r.Collisions {
		got = append(got, fmt.Sprintf("%s %s %s~%s", l.Table, l.State, l.Here, l.There))
		if len(l.Against) != 1 || !strings.HasPrefix(l.Against[0], "only one row may have the email ") {
			t.Errorf("%q", l.Against)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What goes to the other side and collides there waits there, unless it is there already; and what stays here collides with nothing there.
func TestWaitingForCollisions(t *testing.T) {
	mails := func(sends bool, rows ...string) *match.Table {
		t := named("users", false, rows...)
		t.Sends, t.Unique = sends, []match.Key{{Name: "email", Refs: []string{""}}}
		for i, r := range rows {
			_, mail, _ := strings.Cut(r, " ")
			t.Rows[i].Unique = []match.Parts{parts(mail)}
		}
		return t
	}
	for sends, want := range map[bool][]string{true: {"a", "d"}, false: {"a", "c", "d", "e"}} {
		here := side("clinic", mails(sends, "a=ann x@y", "both=bob b@y", "c=carl c@y", "d=dan d@y", "e=eve e@y"))
		here.Tables[0].Rows[2].Seen = sends // what the other side has had
		there := side("hub", mails(false, "A=abe X@y", "both=bob q@y", "B=ben b@y", "C=cid c@y", "d2=dan d@y"))
		r := report(here, there)
		got := r.Missing()["users"]
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("sends %v: missing %q, want %q", sends, got, want)
		}
		r.SetWaiting(func(_, key string) int64 { return map[string]int64{"a": 3, "d": 5, "e": 0}[key] })
		if c := byTable(r, "users"); c.Waiting != 8 {
			t.Errorf("sends %v: %+v", sends, c)
		}
	}
}

// What waits is counted by the caller; what nothing waits for is not listed.
func TestWaiting(t *testing.T) {
	places := named("place", false, "p=Ward")
	places.Sends = true
	r := report(side("clinic", named("type", true, "a=Visit", "b=Lab", "c=Old", "d=X", "e=x"), places), side("hub", named("type", true, "A=visit", "D=X"), named("place", false)))
	missing := r.Missing()
	if slices.Sort(missing["type"]); len(missing) != 1 || !slices.Equal(missing["type"], []string{"b", "c", "d", "e"}) {
		t.Errorf("missing %q", missing)
	}
	r.SetWaiting(func(table, key string) int64 {
		return map[string]int64{"type b": 7, "type d": 9, "type c": 0}[table+" "+key]
	})
	if len(r.OnlyHere) != 1 || r.OnlyHere[0].Here != "b" || r.OnlyHere[0].Waiting != 7 {
		t.Errorf("%+v", r.OnlyHere)
	}
	if len(r.Proposed) != 2 || r.Proposed[0].Waiting != 9 || r.Proposed[1].Waiting != 0 {
		t.Errorf("%+v", r.Proposed)
	}
	if c := byTable(r, "type"); c.OnlyHere != 2 || c.Waiting != 16 || byTable(r, "place").Goes != 1 {
		t.Errorf("%+v", c)
	}
}

func TestShown(t *testing.T) {
	seen := map[string]string{}
	for _, key := range []string{"a", "Outpatient", "a\x1fb", "a%1Fb", "%", "%25", "é", "", "a\x1e\x1fb", "\n", "%0A", "\u202e", "\xff", "\xfe", "\uFFFD", "a\u0085", "\x9b"} {
		s := match.Shown(key)
		if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == 0xFFFD }) || seen[s] != "" {
			t.Errorf("%q is shown as %q, like %q", key, s, seen[s])
		}
		seen[s] = "x" + key
	}
}

// Eleven rows with their own keys on both sides are no crowd to decide about.
func TestProposedCrowdOfOne(t *testing.T) {
	var rows []string
	for i := range match.MaxEach + 1 {
		rows = append(rows, fmt.Sprintf("a%d=Unknown", i))
	}
	if r := report(side("clinic", named("place", false, rows...)), side("hub", named("place", false, rows...))); r.Crowds != nil {
		t.Errorf("%+v", r.Crowds)
	}
}

// Two rows that may be one, and of which one only may have a value, are proposed.
func TestProposedUnique(t *testing.T) {
	mails := func(row string) *match.Table {
		t := named("users", false, row)
		t.Unique, t.Rows[0].Unique = []match.Key{{Name: "email", Refs: []string{""}}}, []match.Parts{parts("jane@x")}
		return t
	}
	r := report(side("clinic", mails("a=jane")), side("hub", mails("A=Jane")))
	if len(r.Proposed) != 1 || r.Collisions != nil || !slices.Equal(r.Proposed[0].For, []string{"same name: jane", "only one row may have this email"}) {
		t.Errorf("%+v, %+v", r.Proposed, r.Collisions)
	}
}

// A natural key that has one name on both sides and refers to other tables is not one.
func TestCertainOther(t *testing.T) {
	here, there := named("type", true, "a=x"), named("type", true, "b=x")
	there.Keys[0].Refs = []string{"place"}
	if got := lines(report(side("clinic", here), side("hub", there))); !slices.Equal(got, []string{"type only here a~", "type only there ~b"}) {
		t.Error(got)
	}
}

// A row that has a natural key twice is one row that has it.
func TestCertainTwice(t *testing.T) {
	here := named("type", true, "a=x")
	here.Rows[0].Natural[0] = append(here.Rows[0].Natural[0], parts("X "))
	if got := lines(report(side("clinic", here), side("hub", named("type", true, "b=x")))); !slices.Equal(got, []string{"type matched a~b"}) {
		t.Error(got)
	}
}

func TestLabel(t *testing.T) {
	for s, want := range map[string]string{
		"Jane  Achieng": "Jane Achieng", " a\tb\nc\r\n": "a b c", "a\x1b[31mb\u202ec\u200bd": "a [31mb c d", "\xff": "\uFFFD", "": "",
		strings.Repeat("é", 120): strings.Repeat("é", 120), strings.Repeat("é", 121): strings.Repeat("é", 119) + "…",
	} {
		if got := match.Label(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
