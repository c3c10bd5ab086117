package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriterRefuses gives the writer what it must not write, and then goes on:
// nothing of it may be in the file.
func TestWriterRefuses(t *testing.T) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, testHeader(), noEncrypt, sign)
	if err != nil {
		t.Fatal(err)
	}
	items := sample()
	for _, item := range items[:5] {
		if err := w.item(item); err != nil {
			t.Fatal(err)
		}
	}
	row := func(change func(r *Rows)) *Rows {
		r := &Rows{Table: 0, Keys: []uint32{2}, Columns: []Values{{}, {}}, Masks: []uint64{1}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{2}}
		change(r)
		return r
	}
	table := func(change func(t *Table)) *TableItem {
		x := Table{Name: "new", Root: "new", Key: []Column{{Name: "uuid"}}}
		change(&x)
		return &TableItem{Number: 3, Table: x}
	}
	records := func(change func(r *Records)) *Records {
		r := *sample()[9].(*Records)
		change(&r)
		return &r
	}
	bad := map[string]any{
		"table twice":          table(func(t *Table) { t.Name = "person" }),
		"table without a name": table(func(t *Table) { t.Name = "" }),
		"table without a root": table(func(t *Table) { t.Root = "" }),
		"table without a key":  table(func(t *Table) { t.Key = nil }),
		"column twice":         table(func(t *Table) { t.Columns = []Column{{Name: "a"}, {Name: "a"}} }),
		"slot 64":              table(func(t *Table) { t.Columns = []Column{{Name: "a", Slot: 64}} }),
		"long name":            table(func(t *Table) { t.Columns = []Column{{Name: strings.Repeat("x", 256)}} }),
		"name not UTF-8":       table(func(t *Table) { t.Columns = []Column{{Name: "\xff"}} }),
		"too many columns":     table(func(t *Table) { t.Columns = make([]Column, MaxColumns+1) }),
		"keys of no table":     &KeysItem{Table: 9, Parts: []Values{{Bytes: texts("x")}}},
		"no keys":              &KeysItem{Table: 0, Parts: []Values{{Bytes: texts()}}},
		"keys without part":    &KeysItem{Table: 2, Parts: []Values{{Refs: []uint32{2}}, {}}},
		"key refers to itself": &KeysItem{Table: 2, Parts: []Values{{Refs: []uint32{7}}, {Bytes: texts("x")}}},
		"keys of two lengths":  &KeysItem{Table: 2, Parts: []Values{{Refs: []uint32{2}}, {Bytes: texts("x", "y")}}},
		"too many keys":        &KeysItem{Table: 0, Parts: []Values{{Bytes: make([][]byte, MaxBlockRows+1)}}},
		"key not in the dict":  row(func(r *Rows) { r.Keys[0] = 7 }),
		"key of another table": row(func(r *Rows) { r.Keys[0] = 5 }),
		"key 0":                row(func(r *Rows) { r.Keys[0] = 0 }),
		"no rows":              row(func(r *Rows) { *r = Rows{Columns: r.Columns} }),
		"mask 0":               row(func(r *Rows) { r.Masks[0] = 0 }),
		"masks too many":       row(func(r *Rows) { r.Masks = []uint64{1, 2} }),
		"masks overlap": row(func(r *Rows) {
			r.Groups, r.Masks, r.Times, r.Authors, r.Epochs = []int{2}, []uint64{3, 2}, []int64{1, 1}, []string{"", ""}, []uint64{1, 1}
		}),
		"groups below 0":         row(func(r *Rows) { r.Groups = []int{-1} }),
		"time below 0":           row(func(r *Rows) { r.Times[0] = -1 }),
		"time after 9999":        row(func(r *Rows) { r.Times[0] = MaxTime + 1 }),
		"long author":            row(func(r *Rows) { r.Authors[0] = strings.Repeat("x", 256) }),
		"epochs missing":         row(func(r *Rows) { r.Epochs = nil }),
		"acks too many":          row(func(r *Rows) { r.Acks = []uint64{1, 2} }),
		"columns missing":        row(func(r *Rows) { r.Columns = r.Columns[:1] }),
		"values too many":        row(func(r *Rows) { r.Columns[0].Bytes = texts("a", "b") }),
		"references not allowed": row(func(r *Rows) { r.Columns[0].Refs = []uint32{2} }),
		"reference past the end": row(func(r *Rows) { r.Columns[1].Refs = []uint32{7} }),
		"value too long":         row(func(r *Rows) { r.Columns[0].Bytes = [][]byte{make([]byte, MaxValue+1)} }),
		"deletion of no key":     &Deletions{Table: 0, Keys: []uint32{7}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1}},
		"deletion without epoch": &Deletions{Table: 0, Keys: []uint32{2}, Times: []int64{1}, Authors: []string{"hub"}},
		"long note":              records(func(r *Records) { r.Notes = []string{"", strings.Repeat("x", MaxNote+1)} }),
		"record without value":   records(func(r *Records) { r.Values = r.Values[:1] }),
		"record noticed never":   records(func(r *Records) { r.At = []int64{1, -1} }),
	}
	for name, item := range bad {
		if w.item(item) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, item := range items[5:] {
		if err := w.item(item); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf.Bytes(), mustWrite(t, items...)) {
		t.Error("what was refused left traces")
	}
	if w.Close() == nil || w.ResetDict() == nil {
		t.Error("a closed writer goes on")
	}
}

