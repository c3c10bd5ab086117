package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/merge"
)

// readVersions turns the masks of the batch into those of the bits here.
func (v *resolver) readVersions(_ context.Context, w *block) error {
	if w.retried {
		return nil
	}
	w.groups = make([][]merge.SentGroup, w.n)
	slots := w.slots()
	here := map[uint64]merge.Mask{} // masks of the batch, with the bits here: nearly all rows have the same
	g := 0
	for i := range w.groups {
		n := 1
		if w.Groups != nil {
			n = w.Groups[i]
		}
		wide := false
		for ; n > 0; n-- {
			mask, known := here[w.Masks[g]]
			if !known {
				mask = slots.bitsOf(v.mask(w.Masks[g]))
				here[w.Masks[g]] = mask
			}
			if !mask.IsEmpty() {
				wide = wide || mask.IsWide()
				w.groups[i] = append(w.groups[i], merge.SentGroup{Mask: mask, Sent: merge.Sent{Stamp: merge.Stamp{Time: w.Times[g], Author: w.Authors[g]}, Epoch: w.Epochs[g]}})
			}
			g++
		}
		if !slices.ContainsFunc(w.groups[i], func(g merge.SentGroup) bool { return g.Has(merge.Existence) }) {
			return fmt.Errorf("%w: a row of %s comes without the version of its existence", batch.ErrCorrupt, w.l.Name)
		}
		if len(w.groups[i]) > 1 {
			w.groups[i] = disjoint(w.groups[i])
		}
		if wide {
			w.groups[i] = merge.Join(w.groups[i])
		}
	}
	return nil
}

// slots are the bits here of each slot of a block.
type slots []merge.Mask

// slots returns the bits of the columns that the block carries. No version comes for another column: nobody knows its value, and the
// one that is here would go on to others under a stamp that its author never gave.
func (w *block) slots() slots {
	out := slots{merge.Bit(merge.Existence)}
	for i, c := range w.t.columns {
		slot := int(w.t.Columns[i].Slot)
		if c == nil || slot == 0 || !w.carries(i) {
			continue
		}
		if slot >= len(out) {
			out = append(out, make(slots, slot+1-len(out))...)
		}
		if bit := w.l.journal.Bit(c.Name); bit != 0 {
			out[slot] = out[slot].Or(merge.Bit(bit))
		}
	}
	return out
}

// carries reports whether the block has values of a column.
func (w *block) carries(i int) bool { return w.Columns[i].Bytes != nil || w.Columns[i].Refs != nil }

// bitsOf turns a mask of the batch's slots into one of the bits here.
func (s slots) bitsOf(sent merge.Mask) merge.Mask {
	var out merge.MaskBuilder
	for slot := range sent.All() {
		if slot < len(s) {
			out.AddAll(s[slot])
		}
	}
	return out.Mask()
}

// disjoint leaves a bit that several groups have with the latest of them: columns that share a bit here need not there.
func disjoint(groups []merge.SentGroup) []merge.SentGroup {
	overlap := false
	var all merge.Mask
	for _, g := range groups {
		overlap = overlap || all.Meets(g.Mask)
		all = all.Or(g.Mask)
	}
	if !overlap {
		return groups
	}
	latest := make([]int, len(groups))
	for i := range latest {
		latest[i] = i
	}
	slices.SortStableFunc(latest, func(a, b int) int {
		switch {
		case groups[b].Before(groups[a].Stamp):
			return -1
		case groups[a].Before(groups[b].Stamp):
			return 1
		}
		return 0
	})
	var taken merge.Mask
	for _, i := range latest {
		groups[i].Mask, taken = groups[i].Without(taken), taken.Or(groups[i].Mask)
	}
	return groups
}
