package batch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

func withZstdDictionary(h *Header) *Header {
	h.Requests = append(h.Requests, Need{Feature: ZstdDictionary, Version: "0.1.0"}.String())
	return h
}

// packedUUIDs are rows of a table that the compression dictionary has, with UUIDs of which a few alone are packed: one by itself, and one among texts.
func packedUUIDs() []any {
	one, other := "0ae56e2b-5fc1-4d1e-818a-b174aea7115b", "E25BD889-683E-41D2-AD3D-D4FDA20C5E34"
	return []any{
		&TableItem{Table: Table{Name: "person", Root: "person", Key: []Column{{Name: "uuid", Kind: KindUUID}}, Columns: []Column{{Name: "gender", Kind: KindText, Slot: 1}}}},
		&KeysItem{First: FirstRef, N: 1, Parts: []Values{{Bytes: texts(one)}}},
		&KeysItem{First: FirstRef + 1, N: 5, Parts: []Values{{Bytes: texts(other, "1065AAAA", one, other, "1066AAAA")}}},
		&Rows{Keys: []uint32{FirstRef}, Columns: []Values{{Bytes: texts("F")}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1}},
	}
}

// Whatever is written with the compression dictionary comes back.
func TestZstdDictionary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := someHeader(t)
		h.Requests = append(h.Requests, Need{Feature: ZstdDictionary, Version: "0.1.0"}.String())
		items := someItems(t)
		b, err := write(h, items)
		if err != nil {
			t.Fatal(err)
		}
		got, back, err := read(b)
		if err != nil || !reflect.DeepEqual(got, h) || !reflect.DeepEqual(back, items) {
			t.Fatalf("read %+v %+v, not %+v %+v: %v", got, back, h, items, err)
		}
	})
}

// What a released program reads by is never another.
func TestZstdDictionaryNeverChanges(t *testing.T) {
	const is = "181259e6a5cd732c95adb8153e516db0bf3c2c016b8e494a86f88440c7264ca8"
	sum := sha256.Sum256(zstdDictionary)
	if hex.EncodeToString(sum[:]) != is {
		t.Errorf("the dictionary of the feature %s has the SHA-256 %x, and is to have %s: another dictionary is another feature", ZstdDictionary, sum, is)
	}
	text, err := os.ReadFile("FORMAT.md")
	if err != nil || !bytes.Contains(text, []byte(is)) || !bytes.Contains(text, []byte("39,672 bytes")) || len(zstdDictionary) != 39_672 {
		t.Errorf("FORMAT.md describes another dictionary: %v", err)
	}
}

// The descriptions of tables that the dictionary has take a few bytes each.
func TestZstdDictionarySize(t *testing.T) {
	size := func(h *Header) (n int) {
		b, err := write(h, []any{obsTable(0)})
		if err != nil {
			t.Fatal(err)
		}
		return len(b) - len(head(t, h))
	}
	with, without := size(withZstdDictionary(testHeader())), size(testHeader())
	t.Logf("%d bytes, without the dictionary %d", with, without)
	if with > without/2 {
		t.Errorf("the description of obs takes %d bytes, and %d without the dictionary", with, without)
	}
}

// A stream goes under the header alone that it was made for, and is read by what that header says.
func TestZstdDictionaryHeaders(t *testing.T) {
	h := withZstdDictionary(testHeader())
	other := withZstdDictionary(testHeader())
	other.Upto.Epoch++
	stream, err := contents(testHeader(), sample())
	if err != nil {
		t.Fatal(err)
	}
	items := stream[len(head(t, testHeader())):]
	after := func(opening []byte) []byte { return append(bytes.Clone(opening), items...) }
	zw, err := zstd.NewWriter(nil, h.encoderOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer zw.Close()
	compressed := func(h *Header, stream []byte) []byte {
		b := batchOf(head(t, h), nil)
		b = b[:5+len(head(t, h))]
		return signed(zw.EncodeAll(stream, b))
	}
	if _, _, err := read(batchOf(head(t, h), after(h.Opening(head(t, h))))); err != nil {
		t.Errorf("a stream that does not use the dictionary: %v", err)
	}
	if _, _, err := read(compressed(h, after(h.Opening(head(t, h))))); err != nil {
		t.Errorf("a stream that uses it: %v", err)
	}
	for what, b := range map[string][]byte{
		"another's hash":         batchOf(head(t, h), after(other.Opening(head(t, other)))),
		"a header":               batchOf(head(t, h), after(head(t, h))),
		"a hash without feature": batchOf(head(t, testHeader()), after(h.Opening(head(t, testHeader())))),
	} {
		if _, _, err := read(b); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := read(compressed(testHeader(), append(head(t, testHeader()), zstdDictionary...))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the dictionary is used where the header does not say so: %v", err)
	}
	if _, _, err := read(batchOf(head(t, h), h.Opening(head(t, h))[:9])); !errors.Is(err, ErrTruncated) {
		t.Errorf("half a hash: %v", err)
	}
}
