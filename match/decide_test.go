package match_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/match"
)

// world is two sides with types (which go down only), people with a unique mail (who go up too) and patients.
func world() (here, there *match.Side) {
	people := func(rows ...string) *match.Table {
		t := &match.Table{Name: "people", Root: "people", Sends: true, Keys: []match.Key{{Name: "name", Refs: []string{""}}}, Unique: []match.Key{{Name: "mail", Refs: []string{""}}}}
		for _, r := range rows {
			f := strings.Split(r, " ")
			t.Rows = append(t.Rows, match.Row{Key: f[0], Label: f[1], Natural: [][]match.Parts{{parts(f[1])}}, Unique: []match.Parts{parts(f[2])}})
		}
		return t
	}
	here = side("clinic", named("type", true, "a=Visit", "b=Lab", "s=Shared", "x=Old"), people("j jane j@x", "k karim k@x", "m mary m@x", "w wanja NULL"), named("patient", false, "p=Achieng"))
	there = side("hub", named("type", true, "A=visit", "C=Laboratory", "s=Shared"), people("J jane NULL", "K karim m@x", "N noor NULL", "J2 jane NULL"), named("patient", false, "P=Achieng"))
	here.Table("people").Rows[3].Seen = true
	return here, there
}

// labelled fills in the labels that a file has.
func labelled(here, there *match.Side, d match.Decision) match.Decision {
	for _, t := range here.Tables {
		for _, r := range t.Rows {
			if t.Name == d.Table && r.Key == d.Here && d.LabelHere == "" {
				d.LabelHere = r.Label
			}
		}
	}
	for _, t := range there.Tables {
		for _, r := range t.Rows {
			if t.Name == d.Table && r.Key == d.There && d.LabelThere == "" {
				d.LabelThere = r.Label
			}
		}
	}
	return d
}

func decision(text string) match.Decision {
	f := strings.Split(text, " ")
	d := match.Decision{Table: f[0], Here: f[1], Kind: match.Kind(f[2])}
	if len(f) > 3 {
		d.There = f[3]
	}
	return d
}

// What decisions are taken, and what is said of those that are not.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		decisions string // table here kind there; several are parted by commas
		want      string // of the first problem, with its line; "": all are taken
	}{
		{"type b same C", ""},
		{"type b same C,people j same J,people k apart K,people m send", ""},
		{"type a same C", ""}, // a person decides against what is certain
		{"people j apart J,people j apart J2,people j send", ""},
		{"type b open", ""},
		{"type b open,people x open", "line 2: x is a row of type here, and not of people"},
		{"type b same P", "line 1: P is a row of patient, and b is one of type: these cannot be one thing: copy the key"},
		{"type p same C", "line 1: p is a row of patient here, and not of type: correct the column table or key_here"},
		{"type b same c0ffee", "line 1: hub has no row of type with the key c0ffee: is the file from a match with another node"},
		{"type gone same C", "line 1: no row of type here has the key gone: was it deleted since?"},
		{"tpye b same C", `line 1: no table "tpye" is compared with hub`},
		{"type b same", "line 1: the decision names no row of hub"},
		{"type b apart", "line 1: the decision names no row of hub"},
		{"type b same C,type a same C", "line 2: line 1 maps another row to C too"},
		{"people j same J,people j same J2", "line 2: line 1 says something else of the row j"},
		{"people j send,people j same J2", "line 2: line 1 says something else of the row j"},
		{"people j same J,people j send", "line 2: line 1 says something else of the row j"},
		{"people j same J,people j same J", ""},
		{"people j same J,people j apart J", "line 2: line 1 says that the two are one"},
		{"people j apart J,people j same J", "line 2: line 1 says that the two are kept apart"},
		{"type x same A", "line 1: the row A of hub is matched with a: if they are not one, write keep apart"},
		{"type a apart A,type x same A", ""},
		{"type b same s", "line 1: the row s of type is here too, under its own key"},
		{"type s same C", "line 1: hub has the row s under its own key"},
		{"type s same s", "line 1: the two are one row already"},
		{"type s apart s", "line 1: s is one row with one key on both sides"},
		{"people k same K", "line 1: the two cannot become one: m has the mail of K, which only one row may have"},
		{"people m same K", ""},
		{"people w same N", "line 1: hub has had the row w from here"},
		{"type b send", "line 1: type goes down only: hub takes no row of it from here: write same as KEY"},
		{"people j send", ""},
	} {
		here, there := world()
		var list []match.Decision
		for i, text := range strings.Split(c.decisions, ",") {
			d := labelled(here, there, decision(text))
			d.Line = i + 1
			list = append(list, d)
		}
		got := match.Compare(here, there, nil, nil).Check(list)
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: %v", c.decisions, got[0])
		case c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0].Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.decisions, got, c.want)
		}
		for _, p := range got {
			if p.Do == "" {
				t.Errorf("%s: %v says nothing to do", c.decisions, p)
			}
		}
	}
}

