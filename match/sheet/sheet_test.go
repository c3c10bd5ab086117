package sheet_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/match/sheet"
)

const head = "table,key_here,key_there,label_here,label_there,state,evidence,rows_waiting,decision\n"

// What spreadsheets may take for a formula, or a page for HTML, and what breaks lines.
var hostile = []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "'=1", "'", "''", "|calc", "%0A", "<script>alert(1)</script>", "\"a\", b", "a;b", "a\nb", "&amp;", "'Jane", "<b>", "é", ""}

func TestCSV(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(what string) string { return match.Label(rapid.SampledFrom(hostile).Draw(t, what)) }
		var rows []sheet.Row
		for i := range rapid.IntRange(0, 5).Draw(t, "rows") {
			rows = append(rows, sheet.Row{Table: "type", KeyHere: fmt.Sprintf("k%d", i), KeyThere: "t" + fmt.Sprint(i), LabelHere: text("here"), LabelThere: text("there"), State: "proposed", Evidence: text("evidence"), Waiting: int64(i),
				Decision: rapid.SampledFrom([]string{"", "keep apart", "send", "open", "same as K " + fmt.Sprint(i)}).Draw(t, "decision")})
		}
		var b bytes.Buffer
		if err := sheet.WriteCSV(&b, rows); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b.Bytes(), []byte("\uFEFF")))).ReadAll()
		if err != nil || len(records) != len(rows)+1 {
			t.Fatal(records, err)
		}
		for _, r := range records {
			for _, cell := range r {
				if strings.TrimSpace(cell) != "" && strings.ContainsAny(strings.TrimSpace(cell)[:1], "=+-@|%") {
					t.Fatalf("a spreadsheet may take %q for a formula", cell)
				}
			}
		}
		got, err := sheet.ReadCSV(&b)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range rows {
			if r.Decision == "" {
				continue
			}
			if len(got) == 0 {
				t.Fatal("a decision is missing")
			}
			d := got[0]
			got = got[1:]
			if d.Table != "type" || d.Here != r.KeyHere || d.LabelHere != r.LabelHere || d.Line != i+2 {
				t.Fatalf("%+v of %+v", d, r)
			}
			switch {
			case d.Kind == match.Apart && (d.There != r.KeyThere || d.LabelThere != r.LabelThere), d.Kind == match.Same && d.There != "K "+fmt.Sprint(i), d.Kind == match.Send && d.There != "":
				t.Fatalf("%+v of %+v", d, r)
			}
		}
	})
}

