package digest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"
)

func tables(n int) (out []Table) {
	for i := range n {
		out = append(out, Table{Name: fmt.Sprintf("t%d", i), Columns: []string{"a", "b"}})
	}
	return out
}

func newDigest(t testing.TB, n, finds int) *Digest {
	d, err := New(tables(n), finds)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sent is a digest as it arrives.
func sent(t testing.TB, d *Digest) *Digest {
	b, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// put adds rows, by table and name, to a digest.
func put(d *Digest, rows map[[2]string]string) map[Row]uint64 {
	h, out := NewHasher(d.Seed), map[Row]uint64{}
	for k, v := range rows {
		for i := range d.Tables {
			if d.Tables[i].Name == k[0] {
				r := h.Row(k[0], i, h.Key(k[0], []Value{{Bytes: []byte(k[1])}}))
				out[r] = h.Content(r, []Value{{Bytes: []byte(v)}})
				d.Add(r, out[r])
			}
		}
	}
	return out
}

// What two sets of rows differ by is found, all and nothing else, and how.
func TestFindsDifferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		here, there := map[[2]string]string{}, map[[2]string]string{}
		for i := range rapid.IntRange(0, 300).Draw(t, "rows") {
			k := [2]string{fmt.Sprintf("t%d", i%3), fmt.Sprint(i)}
			here[k], there[k] = "same", "same"
		}
		for i := range rapid.IntRange(0, 60).Draw(t, "differing") {
			k := [2]string{fmt.Sprintf("t%d", i%3), fmt.Sprintf("d%d", i)}
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				here[k] = "here"
			case 1:
				there[k] = "there"
			default:
				here[k], there[k] = "here", "there"
			}
		}
		theirs, err := New(tables(4), 60)
		if err != nil {
			t.Fatal(err)
		}
		rowsThere := put(theirs, there)
		b, err := theirs.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err = Parse(b); err != nil {
			t.Fatal(err)
		}
		ours := theirs.Like()
		rowsHere := put(ours, here)
		got := Compare(theirs, ours)
		want := map[Row]Kind{}
		for r, c := range rowsHere {
			if o, ok := rowsThere[r]; !ok {
				want[r] = MissingThere
			} else if o != c {
				want[r] = Different
			}
		}
		for r := range rowsThere {
			if _, ok := rowsHere[r]; !ok {
				want[r] = MissingHere
			}
		}
		if !got.Exact || !slices.Equal(got.Differ, slices.Sorted(maps.Keys(want))) || got.Estimate != int64(len(want)) {
			t.Fatalf("%+v, want %v", got, want)
		}
		for r, k := range want {
			if got.Kind(r, rowsHere[r]) != k {
				t.Fatalf("%v: %v, want %v", r, got.Kind(r, rowsHere[r]), k)
			}
		}
		for i, table := range got.Tables {
			differs := slices.ContainsFunc(got.Differ, func(r Row) bool { return r.Table() == i })
			if table.Equal == differs {
				t.Fatalf("%+v", table)
			}
		}
	})
}

// random returns n rows with contents.
func random(r *rand.Rand, n int) (out [][2]uint64) {
	for range n {
		out = append(out, [2]uint64{r.Uint64N(prime>>tableBits) << tableBits, r.Uint64N(prime-1) + 1})
	}
	return out
}

// A sketch finds as many rows as it was made for, time after time, in a file of the size that is said.
func TestFindsAsManyAsSaid(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 20 {
		there := newDigest(t, 1, 1000)
		here := there.Like()
		for _, x := range random(r, 300) {
			there.Add(Row(x[0]), x[1])
			here.Add(Row(x[0]), x[1])
		}
		for j, x := range random(r, 1000) {
			if j%3 != 0 {
				there.Add(Row(x[0]), x[1])
			}
			if j%3 != 1 {
				here.Add(Row(x[0]), x[1]%(prime-1)+1)
			}
		}
		b, err := there.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 52<<10 {
			t.Fatalf("%d bytes", len(b))
		}
		if got := Compare(sent(t, there), here); !got.Exact || len(got.Differ) != 1000 {
			t.Fatalf("run %d: %d rows found, exactly: %v", i, len(got.Differ), got.Exact)
		}
	}
}

// More than a sketch can name are counted, roughly, and the tables that are equal are still known.
func TestMoreThanItFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{2500, 40_000} {
		there := newDigest(t, 2, 1000)
		here := there.Like()
		for _, x := range random(r, 5000) {
			there.Add(Row(x[0]|1), x[1])
			here.Add(Row(x[0]|1), x[1])
		}
		for _, x := range random(r, n) {
			there.Add(Row(x[0]), x[1])
			here.Add(Row(x[0]), x[1]%(prime-1)+1)
		}
		got := Compare(sent(t, there), here)
		if got.Exact || got.Estimate < int64(n)/2 || got.Estimate > int64(n)*2 {
			t.Errorf("%d rows: exactly %v, about %d", n, got.Exact, got.Estimate)
		}
		if got.Tables[0].Equal || got.Tables[0].Here != got.Tables[0].There || !got.Tables[1].Equal || got.Tables[1].Here != 5000 || got.Tables[1].Buckets != 2 || got.Tables[1].Same != 2 {
			t.Errorf("%+v", got.Tables)
		}
	}
}

func TestNamed(t *testing.T) {
	d := newDigest(t, 2, 10)
	if err := d.Name([]Row{1 << 13, 1<<12 | 1, 1 << 13}, []Row{7 << 12}); err != nil {
		t.Fatal(err)
	}
	d = sent(t, d)
	if !d.InFlight(1<<13) || !d.InFlight(1<<12|1) || d.InFlight(7<<12) || !d.WaitsThere(7<<12) || d.WaitsThere(1<<13) || !d.Like().InFlight(1<<13) {
		t.Errorf("%+v", d)
	}
}

