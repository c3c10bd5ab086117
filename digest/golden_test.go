package digest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestGolden holds what is written, and the hashes in it, to a digest that was written once, and the reader to what that holds.
func TestGolden(t *testing.T) {
	d := newDigest(t, 3, 10)
	d.Seed = Seed{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	d.Tables[2].Columns = []string{}
	h := NewHasher(d.Seed)
	for i := range 5000 {
		key := h.Key("T0", []Value{{Bytes: fmt.Appendf(nil, "key-%d", i)}})
		r := h.Row("t0", 0, key)
		d.Add(r, h.Content(r, []Value{{}, {Bytes: []byte{}}}))
		if i < 100 { // these have the keys of others, and refer to them
			r := h.Row("t1", 1, key)
			d.Add(r, h.Content(r, []Value{{Ref: &key}, Nowhere()}))
		}
	}
	last := h.Key("t1", []Value{{Bytes: []byte("a")}, {Bytes: []byte("b")}, {}})
	if err := d.Name([]Row{h.Row("t1", 1, last)}, []Row{h.Row("t0", 0, last), h.Row("t2", 2, last)}); err != nil {
		t.Fatal(err)
	}
	made, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "testdata", "batch", "rows.digest")
	if *update {
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, golden) {
		t.Error("another digest is made: if that is meant, note it in FORMAT.md and run with -update")
	}
	got, err := Parse(golden)
	if err != nil {
		t.Fatal(err)
	}
	c := Compare(got, d)
	if got.Seed != d.Seed || !reflect.DeepEqual(got.Flight, d.Flight) || !reflect.DeepEqual(got.Waiting, d.Waiting) || !c.Exact || len(c.Differ) > 0 || len(c.Tables) != 3 {
		t.Errorf("the golden digest reads as %+v, and compares as %+v", got.Tables, c)
	}
	for i, want := range []uint64{5000, 100, 0} {
		if table := c.Tables[i]; table.Name != d.Tables[i].Name || !table.Equal || table.There != want || table.Buckets != buckets(want) || !reflect.DeepEqual(got.Tables[i].Columns, d.Tables[i].Columns) {
			t.Errorf("%+v", table)
		}
	}
}
