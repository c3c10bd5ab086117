package digest

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// Limits of a digest.
const (
	MaxTables  = 4094      // the numbers of which fit into a [Row]
	MaxColumns = 1 << 17   // of all tables together
	MaxName    = 255       // bytes
	MaxNamed   = 1_000_000 // rows in flight, and rows that wait
	maxBuckets = 64
)

// ErrDigest means that bytes are no digest.
var ErrDigest = errors.New("the digest is damaged, or of a newer omsync")

// Table is what a digest says of one table.
type Table struct {
	Name    string
	Columns []string // whose values count, in this order
	Rows    uint64   // how many rows are compared
	sums    []uint64 // of the contents of the rows of each bucket; a power of two of them
}

// Digest is what is known of the rows of some tables. Make it with [New], add the rows, and send what [Digest.Marshal] makes of it.
type Digest struct {
	Seed    Seed
	Tables  []Table
	Flight  []Row // rows that are not compared because the maker changed them and has not heard that the other has that; sorted
	Waiting []Row // rows of the other's that came to the maker and cannot be applied there; sorted

	sketch *Sketch
	strata Strata
}

// New returns an empty digest of some tables, with a new seed. It finds so many differing rows exactly.
func New(tables []Table, finds int) (*Digest, error) {
	d := &Digest{Tables: tables, sketch: NewSketch(finds)}
	if _, err := rand.Read(d.Seed[:]); err != nil {
		return nil, err
	}
	for i := range d.Tables {
		d.Tables[i].Rows, d.Tables[i].sums = 0, make([]uint64, maxBuckets)
	}
	return d, d.check()
}

// Like returns an empty digest of the same tables as another, with its seed and size, for rows to compare with those of the other.
func (d *Digest) Like() *Digest {
	out := &Digest{Seed: d.Seed, Tables: slices.Clone(d.Tables), Flight: d.Flight, sketch: &Sketch{make([]cell, len(d.sketch.cells))}}
	for i := range out.Tables {
		out.Tables[i].Rows, out.Tables[i].sums = 0, make([]uint64, maxBuckets)
	}
	return out
}

// Add adds a row with the hash of its content, from 1 to 2^61-2.
func (d *Digest) Add(r Row, content uint64) {
	t := &d.Tables[r.Table()]
	t.Rows++
	i := mix(r, parts+1) % maxBuckets
	t.sums[i] = add(t.sums[i], content)
	d.sketch.Add(r, content)
	d.strata.Add(r, content)
}

// InFlight reports whether the maker of the digest left a row out, as it had changed it and not heard of that.
func (d *Digest) InFlight(r Row) bool {
	_, is := slices.BinarySearch(d.Flight, r)
	return is
}

// WaitsThere reports whether a row came to the maker of the digest and waits there.
func (d *Digest) WaitsThere(r Row) bool {
	_, is := slices.BinarySearch(d.Waiting, r)
	return is
}

