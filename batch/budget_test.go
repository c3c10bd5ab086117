package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// pairTable has keys made of two others.
func pairTable(n uint32) *TableItem {
	return &TableItem{Number: n, Table: Table{Name: "pair", Root: "pair", Key: []Column{{Name: "a", Ref: true}, {Name: "b", Ref: true}}}}
}

func keysOf(table, first uint32, parts ...Values) *KeysItem {
	return &KeysItem{Table: table, First: first, N: max(len(parts[0].Bytes), len(parts[0].Refs)), Parts: parts}
}

func refs(r ...uint32) Values { return Values{Refs: r} }

// TestKeyBounds writes and reads keys at each bound, and one above.
func TestKeyBounds(t *testing.T) {
	text := func(n int) Values { return Values{Bytes: [][]byte{bytes.Repeat([]byte{'k'}, n)}} }
	sep := func(n int) Values { return Values{Bytes: [][]byte{bytes.Repeat([]byte{keySeparator}, n)}} }
	chain := func(n int) []any {
		items := []any{personTable(), &TableItem{Number: 1, Table: Table{Name: "chain", Root: "chain", Key: []Column{{Name: "a", Ref: true}}}},
			keysOf(0, 2, text(1))}
		for i := range n - 1 {
			items = append(items, keysOf(1, uint32(i+3), refs(uint32(i+2))))
		}
		return items
	}
	pair := func(part Values) []any {
		return []any{personTable(), pairTable(1), keysOf(0, 2, part), keysOf(1, 3, refs(2), refs(RefNowhere))}
	}
	many := func(keys, bytes int) []any {
		items := []any{personTable()}
		for i := 0; i < keys; i += MaxBlockRows {
			v := Values{}
			for range min(MaxBlockRows, keys-i) {
				v.Bytes = append(v.Bytes, text(bytes).Bytes[0])
			}
			items = append(items, keysOf(0, uint32(i)+FirstRef, v))
		}
		return items
	}
	const each = 4096
	full := MaxDictBytes / (keyCost + partCost + each)
	columns := func(n, names int) (items []any) {
		for i := 0; n > 0; i++ {
			table := &TableItem{Number: uint32(i), Table: Table{Name: fmt.Sprint("t", i), Root: fmt.Sprint("t", i), Key: []Column{{Name: fmt.Sprintf("%0*d", names, 0)}}}}
			for n--; n > 0 && len(table.Table.Columns) < MaxColumns; n-- {
				table.Table.Columns = append(table.Table.Columns, Column{Name: fmt.Sprintf("%0*d", names, n)})
			}
			items = append(items, table)
		}
		return items
	}
	for _, c := range []struct {
		name      string
		good, bad []any
	}{
		{"bytes of a key", []any{personTable(), keysOf(0, 2, text(MaxKey))}, []any{personTable(), keysOf(0, 2, text(MaxKey+1))}},
		{"bytes of a key made of others", pair(text(MaxKey - 3)), pair(text(MaxKey - 2))},
		{"bytes that are escaped", pair(sep(MaxKey/2 - 1)), pair(sep(MaxKey / 2))},
		{"depth", chain(MaxKeyDepth), chain(MaxKeyDepth + 1)},
		{"bytes of the dictionary", many(full, each), many(full+1, each)},
		{"columns", columns(MaxAllColumns, 6), columns(MaxAllColumns+1, 6)},
		{"names of columns", columns(MaxColumnNames/128, 128), columns(MaxColumnNames/128+1, 128)},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := write(testHeader(), c.good)
			if err != nil {
				t.Fatalf("at the bound: %v", err)
			}
			if _, _, err := read(file); err != nil {
				t.Errorf("at the bound: %v", err)
			}
			if _, err := write(testHeader(), c.bad); !errors.Is(err, ErrExcess) || !errors.Is(err, ErrCorrupt) {
				t.Errorf("above the bound: %v, want ErrExcess", err)
			}
		})
	}
}

// TestHeld holds a block, with the keys before it, to their bound.
func TestHeld(t *testing.T) {
	s := newState(testHeader())
	s.dictBytes = MaxHeld - MaxValue - 2*cellCost
	if err := s.count(&volume{sum: MaxValue, longest: MaxValue}, 2, 0); err != nil {
		t.Error(err)
	}
	if err := s.count(&volume{sum: MaxValue, longest: MaxValue}, 3, 0); !errors.Is(err, ErrExcess) {
		t.Error(err)
	}
}

