package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func withShortKeys(h *Header) *Header {
	h.Requests = append(h.Requests, Need{Feature: ShortKeys, Version: "0.1.0"}.String())
	return h
}

// shortKeys are keys that the file has whole, and the beginnings of others.
type shortKeys struct {
	whole [][]byte
	width int
}

const concept = "1065aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// shortItems are rows that are named in both ways.
func shortItems() []any {
	return []any{
		personTable(),
		&KeysItem{Table: 0, First: 2, N: 1, Parts: []Values{{Bytes: texts(uuid("a"))}}},
		&shortKeys{texts(uuid("b"), uuid("c")), 5},
		&shortKeys{texts(concept), 0},
		&Rows{Table: 0, Keys: []uint32{2, 3}, Columns: []Values{{Bytes: texts("F", "M")}, {Refs: []uint32{5, 4}}},
			Masks: []uint64{7, 7}, Times: []int64{1, 1}, Authors: []string{"hub", "hub"}, Epochs: []uint64{1, 1}},
		&ResetItem{},
		&shortKeys{texts(uuid("d")), 15},
	}
}

// readShort reads a file, with the keys that it has short as somebody says.
func readShort(b []byte, whole func(table string, prefixes [][]byte) ([][]byte, error)) (items []any, err error) {
	r, err := Open(bytes.NewReader(b), int64(len(b)), verify, noDecrypt)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if whole != nil {
		r.TakeShort(whole)
	}
	for {
		item, err := r.Next()
		if err == io.EOF {
			return items, nil
		}
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
}

// among finds keys by their beginnings among these.
func among(keys ...string) func(string, [][]byte) ([][]byte, error) {
	return func(table string, prefixes [][]byte) (out [][]byte, err error) {
		for _, p := range prefixes {
			for _, k := range keys {
				if table == "person" && strings.HasPrefix(k, string(p)) {
					out = append(out, []byte(k))
				}
			}
		}
		return out, nil
	}
}

// Who knows the keys reads the file as if it had them whole; who does not, their beginnings.
func TestShortKeys(t *testing.T) {
	b, err := write(withShortKeys(testHeader()), shortItems())
	if err != nil {
		t.Fatal(err)
	}
	items, err := readShort(b, among(uuid("a"), uuid("b"), uuid("c"), uuid("d"), concept))
	if err != nil {
		t.Fatal(err)
	}
	all := shortItems()
	want := []any{all[0], all[1],
		&KeysItem{Table: 0, First: 3, N: 2, Parts: []Values{{Bytes: texts(uuid("b"), uuid("c"))}}},
		&KeysItem{Table: 0, First: 5, N: 1, Parts: []Values{{Bytes: texts(concept)}}},
		all[4], all[5],
		&KeysItem{Table: 0, First: 2, N: 1, Parts: []Values{{Bytes: texts(uuid("d"))}}},
	}
	if check, ok := items[len(items)-1].(*ShortCheckItem); !ok || !reflect.DeepEqual(items[:len(items)-1], want) {
		t.Errorf("read %+v and %+v", items, check)
	}
	if items, err = readShort(b, nil); err != nil {
		t.Fatal(err)
	}
	for at, prefixes := range map[int][][]byte{2: texts(uuid("b")[:11], uuid("c")[:11]), 3: texts("1065a"), 6: texts(uuid("d")[:34])} {
		if short, ok := items[at].(*ShortKeysItem); !ok || !reflect.DeepEqual(short.Prefixes, prefixes) {
			t.Errorf("item %d is %+v, want %q", at, items[at], prefixes)
		}
	}
}

// A key that is not the one which the sender named is found out, however well it begins.
func TestShortKeysOfOthers(t *testing.T) {
	b, err := write(withShortKeys(testHeader()), shortItems())
	if err != nil {
		t.Fatal(err)
	}
	good := []string{uuid("a"), uuid("b"), uuid("c"), uuid("d"), concept}
	for i := range good[1:] {
		keys := slices.Clone(good)
		keys[i+1] = keys[i+1][:35] + map[bool]string{true: "1", false: "0"}[keys[i+1][35] == '0']
		if _, err := readShort(b, among(keys...)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "other keys than the sender's") {
			t.Errorf("with another key %d: %v", i+1, err)
		}
	}
	for what, whole := range map[string]func(string, [][]byte) ([][]byte, error){
		"none":    func(string, [][]byte) ([][]byte, error) { return nil, nil },
		"another": func(_ string, p [][]byte) ([][]byte, error) { return slices.Repeat(texts(uuid("x")), len(p)), nil },
		"error":   func(string, [][]byte) ([][]byte, error) { return nil, errVerify },
	} {
		if items, err := readShort(b, whole); err == nil || len(items) != 2 {
			t.Errorf("%s: %d items, %v", what, len(items), err)
		}
	}
}

// What no writer writes is refused.
func TestHostileShortKeys(t *testing.T) {
	const first, n, width = 2, 1, 5
	item := func(table, first, n, width uint64, values func(p *packer)) func(p *packer) {
		return func(p *packer) {
			p.list(6, itemShortKeys, table, first, n, width)
			values(p)
		}
	}
	planes := func(n int) func(p *packer) { return func(p *packer) { p.bytes(make([]byte, n)) } }
	words := func(s ...string) func(p *packer) { return func(p *packer) { p.values(KindText, texts(s...)) } }
	good := item(0, first, n, width, planes(5))
	check := func(p *packer) {
		p.list(2, itemShortCheck)
		p.bytes(make([]byte, 8))
	}
	for what, c := range map[string]struct {
		why   string
		items []func(p *packer)
	}{
		"good":              {"", []func(p *packer){good, check}},
		"no check":          {"without a check", []func(p *packer){good}},
		"two checks":        {"or twice", []func(p *packer){good, check, check}},
		"a check of none":   {"where there are none", []func(p *packer){check}},
		"after the check":   {"after their check", []func(p *packer){good, check, item(0, 3, n, width, planes(5))}},
		"no such table":     {"not defined", []func(p *packer){item(9, first, n, width, planes(5))}},
		"a key of two":      {"not one column", []func(p *packer){item(1, first, n, width, planes(5))}},
		"a place not due":   {"key 7 where 2 is due", []func(p *packer){item(0, 7, n, width, planes(5))}},
		"no rows":           {"0 rows", []func(p *packer){item(0, first, 0, width, planes(0))}},
		"too many":          {"is above 4096", []func(p *packer){item(0, first, 4097, width, planes(5*4097))}},
		"too short":         {"less than 4", []func(p *packer){item(0, first, n, 3, planes(3))}},
		"whole":             {"is above 15", []func(p *packer){item(0, first, n, 16, planes(16))}},
		"too few bytes":     {"has 4 bytes, not 5", []func(p *packer){item(0, first, n, width, planes(4))}},
		"a short text":      {"no beginning", []func(p *packer){item(0, first, n, 0, words("abc"))}},
		"capitals":          {"no beginning", []func(p *packer){item(0, first, n, 0, words("ABCDE"))}},
		"signs":             {"no beginning", []func(p *packer){item(0, first, n, 0, words("abcd%"))}},
		"a hyphen at last":  {"no beginning", []func(p *packer){item(0, first, n, 0, words("abcd-"))}},
		"NULL":              {"no beginning", []func(p *packer){item(0, first, n, 0, words("\x00"))}},
		"a long text":       {"no beginning", []func(p *packer){item(0, first, n, 0, words(strings.Repeat("a", 37)))}},
		"a check too short": {"has 7 bytes", []func(p *packer){good, func(p *packer) { p.list(2, itemShortCheck); p.bytes(make([]byte, 7)) }}},
	} {
		d := decoder(func(p *packer) {
			for _, f := range c.items {
				f(p)
			}
			p.list(5, itemEnd, uint64(len(c.items)), 0, 0, 0)
		})
		r := readerOf(nil)
		r.in, r.state = *d, newState(withShortKeys(testHeader()))
		for _, table := range []Table{personTable().Table, {Name: "role", Root: "role", Key: []Column{{Name: "a"}, {Name: "b"}}}} {
			if _, err := r.addTable(table); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if c.why == "" && err == io.EOF {
			continue
		}
		if !errors.Is(err, ErrCorrupt) || c.why == "" || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := write(testHeader(), shortItems()); err == nil {
		t.Error("short keys in a file that does not say so")
	}
}

// A file has no more of them than one import looks for.
func TestManyShortKeys(t *testing.T) {
	w, err := NewWriter(io.Discard, withShortKeys(testHeader()), func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }, sign)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Wait()
	if _, err := w.Table(personTable().Table); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n += MaxBlockRows {
		keys := make([][]byte, MaxBlockRows) // the writer keeps them
		for i := range keys {
			keys[i] = []byte(uuid(fmt.Sprint(n + i)))
		}
		if _, err := w.ShortKeys(0, keys, 6); err != nil {
			if !errors.Is(err, ErrExcess) || n != MaxShortKeys || w.ShortLen() != n {
				t.Errorf("after %d of %d: %v", n, w.ShortLen(), err)
			}
			return
		}
	}
}

func TestShortName(t *testing.T) {
	one := "0ae56e2b-5fc1-4d1e-818a-b174aea7115b"
	for _, c := range []struct {
		key   string
		width int
		want  string
	}{
		{one, 4, "0ae56e2b"}, {one, 5, "0ae56e2b-5f"}, {one, 6, "0ae56e2b-5fc1"}, {one, 7, "0ae56e2b-5fc1-4d"}, {one, 11, "0ae56e2b-5fc1-4d1e-818a-b1"}, {one, 15, one[:34]},
		{one, 0, ""}, {concept, 0, "1065a"}, {concept, 5, ""}, {"1065AAAAAAAAAAAAAAAA", 0, ""}, {"abaaaaaaaa", 0, ""}, {"abcaaaaaaa", 0, ""}, {"abcaaaaaaaa", 0, "abca"},
		{"", 0, ""}, {strings.Repeat("a", 300), 0, ""}, {"concept-class-11", 0, ""},
	} {
		got, ok := ShortName([]byte(c.key), c.width)
		if string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%q with %d bytes: %q, %v", c.key, c.width, got, ok)
		}
	}
	for n, want := range map[int]int{0: 4, 1: 5, 65: 5, 66: 6, 1000: 6, MaxBlockRows: 6, MaxShortKeys: 7, 1 << 60: 7} {
		if got := ShortWidth(n); got != want {
			t.Errorf("%d rows take %d bytes, want %d", n, got, want)
		}
	}
}