// Name notes rows that are in flight, and that wait.
func (d *Digest) Name(flight, waiting []Row) error {
	for _, list := range []*[]Row{&flight, &waiting} {
		*list = slices.Clone(*list)
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	d.Flight, d.Waiting = flight, waiting
	return d.check()
}

func (d *Digest) check() error {
	columns := 0
	names := map[string]bool{}
	for _, t := range d.Tables {
		columns += len(t.Columns)
		if t.Name == "" || names[t.Name] || len(t.Name) > MaxName || !utf8.ValidString(t.Name) {
			return fmt.Errorf("a table has no name, a long one, or another's")
		}
		names[t.Name] = true
		twice := map[string]bool{}
		for _, c := range t.Columns {
			if len(c) > MaxName || !utf8.ValidString(c) || twice[strings.ToLower(c)] {
				return fmt.Errorf("a column of %s has a long name, or another's", t.Name)
			}
			twice[strings.ToLower(c)] = true
		}
	}
	switch {
	case len(d.Tables) > MaxTables:
		return fmt.Errorf("%d tables are more than %d", len(d.Tables), MaxTables)
	case columns > MaxColumns:
		return fmt.Errorf("%d columns are more than %d", columns, MaxColumns)
	case len(d.Flight) > MaxNamed:
		return fmt.Errorf("%d rows in flight are more than %d", len(d.Flight), MaxNamed)
	case len(d.Waiting) > MaxNamed:
		return fmt.Errorf("%d rows that wait are more than %d", len(d.Waiting), MaxNamed)
	}
	return nil
}

// buckets is how many buckets of a table's rows are sent: one for each 4,096 rows, 64 at most.
func buckets(rows uint64) int {
	n := 1
	for n < maxBuckets && uint64(n)*4096 < rows {
		n *= 2
	}
	return n
}

// fold returns the sums of n buckets, of those of more.
func fold(sums []uint64, n int) []uint64 {
	out := make([]uint64, n)
	for i, s := range sums {
		out[i%n] = add(out[i%n], s)
	}
	return out
}

// encoded is a digest as it is written. FORMAT.md beside package batch describes it.
type encoded struct {
	_       struct{} `cbor:",toarray"`
	Seed    []byte
	Tables  []cbor.RawMessage // each an encodedTable: many small names take much more memory than bytes
	Sketch  []byte
	Strata  []byte
	Flight  []byte
	Waiting []byte
}

type encodedTable struct {
	_       struct{} `cbor:",toarray"`
	Name    string
	Columns []string
	Rows    uint64
	Sums    []byte
}

// Marshal returns the digest as bytes.
func (d *Digest) Marshal() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	e := encoded{Seed: d.Seed[:], Tables: []cbor.RawMessage{}, Flight: packRows(d.Flight), Waiting: packRows(d.Waiting), Sketch: []byte{}, Strata: []byte{}}
	for _, t := range d.Tables {
		et := encodedTable{Name: t.Name, Columns: append([]string{}, t.Columns...), Rows: t.Rows, Sums: []byte{}}
		for _, s := range fold(t.sums, min(len(t.sums), buckets(t.Rows))) {
			et.Sums = binary.BigEndian.AppendUint64(et.Sums, s)
		}
		raw, err := mode.Marshal(et)
		if err != nil {
			return nil, err
		}
		e.Tables = append(e.Tables, raw)
	}
	for _, c := range d.sketch.cells {
		for _, v := range c {
			e.Sketch = binary.BigEndian.AppendUint64(e.Sketch, v)
		}
	}
	for l := range d.strata {
		for _, v := range d.strata[l] {
			e.Strata = binary.BigEndian.AppendUint64(e.Strata, v)
		}
	}
	return mode.Marshal(e)
}

// Parse reads what Marshal wrote. Errors: ErrDigest.
func Parse(b []byte) (*Digest, error) {
	d, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDigest, err)
	}
	again, err := d.Marshal()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDigest, err)
	}
	if string(again) != string(b) {
		return nil, fmt.Errorf("%w: it is not in its canonical form", ErrDigest)
	}
	return d, nil
}

