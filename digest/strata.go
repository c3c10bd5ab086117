package digest

import (
	"math"
	"math/bits"
)

// Levels and cells of a strata estimate: half of the rows are in the first level, a quarter in the second.
const (
	levels     = 22
	levelCells = 24
)

// Strata estimates how many rows differ, where a sketch cannot name them (the strata estimator of Eppstein and others, with counting by empty
// cells at each level).
type Strata [levels][levelCells]uint64

// Add adds a row with its content.
func (s *Strata) Add(r Row, content uint64) {
	x := mix(r, parts)
	level := min(bits.TrailingZeros64(x), levels-1)
	i := x >> 32 % levelCells
	s[level][i] = add(s[level][i], content)
}

// estimate returns about how many rows differ, of the difference of two.
func (s *Strata) estimate() int64 {
	first := 0 // level whose cells are not too full to be counted, and those behind it
	for l := range s {
		if s.empty(l) < levelCells/4 {
			first = l + 1
		}
	}
	sum := 0.0
	for l := first; l < levels; l++ {
		sum += -levelCells * math.Log(float64(s.empty(l))/levelCells)
	}
	return int64(math.Round(math.Ldexp(sum, first)))
}

func (s *Strata) empty(level int) (n int) {
	for _, v := range s[level] {
		if v == 0 {
			n++
		}
	}
	return n
}

func (s *Strata) subtract(o *Strata) {
	for l := range s {
		for i := range s[l] {
			s[l][i] = sub(s[l][i], o[l][i])
		}
	}
}
