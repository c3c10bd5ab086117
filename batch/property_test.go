package batch

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// someValue draws a value that may or may not fit its kind.
func someValue(kind Kind) *rapid.Generator[[]byte] {
	str := func(pattern string) *rapid.Generator[[]byte] {
		return rapid.Map(rapid.StringMatching(pattern), func(s string) []byte { return []byte(s) })
	}
	raw := rapid.SliceOfN(rapid.Byte(), 0, 12)
	var typical *rapid.Generator[[]byte]
	switch kind {
	case KindInt:
		typical = rapid.OneOf(str(`-?[0-9]{1,20}`), rapid.Map(rapid.Int64(), func(x int64) []byte { return formatInt(nil, x) }))
	case KindDecimal:
		typical = str(`-?[0-9]{1,10}(\.[0-9]{0,10})?`)
	case KindDateTime:
		typical = str(`[0-9]{4}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{6})?`)
	case KindDate:
		typical = str(`[0-9]{4}-[01][0-9]-[0-3][0-9]`)
	case KindUUID:
		typical = str(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-fF]{12}`)
	default:
		typical = raw
	}
	few := rapid.SampledFrom(texts("a", "bb", "", "0", "2020-01-01"))
	return rapid.OneOf(typical, typical, typical, raw, few, rapid.Just[[]byte](nil))
}

// someBytes draws n values, often alike.
func someBytes(t *rapid.T, kind Kind, n int) [][]byte {
	v := make([][]byte, n)
	from := rapid.SliceOfN(someValue(kind), 1, 20).Draw(t, "values")
	for i := range v {
		v[i] = from[rapid.IntRange(0, len(from)-1).Draw(t, "value")]
	}
	return v
}

func someValues(t *rapid.T, c Column, n, limit int, absent bool) Values {
	var v Values
	what := rapid.IntRange(0, 3).Draw(t, "what")
	if !c.Ref && what > 1 {
		what = 0
	}
	if what == 1 && !absent {
		what = 0
	}
	if what == 2 || what == 3 {
		v.Refs = make([]uint32, n)
		for i := range v.Refs {
			v.Refs[i] = uint32(rapid.IntRange(0, limit+1).Draw(t, "ref"))
		}
	}
	if what == 0 || what == 3 {
		v.Bytes = someBytes(t, c.Kind, n)
		for i := range v.Refs {
			if v.Refs[i] != RefNull {
				v.Bytes[i] = nil
			}
		}
	}
	return v
}

func someNumbers[T any](t *rapid.T, what string, n int, g *rapid.Generator[T]) []T {
	return rapid.SliceOfN(g, n, n).Draw(t, what)
}

// someItems draws a valid stream of items.
func someItems(t *rapid.T) []any {
	var items []any
	var tables []Table
	var dict []string // root of each key
	times := rapid.OneOf(rapid.Int64Range(0, MaxTime), rapid.Int64Range(1700000000000000, 1700000000100000))
	names := rapid.SampledFrom([]string{"", "hub", "kisumu", "größe"})
	epochs := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 5))
	column := rapid.Custom(func(t *rapid.T) Column {
		return Column{Name: rapid.StringMatching(`[a-z]{8,12}`).Draw(t, "name"), Kind: Kind(rapid.IntRange(0, 8).Draw(t, "kind")),
			Ref: rapid.Bool().Draw(t, "ref"), Slot: rapid.Uint16Range(0, maxFewSlot).Draw(t, "slot")}
	})
	columns := func(lo int) []Column {
		list := rapid.SliceOfNDistinct(column, lo, 4, func(c Column) string { return c.Name }).Draw(t, "columns")
		if len(list) == 0 {
			return nil
		}
		return list
	}
	block := func() (uint32, []uint32) {
		table := rapid.IntRange(0, len(tables)-1).Draw(t, "table")
		var own []uint32
		for i, root := range dict {
			if root == tables[table].Root {
				own = append(own, uint32(i)+FirstRef)
			}
		}
		if len(own) == 0 {
			return 0, nil
		}
		return uint32(table), rapid.SliceOfN(rapid.SampledFrom(own), 1, 40).Draw(t, "keys")
	}
	for range rapid.IntRange(0, 10).Draw(t, "items") {
		kind := rapid.IntRange(itemTable, itemRecords).Draw(t, "kind")
		if len(tables) == 0 {
			kind = itemTable
		}
		switch kind {
		case itemTable:
			name := fmt.Sprintf("t%d", len(tables))
			root := rapid.SampledFrom([]string{name, "t0"}).Draw(t, "root")
			table := Table{Name: name, Root: root, Key: columns(1), Columns: columns(0)}
			items = append(items, &TableItem{Number: uint32(len(tables)), Table: table})
			tables = append(tables, table)
		case itemKeys:
			table := rapid.IntRange(0, len(tables)-1).Draw(t, "table")
			n := rapid.IntRange(1, 40).Draw(t, "n")
			item := &KeysItem{Table: uint32(table), First: uint32(len(dict)) + FirstRef, N: n}
			for _, c := range tables[table].Key {
				item.Parts = append(item.Parts, someValues(t, c, n, len(dict), false))
			}
			for range n {
				dict = append(dict, tables[table].Root)
			}
			items = append(items, item)
		case itemReset:
			items, dict = append(items, &ResetItem{}), nil
		case itemRows:
			table, keys := block()
			if keys == nil {
				continue
			}
			n := len(keys)
			b := &Rows{Table: table, Keys: keys}
			for _, c := range tables[table].Columns {
				b.Columns = append(b.Columns, someValues(t, c, n, len(dict), true))
			}
			if rapid.Bool().Draw(t, "acks") {
				b.Acks = someNumbers(t, "acks", n, epochs)
			}
			total := n
			if rapid.Bool().Draw(t, "groups") {
				b.Groups = someNumbers(t, "groups", n, rapid.IntRange(0, 3))
				total = 0
				for _, g := range b.Groups {
					total += g
				}
			}
			b.Masks = make([]uint64, total)
			for i := range b.Masks {
				b.Masks[i] = 1 << (i % 64) // at most three in a row
			}
			b.Times, b.Authors, b.Epochs = someNumbers(t, "times", total, times), someNumbers(t, "authors", total, names), someNumbers(t, "epochs", total, epochs)
			items = append(items, b)
		case itemDeletions:
			if table, keys := block(); keys != nil {
				n := len(keys)
				items = append(items, &Deletions{Table: table, Keys: keys, Times: someNumbers(t, "times", n, times),
					Authors: someNumbers(t, "authors", n, names), Epochs: someNumbers(t, "epochs", n, epochs)})
			}
		case itemRecords:
			if table, keys := block(); keys != nil {
				n := len(keys)
				b := &Records{Table: table, Keys: keys, Columns: someNumbers(t, "columns", n, names), Values: someBytes(t, KindText, n),
					LostTimes: someNumbers(t, "lost", n, times), LostAuthors: someNumbers(t, "losers", n, names),
					WonTimes: someNumbers(t, "won", n, times), WonAuthors: someNumbers(t, "winners", n, names),
					At: someNumbers(t, "at", n, times), Epochs: someNumbers(t, "epochs", n, epochs)}
				if rapid.Bool().Draw(t, "notes") {
					b.Notes = someNumbers(t, "notes", n, names)
				}
				items = append(items, b)
			}
		}
	}
	return items
}

func someHeader(t *rapid.T) *Header {
	number := rapid.OneOf(rapid.Uint64(), rapid.Just(uint64(0)))
	mark := rapid.Custom(func(t *rapid.T) Position {
		return Position{Epoch: number.Draw(t, "epoch"), Token: number.Draw(t, "token")}
	})
	h := &Header{
		Sender: rapid.StringMatching(`[a-zä]{1,30}`).Draw(t, "sender"), Receiver: rapid.StringN(1, 60, MaxName).Draw(t, "receiver"),
		History: number.Draw(t, "history"), Link: number.Draw(t, "link"), PeerLink: number.Draw(t, "peer link"),
		Base: mark.Draw(t, "base"), Upto: mark.Draw(t, "upto"), Ahead: rapid.Bool().Draw(t, "ahead"),
		AckHistory: number.Draw(t, "ack history"), Ack: mark.Draw(t, "ack"),
		Load: number.Draw(t, "load"), Part: rapid.Uint32Min(1).Draw(t, "part"), Last: rapid.Bool().Draw(t, "last"),
		LoadHave: number.Draw(t, "load have"), PartHave: rapid.Uint32().Draw(t, "part have"),
		LoadUpto: mark.Draw(t, "load upto"), Missing: mark.Draw(t, "missing"),
		Schema: rapid.StringN(0, 60, MaxName).Draw(t, "schema"), Time: rapid.Int64Range(0, MaxTime).Draw(t, "time"),
	}
	if h.Load == 0 {
		h.Last = true
	}
	// An empty list comes back as none.
	h.Earlier = append(h.Earlier, rapid.SliceOfN(number, 0, 4).Draw(t, "earlier")...)
	h.Resent = append(h.Resent, rapid.SliceOfN(number, 0, 4).Draw(t, "again")...)
	h.Chain = append(h.Chain, rapid.SliceOfN(mark, 0, 4).Draw(t, "chain")...)
	h.Requests = append(h.Requests, rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,9}`), 0, 4).Draw(t, "ask")...)
	return h
}

func TestReadWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, items := someHeader(t), someItems(t)
		b, err := write(h, items)
		if err != nil {
			t.Fatal(err)
		}
		clear, err := ReadHeader(bytes.NewReader(b))
		if err != nil || !reflect.DeepEqual(clear, h) {
			t.Fatalf("clear header %+v, %v; want %+v", clear, err, h)
		}
		got, back, err := read(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, h) {
			t.Fatalf("header %+v, want %+v", got, h)
		}
		if len(back) != len(items) {
			t.Fatalf("%d items, want %d", len(back), len(items))
		}
		for i := range items {
			if !reflect.DeepEqual(back[i], items[i]) {
				t.Fatalf("item %d:\n got %+v\nwant %+v", i, back[i], items[i])
			}
		}
	})
}

// TestStreamIsCBOR reads the stream with another CBOR implementation: it must
// be a sequence (RFC 8742) of the header's map and arrays, in preferred form.
func TestStreamIsCBOR(t *testing.T) {
	dec, err := cbor.DecOptions{IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 16}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	check := func(t interface{ Fatal(...any) }, items []any) {
		stream, err := contents(testHeader(), items)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rest := stream; len(rest) > 0; n++ {
			var raw cbor.RawMessage
			if rest, err = dec.UnmarshalFirst(rest, &raw); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				continue // the header: other tests have it
			}
			var list []any
			if err := dec.Unmarshal(raw, &list); err != nil {
				t.Fatal(err)
			}
			if again, err := enc.Marshal(list); err != nil || !bytes.Equal(again, raw) {
				t.Fatal("item is not in preferred form", n, err)
			}
		}
		if n != len(items)+2 {
			t.Fatal("sequence has", n, "items, not header, end and", len(items))
		}
	}
	check(t, sample())
	rapid.Check(t, func(t *rapid.T) { check(t, someItems(t)) })
}

// contents returns the stream of items inside a batch, header included.
func contents(h *Header, items []any) ([]byte, error) {
	b, err := write(h, items)
	if err != nil {
		return nil, err
	}
	head, err := h.marshal()
	if err != nil {
		return nil, err
	}
	zr, err := zstd.NewReader(bytes.NewReader(b[5+len(head) : len(b)-SignatureSize]))
	if err != nil {
		return nil, err
	}
	defer zr.Close()
	return io.ReadAll(zr)
}
