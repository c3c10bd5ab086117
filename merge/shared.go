package merge

import "slices"

// SharedBit is the bit that all columns have which come after the 62nd, to a program of before each column had one of its own.
const SharedBit = 63

// ShareBit returns groups as such a program takes them: the columns that share a bit there have the latest of their versions.
//
// Where that is not the version of all of them, their values would go on there under a stamp that nobody gave them, and a later edit of one
// might lose against it. So what is sent to such a peer is brought together before: see [Stamper.Together].
func ShareBit(groups []SentGroup) []SentGroup {
	if !slices.ContainsFunc(groups, func(g SentGroup) bool { return g.IsWide() }) {
		return groups
	}
	var shared SentGroup
	out := make([]SentGroup, 0, len(groups))
	for _, g := range groups {
		if g.IsWide() {
			if shared.IsEmpty() || shared.Before(g.Stamp) || shared.Stamp == g.Stamp && shared.Epoch < g.Epoch {
				shared.Sent = g.Sent
			}
			shared.Mask = Bit(SharedBit)
			g.Mask = Bits(g.Word())
		}
		if !g.IsEmpty() {
			out = append(out, g)
		}
	}
	return joinSent(append(out, shared))
}

// Together returns a live row with one version for all columns that share a bit at a peer which knows no more bits. If they have several it is a
// new one, above all of them: an edit made here, which goes to everybody. Such a peer takes or refuses all of these columns together, so each
// change of one has to be later than all of them.
func (m Stamper) Together(row Row) (_ Row, changed bool) {
	var mask Mask
	var latest Stamp
	stamps := map[Stamp]bool{}
	for _, g := range row.Groups {
		if !g.IsWide() {
			continue
		}
		mask = mask.Or(g.Without(Bits(1<<SharedBit - 1)))
		stamps[g.Stamp] = true
		if latest.Before(g.Stamp) {
			latest = g.Stamp
		}
	}
	if len(stamps) < 2 {
		return row, false
	}
	groups := []Group{{mask, m.above(latest)}}
	for _, g := range row.Groups {
		groups = append(groups, Group{g.Without(mask), g.Version})
	}
	return Row{Known: true, Alive: true, Groups: Normalise(groups)}, true
}
