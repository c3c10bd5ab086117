package merge

import (
	"cmp"
	"slices"
)

// Rows of a table of a thousand columns may have a thousand versions. What follows finds its way among those of two rows, or of one, in time
// that grows with the columns and not with their square. Where they are few, as nearly always, it compares each with each.

// fewGroups is how many versions of a row are few.
const fewGroups = 64

// places finds a version among those of a row.
type places[V comparable] map[V]int

// find returns the place of a version among the first n, -1 if it is not there: the caller appends it then.
func (p *places[V]) find(n int, version func(int) V, v V) int {
	if n < fewGroups {
		for i := range n {
			if version(i) == v {
				return i
			}
		}
		return -1
	}
	if *p == nil {
		*p = make(places[V], 2*n)
		for i := range n {
			(*p)[version(i)] = i
		}
	}
	if i, ok := (*p)[v]; ok {
		return i
	}
	(*p)[v] = n
	return -1
}

// Join returns groups as they are sent, with those of equal versions as one. The masks must be disjoint.
func Join(groups []SentGroup) []SentGroup { return joinSent(slices.Clone(groups)) }

// joinSent is Join in place.
func joinSent(groups []SentGroup) []SentGroup {
	out := groups[:0]
	var at places[Sent]
	for _, g := range groups {
		if i := at.find(len(out), func(i int) Sent { return out[i].Sent }, g.Sent); i >= 0 {
			out[i].Mask = out[i].Or(g.Mask)
			continue
		}
		out = append(out, g)
	}
	return out
}

// masked is a group of any kind.
type masked interface{ mask() Mask }

func (g Group) mask() Mask     { return g.Mask }
func (g SentGroup) mask() Mask { return g.Mask }

// MaskOf returns what some groups have together.
func MaskOf[G masked](groups []G) Mask {
	if len(groups) == 1 {
		return groups[0].mask()
	}
	var m Mask
	var b MaskBuilder
	for i := range groups {
		if g := groups[i].mask(); g.more == "" {
			m.first |= g.first
		} else {
			b.AddAll(g)
		}
	}
	return m.Or(b.Mask())
}

// meetings calls f for each two groups, one of each list, that have something in common, in order. The masks of each list are disjoint.
func meetings[A, B masked](as []A, bs []B, f func(a *A, b *B, both Mask)) {
	if len(as)*len(bs) <= fewGroups*fewGroups {
		for i := range as {
			for j := range bs {
				if both := as[i].mask().And(bs[j].mask()); !both.IsEmpty() {
					f(&as[i], &bs[j], both)
				}
			}
		}
		return
	}
	var owner [MaxBit + 1]int // of each bit: the place of the group in bs that has it, from 1 on
	for j := range bs {
		for bit := range bs[j].mask().All() {
			owner[bit] = j + 1
		}
	}
	for i := range as {
		var found [][2]int // the place in bs, and a bit
		for bit := range as[i].mask().All() {
			if owner[bit] > 0 {
				found = append(found, [2]int{owner[bit] - 1, bit})
			}
		}
		slices.SortStableFunc(found, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
		for len(found) > 0 {
			var both MaskBuilder
			n := 0
			for ; n < len(found) && found[n][0] == found[0][0]; n++ {
				both.Add(found[n][1])
			}
			f(&as[i], &bs[found[0][0]], both.Mask())
			found = found[n:]
		}
	}
}
