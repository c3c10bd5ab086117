package access

import (
	"slices"
	"strings"

	"github.com/omsync/omsync/merge"
)

// much is how much of a table goes up.
type much uint8

const (
	nothing   much = iota
	childsOwn      // what the child added
	everything
)

func (d Direction) goesDown() bool { return d == Both || d == Down || d == Add }

func (d Direction) goesUp() much {
	switch d {
	case Both, Up:
		return everything
	case Add:
		return childsOwn
	}
	return nothing
}

// Meet returns the widest direction in which no more goes than in each of two.
func Meet(a, b Direction) Direction {
	down, up := a.goesDown() && b.goesDown(), min(a.goesUp(), b.goesUp())
	for _, d := range []Direction{Both, Add, Down, Up} {
		if d.goesDown() == down && d.goesUp() == up {
			return d
		}
	}
	return None // also for what a child added, up alone: there is no such direction
}

// A Way is what may go of one table over a link, beside what holds of the table on every link.
type Way struct {
	Direction Direction
	NotUp     []string // columns whose values do not go up
	NotDown   []string // and not down
	Rows      []Rows   // rows that stay where they are
}

// Rows names rows of a table by the value of one column.
type Rows struct {
	Column, Pattern string // a `*` in the pattern stands for any run of characters; compared without case
}

// meet returns the widest way in which no more goes than in each of two.
func (w Way) meet(o Way) Way {
	return Way{Meet(w.Direction, o.Direction), union(w.NotUp, o.NotUp), union(w.NotDown, o.NotDown), unionRows(w.Rows, o.Rows)}
}

// Equal reports whether two ways are the same, whatever the order of columns.
func (w Way) Equal(o Way) bool {
	return w.Direction == o.Direction && slices.Equal(union(w.NotUp, nil), union(o.NotUp, nil)) &&
		slices.Equal(union(w.NotDown, nil), union(o.NotDown, nil)) && slices.Equal(unionRows(w.Rows, nil), unionRows(o.Rows, nil))
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

func unionRows(a, b []Rows) []Rows {
	out := slices.Concat(a, b)
	slices.SortFunc(out, func(a, b Rows) int { return strings.Compare(a.Column+"="+a.Pattern, b.Column+"="+b.Pattern) })
	return slices.Compact(out)
}

// Widening says in which of the two ways more of a table goes over a link than before.
type Widening struct{ Down, Up bool }

// WidensTo reports in which ways more goes than before.
func (w Way) WidensTo(now Way) Widening {
	rows := lacks(w.Rows, now.Rows)
	down, up := now.Direction.goesDown(), now.Direction.goesUp()
	return Widening{
		Down: down && (!w.Direction.goesDown() || rows || lacks(w.NotDown, now.NotDown)),
		Up:   up > nothing && (up > w.Direction.goesUp() || rows || lacks(w.NotUp, now.NotUp)),
	}
}

// NarrowsTo reports in which ways less goes than before.
func (w Way) NarrowsTo(now Way) Widening { return now.WidensTo(w) }

// lacks reports whether something of a is not in b.
func lacks[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}

// On returns the table as it goes over a link, where bits finds the bits of columns that the way names.
func (t Table) On(w Way, bits func(columns []string) merge.Mask) Table {
	t.Direction = w.Direction
	t.ExcludedUp |= bits(w.NotUp)
	t.ExcludedDown |= bits(w.NotDown)
	return t
}

// SendsBack reports whether the peer, once it has lost the table, is sent the rows that it had added (see [Rules.SendsRow]), though nothing
// else of the table goes to it.
func (r Rules) SendsBack() bool { return !r.up && r.table.Direction == Up }

// TakesBack reports whether rows of the table are taken from the peer only as far as they came from this node: see [Rules.Back].
func (r Rules) TakesBack() bool { return r.up && r.table.Direction == Up }

// Back returns, where [Rules.TakesBack], those versions of a row that are taken: of a row that is not known here, and that this node or one
// below it added, all; of another those that this node made, and may have lost since. Epoch 0 says that a version came from here.
func (r Rules) Back(row merge.Row, groups []merge.SentGroup, self string) (taken []merge.SentGroup) {
	if !row.Known {
		ours := slices.ContainsFunc(groups, func(g merge.SentGroup) bool {
			return g.Mask&merge.Existence != 0 && (g.Epoch == 0 || g.Author == self)
		})
		if ours {
			return groups
		}
		return nil
	}
	for _, g := range groups {
		if g.Author == self {
			taken = append(taken, g)
		}
	}
	return taken
}

// Cuts reports in which ways rows of a table go whose references find nothing there, where those that they refer to go the way of to: these
// go neither that way, nor the other.
func (w Way) Cuts(to Way) Widening {
	t := to.Direction
	return Widening{
		Down: w.Direction.goesDown() && !t.goesDown(),
		Up:   w.Direction.goesUp() > nothing && t == None,
	}
}
