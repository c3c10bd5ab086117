package batch

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/internal/mutation"
)

// wideHeader is that of a batch with tables of many columns.
func wideHeader() *Header {
	h := testHeader()
	h.Requests = []string{"reads:" + ManyColumns, Need{Feature: ManyColumns, Version: "0.1.0"}.String()}
	return h
}

// wideTable has a slot for each of n columns, and keys of two rows.
func wideTable(n int) []any {
	form := Table{Name: "form", Root: "form", Key: []Column{{Name: "uuid", Kind: KindUUID}}}
	for i := 1; i <= n; i++ {
		form.Columns = append(form.Columns, Column{Name: fmt.Sprint("answer_", i), Kind: KindText, Slot: uint16(i)})
	}
	return []any{&TableItem{Number: 0, Table: form}, &KeysItem{Table: 0, First: 2, N: 2, Parts: []Values{{Bytes: texts(uuid("a"), uuid("b"))}}}}
}

// wideRows has rows with these masks each.
func wideRows(columns int, masks ...[]uint64) *Rows {
	b := &Rows{Table: 0}
	for i, some := range masks {
		b.Keys = append(b.Keys, uint32(i%2)+FirstRef)
		b.Groups = append(b.Groups, len(some))
		b.Masks = append(b.Masks, some...)
		for j := range some {
			b.Times, b.Authors, b.Epochs = append(b.Times, int64(j)), append(b.Authors, "hub"), append(b.Epochs, 3)
		}
	}
	for i := range columns {
		v := Values{Bytes: texts(fmt.Sprint("answer ", i))}
		for range masks[1:] {
			v.Bytes = append(v.Bytes, nil)
		}
		b.Columns = append(b.Columns, v)
	}
	return b
}

// masksOf returns the masks of the first n slots and of a row's existence, each slot apart or all together.
func masksOf(n int, apart bool) []uint64 {
	var out []uint64
	words := map[uint64]int{}
	for slot := 0; slot <= n; slot++ {
		word, bit := uint64(0), uint64(1)<<(slot%64)
		if slot > 62 {
			word, bit = 1<<63|uint64((slot-63)/58)<<58, 1<<((slot-63)%58)
		}
		at, ok := words[word]
		if !ok || apart {
			at = len(out)
			out, words[word] = append(out, word), at
		}
		out[at] |= bit
	}
	return out
}

// A table of any number of columns goes through a file, with one version for all of them and with one each.
func TestManyColumns(t *testing.T) {
	for _, n := range []int{62, 63, 64, 65, 130, 1000, MaxSlot} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			items := append(wideTable(n), wideRows(n, masksOf(n, false), masksOf(n, true)))
			b, err := write(wideHeader(), items)
			if err != nil {
				t.Fatal(err)
			}
			h, back, err := read(b)
			if err != nil || !h.HasManyColumns() {
				t.Fatalf("%v: %+v", err, h)
			}
			if !reflect.DeepEqual(back, items) {
				t.Error("it comes back as something else")
			}
			_, err = write(testHeader(), items)
			if n <= 62 && err != nil || n > 63 && (err == nil || !strings.Contains(err.Error(), "slot 64, above 63")) {
				t.Errorf("without the feature: %v", err)
			}
			if n > 62 {
				return
			}
			if !bytes.Equal(itemsOf(t, testHeader(), items), itemsOf(t, wideHeader(), items)) {
				t.Error("a table of few columns has other bytes with the feature")
			}
		})
	}
}

// itemsOf returns the bytes of a batch's items, as they are before they are compressed.
func itemsOf(t *testing.T, h *Header, items []any) []byte {
	t.Helper()
	stream, err := contents(h, items)
	if err != nil {
		t.Fatal(err)
	}
	return stream[len(head(t, h)):]
}

