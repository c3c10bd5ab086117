package match

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// propose returns the pairs of rows of a table for which something speaks and that nothing makes certain, and the keys of which too many rows have one.
func (c *Comparison) propose(b *both) (out []Line, crowds []Crowd) {
	shared := map[[2]*Row][]string{} // evidence by pair
	for _, k := range b.keys {
		if k.Supports {
			continue
		}
		groups := c.groups(b, k)
		for _, id := range slices.Sorted(maps.Keys(groups)) {
			g := groups[id]
			if len(g.here) == 0 || len(g.there) == 0 {
				continue
			}
			if len(g.here) > MaxEach || len(g.there) > MaxEach {
				if c.anyFree(b, g) {
					crowds = append(crowds, Crowd{b.name, k.Name, c.text(k, g.parts), len(g.here), len(g.there)})
				}
				continue
			}
			said := c.evidence(k, g)
			for _, h := range g.here {
				for _, t := range g.there {
					if c.free(b, h, t) {
						shared[[2]*Row{h, t}] = append(shared[[2]*Row{h, t}], said)
					}
				}
			}
		}
	}
	for pair, said := range shared {
		h, t := pair[0], pair[1]
		l := Line{Table: b.name, Here: h.Key, There: t.Key, LabelHere: h.Label, LabelThere: t.Label, State: Proposed, For: said, Sends: b.here.Sends}
		c.weigh(&l, b, h, t)
		out = append(out, l)
	}
	slices.SortFunc(out, func(x, y Line) int {
		return cmp.Or(strings.Compare(x.LabelHere, y.LabelHere), strings.Compare(x.Here, y.Here), cmp.Compare(y.weight(), x.weight()),
			strings.Compare(x.LabelThere, y.LabelThere), strings.Compare(x.There, y.There))
	})
	return best(out), crowds
}

// weight is how much more speaks for a pair than against.
func (l *Line) weight() int { return len(l.For) - len(l.Against) }

// best returns of each row's proposals the first ones.
func best(lines []Line) (out []Line) {
	n := 0
	for i, l := range lines {
		if n++; i == 0 || l.Here != lines[i-1].Here {
			n = 1
		}
		if n <= MaxProposals {
			out = append(out, l)
		}
	}
	return out
}

func (c *Comparison) anyFree(b *both, g *group) bool {
	return slices.ContainsFunc(g.here, func(h *Row) bool {
		return slices.ContainsFunc(g.there, func(t *Row) bool { return c.free(b, h, t) })
	})
}

// evidence says of two rows that have a key what they have, and how many others do.
func (c *Comparison) evidence(k keyPair, g *group) string {
	said := fmt.Sprintf("same %s: %s", k.Name, c.text(k, g.parts))
	if len(g.here) > 1 || len(g.there) > 1 {
		said += fmt.Sprintf(" (%d here, %d there)", len(g.here), len(g.there))
	}
	return said
}

// weigh adds what other keys say of a pair: against it where both rows have one and they differ, for it where one that only supports is
// the same.
func (c *Comparison) weigh(l *Line, b *both, h, t *Row) {
	for _, k := range b.keys {
		same, both := c.agree(k, natural(h, k.here), natural(t, k.there))
		switch {
		case !both:
		case !same:
			l.Against = append(l.Against, fmt.Sprintf("%s: %s here, %s there", k.Name, c.texts(c.here, k, natural(h, k.here)), c.texts(c.there, k, natural(t, k.there))))
		case k.Supports:
			l.For = append(l.For, fmt.Sprintf("same %s: %s", k.Name, c.texts(c.here, k, natural(h, k.here))))
		}
	}
	if k := c.sharesUnique(b, h, t); k != "" {
		l.For, l.Collides = append(l.For, "only one row may have this "+k), true
	}
}

// agree reports whether two rows have a natural key in common, and whether each has one that could be compared.
func (c *Comparison) agree(k keyPair, here, there []Parts) (same, both bool) {
	ids := map[string]bool{}
	for _, parts := range here {
		if id, ok := join(parts, k.Refs, Fold, asIs); ok && k.counts(parts) {
			ids[id] = true
		}
	}
	compared := false
	for _, parts := range there {
		if id, ok := join(parts, k.Refs, Fold, c.translated); ok && k.counts(parts) {
			compared = true
			same = same || ids[id]
		}
	}
	return same, compared && len(ids) > 0
}

// text returns the values of a natural key of a row here or there.
func (c *Comparison) text(k keyPair, parts Parts) string {
	return Label(parts.Text(k.Refs, func(root, key string) string {
		return cmp.Or(c.label(c.here, root, key), c.label(c.there, root, key), Shown(key))
	}))
}

// texts returns the values of a row's natural keys.
func (c *Comparison) texts(s *Side, k keyPair, list []Parts) string {
	var out []string
	for _, parts := range list {
		if k.counts(parts) {
			out = append(out, parts.Text(k.Refs, func(root, key string) string { return cmp.Or(c.label(s, root, key), Shown(key)) }))
		}
	}
	slices.Sort(out)
	const most = 3
	if out = slices.Compact(out); len(out) > most {
		out = append(out[:most], "…")
	}
	return Label(strings.Join(out, "; "))
}

// collide returns the pairs of rows of a table that are not one, and of which each has a unique value of the other: where one comes, it
// waits. What is proposed as one thing says it there.
func (c *Comparison) collide(b *both, proposals []Line) (out []Line) {
	proposed := map[[2]string]bool{}
	for _, l := range proposals {
		proposed[[2]string{l.Here, l.There}] = true
	}
	p := c.of(b.here.Root)
	found := map[[2]*Row]int{} // place in out
	for _, u := range b.unique {
		index := map[string][]*Row{}
		for i := range b.here.Rows {
			if id, ok := join(uniqueOf(&b.here.Rows[i], u.here), u.Refs, foldUnique, asIs); ok {
				index[id] = append(index[id], &b.here.Rows[i])
			}
		}
		for _, t := range sorted(b.there.Rows) {
			parts := uniqueOf(t, u.there)
			id, ok := join(parts, u.Refs, foldUnique, c.translated)
			if !ok {
				continue
			}
			for _, h := range index[id] {
				there, taken := p.toThere[h.Key]
				if there == t.Key || proposed[[2]string{h.Key, t.Key}] {
					continue
				}
				said := fmt.Sprintf("only one row may have the %s %s", u.Name, c.text(u, parts))
				if at, there := found[[2]*Row{h, t}]; there {
					out[at].Against = append(out[at].Against, said)
					continue
				}
				found[[2]*Row{h, t}] = len(out)
				out = append(out, Line{Table: b.name, Here: h.Key, There: t.Key, LabelHere: h.Label, LabelThere: t.Label, State: Collision, Against: []string{said}, Sends: b.here.Sends, Collides: !taken && !h.Seen})
			}
		}
	}
	return out
}

func uniqueOf(r *Row, place int) Parts {
	if place < len(r.Unique) {
		return r.Unique[place]
	}
	return nil
}

// sharesUnique returns the name of a unique index of which two rows have one value; "" if there is none.
func (c *Comparison) sharesUnique(b *both, h, t *Row) string {
	for _, u := range b.unique {
		x, okHere := join(uniqueOf(h, u.here), u.Refs, foldUnique, asIs)
		y, okThere := join(uniqueOf(t, u.there), u.Refs, foldUnique, c.translated)
		if okHere && okThere && x == y {
			return u.Name
		}
	}
	return ""
}