// A file from before a row was changed, at either side, is not taken.
func TestCheckLabels(t *testing.T) {
	here, there := world()
	c := match.Compare(here, there, nil, nil)
	for _, d := range []match.Decision{
		{Table: "type", Here: "b", There: "C", Kind: match.Same, LabelHere: "Lab visit", LabelThere: "Laboratory"},
		{Table: "type", Here: "b", There: "C", Kind: match.Same, LabelHere: "Lab", LabelThere: "Surgery"},
		{Table: "type", Here: "b", Kind: match.Open, LabelHere: ""},
	} {
		if got := c.Check([]match.Decision{d}); len(got) != 1 || !strings.Contains(got[0].Error(), "than in the file: it was renamed since, or the label in the file was changed: run omsync match again") {
			t.Errorf("%+v: %v", d, got)
		}
	}
	list := []match.Decision{{Table: "TYPE", Here: "B", There: "c", Kind: match.Same, LabelHere: "Lab", LabelThere: ""}}
	here.Tables[0].Rows[1].Key, there.Tables[0].Rows[1].Key = "b\x1f1", "c"
	list[0].Here = "b%1F1"
	if got := match.Compare(here, there, nil, nil).Check(list); got != nil {
		t.Fatal(got[0])
	}
	if d := list[0]; d.Table != "type" || d.Here != "b\x1f1" || d.There != "c" {
		t.Errorf("%+v", d)
	}
}

// What is decided stands before what is certain.
func TestDecisionsCount(t *testing.T) {
	for _, c := range []struct{ decisions, want string }{
		{"type b same C", "patient proposed p~P; people proposed j~J; people proposed j~J2; people proposed k~K; people collision m~K; people only there ~N; type decided b~C; type matched a~A; type only here x~"},
		{"type a apart A", "patient proposed p~P; people proposed j~J; people proposed j~J2; people proposed k~K; people collision m~K; people only there ~N; type only here a~; type only here b~; type only here x~; type only there ~A; type only there ~C"},
		{"people j send,people k apart K,people j apart J", "patient proposed p~P; people collision m~K; people only there ~J; people only there ~J2; people only there ~K; people only there ~N; type matched a~A; type only here b~; type only here x~; type only there ~C"},
		{"type a same C", "patient proposed p~P; people proposed j~J; people proposed j~J2; people proposed k~K; people collision m~K; people only there ~N; type decided a~C; type only here b~; type only here x~; type only there ~A"},
	} {
		here, there := world()
		var list []match.Decision
		for _, text := range strings.Split(c.decisions, ",") {
			list = append(list, decision(text))
		}
		want := strings.Split(c.want, "; ")
		slices.Sort(want)
		r := report(here, there, list...)
		if got := lines(r); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s, want\n%s", c.decisions, strings.Join(got, "; "), strings.Join(want, "; "))
		}
	}
	here, there := world()
	r := report(here, there, decision("people k apart K"), decision("type b same C"), decision("people m send"))
	if len(r.Matched) != 2 || r.Matched[0].Decision.Kind != match.Same || r.Matched[1].Decision.Kind != "" {
		t.Errorf("%+v", r.Matched)
	}
	var said []string
	for _, l := range r.Collisions {
		said = append(said, fmt.Sprint(l.Here, l.Decision.Kind))
	}
	if !slices.Equal(said, []string{"msend"}) {
		t.Errorf("%q", said)
	}
}

// What was settled before counts like a pair of today.
func TestKnown(t *testing.T) {
	here, there := world()
	r := match.Compare(here, there, []match.Pair{{Table: "type", Here: "b", There: "A"}, {Table: "none", Here: "b", There: "C"}}, nil).Report()
	if c := byTable(r, "type"); c.Matched != 1 || c.OnlyHere != 2 || c.OnlyThere != 1 || r.Matched[0].Here != "b" {
		t.Errorf("%+v %+v", c, r.Matched)
	}
}

func TestMerge(t *testing.T) {
	kept := []match.Decision{decision("t a same A"), decision("t a apart B"), decision("t b send"), decision("u a send")}
	for _, c := range []struct{ more, want string }{
		{"t c send", "t a same A;t a apart B;t b send ;u a send ;t c send "},
		{"t a same C", "t a apart B;t b send ;u a send ;t a same C"},
		{"t a apart C", "t a same A;t a apart B;t b send ;u a send ;t a apart C"},
		{"t a apart B", "t a same A;t b send ;u a send ;t a apart B"},
		{"t a open", "t b send ;u a send "},
		{"t b same A,t a send", "t a apart B;u a send ;t b same A;t a send "},
	} {
		var more []match.Decision
		for _, text := range strings.Split(c.more, ",") {
			more = append(more, decision(text))
		}
		var got []string
		for _, d := range match.Merge(kept, more) {
			got = append(got, fmt.Sprintf("%s %s %s %s", d.Table, d.Here, d.Kind, d.There))
		}
		if strings.Join(got, ";") != c.want {
			t.Errorf("%s: %s, want %s", c.more, strings.Join(got, ";"), c.want)
		}
	}
}

func TestCheckComposed(t *testing.T) {
	tags := func() *match.Table {
		return &match.Table{Name: "tag", Root: "tag", KeyRefs: []string{"type"}, Rows: []match.Row{{Key: "a", KeyParts: parts("a")}}}
	}
	got := match.Compare(side("clinic", tags()), side("hub", tags()), nil, nil).Check([]match.Decision{{Table: "tag", Here: "a", There: "a", Kind: match.Same}})
	if len(got) != 1 || !strings.Contains(got[0].Error(), "decide about the rows that it refers to") {
		t.Errorf("%v", got)
	}
}

// Of what contradicts itself the first counts: a row has one partner.
func TestKnownOnce(t *testing.T) {
	for _, second := range []match.Pair{{Table: "type", Here: "b", There: "C"}, {Table: "type", Here: "x", There: "A"}} {
		here, there := world()
		r := match.Compare(here, there, []match.Pair{{Table: "type", Here: "b", There: "A"}, second}, nil).Report()
		if len(r.Matched) != 1 || r.Matched[0].Here != "b" || r.Matched[0].There != "A" {
			t.Errorf("%+v", r.Matched)
		}
	}
}
