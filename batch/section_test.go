package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

func withSections(h *Header) *Header {
	h.Requests = append(h.Requests, Need{Feature: Sections, Version: "0.1.0"}.String())
	return h
}

// made makes a section of items.
func made(h *Header, items []any) (*Section, error) {
	w, err := new(Compressors).NewSection(h)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		switch x := item.(type) {
		case *TableItem:
			_, err = w.Table(x.Table)
		case *KeysItem:
			_, err = w.Keys(x.Table, x.Parts)
		case *ResetItem:
			err = w.ResetDict()
		case *Rows:
			err = w.Rows(x)
		default:
			err = fmt.Errorf("%T in a section", item)
		}
		if err != nil {
			return nil, err
		}
	}
	return w.Close()
}

// writeParts makes a batch of parts: those that are sections, and those that are not, each beginning with a section item but the first. It
// returns the items that it has.
func writeParts(h *Header, parts []*Section, own [][]any) (file []byte, items []any, err error) {
	var buf bytes.Buffer
	w, err := new(Compressors).NewWriter(&buf, h, noEncrypt, sign)
	if err != nil {
		return nil, nil, err
	}
	for i, p := range parts {
		if p != nil {
			items = append(items, &SectionItem{})
			err = w.Section(p)
		} else if len(own[i]) > 0 && w.between {
			items = append(items, &SectionItem{})
		}
		items = append(items, own[i]...)
		for _, item := range own[i] {
			if err == nil && p == nil {
				err = w.item(item)
			}
		}
		if err != nil {
			return nil, nil, err
		}
	}
	err = w.Close()
	return buf.Bytes(), items, err
}

// TestSections puts sections among the items of files, each of them into two files: all comes back in its order, and a stock decoder reads
// the frames as one stream.
func TestSections(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		headers := []*Header{withSections(someHeader(t)), withSections(someHeader(t))}
		if rapid.Bool().Draw(t, "with the dictionary") {
			headers[0], headers[1] = withZstdDictionary(headers[0]), withZstdDictionary(headers[1])
		}
		var parts []*Section
		var own [][]any
		for i := range rapid.IntRange(1, 5).Draw(t, "parts") {
			items := someItems(t)
			var s *Section
			if i > 0 && own[i-1] != nil && parts[i-1] == nil || rapid.Bool().Draw(t, "section") {
				items = slices.DeleteFunc(items, func(item any) bool {
					switch item.(type) {
					case *Deletions, *Records:
						return true
					}
					return false
				})
				var err error
				if s, err = made(headers[0], items); err != nil {
					t.Fatal(err)
				}
			}
			parts, own = append(parts, s), append(own, items)
		}
		for _, h := range headers {
			file, items, err := writeParts(h, parts, own)
			if err != nil {
				t.Fatal(err)
			}
			got, back, err := read(file)
			if err != nil || !reflect.DeepEqual(got, h) || !reflect.DeepEqual(back, items) {
				t.Fatalf("read %+v, not %+v: %v", back, items, err)
			}
			zr, err := zstd.NewReader(bytes.NewReader(file[5+binary.BigEndian.Uint32(file[1:]):len(file)-SignatureSize]), h.decoderOptions()...)
			if err == nil {
				defer zr.Close()
				_, err = io.ReadAll(zr)
			}
			if err != nil {
				t.Fatalf("a stock decoder: %v", err)
			}
		}
	})
}

// TestGoldenSections holds writer and reader to a file with two sections, between items of its own, that was written once.
func TestGoldenSections(t *testing.T) {
	h := withZstdDictionary(withSections(testHeader()))
	first, err := made(h, packedUUIDs())
	if err != nil {
		t.Fatal(err)
	}
	second, err := made(h, append([]any{obsTable(0)}, newClinic().obs(500)...))
	if err != nil {
		t.Fatal(err)
	}
	own := sample()
	file, items, err := writeParts(h, []*Section{nil, first, second, nil}, [][]any{own, packedUUIDs(), append([]any{obsTable(0)}, newClinic().obs(500)...), packedUUIDs()})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "testdata", "batch", "sections.batch")
	if *update {
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, back, err := read(golden)
	if err != nil || !reflect.DeepEqual(got, h) || !reflect.DeepEqual(back, items) {
		t.Errorf("the golden file reads as %+v %+v: %v", got, back, err)
	}
	if !bytes.Equal(file, golden) {
		t.Error("the writer makes another file: if that is meant, note it in FORMAT.md and run with -update")
	}
}

