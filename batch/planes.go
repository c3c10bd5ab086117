package batch

import "math"

// Planes of bytes of one kind each are what the compressor likes best, if it
// does not have to code them with one set of symbol frequencies. So a block of
// the compressed stream ends where a plane is of another class than the bytes
// before it. Measured on obs: 6 % less for 1,000 rows, 8 % for 8,192. A reader
// sees nothing of it.

// minPlane is the shortest plane for which a new block may pay.
const minPlane = 256

// planes writes a byte string of planes of n bytes each.
func (o *out) planes(b []byte, n int) {
	o.head(majorBytes, uint64(len(b)))
	for ; len(b) > 0; b = b[n:] {
		if n >= minPlane {
			if c := class(b[:n]); c != o.class {
				o.cut()
				o.class = c
			}
		}
		o.raw(b[:n])
	}
}

// cut ends the block of the compressed stream.
func (o *out) cut() {
	o.flush()
	if o.err == nil {
		o.err = o.zw.Flush()
	}
}

// Classes of planes: by two bits of entropy a byte, and those that will not
// compress.
const classRandom = 5

func class(plane []byte) int {
	var count [256]uint32
	for _, x := range plane {
		count[x]++
	}
	n := float64(len(plane))
	e := entropy(&count, n) / n
	if e > 0.95*min(8, math.Log2(n)) {
		return classRandom
	}
	return 1 + int(e/2)
}

// entropy returns the bits of n bytes that occur so many times each.
func entropy(count *[256]uint32, n float64) float64 {
	e := n * math.Log2(n)
	for _, c := range count {
		if c > 1 {
			e -= float64(c) * math.Log2(float64(c))
		}
	}
	return e
}
