package batch

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// program turns bytes into items that no writer writes, two or three bytes each: what a mutation finds in few steps, and what plain bytes
// of a stream would hardly ever be. They are read as they are written: nothing of them is kept.
type program struct {
	ops    []byte
	dict   uint64
	tables uint64
}

func (p *program) byte() byte {
	if len(p.ops) == 0 {
		return 0
	}
	b := p.ops[0]
	p.ops = p.ops[1:]
	return b
}

// number returns one of few numbers that matter.
func (p *program) number(limit uint64) uint64 {
	b := uint64(p.byte())
	switch {
	case b < 200:
		return min(b, limit)
	case b < 230:
		return limit >> (b - 200)
	}
	return limit + b - 250
}

// column is a column of n values.
func (p *program) column() []any {
	switch p.byte() % 6 {
	case 0:
		return []any{encAbsent}
	case 1:
		return []any{encConst, make([]byte, p.number(1<<20))}
	case 2:
		return []any{encRefs, []any{seriesRun, p.number(p.dict + 2), uint64(p.byte() % 2)}}
	case 3:
		return []any{encInt, []any{seriesRun, p.number(1 << 40), uint64(p.byte() % 2)}}
	case 4:
		return []any{encSplit, []byte{p.byte()}, []any{encConst, nil}, []any{encConst, []byte{p.byte()}}}
	}
	return []any{encDict, 1, []any{encConst, make([]byte, p.number(1<<16))}, []any{seriesRun, 0, 0}}
}

// item returns the next item.
func (p *program) item() []any {
	run := func(start, step uint64) []any { return []any{seriesRun, start, step} }
	authors := []any{[]any{"x"}, run(0, 0)}
	table := p.number(p.tables)
	switch p.byte() % 6 {
	case 0:
		var key, columns []any
		for i := range 1 + p.number(4) {
			key = append(key, []any{string(rune('a' + i)), 0, p.byte() & 1, 0})
		}
		for i := range p.number(300) {
			columns = append(columns, []any{string(rune('a' + i)), 0, p.byte() & 1, i % 64})
		}
		if columns == nil {
			columns = []any{}
		}
		p.tables++
		name := string(rune('A' + p.tables))
		return []any{itemTable, p.tables - 1, name, name, key, columns}
	case 1, 2:
		n := p.number(MaxBlockRows)
		var parts []any
		for range 1 + p.byte()%4 {
			parts = append(parts, p.column())
		}
		first := p.dict + uint64(FirstRef)
		p.dict += n
		return []any{itemKeys, table, first, n, parts}
	case 3:
		p.dict = 0
		return []any{itemReset}
	case 4:
		n := p.number(MaxBlockRows)
		columns := []any{}
		for range p.number(300) {
			columns = append(columns, p.column())
		}
		return []any{itemRows, table, n, run(uint64(p.number(p.dict+2)), 1), nil, run(uint64(p.byte()%66), 0), run(1, 0), run(5, 0), authors, run(1, 0), columns}
	}
	n := p.number(MaxBlockRows)
	return []any{itemDeletions, table, n, run(uint64(p.number(p.dict+2)), 1), run(5, 0), authors, run(1, 0)}
}

// FuzzItems reads items by a program, over and over again, as far as a file of that many bytes may go. What a reader holds and what it
// hands on in all must stay within the bounds, whatever the items are; so must the time.
func FuzzItems(f *testing.F) {
	table, keys, reset := []byte{0, 0, 0, 0, 0}, []byte{0, 1, 250, 0, 3, 1, 1}, []byte{0, 3}
	f.Add(slices.Concat(table, keys, reset), uint16(5000))
	f.Add(slices.Concat(table, []byte{0, 0, 1, 1, 1, 0}, []byte{0, 1, 1, 0, 1, 9}, bytes.Repeat([]byte{1, 1, 1, 1, 2, 249, 0, 2, 249, 0}, 30)), uint16(0)) // keys made of keys
	f.Add(slices.Concat(table, []byte{0, 1, 100, 0, 1, 205}), uint16(60))                                                                                  // long keys
	f.Add([]byte{0, 0, 0, 0, 199}, uint16(5000))                                                                                                           // columns
	f.Add(slices.Concat([]byte{0, 0, 0, 0, 3, 0, 0, 0}, keys, []byte{0, 4, 250, 3, 1, 5, 1, 5, 1, 5, 2, 1}, reset), uint16(5000))                          // rows
	f.Add(slices.Concat(table, keys, []byte{0, 5, 250, 2}, reset), uint16(5000))                                                                           // deletions
	f.Fuzz(func(t *testing.T, ops []byte, times uint16) {
		if len(ops) > 400 {
			return
		}
		p := &program{ops: ops}
		var stream []byte
		for again := 0; again <= int(times) && len(stream) < 1<<20; again++ {
			for p.ops = ops; len(p.ops) > 0; {
				b, err := cbor.Marshal(p.item())
				if err != nil {
					t.Fatal(err)
				}
				stream = append(stream, b...)
			}
		}
		r := readerOf(stream)
		r.size = int64(len(ops)) // as if all of it were packed to that
		begin := time.Now()
		var held uint64
		for n := 0; ; n++ {
			_, err := r.Next()
			if err != nil {
				if err != io.EOF && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
					t.Fatalf("error of no class: %v", err)
				}
				break
			}
			if n%512 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				held = max(held, m.HeapAlloc)
			}
		}
		t.Logf("%d items of %d bytes, %d keys, %d rows: %v", r.items, len(stream), r.keys, r.rows+r.deletions, r.in.err)
		for _, u := range r.Used() {
			if u.N > u.Limit && !errors.Is(r.in.err, ErrExcess) {
				t.Errorf("%d %s, more than %d, and %v", u.N, u.What, u.Limit, r.in.err)
			}
		}
		if held > 160<<20+uint64(len(stream)) {
			t.Errorf("%d bytes held", held)
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