func parse(b []byte) (*Digest, error) {
	mode, err := cbor.DecOptions{
		MaxNestedLevels: 5, MaxArrayElements: MaxColumns, MaxMapPairs: 16,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	var e encoded
	if err := mode.Unmarshal(b, &e); err != nil {
		return nil, err
	}
	d := &Digest{sketch: &Sketch{}}
	if len(e.Seed) != len(d.Seed) {
		return nil, errors.New("the seed has another length")
	}
	copy(d.Seed[:], e.Seed)
	if n := len(e.Sketch); n%(parts*cellSize) != 0 || n < parts*minPart*cellSize || n > parts*maxPart*cellSize {
		return nil, errors.New("the sketch has another length")
	}
	if len(e.Strata) != levels*levelCells*8 {
		return nil, errors.New("the estimate has another length")
	}
	d.sketch.cells = make([]cell, len(e.Sketch)/cellSize)
	r := numbers{}
	for i := range d.sketch.cells {
		for j := range d.sketch.cells[i] {
			d.sketch.cells[i][j] = r.next(&e.Sketch)
		}
	}
	for l := range d.strata {
		for i := range d.strata[l] {
			d.strata[l][i] = r.next(&e.Strata)
		}
	}
	if len(e.Tables) > MaxTables {
		return nil, fmt.Errorf("%d tables are more than %d", len(e.Tables), MaxTables)
	}
	columns := 0
	for _, raw := range e.Tables {
		var et encodedTable
		if err := mode.Unmarshal(raw, &et); err != nil {
			return nil, err
		}
		if columns += len(et.Columns); columns > MaxColumns {
			return nil, fmt.Errorf("it has more than %d columns", MaxColumns)
		}
		t := Table{Name: et.Name, Columns: et.Columns, Rows: et.Rows}
		n := len(et.Sums) / 8
		if len(et.Sums)%8 != 0 || n != buckets(et.Rows) || et.Rows > math.MaxInt64 {
			return nil, fmt.Errorf("the sums of %q have another length", et.Name)
		}
		for range n {
			t.sums = append(t.sums, r.next(&et.Sums))
		}
		d.Tables = append(d.Tables, t)
	}
	if d.Flight, err = r.rows(e.Flight, len(d.Tables)); err != nil {
		return nil, err
	}
	if d.Waiting, err = r.rows(e.Waiting, len(d.Tables)); err != nil {
		return nil, err
	}
	if r.bad {
		return nil, errors.New("a number is above 2^61-2")
	}
	return d, d.check()
}

// numbers reads numbers of the field.
type numbers struct{ bad bool }

func (n *numbers) next(b *[]byte) uint64 {
	v := binary.BigEndian.Uint64(*b)
	*b = (*b)[8:]
	n.bad = n.bad || v >= prime
	return v
}

func (n *numbers) rows(b []byte, tables int) ([]Row, error) {
	if len(b)%8 != 0 || len(b) > 8*MaxNamed {
		return nil, errors.New("a list of rows has another length")
	}
	var out []Row
	for len(b) > 0 {
		r := Row(n.next(&b))
		if r.Table() >= tables || len(out) > 0 && out[len(out)-1] >= r {
			return nil, errors.New("a list of rows is not in order, or names a table that is not there")
		}
		out = append(out, r)
	}
	return out, nil
}

func packRows(rows []Row) []byte {
	out := make([]byte, 0, 8*len(rows))
	for _, r := range rows {
		out = binary.BigEndian.AppendUint64(out, uint64(r))
	}
	return out
}

// TableResult is how a table compares.
type TableResult struct {
	Name          string
	Here, There   uint64 // rows that were compared
	Equal         bool
	Buckets, Same int // of the rows of the table, and how many of these are equal
}

// Result is how two digests compare.
type Result struct {
	Tables   []TableResult // in the order of the digest
	Exact    bool          // Differ is all rows that differ
	Differ   []Row         // in order
	Estimate int64         // about how many rows differ; exactly, if Exact
	delta    map[Row]uint64
}

// Compare compares what a peer's digest says with what rows are here. here was made by there.Like().
func Compare(there, here *Digest) *Result {
	out := &Result{}
	for i := range there.Tables {
		a, b := &there.Tables[i], &here.Tables[i]
		t := TableResult{Name: a.Name, Here: b.Rows, There: a.Rows, Buckets: len(a.sums)}
		for j, s := range fold(b.sums, len(a.sums)) {
			if s == a.sums[j] {
				t.Same++
			}
		}
		t.Equal = t.Same == t.Buckets && t.Here == t.There
		out.Tables = append(out.Tables, t)
	}
	diff := &Sketch{slices.Clone(there.sketch.cells)}
	diff.subtract(here.sketch)
	out.delta, out.Exact = diff.decode(len(there.Tables))
	for r := range out.delta {
		out.Differ = append(out.Differ, r)
		if out.Exact { // a digest that contradicts itself
			out.Tables[r.Table()].Equal = false
		}
	}
	slices.Sort(out.Differ)
	out.Estimate = int64(len(out.Differ))
	if !out.Exact {
		strata := there.strata
		strata.subtract(&here.strata)
		out.Estimate = max(strata.estimate(), out.Estimate+1)
	}
	return out
}

// Kind is how a row differs.
type Kind uint8

// The kinds.
const (
	Different    Kind = iota // it is at both
	MissingHere              // it is there alone
	MissingThere             // it is here alone
)

// String returns the kind in words.
func (k Kind) String() string { return [...]string{"different", "missing here", "missing there"}[k] }

// Kind returns how a row of Differ differs. content is the hash of what the row holds here; 0: it is not here.
func (r *Result) Kind(row Row, content uint64) Kind {
	switch r.delta[row] {
	default:
		if content == 0 {
			return MissingHere
		}
		return Different
	case sub(0, content):
		return MissingThere
	}
}
