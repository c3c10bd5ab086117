package batch

import (
	"math"
	"math/bits"
	"slices"
)

// A series is a column of 64-bit numbers. All its arithmetic is modulo 2^64;
// signed numbers are in two's complement. FORMAT.md describes the methods.
const (
	seriesRun   = iota // start + i*step
	seriesPlain        // base + number
	seriesDelta        // first, then zigzag differences
	seriesDict         // base + one of up to 256 numbers
)

// packer turns columns into items. Its slices are scratch, kept between calls.
type packer struct {
	*out
	tight         bool // UUIDs are packed where that saves a few bytes alone: see ZstdDictionary
	words, delta  []uint64
	scales        []uint64 // of decimals
	apart         [][]byte // values that one encoding has apart from those of another; nil while it is in use
	scratch       []byte
	table         [1024]uint64 // open hash of the distinct numbers of a series
	used          [1024]bool
	distinct, idx []uint64
}

// resized returns a slice of n elements, s itself if it is large enough.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// series writes v by the method that is likely to compress best.
func (p *packer) series(v []uint64) {
	n := len(v)
	var start, step uint64
	if n > 0 {
		start = v[0]
	}
	if n > 1 {
		step = v[1] - v[0]
	}
	run, lo, hi := true, int64(start), int64(start)
	for i, x := range v {
		run = run && x == start+uint64(i)*step
		lo, hi = min(lo, int64(x)), max(hi, int64(x))
	}
	if run {
		p.list(3, seriesRun, start, step)
		return
	}
	base := uint64(lo)
	width := byteWidth(uint64(hi) - base)
	p.delta = resized(p.delta, n-1)
	var top uint64
	for i := range p.delta {
		p.delta[i] = zigzag(v[i+1] - v[i])
		top |= p.delta[i]
	}
	dwidth := byteWidth(top)
	method, best := seriesPlain, cost(v, base, width)
	if c := cost(p.delta, 0, dwidth); c < best {
		method, best = seriesDelta, c
	}
	if p.index(v) {
		if c := cost(p.idx, 0, 1) + float64(8*width*len(p.distinct)); c < best {
			method = seriesDict
		}
	}
	switch method {
	case seriesPlain:
		p.list(4, seriesPlain, base, uint64(width))
		p.split(v, base, width)
	case seriesDelta:
		p.list(4, seriesDelta, start, uint64(dwidth))
		p.split(p.delta, 0, dwidth)
	case seriesDict:
		k := len(p.distinct)
		p.list(6, seriesDict, base, uint64(width), uint64(k))
		p.split(p.distinct, base, width)
		p.split(p.idx, 0, 1)
	}
}

// split writes the low width bytes of each v-base as a byte string of planes:
// all lowest bytes, then all second ones, and so on.
func (p *packer) split(v []uint64, base uint64, width int) {
	n := len(v)
	p.scratch = resized(p.scratch, n*width)
	for j := range width {
		shift, plane := 8*j, p.scratch[j*n:(j+1)*n]
		for i, x := range v {
			plane[i] = byte((x - base) >> shift)
		}
	}
	p.planes(p.scratch, n)
}

// index finds the distinct numbers of v, ascending, and the position of each
// number among them; false if there are more than 256, or too many for n.
func (p *packer) index(v []uint64) bool {
	limit := min(256, len(v)/3)
	p.distinct = p.distinct[:0]
	p.used = [1024]bool{}
	for i, x := range v {
		if i > 0 && x == v[i-1] {
			continue
		}
		h := bucket(x)
		for p.used[h] && p.table[h] != x {
			h = (h + 1) & 1023
		}
		if p.used[h] {
			continue
		}
		if len(p.distinct) == limit {
			return false
		}
		p.used[h], p.table[h] = true, x
		p.distinct = append(p.distinct, x)
	}
	slices.SortFunc(p.distinct, func(a, b uint64) int {
		if int64(a) < int64(b) {
			return -1
		}
		return 1
	})
	var at [1024]uint8
	for i, x := range p.distinct {
		h := bucket(x)
		for p.table[h] != x || !p.used[h] {
			h = (h + 1) & 1023
		}
		at[h] = uint8(i)
	}
	p.idx = resized(p.idx, len(v))
	for i, x := range v {
		h := bucket(x)
		for p.table[h] != x || !p.used[h] {
			h = (h + 1) & 1023
		}
		p.idx[i] = uint64(at[h])
	}
	return true
}

func bucket(x uint64) uint64 { return x * 0x9e3779b97f4a7c15 >> 54 }

// cost estimates the bits that v takes once compressed: the entropy of each
// plane by itself.
func cost(v []uint64, base uint64, width int) float64 {
	if len(v) == 0 {
		return 0
	}
	n := float64(len(v))
	var total float64
	for j := range width {
		var count [256]uint32
		for _, x := range v {
			count[byte((x-base)>>(8*j))]++
		}
		total += entropy(&count, n)
	}
	return total
}

func byteWidth(x uint64) int   { return max(1, (bits.Len64(x)+7)/8) }
func zigzag(x uint64) uint64   { return x<<1 ^ uint64(int64(x)>>63) }
func unzigzag(x uint64) uint64 { return x>>1 ^ -(x & 1) }

// series reads a series of n numbers.
func (d *in) series(what string, n int) []uint64 {
	d.numbers += n
	size := d.array(what, 3, 6)
	method := d.uint(what+" method", seriesDict)
	if want := [...]int{3, 4, 4, 6}[method]; d.err == nil && size != want {
		d.fail("%s has %d elements, not %d", what, size, want)
	}
	first := d.uint(what, math.MaxUint64)
	if method == seriesRun {
		return d.run(first, d.uint(what, math.MaxUint64), n)
	}
	width := int(d.uint(what+" width", 8))
	if d.err == nil && (width == 0 || n == 0) {
		d.fail("%s has no width", what)
	}
	switch method {
	case seriesPlain:
		return d.join(what, n, first, width)
	case seriesDelta:
		diffs := d.join(what, n-1, 0, width)
		if d.err != nil {
			return nil
		}
		v := make([]uint64, n)
		v[0] = first
		for i, x := range diffs {
			v[i+1] = v[i] + unzigzag(x)
		}
		return v
	default:
		k := int(d.uint(what+" dictionary", 256))
		values := d.join(what, k, first, width)
		v := d.join(what, n, 0, 1)
		for i, x := range v {
			if x >= uint64(k) {
				d.fail("%s has no value %d", what, x)
				return nil
			}
			v[i] = values[x]
		}
		return v
	}
}

func (d *in) run(start, step uint64, n int) []uint64 {
	if d.err != nil {
		return nil
	}
	v := make([]uint64, n)
	for i := range v {
		v[i] = start + uint64(i)*step
	}
	return v
}

// join reads n numbers that split wrote.
func (d *in) join(what string, n int, base uint64, width int) []uint64 {
	b := d.bytes(what, n*width)
	if d.err != nil {
		return nil
	}
	v := make([]uint64, n)
	for j := range width {
		shift := 8 * j
		for i, x := range b[j*n : (j+1)*n] {
			v[i] |= uint64(x) << shift
		}
	}
	for i := range v {
		v[i] += base
	}
	return v
}