func TestRefusesDamage(t *testing.T) {
	good := newDigest(t, 2, 10)
	put(good, map[[2]string]string{{"t0", "x"}: "y"})
	b, err := good.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	bad := func(why string, f func(d *Digest)) {
		d := sent(t, good)
		f(d)
		b, err := d.Marshal()
		if err != nil {
			return
		}
		if _, err := Parse(b); !errors.Is(err, ErrDigest) {
			t.Errorf("%s: %v", why, err)
		}
	}
	bad("a number of another field", func(d *Digest) { d.sketch.cells[3][1] = prime })
	bad("a small sketch", func(d *Digest) { d.sketch.cells = d.sketch.cells[:4] })
	bad("a sketch of odd parts", func(d *Digest) { d.sketch.cells = append(d.sketch.cells, cell{}) })
	bad("rows not in order", func(d *Digest) { d.Flight = []Row{2 << 12, 1 << 12} })
	bad("a row of no table", func(d *Digest) { d.Waiting = []Row{1<<12 | 2} })
	bad("more rows than buckets", func(d *Digest) { d.Tables[0].sums, d.Tables[0].Rows = nil, 0; d.Tables[0].Rows = 5000 })
	bad("one table twice", func(d *Digest) { d.Tables[1].Name = d.Tables[0].Name })
	for _, cut := range [][]byte{nil, b[:1], b[:len(b)-1], append(bytes.Clone(b), 0)} {
		if _, err := Parse(cut); !errors.Is(err, ErrDigest) {
			t.Errorf("%d bytes: %v", len(cut), err)
		}
	}
	if err := newDigest(t, 1, 1).Name(make([]Row, 0), nil); err != nil {
		t.Error(err)
	}
	if _, err := New(tables(MaxTables+1), 1); err == nil {
		t.Error("too many tables")
	}
}

// Whatever cells a sketch has, it is decoded in a time that its size bounds, and what it names is in it.
func TestHostileSketches(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 6 {
		s := NewSketch(5_000)
		for j := range s.cells {
			switch i % 3 {
			case 0:
				s.cells[j] = cell{r.Uint64N(prime), r.Uint64N(prime), r.Uint64N(prime)}
			case 1: // each names one row, which is in no other cell
				k, d := r.Uint64N(prime), r.Uint64N(prime-1)+1
				for s.index(Row(k), j/(len(s.cells)/parts)) != j && r.IntN(1000) > 0 {
					k = r.Uint64N(prime)
				}
				s.cells[j] = cell{d, mul(k, d), mul(k, mul(k, d))}
			default: // all name the row 0
				s.cells[j] = cell{1, 0, 0}
			}
		}
		start := time.Now()
		found, exact := s.decode(MaxTables)
		if took := time.Since(start); exact || len(found) > len(s.cells)+1 || took > 5*time.Second {
			t.Errorf("%d found, exactly: %v, in %v", len(found), exact, took)
		}
	}
}

// A row of a table that the digest does not have is none, whatever the sketch says.
func TestHostileTable(t *testing.T) {
	there := newDigest(t, 2, 10)
	there.sketch.Add(1<<12|2, 7)
	if got := Compare(there, there.Like()); got.Exact || len(got.Differ) != 0 {
		t.Errorf("%+v", got)
	}
}

// A digest that is all names takes no more memory than its bytes allow for, and no column counts twice: reading the rows would take as often as
// much memory.
func TestHostileColumns(t *testing.T) {
	good := newDigest(t, 2, 10)
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	forge := func(tables []encodedTable) []byte {
		b, err := good.Marshal()
		var e encoded
		if err == nil {
			err = cbor.Unmarshal(b, &e)
		}
		e.Tables = nil
		for _, et := range tables {
			var raw []byte
			if err == nil {
				raw, err = mode.Marshal(et)
			}
			e.Tables = append(e.Tables, raw)
		}
		if err == nil {
			b, err = mode.Marshal(e)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := func(columns ...string) []byte {
		return forge([]encodedTable{{Name: "t", Columns: columns, Sums: make([]byte, 8)}})
	}
	if _, err := Parse(one("a", "b")); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(one("a", "b", "A")); !errors.Is(err, ErrDigest) {
		t.Errorf("a column twice: %v", err)
	}
	many := make([]encodedTable, 150)
	for i := range many {
		many[i] = encodedTable{Name: fmt.Sprint(i), Columns: make([]string, MaxColumns-1), Sums: make([]byte, 8)}
	}
	b := forge(many)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Parse(b)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrDigest) || took > 4*uint64(len(b)) {
		t.Errorf("%d bytes take %d: %v", len(b), took, err)
	}
}

func FuzzParse(f *testing.F) {
	d := newDigest(f, 2, 10)
	put(d, map[[2]string]string{{"t0", "x"}: "y", {"t1", "z"}: "y"})
	if err := d.Name([]Row{1 << 12}, []Row{1<<12 | 1}); err != nil {
		f.Fatal(err)
	}
	b, err := d.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrDigest) {
				t.Fatal(err)
			}
			return
		}
		again, err := d.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%v: it comes back as other bytes", err)
		}
		if got := Compare(d, d.Like()); len(got.Tables) != len(d.Tables) {
			t.Fatal(got)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	d := newDigest(b, 1, 1000)
	h := NewHasher(d.Seed)
	value := []byte("a value of some length")
	for i := range b.N {
		k := h.Key("obs", []Value{{Bytes: fmt.Appendf(nil, "%036d", i)}})
		r := h.Row("obs", 0, k)
		d.Add(r, h.Content(r, []Value{{Bytes: value}, {}, {Ref: &k}, {Ref: &k}, {Bytes: value}}))
	}
}
