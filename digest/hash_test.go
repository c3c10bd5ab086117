package digest

import (
	"bytes"
	"math"
	"testing"
)

// Values that are written alike have hashes of their own.
func TestHashesTellApart(t *testing.T) {
	h := NewHasher(Seed{1})
	ref := h.Key("person", []Value{{Bytes: []byte("u")}})
	row := h.Row("obs", 3, ref)
	if row.Table() != 3 || row >= prime {
		t.Errorf("%d of table %d", row, row.Table())
	}
	seen := map[uint64]int{}
	for i, values := range [][]Value{
		{}, {{}}, {{Bytes: []byte{}}}, {{Bytes: []byte("ab")}, {Bytes: []byte("c")}}, {{Bytes: []byte("a")}, {Bytes: []byte("bc")}},
		{{Ref: &ref}}, {{Bytes: ref[:]}}, {Nowhere()}, {{}, {}}, {{Bytes: []byte("NULL")}},
		{{Bytes: []byte("a\x01b")}}, {{Bytes: []byte("a")}, {Bytes: []byte("b")}},
	} {
		c := h.Content(row, values)
		if j, double := seen[c]; double || c == 0 || c >= prime {
			t.Errorf("%d and %d have the hash %d", i, j, c)
		}
		seen[c] = i
	}
	other := NewHasher(Seed{2})
	if h.Key("Person", []Value{{Bytes: []byte("u")}}) != ref || other.Key("person", []Value{{Bytes: []byte("u")}}) == ref {
		t.Error("keys")
	}
	if h.Row("patient", 3, ref) == row || h.Content(h.Row("obs", 3, h.Key("person", nil)), nil) == h.Content(row, nil) {
		t.Error("rows")
	}
}

// A message that is made value by value hashes as the values do.
func TestHashesMessage(t *testing.T) {
	seed := Seed{1, 2}
	h := NewHasher(seed)
	ref := h.Key("person", []Value{{Bytes: []byte("u")}})
	row := h.Row("obs", 3, ref)
	long := bytes.Repeat([]byte("x"), 300)
	m := seed.AppendHead([]byte("what was before"))
	m = AppendPlain(AppendPlain(AppendPlain(m, nil), []byte{}), long)
	m, at := AppendRef(m)
	m, _ = AppendRef(m)
	for _, n := range []int64{0, 7, -1, math.MaxInt64, math.MinInt64} {
		m = AppendInt(m, n)
	}
	copy(m[at:], ref[:])
	values := []Value{{}, {Bytes: []byte{}}, {Bytes: long}, {Ref: &ref}, Nowhere(), {Bytes: []byte("0")}, {Bytes: []byte("7")}, {Bytes: []byte("-1")},
		{Bytes: []byte("9223372036854775807")}, {Bytes: []byte("-9223372036854775808")}}
	if got, want := Message(m[len("what was before"):]).Content(row), h.Content(row, values); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}
