package digest

import "math/bits"

// prime is the Mersenne prime 2^61-1. Numbers of its field are below it.
const prime = 1<<61 - 1

func add(a, b uint64) uint64 {
	if s := a + b; s >= prime {
		return s - prime
	} else {
		return s
	}
}

func sub(a, b uint64) uint64 {
	if a >= b {
		return a - b
	}
	return a + prime - b
}

func mul(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return add(lo&prime, hi<<3|lo>>61)
}

// inverse returns 1/a, by Fermat's little theorem; a is not 0.
func inverse(a uint64) uint64 {
	out, base := uint64(1), a
	for e := uint64(prime - 2); e > 0; e >>= 1 {
		if e&1 == 1 {
			out = mul(out, base)
		}
		base = mul(base, base)
	}
	return out
}