// Any masks that the format allows come back as they were.
func TestMasksComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{62, 63, 64, 130, MaxSlot}).Draw(t, "columns")
		var rows [][]uint64
		for range rapid.IntRange(1, 4).Draw(t, "rows") {
			owner := map[uint64]map[int]uint64{} // by word and group
			groups := rapid.IntRange(1, 5).Draw(t, "groups")
			for _, slot := range rapid.SliceOfNDistinct(rapid.IntRange(0, n), 1, 30, rapid.ID[int]).Draw(t, "slots") {
				word, bit := uint64(0), uint64(1)<<(slot%64)
				if slot > 62 {
					word, bit = 1<<63|uint64((slot-63)/58)<<58, 1<<((slot-63)%58)
				}
				if owner[word] == nil {
					owner[word] = map[int]uint64{}
				}
				owner[word][rapid.IntRange(0, groups-1).Draw(t, "group")] |= word | bit
			}
			var masks []uint64
			for _, by := range owner {
				for _, m := range by {
					masks = append(masks, m)
				}
			}
			rows = append(rows, masks)
		}
		items := append(wideTable(n), wideRows(n, rows...))
		b, err := write(wideHeader(), items)
		if err != nil {
			t.Fatal(err)
		}
		if _, back, err := read(b); err != nil || !reflect.DeepEqual(back, items) {
			t.Fatalf("%v: %+v", err, back)
		}
	})
}

// What no writer writes is refused by both ends.
func TestHostileMasks(t *testing.T) {
	const first = 1 << 63
	many := make([][]uint64, 0, MaxWideMasks/32+1)
	for range cap(many) {
		many = append(many, masksOf(MaxSlot, false))
	}
	for name, c := range map[string]struct {
		h     *Header
		masks [][]uint64
		want  string
	}{
		"a word of nothing":             {wideHeader(), [][]uint64{{1, first}}, "are of nothing"},
		"a later word of nothing":       {wideHeader(), [][]uint64{{1, first | 31<<58}}, "are of nothing"},
		"a column twice":                {wideHeader(), [][]uint64{{1, first | 3, first | 2}}, "overlap"},
		"the same bit of another word":  {wideHeader(), [][]uint64{{1, first | 3, first | 1<<58 | 2}}, ""},
		"bit 63 twice, and no feature":  {testHeader(), [][]uint64{{1, first | 2, first | 4}}, "overlap"},
		"bit 63 alone, and no feature":  {testHeader(), [][]uint64{{1, first}}, ""},
		"more versions than columns":    {wideHeader(), [][]uint64{make([]uint64, MaxSlot+2)}, "1920 versions, not 0 to 1919"},
		"more versions, and no feature": {testHeader(), [][]uint64{make([]uint64, 65)}, "65 versions, not 0 to 64"},
		"too many of them":              {wideHeader(), many, "masks of slots above 62, more than 65536"},
		"as many as there may be":       {wideHeader(), many[:MaxWideMasks/32], ""},
	} {
		t.Run(name, func(t *testing.T) {
			items := append(wideTable(1), wideRows(1, c.masks...))
			_, err := write(c.h, items)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("a writer: %v", err)
			}
			s := newState(c.h)
			if _, err := s.addTable(items[0].(*TableItem).Table); err != nil {
				t.Fatal(err)
			}
			if err := s.checkVersions(items[2].(*Rows)); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("a reader: %v", err)
			}
		})
	}
}

func TestRulesOfMasksAreNeeded(t *testing.T) {
	mutation.Check(t, "^Test(HostileMasks|ManyColumns|MasksComeBack)$",
		mutation.Mutant{Rule: "a mask is of something", File: "versions.go", Old: "columns == 0 || ", New: ""},
		mutation.Mutant{Rule: "no column has two versions", File: "versions.go", Old: " || more[n]&columns != 0", New: ""},
		mutation.Mutant{Rule: "words are apart", File: "versions.go", Old: "m>>58, m&(1<<58-1)", New: "uint64(0), m&(1<<58-1)"},
		mutation.Mutant{Rule: "slots are bounded without the feature", File: "versions.go", Old: "if s.manyColumns {\n\t\treturn MaxSlot", New: "if true {\n\t\treturn MaxSlot"},
		mutation.Mutant{Rule: "wide masks are bounded", File: "versions.go", Old: "if wide > MaxWideMasks {", New: "if false {"},
	)
}
