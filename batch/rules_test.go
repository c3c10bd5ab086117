package batch

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"
)

func withRules(h *Header) *Header {
	h.Requests = append(h.Requests, Need{Feature: Rules, Version: "0.1.0"}.String())
	return h
}

func someRules(t *rapid.T) *RulesItem {
	item := &RulesItem{}
	name := rapid.StringN(1, 20, MaxName)
	for _, table := range rapid.SliceOfNDistinct(name, 0, 4, rapid.ID[string]).Draw(t, "tables") {
		r := TableRule{Table: table, Direction: rapid.SampledFrom([]string{"up", "own", "of tomorrow"}).Draw(t, "direction"), Staff: rapid.Bool().Draw(t, "staff")}
		r.NotUp = append(r.NotUp, rapid.SliceOfN(name, 0, 3).Draw(t, "not up")...)
		r.NotDown = append(r.NotDown, rapid.SliceOfN(name, 0, 3).Draw(t, "not down")...)
		for range rapid.IntRange(0, 2).Draw(t, "rows") {
			r.Rows = append(r.Rows, RowRule{name.Draw(t, "column"), rapid.StringN(0, 20, MaxPattern).Draw(t, "pattern")})
		}
		item.Tables = append(item.Tables, r)
	}
	return item
}

func TestRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := append([]any{someRules(t)}, someItems(t)...)
		b, err := write(withRules(testHeader()), items)
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := read(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, items) {
			t.Fatalf("got %+v", got[0])
		}
	})
}

func TestRulesAreBounded(t *testing.T) {
	many := make([]TableRule, MaxTables+1)
	for i := range many {
		many[i] = TableRule{Table: strings.Repeat("t", 1+i%200) + string(rune('a'+i/200)), Direction: "up"}
	}
	long := strings.Repeat("c", MaxName)
	for name, i := range map[string]*RulesItem{
		"tables":  {Tables: many},
		"twice":   {Tables: []TableRule{{Table: "a"}, {Table: "a"}}},
		"no name": {Tables: []TableRule{{}}},
		"columns": {Tables: []TableRule{{Table: "a", NotUp: make([]string, MaxRuleParts+1)}}},
		"rows":    {Tables: []TableRule{{Table: "a", Rows: make([]RowRule, MaxRuleParts/2+1), NotDown: make([]string, MaxRuleParts/2)}}},
		"bytes":   {Tables: []TableRule{{Table: "a", NotUp: slicesOf(long, MaxRuleParts), NotDown: nil}, {Table: "b", Direction: strings.Repeat("x", MaxRuleBytes)}}},
	} {
		if _, err := write(withRules(testHeader()), []any{i}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if _, err := write(testHeader(), []any{&RulesItem{}}); err == nil {
		t.Error("written though the header does not say so")
	}
	if _, err := write(withRules(testHeader()), []any{&TableItem{Table: Table{Name: "t", Root: "t", Key: []Column{{Name: "k"}}}}, &RulesItem{}}); err == nil {
		t.Error("written after other items")
	}
}

func slicesOf(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// Whatever stands for rules in a file is read, or refused as damage.
func TestHostileRules(t *testing.T) {
	rule := func(parts ...any) []any { return []any{itemRules, []any{parts}} }
	none := []any{}
	for name, item := range map[string][]any{
		"good":          rule("obs", "up", 0, none, none, none),
		"too short":     rule("obs", "up", 0, none, none),
		"staff":         rule("obs", "up", 2, none, none, none),
		"no name":       rule("", "up", 0, none, none, none),
		"long name":     rule(strings.Repeat("x", MaxName+1), "up", 0, none, none, none),
		"long pattern":  rule("obs", "up", 0, none, none, []any{[]any{"c", strings.Repeat("x", MaxPattern+1)}}),
		"no pattern":    rule("obs", "up", 0, none, none, []any{[]any{"c"}}),
		"twice":         {itemRules, []any{[]any{"a", "up", 0, none, none, none}, []any{"a", "up", 0, none, none, none}}},
		"not a list":    {itemRules, 7},
		"too many":      rule("obs", "up", 0, make([]any, MaxRuleParts+1), none, none),
		"not a rule":    {itemRules, []any{"obs"}},
		"columns twice": rule("obs", "up", 0, slicesOfAny("c", MaxRuleParts), slicesOfAny("d", 1), none),
	} {
		for _, told := range []bool{true, false} {
			h := testHeader()
			if told {
				h = withRules(h)
			}
			b := hostile(t, h, item)
			_, _, err := read(b)
			if good := name == "good" && told; good != (err == nil) || !good && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s, told %t: %v", name, told, err)
			}
		}
	}
}

func slicesOfAny(s string, n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// hostile is a batch of one item of any form.
func hostile(t *testing.T, h *Header, item []any) []byte {
	t.Helper()
	start := head(t, h)
	stream := slices.Clone(start)
	for _, x := range []any{item, []any{itemEnd, 1, 0, 0, 0}} {
		b, err := cbor.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, b...)
	}
	return batchOf(start, stream)
}
