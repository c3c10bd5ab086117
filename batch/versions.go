package batch

import (
	"errors"
	"fmt"
)

// wideMask is the bit of a mask of slots above 62, where the file needs ManyColumns.
const wideMask = 1 << 63

// maxSlot is the highest slot of the file.
func (s *state) maxSlot() uint16 {
	if s.manyColumns {
		return MaxSlot
	}
	return maxFewSlot
}

func (s *state) checkVersions(r *Rows) error {
	total := len(r.Keys)
	if r.Groups != nil {
		total = 0
		for _, g := range r.Groups {
			if g < 0 || g > int(s.maxSlot())+1 {
				return fmt.Errorf("row has %d versions, not 0 to %d", g, s.maxSlot()+1)
			}
			total += g
		}
	}
	if total > MaxVersions {
		return fmt.Errorf("block has %d versions, more than %d: make it shorter", total, MaxVersions)
	}
	if len(r.Masks) != total {
		return fmt.Errorf("%d masks for %d versions", len(r.Masks), total)
	}
	if err := checkStamps(total, r.Times, r.Authors); err != nil {
		return err
	}
	if len(r.Epochs) != total {
		return fmt.Errorf("%d epochs for %d versions", len(r.Epochs), total)
	}
	at, wide := 0, 0
	for i := range r.Keys {
		g := 1
		if r.Groups != nil {
			g = r.Groups[i]
		}
		if !disjoint(r.Masks[at:at+g], s.manyColumns) {
			return errors.New("versions of a row overlap, or are of nothing")
		}
		at += g
	}
	for _, m := range r.Masks {
		if s.manyColumns && m >= wideMask {
			wide++
		}
	}
	if wide > MaxWideMasks {
		return fmt.Errorf("block has %d masks of slots above 62, more than %d: make it shorter", wide, MaxWideMasks)
	}
	return nil
}

// disjoint reports whether the masks of a row have nothing in common, and each has something.
func disjoint(masks []uint64, manyColumns bool) bool {
	var all uint64
	var more map[uint64]uint64 // by what is in bits 58 to 62
	for _, m := range masks {
		if manyColumns && m >= wideMask {
			n, columns := m>>58, m&(1<<58-1)
			if more == nil {
				more = map[uint64]uint64{}
			}
			if columns == 0 || more[n]&columns != 0 {
				return false
			}
			more[n] |= columns
			continue
		}
		if m == 0 || all&m != 0 {
			return false
		}
		all |= m
	}
	return true
}
