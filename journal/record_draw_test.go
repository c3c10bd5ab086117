package journal

import (
	"pgregory.net/rapid"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/merge"
)

func drawPosition(t *rapid.T) merge.Position {
	return merge.Position{Epoch: rapid.Uint64().Draw(t, "epoch"), Token: rapid.Uint64().Draw(t, "token")}
}

func drawLink(t *rapid.T) merge.Link {
	number := func() uint64 { return rapid.Uint64().Draw(t, "number") }
	part := func() uint32 { return rapid.Uint32().Draw(t, "part") }
	is := func() bool { return rapid.Bool().Draw(t, "is") }
	l := merge.Link{Number: number(), PeerNumber: number(), History: number(), Applied: drawPosition(t), Acked: drawPosition(t), Behind: is(), HeaderDue: is(), Doubted: is(), Missing: drawPosition(t),
		Receiving:  merge.Receiving{ID: number(), Part: part(), Upto: drawPosition(t), Start: number(), First: number()},
		Sending:    merge.Sending{ID: number(), Upto: drawPosition(t), Done: is(), Missing: is(), Bytes: rapid.Int64().Draw(t, "bytes"), Again: rapid.Byte().Draw(t, "again"), At: rapid.Int64().Draw(t, "at")},
		LastHeader: merge.LastHeader{History: number(), PeerNumber: number(), PeerHistory: number(), Applied: drawPosition(t), At: rapid.Int64().Draw(t, "at")}}
	if rapid.Bool().Draw(t, "rival") {
		l.Copies.Rival = merge.Rival{History: rapid.Uint64Min(1).Draw(t, "rival"), Epoch: number(), At: rapid.Int64().Draw(t, "at")}
	}
	for range rapid.IntRange(0, 3).Draw(t, "copies") {
		l.Copies.Displaced, l.Copies.GivenUp = append(l.Copies.Displaced, number()), append(l.Copies.GivenUp, number())
	}
	for range rapid.IntRange(0, 3).Draw(t, "retired") {
		if l.Retired == nil {
			l.Retired = map[uint64]bool{}
		}
		l.Retired[number()] = true
	}
	for range rapid.IntRange(0, 3).Draw(t, "ends") {
		l.ExportEnds = append(l.ExportEnds, drawPosition(t))
	}
	return l
}

// drawName draws what MySQL takes as a name: any text of Unicode.
func drawName(t *rapid.T) string { return rapid.String().Draw(t, "name") }

func drawNames(t *rapid.T) (names []string) {
	for range rapid.IntRange(0, 3).Draw(t, "names") {
		names = append(names, drawName(t))
	}
	return names
}

func drawRequests(t *rapid.T) requests {
	draw := func() (m map[string]uint64) {
		for _, name := range drawNames(t) {
			if m == nil {
				m = map[string]uint64{}
			}
			m[name] = rapid.Uint64().Draw(t, "epoch")
		}
		return m
	}
	q := requests{requested: draw(), answered: draw(), lost: draw()}
	for _, name := range drawNames(t) {
		if q.owed == nil {
			q.owed = map[string]Owed{}
		}
		q.owed[name] = Owed{Epoch: rapid.Uint64().Draw(t, "epoch"), At: rapid.Int64().Draw(t, "at"), Again: rapid.Bool().Draw(t, "again"), Lost: rapid.Bool().Draw(t, "lost"), Gained: merge.Bits(rapid.Uint64().Draw(t, "gained"))}
	}
	for _, name := range drawNames(t) {
		if q.gained == nil {
			q.gained = map[string][]string{}
		}
		q.gained[name] = append([]string{name}, drawNames(t)...)
	}
	return q
}

func drawWays(t *rapid.T) (ways map[string]access.Way) {
	for _, name := range drawNames(t) {
		if ways == nil {
			ways = map[string]access.Way{}
		}
		w := access.Way{Direction: access.Direction(rapid.IntRange(0, int(access.Own)).Draw(t, "direction")), Staff: rapid.Bool().Draw(t, "staff"), NotUp: drawNames(t), NotDown: drawNames(t)}
		for _, c := range drawNames(t) {
			w.Rows = append(w.Rows, access.Rows{Column: c, Pattern: drawName(t)})
		}
		ways[name] = w
	}
	return ways
}

func drawRules(t *rapid.T) Rules {
	r := Rules{Preset: access.Preset(drawName(t)), Told: drawWays(t), Epoch: rapid.Uint64().Draw(t, "epoch"), History: rapid.Uint64().Draw(t, "history"), Offered: rapid.Bool().Draw(t, "offered"),
		Seen: drawWays(t), Allowed: drawWays(t)}
	if r.Told == nil && rapid.Bool().Draw(t, "told nothing") {
		r.Told = map[string]access.Way{}
	}
	for _, name := range drawNames(t) {
		r.Said = append(r.Said, access.Said{Tables: name, Column: drawName(t), Pattern: drawName(t), Direction: access.Direction(rapid.IntRange(0, int(access.Own)).Draw(t, "direction"))})
	}
	return r
}

func drawUsed(t *rapid.T) (u access.Used) {
	number := func() uint64 { return rapid.Uint64().Draw(t, "number") }
	u.Amounts = access.Amounts{access.Authors: number()}
	for _, name := range drawNames(t) {
		u.Amounts[access.Quota(name)] = number()
	}
	if rapid.Bool().Draw(t, "stopped") {
		u.Stopped = &access.OverQuota{Quota: access.Quota(drawName(t)), Used: number(), More: number(), Limit: number()}
	}
	return u
}

func drawColumns(t *rapid.T) (columns []Column) {
	for range rapid.IntRange(0, 3).Draw(t, "columns") {
		columns = append(columns, Column{Name: drawName(t), Bit: rapid.IntRange(1, merge.MaxBit).Draw(t, "bit"), Type: drawName(t), New: rapid.Bool().Draw(t, "new")})
	}
	return columns
}

func drawFlow(t *rapid.T) Flow {
	return Flow{Direction: rapid.SampledFrom([]string{"", "both", "down", "add", "none"}).Draw(t, "direction"), ExcludedUp: drawNames(t), Excluded: drawNames(t), Released: drawNames(t), Beside: drawNames(t)}
}

func drawMade(t *rapid.T) Made {
	return Made{Table: drawName(t), Triggers: drawName(t), Journal: drawName(t), Replaced: rapid.Bool().Draw(t, "replaced"), LastChange: rapid.Uint64().Draw(t, "change")}
}

func drawHeard(t *rapid.T) features.Heard {
	return features.Heard{Reads: drawNames(t), History: rapid.Uint64Min(1).Draw(t, "history"), Epoch: rapid.Uint64().Draw(t, "epoch"), Time: rapid.Int64().Draw(t, "time")}
}

func drawHistories(t *rapid.T) (h histories) {
	for range rapid.IntRange(0, 3).Draw(t, "earlier") {
		h.earlier = append(h.earlier, rapid.Uint64().Draw(t, "history"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "learned") {
		h.learned = append(h.learned, rapid.Uint64().Draw(t, "history"))
	}
	return h
}

func drawContent(t *rapid.T) (c Content) {
	bytes := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
	for _, name := range drawNames(t) {
		if c == nil {
			c = Content{}
		}
		v := Value{}
		if rapid.Bool().Draw(t, "is") {
			s := rapid.OneOf(rapid.String(), bytes).Draw(t, "text")
			v = Value{Text: &s, Table: drawName(t)}
		}
		c[name] = v
	}
	return c
}
