package batch

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// TestDamagedFile cuts a file at every byte, and flips a bit of every byte:
// no reader takes it, and none decrypts it.
func TestDamagedFile(t *testing.T) {
	b := mustWrite(t, sample()...)
	open := func(what string, i int, b []byte) {
		_, err := Open(bytes.NewReader(b), int64(len(b)), verify, func(io.Reader) (io.Reader, error) {
			t.Fatalf("%s %d: decrypted", what, i)
			return nil, nil
		})
		if !errors.Is(err, ErrVersion) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrSignature) {
			t.Fatalf("%s %d: %v", what, i, err)
		}
	}
	for i := range b {
		open("cut at", i, b[:i])
		c := slices.Clone(b)
		c[i] ^= 1 << (i % 8)
		open("flip at", i, c)
	}
	open("byte after", len(b), append(slices.Clone(b), 0))

	_, err := Open(bytes.NewReader(b), int64(len(b)), func(*Header, []byte, []byte) error { return errVerify }, noDecrypt)
	if !errors.Is(err, ErrSignature) || !errors.Is(err, errVerify) {
		t.Errorf("refused signature: %v", err)
	}
	if _, err := ReadHeader(strings.NewReader("\x02")); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := ReadHeader(strings.NewReader("\x01\x00\x10\x00\x01")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("header over its limit: %v", err)
	}
	if _, err := ReadHeader(strings.NewReader("\x01\x00\x10\x00\x00")); !errors.Is(err, ErrTruncated) {
		t.Errorf("header cut short: %v", err)
	}
}

