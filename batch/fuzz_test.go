package batch

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
)

// FuzzReader reads any stream of items, bare of all around it: it must not panic, must not
// allocate much for one item, and what it takes must survive being written
// and read again.
func FuzzReader(f *testing.F) {
	h := testHeader()
	head, err := h.marshal()
	if err != nil {
		f.Fatal(err)
	}
	for _, items := range [][]any{nil, sample(), append([]any{obsTable(0)}, newClinic().obs(20)...)} {
		stream, err := contents(testHeader(), items)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(stream[len(head):])
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := readerOf(stream)
		var items []any
		for {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			item, err := r.Next()
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 512<<20 {
				t.Fatalf("%d bytes allocated for an item of a stream of %d", n, len(stream))
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
					t.Fatalf("error of no class: %v", err)
				}
				return
			}
			items = append(items, item)
		}
		again, err := write(h, items)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		_, back, err := read(again) // by way of a file
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, items) {
			t.Fatalf("read %+v, wrote it and read %+v", items, back)
		}
	})
}

// FuzzFile reads any file, as if its signature held.
func FuzzFile(f *testing.F) {
	for _, items := range [][]any{nil, sample()} {
		b, err := write(testHeader(), items)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for h, items := range map[*Header][]any{withScopes(testHeader()): scopeItems(), withZstdDictionary(testHeader()): sample(), digestHeader(): {&DigestItem{Data: []byte{1, 2, 3}}}} {
		b, err := write(h, items)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	if b, err := os.ReadFile(filepath.Join("..", "testdata", "batch", "sections.batch")); err != nil {
		f.Fatal(err)
	} else {
		f.Add(b)
	}
	for format := range byte(3) {
		f.Add(laterFile(f, format, map[int]any{1: "hub", 2: "kisumu", 14: []string{"needs:x@9.8.7"}, 24: []any{map[string]int{"a": 1}}}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Open(bytes.NewReader(b), int64(len(b)), func(*Header, []byte, []byte) error { return nil }, noDecrypt)
		for err == nil {
			_, err = r.Next()
		}
		if err != io.EOF && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrHeader) {
			t.Fatalf("error of no class: %v", err)
		}
	})
}

// FuzzHeader holds the header to one encoding.
func FuzzHeader(f *testing.F) {
	for _, h := range []*Header{testHeader(), fullHeader()} {
		b, err := h.marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := unmarshalHeader(b)
		if err != nil {
			return
		}
		again, err := h.marshal()
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
	})
}