func TestCSVMark(t *testing.T) {
	for label, marked := range map[string]bool{"Jane": false, "Zoé": true} {
		var b bytes.Buffer
		if err := sheet.WriteCSV(&b, []sheet.Row{{Table: "users", KeyHere: "a", LabelHere: label, Decision: "send"}}); err != nil {
			t.Fatal(err)
		}
		if got := strings.HasPrefix(b.String(), "\uFEFF"); got != marked {
			t.Errorf("%s: a byte order mark %v", label, got)
		}
		if got, err := sheet.ReadCSV(&b); err != nil || len(got) != 1 || got[0].LabelHere != label {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// What spreadsheets make of the file is read all the same.
func TestReadCSV(t *testing.T) {
	for _, text := range []string{
		head + "type,a,A,Visit,visit,proposed,x,1,Same As  A\n",
		"\uFEFF" + head + "type,a,A,Visit,visit,proposed,x,1,same as A\r\n",
		strings.ReplaceAll(head, ",", ";") + "type;a;A;Visit;visit;proposed;a, b, c;1;same as A\n",
		strings.ReplaceAll(head, ",", "\t") + "type\ta\tA\tVisit\tvisit\tproposed\tx\t1\tsame\n",
		"decision,key_there,label_there,Key_Here,label_here,TABLE,own notes\nsame as A,A,visit,a,Visit,type,mine\n",
		head + "type,b,B,x,y,proposed,x,1,\n" + "type,a,A,Visit,visit,proposed,x,1,same as A\n" + ",,,,,,,,\n",
		head + "type,\" a \",\"A\",Visit,visit,proposed,\"two\nlines\",1,\" same as A \"\n",
	} {
		got, err := sheet.ReadCSV(strings.NewReader(text))
		if err != nil || len(got) != 1 {
			t.Errorf("%q: %+v, %v", text, got, err)
			continue
		}
		got[0].Line = 0
		if got[0] != (match.Decision{Table: "type", Here: "a", There: "A", Kind: match.Same, LabelHere: "Visit", LabelThere: "visit"}) {
			t.Errorf("%q: %+v", text, got[0])
		}
	}
	got, err := sheet.ReadCSV(strings.NewReader(head + "type,a,A,Visit,visit,proposed,x,1,same as the key\n"))
	if err != nil || got[0].There != "the key" || got[0].LabelThere != "" {
		t.Errorf("another key than that of its line: %+v, %v", got, err)
	}
}

func TestReadCSVThatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "the file is empty",
		"table,key_here\n":                      "line 1: there is no column key_there",
		head + "type,a,A,x,y,p,e,1,saem as A\n": `line 2: "saem as A" is no decision: write same as KEY, send, keep apart`,
		head + "type,a,A,x,y,p,e,1,\ntype,b,B,x,y,p,e,1,yes\ntype,c,C,x,y,p,e,1,same as\n": "line 3: \"yes\" is no decision: write same as KEY, send, keep apart, or open to take one back; or leave the field empty\nline 4: same as which row?",
		head + "type,a,A,\xff,y,p,e,1,send\n":                                              "the file is not in UTF-8: save it as CSV UTF-8",
	} {
		if _, err := sheet.ReadCSV(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := sheet.ReadCSV(strings.NewReader(head + strings.Repeat("x", 65<<20))); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Error(err)
	}
}

func report() *match.Report {
	r := &match.Report{Here: "kisumu", There: "hub", Waiting: 7, Tables: []match.Count{{Table: "type", OnlyHere: 1, Waiting: 7, OnlyThere: 2}, {Table: "other", OnlyThere: 1}, {Table: "patient", Proposed: 1, OnlyThere: 2000}}}
	r.OnlyHere = []match.Line{{Table: "type", Here: "a", LabelHere: "Own", State: match.OnlyHere, Waiting: 7, Decision: match.Decision{Kind: match.Same, There: "B"}}}
	r.Proposed = []match.Line{{Table: "patient", Here: "p\x1f1", There: "P", LabelHere: "<script>x</script>", LabelThere: "=cmd", State: match.Proposed, For: []string{"same name: <i>"}, Against: []string{"gender: M here, F there"}}}
	r.OnlyThere = []match.Line{{Table: "type", There: "A", LabelThere: "Lab", State: match.OnlyThere}, {Table: "type", There: "B", LabelThere: "Visit", State: match.OnlyThere}, {Table: "other", There: "C", State: match.OnlyThere}}
	r.Crowds = []match.Crowd{{Table: "patient", Key: "name", Value: "Unknown & <co>", Here: 10_000, There: 3}}
	for range 2000 {
		r.OnlyThere = append(r.OnlyThere, match.Line{Table: "patient", There: "x", State: match.OnlyThere})
	}
	return r
}

// A spreadsheet has what is to be decided, and what there is to choose from.
func TestRows(t *testing.T) {
	var got []string
	for _, r := range sheet.Rows(report()) {
		got = append(got, strings.Join([]string{r.Table, r.KeyHere, r.KeyThere, r.State, r.Evidence, fmt.Sprint(r.Waiting), r.Decision}, "/"))
	}
	want := []string{"patient/p%1F1/P/proposed/for: same name: <i> | against: gender: M here, F there/0/", "type/a//only here//7/same as B", "type//A/only there//0/", "type//B/only there//0/"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	when := time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)
	if err := sheet.WriteHTML(&b, report(), when, when.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{"&lt;script&gt;x&lt;/script&gt;", "same name: &lt;i&gt;", "against: gender: M here, F there", "Made 2026-11-28 09:30 UTC", "hub as of 2026-11-28 08:30 UTC",
		"<b>7 rows of kisumu would wait at hub</b>", "same as B", "Unknown &amp; &lt;co&gt;", "Proposed (1)", "p%1F1", "@media print"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	// It loads nothing and runs nothing.
	if m := regexp.MustCompile(`(?i)<script|\son\w+=|\ssrc=|href=|@import|url\(|https?:`).FindString(page); m != "" {
		t.Errorf("the page has %s", m)
	}
	long := report()
	for i := range 6000 {
		long.Matched = append(long.Matched, match.Line{Table: "type", Here: fmt.Sprint(i), State: match.Matched})
	}
	b.Reset()
	if err := sheet.WriteHTML(&b, long, when, when); err != nil || !strings.Contains(b.String(), "… and 1000 more") || !strings.Contains(b.String(), "Matched (6000)") {
		t.Errorf("a long list: %v", err)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add(head + "type,a,A,x,y,p,e,1,same as A\n")
	f.Add("decision;key_there;label_there;key_here;label_here;table\n'=x;\"\n;a;b;c;keep apart")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := sheet.ReadCSV(strings.NewReader(text))
		if err != nil && list != nil && strings.Contains(err.Error(), "no CSV") {
			t.Error("decisions of a file that is none")
		}
		for _, d := range list {
			if d.Kind == "" || d.Line < 2 {
				t.Errorf("%+v", d)
			}
		}
	})
}