func head(t testing.TB, h *Header) []byte {
	t.Helper()
	b, err := h.marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCutStream signs every beginning of a stream: each lacks its end.
func TestCutStream(t *testing.T) {
	stream, err := contents(testHeader(), sample())
	if err != nil {
		t.Fatal(err)
	}
	h := head(t, testHeader())
	for i := range stream {
		if _, _, err := read(batchOf(h, stream[:i])); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	if _, _, err := read(batchOf(h, stream)); err != nil {
		t.Fatalf("whole stream: %v", err)
	}
	if _, _, err := read(batchOf(h, append(stream, 0))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("byte after the end: %v", err)
	}
	whole := batchOf(h, stream)
	whole = whole[:len(whole)-SignatureSize]
	for _, tail := range [][]byte{{0}, []byte("more than four"), whole[5+len(h):]} {
		if _, _, err := read(signed(append(slices.Clone(whole), tail...))); err == nil {
			t.Errorf("%d bytes after the compressed stream: no error", len(tail))
		}
	}
	other := testHeader()
	other.Upto.Epoch++
	if _, _, err := read(batchOf(head(t, other), stream)); !errors.Is(err, ErrHeader) {
		t.Errorf("headers that differ: %v", err)
	}
}

// flaky changes after its signature was checked, or breaks.
type flaky struct {
	b     []byte
	reads int
	after func(b []byte) error
}

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	if f.after != nil {
		if err := f.after(f.b); err != nil {
			return 0, err
		}
	}
	return bytes.NewReader(f.b).ReadAt(p, off)
}

func TestFileChangesUnderReader(t *testing.T) {
	stream, err := contents(testHeader(), sample())
	if err != nil {
		t.Fatal(err)
	}
	one := batchOf(head(t, testHeader()), stream)
	// Another good stream of the same length, signed by nobody.
	changed := bytes.Replace(stream, []byte("kept"), []byte("lost"), 1)
	two := batchOf(head(t, testHeader()), changed)
	if bytes.Equal(stream, changed) || len(one) != len(two) {
		t.Fatalf("%d and %d bytes", len(one), len(two))
	}
	broken := errors.New("stick was pulled out")
	for _, c := range []struct {
		after func(b []byte) error
		want  error
	}{
		{func(b []byte) error { copy(b, two); return nil }, ErrCorrupt},
		{func([]byte) error { return broken }, broken},
	} {
		f := &flaky{b: slices.Clone(one)}
		r, err := Open(f, int64(len(one)), func(h *Header, msg, sig []byte) error {
			f.after = c.after
			return verify(h, msg, sig)
		}, noDecrypt)
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
	}
}

// raw stands for bytes of CBOR that no encoder would write.
func raw(s string) string { return fmt.Sprintf("raw %x", s) }

// splice replaces what raw stands for.
func splice(b []byte) []byte {
	return regexp.MustCompile(`(?:x.|[\x60-\x77])raw ([0-9a-f]+)`).ReplaceAllFunc(b, func(m []byte) []byte {
		bytes, err := hex.DecodeString(string(m[bytes.Index(m, []byte("raw "))+4:]))
		if err != nil {
			panic(err)
		}
		return bytes
	})
}

// TestBadItems has items that are signed and well-formed, and yet not what a
// writer would write.
func TestBadItems(t *testing.T) {
	run := func(start, step uint64) []any { return []any{0, start, step} }
	person := []any{itemTable, 0, "person", "person", []any{[]any{"uuid", KindUUID, 0, 0}}, []any{[]any{"gender", KindText, 0, 1}, []any{"creator", KindInt, 1, 2}}}
	two := []any{itemKeys, 0, 2, 2, []any{[]any{encPlain, run(1, 0), []byte("ab")}}}
	absent := []any{encAbsent}
	rows := func(change func(row []any)) []any {
		row := []any{itemRows, 0, 2, run(2, 1), nil, nil, run(1, 0), run(5, 0), []any{[]any{"hub"}, run(0, 0)}, run(1, 0), []any{absent, absent}}
		change(row)
		return row
	}
	column := func(c ...any) []any { return rows(func(r []any) { r[10] = []any{c, absent} }) }
	refs := func(c ...any) []any { return rows(func(r []any) { r[10] = []any{absent, c} }) }
	deep := []any{encConst, nil}
	for range 2 * maxDepth {
		deep = []any{encSplit, []byte{0}, deep, []any{encConst, nil}}
	}
	good := map[string][]any{
		"rows":          rows(func([]any) {}),
		"plain":         column(encPlain, run(1, 0), []byte("xy")),
		"split":         column(encSplit, []byte{2}, []any{encConst, nil}, []any{encConst, []byte("x")}),
		"int":           column(encInt, []any{seriesPlain, 3, 1, []byte{0, 7}}),
		"delta":         column(encInt, []any{seriesDelta, 3, 2, []byte{0, 7}}),
		"dictionary":    column(encDict, 1, []any{encConst, []byte("x")}, run(0, 0)),
		"series values": column(encInt, []any{seriesDict, 3, 1, 2, []byte{9, 5}, []byte{0, 1}}),
		"references":    refs(encRefs, run(2, 1)),
		"deletions":     {itemDeletions, 0, 2, run(2, 1), run(5, 0), []any{[]any{"hub"}, run(0, 0)}, run(1, 0)},
	}
	bad := map[string][]any{
		"unknown item":            {9},
		"item too short":          {itemTable, 0},
		"end with rows":           {itemEnd, 2, 1, 0, 0},
		"end with items":          {itemEnd, 3, 0, 0, 0},
		"table number":            {itemTable, 5, "t", "t", []any{[]any{"k", 0, 0, 0}}, []any{}},
		"table twice":             person,
		"table without key":       {itemTable, 1, "t", "t", []any{}, []any{}},
		"slot over limit":         {itemTable, 1, "t", "t", []any{[]any{"k", 0, 0, 64}}, []any{}},
		"long name":               {itemTable, 1, strings.Repeat("x", MaxName+1), "t", []any{[]any{"k", 0, 0, 0}}, []any{}},
		"keys of no table":        {itemKeys, 1, 4, 1, []any{[]any{encConst, []byte("c")}}},
		"keys out of turn":        {itemKeys, 0, 5, 1, []any{[]any{encConst, []byte("c")}}},
		"keys without parts":      {itemKeys, 0, 4, 1, []any{absent}},
		"no keys":                 {itemKeys, 0, 4, 0, []any{[]any{encConst, nil}}},
		"more keys than allowed":  {itemKeys, 0, 4, MaxBlockRows + 1, []any{[]any{encConst, nil}}},
		"rows of no table":        rows(func(r []any) { r[1] = 1 }),
		"no rows":                 rows(func(r []any) { r[2] = 0 }),
		"row with key 1":          rows(func(r []any) { r[3] = run(1, 1) }),
		"row with key past end":   rows(func(r []any) { r[3] = run(3, 1) }),
		"mask of nothing":         rows(func(r []any) { r[6] = run(0, 0) }),
		"masks that overlap":      rows(func(r []any) { r[5], r[6] = []any{seriesPlain, 0, 1, []byte{2, 0}}, run(1, 0) }),
		"too many groups":         rows(func(r []any) { r[5] = run(65, 0) }),
		"time after 9999":         rows(func(r []any) { r[7] = run(MaxTime+1, 0) }),
		"author that is not":      rows(func(r []any) { r[8] = []any{[]any{"hub"}, run(1, 0)} }),
		"author not UTF-8":        rows(func(r []any) { r[8] = []any{[]any{raw("\x61\xff")}, run(0, 0)} }),
		"column missing":          rows(func(r []any) { r[10] = []any{absent} }),
		"text for bytes":          column(encPlain, run(1, 0), "xy"),
		"unknown encoding":        column(12, run(1, 0)),
		"too few elements":        column(encPlain, run(1, 0)),
		"lengths that disagree":   column(encPlain, run(1, 1), []byte("xy")),
		"length over limit":       column(encPlain, run(1<<40, 0), []byte("xy")),
		"lengths over 2^64":       column(encPlain, run(1<<63, 1<<63), []byte("xy")),
		"length that is a lie":    column(encConst, raw("\x5b\x00\x00\x00\xff\xff\xff\xff\xff")),
		"bitmap past its end":     column(encSplit, []byte{4}, []any{encConst, nil}, []any{encConst, nil}),
		"bitmap too long":         column(encSplit, []byte{0, 0}, []any{encConst, nil}, []any{encConst, nil}),
		"nested too deep":         column(deep...),
		"references in a split":   column(encSplit, []byte{1}, []any{encRefs, run(0, 0)}, []any{encConst, nil}),
		"dictionary position":     column(encDict, 1, []any{encConst, []byte("x")}, run(0, 1)),
		"dictionary too large":    column(encDict, 3, []any{encConst, []byte("x")}, run(0, 0)),
		"series method":           column(encInt, []any{4, 3, 1, []byte{0, 7}}),
		"series width 0":          column(encInt, []any{seriesPlain, 3, 0, []byte{}}),
		"series width 9":          column(encInt, []any{seriesPlain, 3, 9, make([]byte, 18)}),
		"series too short":        column(encInt, []any{seriesPlain, 3, 1, []byte{0}}),
		"delta too long":          column(encInt, []any{seriesDelta, 3, 1, []byte{0, 7}}),
		"series position":         column(encInt, []any{seriesDict, 3, 1, 1, []byte{9}, []byte{0, 1}}),
		"series dictionary size":  column(encInt, []any{seriesDict, 3, 1, 257, make([]byte, 257), []byte{0, 1}}),
		"scale over limit":        column(encDecimal, run(19, 0), run(1, 0)),
		"digits of a second":      column(encDateTime, 7, run(1, 0)),
		"time that is none":       column(encDateTime, 0, run(dateTimes, 0)),
		"date that is none":       column(encDate, run(dates, 0)),
		"UUIDs too short":         column(encUUID, make([]byte, 31)),
		"references in no column": column(encRefs, run(2, 0)),
		"reference past the end":  refs(encRefs, run(3, 1)),
		"reference over limit":    refs(encRefs, run(1<<32+2, 0)),
		"head not shortest":       column(encConst, raw("\x58\x01x")),
		"indefinite length":       column(encConst, raw("\x5f\x41x\xff")),
		"tagged":                  column(encConst, raw("\xc2\x41x")),
		"deletion of no key":      {itemDeletions, 0, 2, run(3, 1), run(5, 0), []any{[]any{"hub"}, run(0, 0)}, run(1, 0)},
	}
	h := head(t, testHeader())
	try := func(item []any, counted int) error {
		stream := slices.Clone(h)
		for _, x := range []any{person, two, item, []any{itemEnd, 3, counted & 2, counted & 4 / 2, 0}} {
			b, err := cbor.Marshal(x)
			if err != nil {
				t.Fatal(err)
			}
			stream = append(stream, splice(b)...)
		}
		_, _, err := read(batchOf(h, stream))
		return err
	}
	for name, item := range good {
		counted := 2
		if name == "deletions" {
			counted = 4
		}
		if err := try(item, counted); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, item := range bad {
		if err := try(item, 2); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBomb has a small file that unpacks to large values, one after the other.
func TestBomb(t *testing.T) {
	var items []any
	table := personTable()
	for _, name := range []string{"a", "b", "c"} {
		table.Table.Columns = append(table.Table.Columns, Column{Name: name})
	}
	items = append(items, table, &KeysItem{Table: 0, First: 2, N: 1, Parts: []Values{{Bytes: texts("k")}}})
	stream, err := contents(testHeader(), items)
	if err != nil {
		t.Fatal(err)
	}
	stream = stream[:len(stream)-6] // without the end
	row, err := cbor.Marshal([]any{itemRows, 0, 1, []any{0, 2, 0}, nil, nil, []any{0, 1, 0}, []any{0, 5, 0}, []any{[]any{"hub"}, []any{0, 0, 0}}, []any{0, 1, 0},
		[]any{[]any{encAbsent}, []any{encAbsent}, []any{encConst, make([]byte, MaxValue)}, []any{encConst, make([]byte, MaxValue)}, []any{encConst, make([]byte, MaxValue)}}})
	if err != nil {
		t.Fatal(err)
	}
	file := batchOf(head(t, testHeader()), append(stream, row...))
	row, stream = nil, nil
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err = read(file)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 256 {
		t.Errorf("%d MiB allocated for a file of %d bytes", mb, len(file))
	}
}
