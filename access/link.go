package access

import (
	"slices"
	"strings"

	"github.com/omsync/omsync/merge"
)

// much is how much of a table goes one way.
type much uint8

const (
	nothing much = iota
	some         // up: what the child added; down: what no other child did
	everything
)

func (d Direction) goesDown() much {
	switch d {
	case Both, Down, Add:
		return everything
	case Own:
		return some
	}
	return nothing
}

func (d Direction) goesUp() much {
	switch d {
	case Both, Up:
		return everything
	case Add, Own:
		return some
	}
	return nothing
}

// Meet returns the widest direction in which no more goes than in each of two.
func Meet(a, b Direction) Direction {
	down, up := min(a.goesDown(), b.goesDown()), min(a.goesUp(), b.goesUp())
	for _, d := range []Direction{Both, Add, Down, Own, Up} {
		if d.goesDown() <= down && d.goesUp() <= up {
			return d
		}
	}
	return None // also for some rows one way and none the other: there is no such direction
}

// A Way is what may go of one table over a link, beside what holds of the table on every link.
type Way struct {
	Direction Direction
	NotUp     []string // columns whose values do not go up
	NotDown   []string // and not down
	Rows      []Rows   // rows that stay where they are
	Staff     bool     // where rows go up only, those of people who work for the parent go down all the same
}

// Rows names rows of a table by the value of one column.
type Rows struct {
	Column, Pattern string // a `*` in the pattern stands for any run of characters; compared without case
}

// meet returns the widest way in which no more goes than in each of two.
func (w Way) meet(o Way) Way {
	return Way{Meet(w.Direction, o.Direction), union(w.NotUp, o.NotUp), union(w.NotDown, o.NotDown), unionRows(w.Rows, o.Rows), w.Staff && o.Staff}
}

// Equal reports whether two ways are the same, whatever the order of columns.
func (w Way) Equal(o Way) bool {
	return w.Direction == o.Direction && w.Staff == o.Staff && slices.Equal(union(w.NotUp, nil), union(o.NotUp, nil)) &&
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
		Down: down > nothing && (down > w.Direction.goesDown() || rows || lacks(w.NotDown, now.NotDown)) || now.sendsStaff() && !w.sendsStaff() && w.Direction.goesDown() == nothing,
		Up:   up > nothing && (up > w.Direction.goesUp() || rows || lacks(w.NotUp, now.NotUp)),
	}
}

func (w Way) sendsStaff() bool { return w.Staff && w.Direction == Up }

// NarrowsTo reports in which ways less goes than before.
func (w Way) NarrowsTo(now Way) Widening { return now.WidensTo(w) }

// lacks reports whether something of a is not in b.
func lacks[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}

// On returns the table as it goes over a link, where bits finds the bits of columns that the way names.
func (t Table) On(w Way, bits func(columns []string) merge.Mask) Table {
	t.Direction, t.Staff = w.Direction, w.Staff
	t.ExcludedUp = t.ExcludedUp.Or(bits(w.NotUp))
	t.ExcludedDown = t.ExcludedDown.Or(bits(w.NotDown))
	return t
}

// Cuts reports in which ways rows of a table go whose references find nothing there, where those that they refer to go the way of to: these
// go neither that way, nor the other.
func (w Way) Cuts(to Way) Widening {
	return Widening{
		Down: w.Direction.goesDown() > nothing && to.Direction.goesDown() == nothing && !to.sendsStaff(),
		Up:   w.Direction.goesUp() > nothing && to.Direction == None,
	}
}