// A writer refuses sections that its readers would not take.
func TestSectionsRefused(t *testing.T) {
	h := withSections(testHeader())
	tables := func(from, n, columns int) (items []any) {
		for i := range n {
			table := Table{Name: fmt.Sprint("t", from+i), Root: "root", Key: []Column{{Name: "k"}}}
			for c := range columns {
				table.Columns = append(table.Columns, Column{Name: fmt.Sprint("c", c)})
			}
			items = append(items, &TableItem{Number: uint32(i), Table: table})
		}
		return items
	}
	section := func(h *Header, items []any) *Section {
		s, err := made(h, items)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if _, err := new(Compressors).NewSection(testHeader()); err == nil {
		t.Error("a section for a file that may have none")
	}
	w, err := NewWriter(io.Discard, testHeader(), noEncrypt, sign)
	if err != nil {
		t.Fatal(err)
	}
	if w.Section(section(h, sample()[:1])) == nil {
		t.Error("a section in a file that may have none")
	}
	many, wide := section(h, tables(0, 2000, 0)), section(h, tables(0, 30, 4000))
	for what, parts := range map[string][]*Section{
		"tables of three sections": {many, many, many}, "columns of two sections": {wide, wide}, "another compression": {section(withZstdDictionary(withSections(testHeader())), nil)},
	} {
		if _, _, err := writeParts(h, parts, make([][]any, len(parts))); err == nil {
			t.Errorf("%s: written", what)
		}
	}
	if _, items, err := writeParts(h, []*Section{many, many}, make([][]any, 2)); err != nil || len(items) != 2 {
		t.Errorf("what is not too much: %v", err)
	}
}

// streamOf is the contents of a batch with these items, encoded by hand.
func streamOf(t *testing.T, h *Header, items ...[]byte) []byte {
	t.Helper()
	return batchOf(head(t, h), slices.Concat(append([][]byte{head(t, h)}, items...)...))
}

// Nothing of a section counts in the next, and a file that does not say so has none.
func TestSectionsHostile(t *testing.T) {
	raw := func(h *Header, items ...any) []byte {
		stream, err := contents(h, items)
		if err != nil {
			t.Fatal(err)
		}
		return stream[len(head(t, h)) : len(stream)-6] // the end item has five numbers, of one byte here
	}
	h := withSections(testHeader())
	table := &TableItem{Table: Table{Name: "person", Root: "person", Key: []Column{{Name: "uuid"}}}}
	keys := &KeysItem{First: FirstRef, N: 1, Parts: []Values{{Bytes: texts("a")}}}
	row := &Rows{Keys: []uint32{FirstRef}, Masks: []uint64{1}, Times: []int64{1}, Authors: []string{"a"}, Epochs: []uint64{1}}
	all := raw(h, table, keys, row)
	before, tabled, rows := raw(h, table, keys), raw(h, table), all[len(raw(h, table, keys)):]
	section := []byte{0x81, itemSection}
	end := func(items, rows byte) []byte { return []byte{0x85, itemEnd, items, rows, 0, 0} }
	for what, c := range map[string]struct {
		file []byte
		why  string // "": it is taken
	}{
		"a whole one":                       {streamOf(t, h, section, all, section, all, end(8, 2)), ""},
		"one in nothing":                    {streamOf(t, h, section, section, section, end(3, 0)), ""},
		"in a file that has none":           {streamOf(t, testHeader(), section, all, end(4, 1)), "does not say"},
		"a key of the one before":           {streamOf(t, h, before, section, tabled, rows, end(5, 1)), "not in the dictionary"},
		"a table of the one before":         {streamOf(t, h, before, section, rows, end(4, 1)), "not defined"},
		"a table that goes on counting":     {streamOf(t, h, tabled, section, raw(h, table, &TableItem{Number: 1, Table: Table{Name: "b", Root: "b", Key: []Column{{Name: "c"}}}})[len(tabled):], end(3, 0)), "is due"},
		"a total that forgets":              {streamOf(t, h, section, all, section, all, end(4, 1)), "where the end counts"},
		"an item of two elements":           {streamOf(t, h, []byte{0x82, itemSection, 0}, end(1, 0)), "elements"},
		"of a type that comes after it":     {streamOf(t, h, []byte{0x81, itemShortCheck + 1}, end(1, 0)), "item type"},
		"more sections than a file's items": {streamOf(t, h, bytes.Repeat(section, 5<<20)), "more than"},
	} {
		if _, _, err := read(c.file); c.why == "" && err != nil || c.why != "" && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestManyTables has each section describe tables: they count together.
func TestManyTables(t *testing.T) {
	h := withSections(testHeader())
	var stream []byte
	name := func(n int) []byte { return []byte{0x63, byte('a' + n%26), byte('a' + n/26%26), byte('a' + n/676)} }
	for range 3 {
		stream = append(stream, 0x81, itemSection)
		for n := range 2000 {
			number := binary.BigEndian.AppendUint16([]byte{0x19}, uint16(n))
			switch {
			case n < 24:
				number = []byte{byte(n)}
			case n < 256:
				number = []byte{0x18, byte(n)}
			}
			stream = slices.Concat(stream, []byte{0x86, itemTable}, number, name(n), name(n), []byte{0x81, 0x84, 0x61, 'k', 0, 0, 0}, []byte{0x80})
		}
	}
	if _, _, err := read(streamOf(t, h, stream)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "more than 4096 tables") {
		t.Errorf("%v", err)
	}
}

// TestEmptyFrames reads a file of very many frames without contents: it ends, and takes no memory.
func TestEmptyFrames(t *testing.T) {
	for _, dictionary := range []bool{false, true} {
		h := withSections(testHeader())
		if dictionary {
			h = withZstdDictionary(h)
		}
		clear := head(t, h)
		b := append(binary.BigEndian.AppendUint32([]byte{Version}, uint32(len(clear))), clear...)
		empty := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0}
		b = append(b, bytes.Repeat(empty, (8<<20)/len(empty))...)
		begin := time.Now()
		_, _, err := read(signed(b))
		t.Logf("%d bytes: %s: %v", len(b), time.Since(begin), err)
		if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v", err)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%d bytes took %s", len(b), took)
		}
	}
}
