package match_test

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/match"
)

// Names of few kinds, so that rows are often alike: other case, blanks, NULL, nothing.
func names() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"x", "X", "x ", "y", "é", "e\u0301", "z", "z", "NULL", "", " "})
}

// drawSides draws two sides with types (certain by name), parts of types (certain by type and name), people (proposed by name; one mail each)
// and tags of people by type, whose keys are made of both.
func drawSides(t *rapid.T) (here, there *match.Side) {
	draw := func(node string) *match.Side {
		key := func(i int) string {
			if rapid.IntRange(0, 3).Draw(t, "shared") == 0 {
				return fmt.Sprintf("both%d", i)
			}
			return fmt.Sprintf("%s%d", node, i)
		}
		types, parents, people := named("type", true), terms(), named("people", false)
		types.Sends, people.Sends = false, true
		people.Unique = []match.Key{{Name: "mail", Refs: []string{""}}}
		tags := &match.Table{Name: "tag", Root: "tag", KeyRefs: []string{"type", "people"}}
		parents.Keys[0].Refs = []string{"type", ""}
		for i := range rapid.IntRange(0, 5).Draw(t, "types") {
			types.Rows = append(types.Rows, match.Row{Key: key(i), Label: "t", Natural: [][]match.Parts{{parts(names().Draw(t, "name"))}}, Seen: rapid.IntRange(0, 5).Draw(t, "seen") == 0})
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "parts") {
			of := "none"
			if len(types.Rows) > 0 {
				of = rapid.SampledFrom(types.Rows).Draw(t, "of").Key
			}
			parents.Rows = append(parents.Rows, match.Row{Key: key(i), Label: "p", Natural: [][]match.Parts{{parts(of, names().Draw(t, "code"))}}})
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "people") {
			people.Rows = append(people.Rows, match.Row{Key: key(i), Label: "m", Natural: [][]match.Parts{{parts(names().Draw(t, "name"))}},
				Seen:   rapid.IntRange(0, 5).Draw(t, "seen person") == 0,
				Unique: []match.Parts{parts(rapid.SampledFrom([]string{"NULL", "a", "A ", "b", fmt.Sprint(node, i)}).Draw(t, "mail"))}})
		}
		seen := map[string]bool{}
		for range rapid.IntRange(0, 4).Draw(t, "tags") {
			if len(types.Rows) == 0 || len(people.Rows) == 0 {
				break
			}
			a, b := rapid.SampledFrom(types.Rows).Draw(t, "a").Key, rapid.SampledFrom(people.Rows).Draw(t, "b").Key
			if k := a + "\x1f" + b; !seen[k] {
				seen[k] = true
				tags.Rows = append(tags.Rows, match.Row{Key: k, KeyParts: parts(a, b)})
			}
		}
		s := side(node, types, parents, people, tags)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(s.Tables), func(i, j int) { s.Tables[i], s.Tables[j] = s.Tables[j], s.Tables[i] })
		return s
	}
	return draw("h"), draw("t")
}

// shuffled returns a side with its rows in another order.
func shuffled(s *match.Side, seed int64) *match.Side {
	out, r := &match.Side{Node: s.Node}, rand.New(rand.NewSource(seed))
	for _, t := range s.Tables {
		c := *t
		c.Rows = slices.Clone(t.Rows)
		r.Shuffle(len(c.Rows), func(i, j int) { c.Rows[i], c.Rows[j] = c.Rows[j], c.Rows[i] })
		out.Tables = append(out.Tables, &c)
	}
	return out
}

// pairsIn returns the pairs of a report by table, here → there.
func pairsIn(r *match.Report) map[string]string {
	out := map[string]string{}
	for _, l := range r.Matched {
		out[l.Table+" "+l.Here] = l.There
	}
	return out
}

// folded is the form in which the names above are compared, written down again.
func folded(p *string) string {
	if p == nil {
		return ""
	}
	s := strings.ToLower(strings.TrimSpace(*p))
	if s == "e\u0301" {
		return "é"
	}
	return s
}

// Of a table without references, a pair is certain exactly where the rules say so.
func TestCertainProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		here, there := drawSides(t)
		h, th := here.Table("type"), there.Table("type")
		want := map[string]string{}
		for _, a := range h.Rows {
			for _, b := range th.Rows {
				name := folded(a.Natural[0][0][0])
				has := func(rows []match.Row, f func(match.Row) bool) int {
					n := 0
					for _, r := range rows {
						if f(r) {
							n++
						}
					}
					return n
				}
				byName := func(r match.Row) bool { return folded(r.Natural[0][0][0]) == name }
				keyOf := func(key string) func(match.Row) bool { return func(r match.Row) bool { return r.Key == key } }
				if name != "" && folded(b.Natural[0][0][0]) == name && has(h.Rows, byName) == 1 && has(th.Rows, byName) == 1 && !a.Seen &&
					has(th.Rows, keyOf(a.Key)) == 0 && has(h.Rows, keyOf(b.Key)) == 0 {
					want["type "+a.Key] = b.Key
				}
			}
		}
		got := pairsIn(report(here, there))
		maps.DeleteFunc(got, func(k, _ string) bool { return !strings.HasPrefix(k, "type ") })
		if !maps.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// What is matched does not depend on the order of rows, each row has one partner, and what the one side finds the other does.
func TestPairsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		here, there := drawSides(t)
		r := report(here, there)
		if again := report(shuffled(here, 1), shuffled(there, 2)); !slices.Equal(lines(r), lines(again)) {
			t.Fatalf("with the rows in another order:\n%q\n%q", lines(r), lines(again))
		}
		partner := map[string]bool{}
		for _, l := range r.Matched {
			if partner["h"+l.Table+l.Here] || partner["t"+l.Table+l.There] {
				t.Fatalf("%s: a row with two partners: %+v", l.Table, l)
			}
			partner["h"+l.Table+l.Here], partner["t"+l.Table+l.There] = true, true
		}
		for _, l := range r.Proposed {
			if partner["h"+l.Table+l.Here] || partner["t"+l.Table+l.There] {
				t.Fatalf("a row that has a partner is proposed: %+v", l)
			}
		}
		for _, s := range []*match.Side{here, there} {
			for _, table := range s.Tables {
				for i := range table.Rows {
					table.Rows[i].Seen = false
				}
			}
		}
		mirrored := map[string]string{}
		for k, v := range pairsIn(report(there, here)) {
			table, key, _ := strings.Cut(k, " ")
			mirrored[table+" "+v] = key
		}
		if got := pairsIn(report(here, there)); !maps.Equal(got, mirrored) {
			t.Fatalf("%v here, %v there", got, mirrored)
		}
	})
}

// Each row of a table is in one part of the report.
func TestPartsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		here, there := drawSides(t)
		r := report(here, there)
		for _, c := range r.Tables {
			proposedHere, proposedThere := map[string]bool{}, map[string]bool{}
			for _, l := range r.Proposed {
				if l.Table == c.Table {
					proposedHere[l.Here], proposedThere[l.There] = true, true
				}
			}
			seen, table := 0, here.Table(c.Table)
			pairs := 0
			for _, h := range table.Rows {
				if h.Seen && table.Sends && !slices.ContainsFunc(there.Table(c.Table).Rows, func(x match.Row) bool { return x.Key == h.Key }) {
					seen++
				}
			}
			pairs = c.Same - seen + c.Matched
			if n := pairs + seen + len(proposedHere) + c.OnlyHere + c.Goes; n != len(table.Rows) {
				t.Fatalf("%s: %d of %d rows here: %+v", c.Table, n, len(table.Rows), c)
			}
			if n := pairs + len(proposedThere) + c.OnlyThere; n != len(there.Table(c.Table).Rows) {
				t.Fatalf("%s: %d of %d rows there: %+v", c.Table, n, len(there.Table(c.Table).Rows), c)
			}
		}
	})
}

// Decisions that are taken hold: what is the same is a pair, what is apart is none, and nothing that is unique is broken by a pair.
func TestDecisionsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		here, there := drawSides(t)
		c := match.Compare(here, there, nil, nil)
		var all []match.Decision
		for i := range rapid.IntRange(1, 5).Draw(t, "decisions") {
			table := rapid.SampledFrom([]string{"type", "people"}).Draw(t, "table")
			if len(here.Table(table).Rows) == 0 || len(there.Table(table).Rows) == 0 {
				continue
			}
			a, b := rapid.SampledFrom(here.Table(table).Rows).Draw(t, "here"), rapid.SampledFrom(there.Table(table).Rows).Draw(t, "there")
			d := match.Decision{Table: table, Here: a.Key, There: b.Key, LabelHere: a.Label, LabelThere: b.Label, Line: i + 1,
				Kind: rapid.SampledFrom([]match.Kind{match.Same, match.Same, match.Apart, match.Send}).Draw(t, "kind")}
			if c.Check(append(slices.Clone(all), d)) == nil {
				all = append(all, d)
			}
		}
		if problems := c.Check(all); problems != nil {
			t.Fatal(problems[0])
		}
		r := match.Compare(here, there, nil, all).Report()
		pairs := pairsIn(r)
		for _, d := range all {
			if got := pairs[d.Table+" "+d.Here]; d.Kind == match.Same && got != d.There || d.Kind == match.Apart && got == d.There || d.Kind == match.Send && got != "" {
				t.Fatalf("%+v: %s has the partner %q", d, d.Here, got)
			}
			for _, l := range r.Proposed {
				if l.Table == d.Table && l.Here == d.Here && (d.Kind == match.Send || l.There == d.There) {
					t.Fatalf("%+v is proposed again: %+v", d, l)
				}
			}
		}
		for _, l := range r.Matched { // what comes into the row here is nobody else's
			if l.Table != "people" || l.State != match.Decided {
				continue
			}
			b := there.Table("people").Rows[slices.IndexFunc(there.Table("people").Rows, func(x match.Row) bool { return x.Key == l.There })]
			for _, other := range here.Table("people").Rows {
				if other.Key != l.Here && folded(b.Unique[0][0]) != "" && folded(b.Unique[0][0]) == folded(other.Unique[0][0]) {
					t.Fatalf("%s gets the mail of %s", l.Here, other.Key)
				}
			}
		}
	})
}