func TestHeaderRefused(t *testing.T) {
	for name, change := range map[string]func(h *Header){
		"no sender":      func(h *Header) { h.Sender = "" },
		"no receiver":    func(h *Header) { h.Receiver = "" },
		"long receiver":  func(h *Header) { h.Receiver = strings.Repeat("x", 256) },
		"not UTF-8":      func(h *Header) { h.Schema = "\xff" },
		"asks for a lot": func(h *Header) { h.Requests = make([]string, MaxTables+1) },
		"time":           func(h *Header) { h.Time = -1 },
		"not the last":   func(h *Header) { h.Last = false },
		"part 0":         func(h *Header) { h.Load = 1 },
		"too large":      func(h *Header) { h.Resent = make([]uint64, MaxHeader) },
	} {
		h := testHeader()
		change(h)
		if _, err := NewWriter(io.Discard, h, noEncrypt, sign); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestDictionary fills the dictionary to its limit.
func TestDictionary(t *testing.T) {
	w, err := NewWriter(io.Discard, testHeader(), noEncrypt, sign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Table(personTable().Table); err != nil {
		t.Fatal(err)
	}
	keys := []Values{{Bytes: make([][]byte, MaxBlockRows)}}
	for i := range MaxDict / MaxBlockRows {
		first, err := w.Keys(0, keys)
		if err != nil || first != uint32(i*MaxBlockRows)+FirstRef {
			t.Fatalf("first %d, %v", first, err)
		}
	}
	if w.DictLen() != MaxDict {
		t.Errorf("%d keys", w.DictLen())
	}
	one := []Values{{Bytes: texts("x")}}
	if _, err := w.Keys(0, one); err == nil {
		t.Error("dictionary goes over its limit")
	}
	if err := w.ResetDict(); err != nil || w.DictLen() != 0 {
		t.Errorf("%d keys after a reset, %v", w.DictLen(), err)
	}
	if first, err := w.Keys(0, one); err != nil || first != FirstRef {
		t.Errorf("first key %d after a reset, %v", first, err)
	}
}

// limited breaks after n bytes.
type limited struct{ n int }

var errFull = errors.New("disk is full")

func (l *limited) Write(p []byte) (int, error) {
	if l.n -= len(p); l.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestWriteError breaks the file at every byte: the error comes up at the
// latest with Close, and nothing is signed after it.
func TestWriteError(t *testing.T) {
	whole := mustWrite(t, sample()...)
	for n := range whole {
		w, err := NewWriter(&limited{n}, testHeader(), noEncrypt, func(msg []byte) ([]byte, error) {
			if n < len(whole)-SignatureSize {
				t.Fatalf("signed a file of which %d bytes were written", n)
			}
			return sign(msg)
		})
		for _, item := range sample() {
			if err == nil {
				err = w.item(item)
			}
		}
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	for name, sign := range map[string]func([]byte) ([]byte, error){
		"error":           func([]byte) ([]byte, error) { return nil, errFull },
		"short signature": func([]byte) ([]byte, error) { return make([]byte, 63), nil },
	} {
		w, err := NewWriter(io.Discard, testHeader(), noEncrypt, sign)
		if err != nil {
			t.Fatal(err)
		}
		if w.Close() == nil {
			t.Errorf("%s: closed", name)
		}
	}
}

// TestLargeValues carries values of the greatest length.
func TestLargeValues(t *testing.T) {
	large := make([]byte, MaxValue)
	for i := range large {
		large[i] = byte(i >> 12)
	}
	items := []any{personTable(), &KeysItem{Table: 0, First: 2, N: 2, Parts: []Values{{Bytes: texts("k", "l")}}},
		&Rows{Table: 0, Keys: []uint32{2, 3}, Columns: []Values{{Bytes: [][]byte{large, large[1:]}}, {}},
			Masks: []uint64{1, 1}, Times: []int64{0, 0}, Authors: []string{"", ""}, Epochs: []uint64{1, 1}}}
	b := mustWrite(t, items...)
	_, back, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	got := back[2].(*Rows).Columns[0].Bytes
	if !bytes.Equal(got[0], large) || !bytes.Equal(got[1], large[1:]) {
		t.Error("large values came back otherwise")
	}
	items[2].(*Rows).Columns[0].Bytes[1] = large
	items[2].(*Rows).Columns[1].Bytes = texts("x", "")
	if _, err := write(testHeader(), items); err == nil {
		t.Error("block over its limit is taken")
	}
}

// TestStockTools takes a batch apart as FORMAT.md says, encryption aside.
func TestStockTools(t *testing.T) {
	for _, tool := range []string{"sh", "tail", "head", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, mustWrite(t, sample()...), 0o600); err != nil {
		t.Fatal(err)
	}
	n := len(head(t, testHeader()))
	got, err := exec.Command("sh", "-c", fmt.Sprintf("tail -c +%d '%s' | head -c -64 | zstd -d", 6+n, path)).Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := contents(testHeader(), sample())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("zstd makes %d bytes of it, not %d", len(got), len(want))
	}
}

// TestWriteErrorSticks breaks the file in the middle of many blocks: the
// writer says so soon, and keeps saying so.
func TestWriteErrorSticks(t *testing.T) {
	w, err := NewWriter(&limited{1 << 18}, testHeader(), noEncrypt, func([]byte) ([]byte, error) {
		t.Fatal("signed a broken file")
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range blocks(40*1000, 1000) {
		if err = w.item(item); err != nil {
			break
		}
	}
	if !errors.Is(err, errFull) || w.Size() > 1<<18 {
		t.Errorf("got %v after %d bytes", err, w.Size())
	}
	if err := w.ResetDict(); !errors.Is(err, errFull) {
		t.Errorf("reset: %v", err)
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("close: %v", err)
	}
}