// TestMeasure holds the measure of a key against the key itself, as FORMAT.md has it: parts joined by 1f, in which 1e stands before 1e
// and 1f; 1e 4e is NULL.
func TestMeasure(t *testing.T) {
	var keys []string
	var known []dictKey
	escaped := strings.NewReplacer("\x1e", "\x1e\x1e", "\x1f", "\x1e\x1f")
	add := func(parts ...Values) {
		k, err := measure(parts, 0, func(ref uint32) dictKey { return known[ref-FirstRef] })
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, p := range parts {
			s := "\x1eN"
			switch {
			case p.Refs != nil && p.Refs[0] >= FirstRef:
				s = keys[p.Refs[0]-FirstRef]
			case p.Refs == nil && p.Bytes[0] != nil:
				s = string(p.Bytes[0])
			default:
				text = append(text, s)
				continue
			}
			if len(parts) > 1 {
				s = escaped.Replace(s)
			}
			text = append(text, s)
		}
		key := strings.Join(text, "\x1f")
		if int(k.size) != len(key) || int(k.escapes) != escapes([]byte(key)) {
			t.Errorf("%q: %d bytes and %d to be escaped, measured %d and %d", key, len(key), escapes([]byte(key)), k.size, k.escapes)
		}
		keys, known = append(keys, key), append(known, k)
	}
	null := Values{Bytes: [][]byte{nil}}
	add(Values{Bytes: texts("plain")})
	add(Values{Bytes: texts("a\x1eb\x1fc")})
	add(null)
	add(null, null)
	add(refs(2))
	add(refs(3), refs(4))
	add(refs(7), refs(7), Values{Bytes: texts("")})
	add(refs(8), refs(RefNowhere), refs(RefNull), Values{Bytes: texts("\x1eN")})
	add(refs(9))
	add(refs(9), refs(10), refs(9))
}

// TestQuotas holds each quota at its bound, and one above.
func TestQuotas(t *testing.T) {
	const size = 1000
	for _, c := range []struct {
		quota quota
		set   func(s *state, n uint64)
	}{
		{itemQuota, func(s *state, n uint64) { s.items = n }},
		{keyQuota, func(s *state, n uint64) { s.keys = n }},
		{rowQuota, func(s *state, n uint64) { s.rows, s.deletions, s.records = n-2, 1, 1 }},
		{cellQuota, func(s *state, n uint64) { s.cells = n }},
		{valueQuota, func(s *state, n uint64) { s.valueBytes = n }},
	} {
		limit := c.quota.base + size*c.quota.perByte
		s := newState(testHeader())
		if c.set(&s, limit); s.checkQuotas(size) != nil {
			t.Errorf("%s: %d refused", c.quota.what, limit)
		}
		if c.set(&s, limit+1); !errors.Is(s.checkQuotas(size), ErrExcess) {
			t.Errorf("%s: %d taken", c.quota.what, limit+1)
		}
	}
	limit := int64(decodedQuota.of(size))
	for _, more := range []int64{0, 1} {
		n, err := io.Copy(io.Discard, &bounded{r: io.LimitReader(zeros{}, limit+more), size: size})
		if (more == 0) != (err == nil) || more > 0 && !errors.Is(err, ErrExcess) {
			t.Errorf("%d bytes above the bound: %d read, %v", more, n, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestCounts reads what the quotas count.
func TestCounts(t *testing.T) {
	stream, err := contents(testHeader(), []any{personTable(), keysOf(0, 2, Values{Bytes: texts("abc", "def")}), &ResetItem{}, keysOf(0, 2, Values{Bytes: texts("ghi")}),
		&Rows{Table: 0, Keys: []uint32{2}, Columns: []Values{{Bytes: texts("Jane")}, {}}, Masks: []uint64{1}, Times: []int64{1}, Authors: []string{"x"}, Epochs: []uint64{1}}})
	if err != nil {
		t.Fatal(err)
	}
	r := readerOf(stream[len(head(t, testHeader())):])
	for err == nil {
		_, err = r.Next()
	}
	if err != io.EOF || r.items != 5 || r.keys != 3 || r.rows != 1 || r.cells != 3+2+1 || r.valueBytes != 9+4 || r.dictBytes != keyCost+partCost+3 {
		t.Errorf("%v: %d items, %d keys, %d rows, %d values, %d bytes of them, %d of keys", err, r.items, r.keys, r.rows, r.cells, r.valueBytes, r.dictBytes)
	}
}

// TestCountsAreHeldToQuotas reads more items than a file of its size may have.
func TestCountsAreHeldToQuotas(t *testing.T) {
	r := readerOf(bytes.Repeat([]byte{0x81, itemReset}, 1<<20+1))
	r.size = 0
	var err error
	for n := 0; err == nil; n++ {
		if _, err = r.Next(); err != nil && n != 1<<20 {
			t.Errorf("broken off at item %d", n)
		}
	}
	if !errors.Is(err, ErrExcess) {
		t.Error(err)
	}
}
