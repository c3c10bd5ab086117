package batch

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func withScopes(h *Header) *Header {
	h.Requests = append(h.Requests, Need{Feature: Scopes, Version: "0.1.0"}.String())
	return h
}

func withIdentifiers(h *Header) *Header {
	h = withScopes(h)
	h.Requests = append(h.Requests, Need{Feature: Identifiers, Version: "0.1.0"}.String())
	return h
}

func TestIdentifiers(t *testing.T) {
	text := rapid.StringN(1, 20, MaxIdentifier)
	rapid.Check(t, func(t *rapid.T) {
		i := &ScopeItem{Said: rapid.Bool().Draw(t, "said"), Seeks: append([]string(nil), rapid.SliceOfN(text, 0, 4).Draw(t, "seeks")...)}
		for range rapid.IntRange(0, 3).Draw(t, "replies") {
			if i.Said {
				i.Replies = append(i.Replies, ReplyItem{text.Draw(t, "asked"), rapid.Uint8().Draw(t, "answer"), rapid.StringN(0, 9, 36).Draw(t, "owner")})
			}
		}
		b, err := write(withIdentifiers(testHeader()), []any{i})
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := read(b); err != nil || !reflect.DeepEqual(got[0], i) {
			t.Fatalf("read %+v, not %+v: %v", got[0], i, err)
		}
	})
	for name, i := range map[string]*ScopeItem{
		"no identifier":     {Seeks: []string{""}},
		"a long one":        {Seeks: []string{strings.Repeat("p", MaxIdentifier+1)}},
		"no text":           {Seeks: []string{"\xff"}},
		"too many":          {Seeks: slicesOf("p", MaxSeeks+1)},
		"too many answers":  {Said: true, Replies: slices.Repeat([]ReplyItem{{Asked: "p"}}, MaxReplies+1)},
		"a child's answers": {Replies: []ReplyItem{{Asked: "p"}}},
		"a long owner":      {Said: true, Replies: []ReplyItem{{Asked: "p", Owner: strings.Repeat("p", MaxOwner+1)}}},
	} {
		if _, err := write(withIdentifiers(testHeader()), []any{i}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if _, err := write(withScopes(testHeader()), []any{&ScopeItem{Seeks: []string{"p"}}}); err == nil {
		t.Error("identifiers are written though the header does not say so")
	}
	none := []any{}
	for name, tail := range map[string][]any{
		"good":        {[]any{"p"}, []any{[]any{"p", 3, "k"}}},
		"missing":     {none},
		"empty":       {[]any{""}, none},
		"short":       {none, []any{[]any{"p", 3}}},
		"answer":      {none, []any{[]any{"p", 256, "k"}}},
		"long":        {none, []any{[]any{strings.Repeat("p", MaxIdentifier+1), 3, "k"}}},
		"too many":    {slicesOfAny("p", MaxSeeks+1), none},
		"not a list":  {7, none},
		"long answer": {none, []any{[]any{"p", 3, strings.Repeat("p", MaxOwner+1)}}},
	} {
		_, _, err := read(hostile(t, withIdentifiers(testHeader()), append([]any{itemScope, 1, 0, none, none, none, none, none}, tail...)))
		if good := name == "good"; good != (err == nil) || !good && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// scopeItems is a file that has all that the feature adds.
func scopeItems() []any {
	columns := []Column{{Name: "gender", Kind: KindText, Slot: 1}, {Name: PublicColumn}}
	return []any{
		&ScopeItem{Said: true, Entered: []string{"p1", "p2"}, Left: []string{"p3"}, Denied: []string{"p4"}, Purge: []string{"p3"}, Wants: []string{"p5"}},
		&TableItem{Table: Table{Name: "person", Root: "person", Key: []Column{{Name: "uuid", Kind: KindText}}, Columns: columns}},
		&KeysItem{First: FirstRef, N: 2, Parts: []Values{{Bytes: [][]byte{[]byte("p1"), []byte("p2")}}}},
		&Records{Keys: []uint32{2, 3}, Columns: []string{"gender", "gender"}, Values: [][]byte{[]byte("F"), nil}, LostTimes: []int64{1, 2}, LostAuthors: []string{"a", "a"},
			WonTimes: []int64{3, 4}, WonAuthors: []string{"b", "b"}, At: []int64{5, 5}, Epochs: []uint64{6, 6}, Owners: [][]string{{"p1", "p2"}, {}}},
		&Deletions{Keys: []uint32{3}, Times: []int64{7}, Authors: []string{"a"}, Epochs: []uint64{8}, Owners: [][]string{{"p2"}}},
		&Deletions{Keys: []uint32{2}, Times: []int64{7}, Authors: []string{"a"}, Epochs: []uint64{8}},
		&Rows{Keys: []uint32{2}, Columns: []Values{{Bytes: [][]byte{[]byte("F")}}, {Bytes: [][]byte{[]byte("1")}}},
			Masks: []uint64{3}, Times: []int64{9}, Authors: []string{"a"}, Epochs: []uint64{10}},
	}
}

func TestScopes(t *testing.T) {
	owner := rapid.StringN(1, 40, MaxOwner)
	rapid.Check(t, func(t *rapid.T) {
		list := func(name string) []string {
			return append([]string(nil), rapid.SliceOfN(owner, 0, 5).Draw(t, name)...)
		}
		i := &ScopeItem{Said: rapid.Bool().Draw(t, "said"), Wants: list("wants")}
		if i.Said {
			i.Whole, i.Entered, i.Left, i.Denied, i.Purge = rapid.Bool().Draw(t, "whole"), list("entered"), list("left"), list("denied"), list("purge")
		}
		items := append([]any{i}, scopeItems()[1:]...)
		of := make([][]string, 1)
		of[0] = append([]string{}, list("of a row")...)
		items[4].(*Deletions).Owners = of
		b, err := write(withScopes(testHeader()), items)
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := read(b)
		if err != nil {
			t.Fatal(err)
		}
		for n := range items {
			if fmt.Sprint(items[n]) != fmt.Sprint(got[n]) && !reflect.DeepEqual(items[n], got[n]) {
				t.Fatalf("read %+v, not %+v", got[n], items[n])
			}
		}
	})
}

// A file that needs no scopes has none, nor owners.
func TestScopesAreNeeded(t *testing.T) {
	for n, item := range scopeItems() {
		items := scopeItems()[1:3]
		switch item.(type) {
		case *ScopeItem:
			items = []any{item}
		case *Records, *Deletions:
			items = append(items, item)
		default:
			continue
		}
		if d, ok := item.(*Deletions); ok && d.Owners == nil {
			continue
		}
		if _, err := write(testHeader(), items); err == nil {
			t.Errorf("item %d is written though the header does not say so", n)
		}
	}
}

func TestScopesAreBounded(t *testing.T) {
	long := strings.Repeat("p", MaxOwner)
	many := func(n int, text string) []string { return slicesOf(text, n) }
	for name, i := range map[string]*ScopeItem{
		"no key":       {Wants: []string{""}},
		"a long key":   {Wants: []string{long + "p"}},
		"owners":       {Said: true, Entered: many(MaxOwners/2, "p"), Left: many(MaxOwners/2+1, "p")},
		"bytes":        {Said: true, Entered: many(MaxOwnerBytes/MaxOwner, long), Denied: many(1, long)},
		"wants":        {Wants: many(MaxWants+1, "p")},
		"says nothing": {Entered: []string{"p"}},
		"is not whole": {Whole: true},
	} {
		if _, err := write(withScopes(testHeader()), []any{i}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	rules := &RulesItem{Tables: []TableRule{{Table: "obs", Direction: "up"}}}
	said := &ScopeItem{Wants: []string{"p"}}
	for name, c := range map[string]struct {
		items []any
		good  bool
	}{
		"alone":             {[]any{said}, true},
		"after rules":       {[]any{rules, said}, true},
		"before rules":      {[]any{said, rules}, false},
		"twice":             {[]any{said, said}, false},
		"after other items": {append(scopeItems()[1:3], said), false},
	} {
		if _, err := write(withRules(withScopes(testHeader())), c.items); c.good != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, owners := range map[string][][]string{
		"too few":    {},
		"too many":   {{"p"}, {"p"}},
		"of one row": {many(MaxRowOwners+1, "p")},
		"empty":      {{""}},
	} {
		items := scopeItems()[:3]
		if _, err := write(withScopes(testHeader()), append(items, &Deletions{Keys: []uint32{2}, Times: []int64{7}, Authors: []string{"a"}, Epochs: []uint64{8}, Owners: owners})); err == nil {
			t.Errorf("owners %s: written", name)
		}
	}
}

// Whatever stands for scopes in a file is read, or refused as damage.
func TestHostileScopes(t *testing.T) {
	none := []any{}
	item := func(parts ...any) []any { return append([]any{itemScope}, parts...) }
	for name, x := range map[string][]any{
		"good":            item(1, 0, []any{"p"}, none, none, none, none),
		"too short":       item(1, 0, none, none, none, none),
		"flag":            item(2, 0, none, none, none, none, none),
		"no key":          item(1, 0, []any{""}, none, none, none, none),
		"long key":        item(1, 0, []any{strings.Repeat("p", MaxOwner+1)}, none, none, none, none),
		"not a text":      item(1, 0, []any{7}, none, none, none, none),
		"not a list":      item(1, 0, 7, none, none, none, none),
		"too many":        item(1, 0, slicesOfAny("p", MaxOwners), []any{"p"}, none, none, none),
		"too many wants":  item(0, 0, none, none, none, none, slicesOfAny("p", MaxWants+1)),
		"said and unsaid": item(0, 0, []any{"p"}, none, none, none, none),
	} {
		for _, told := range []bool{true, false} {
			h := testHeader()
			if told {
				h = withScopes(h)
			}
			_, _, err := read(hostile(t, h, x))
			if good := name == "good" && told; good != (err == nil) || !good && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s, told %t: %v", name, told, err)
			}
		}
	}
}
