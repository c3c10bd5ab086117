package digest

import "math/bits"

// Cells of a sketch.
const (
	parts        = 4       // cells that a row is in, one of each part
	cellSize     = 3 * 8   // bytes of a cell
	cellsPerPart = 48      // of each part, for 100 differing rows: 1.92 cells in all for each
	minPart      = 64      // cells of a part, at least
	MaxFinds     = 250_000 // differing rows that a sketch can be made to find
	maxPart      = MaxFinds / 100 * cellsPerPart
)

// cell is the sums of c, k·c and k²·c over rows.
type cell [3]uint64

// Sketch finds the rows that differ, if they are not many more than it was made for.
type Sketch struct {
	cells []cell // part by part
}

// NewSketch returns an empty sketch that finds so many differing rows, [MaxFinds] at most: all of them, but for one time in some 50,000. It
// has 46 bytes for each.
func NewSketch(finds int) *Sketch {
	part := max((min(max(finds, 0), MaxFinds)*cellsPerPart+99)/100, minPart)
	return &Sketch{make([]cell, parts*part)}
}

// index returns the cell of a row in a part.
func (s *Sketch) index(r Row, part int) int {
	n := len(s.cells) / parts
	hi, _ := bits.Mul64(mix(r, uint64(part)), uint64(n))
	return part*n + int(hi)
}

// Add adds a row with its content.
func (s *Sketch) Add(r Row, content uint64) {
	k := uint64(r)
	kc := mul(k, content)
	kkc := mul(k, kc)
	for p := range parts {
		c := &s.cells[s.index(r, p)]
		c[0], c[1], c[2] = add(c[0], content), add(c[1], kc), add(c[2], kkc)
	}
}

// subtract takes another sketch of the same size away.
func (s *Sketch) subtract(o *Sketch) {
	for i := range s.cells {
		for j := range s.cells[i] {
			s.cells[i][j] = sub(s.cells[i][j], o.cells[i][j])
		}
	}
}

// single returns the one row whose content the cell differs by; false if there is none, or if they are several.
func (s *Sketch) single(at int) (r Row, d uint64, ok bool) {
	c := s.cells[at]
	if c[0] == 0 {
		return 0, 0, false
	}
	k := mul(c[1], inverse(c[0]))
	r = Row(k)
	part := at / (len(s.cells) / parts)
	return r, c[0], mul(k, c[1]) == c[2] && s.index(r, part) == at
}

// decode takes out the rows that are in a difference of two sketches, each with the difference of its contents. exact: these are all. It takes
// time in proportion to the cells, whatever they hold.
func (s *Sketch) decode(tables int) (found map[Row]uint64, exact bool) {
	found = map[Row]uint64{}
	queue := make([]int, len(s.cells))
	for i := range queue {
		queue[i] = i
	}
	for len(queue) > 0 && len(found) <= len(s.cells) {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		r, d, ok := s.single(at)
		if _, again := found[r]; !ok || again || r.Table() >= tables {
			continue
		}
		found[r] = d
		s.Add(r, sub(0, d))
		for p := range parts {
			if i := s.index(r, p); i != at {
				queue = append(queue, i)
			}
		}
	}
	for _, c := range s.cells {
		if c != (cell{}) {
			return found, false
		}
	}
	return found, true
}
