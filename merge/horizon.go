package merge

import "time"

// Year is the mean length of a year.
const Year = 8766 * time.Hour

// DefaultHorizon is how much later than this node's clock the stamps of a child may be, if nobody says otherwise.
const DefaultHorizon = 10 * Year

// Times of stamps, in microseconds since 1970 UTC.
const (
	// maxTime is the end of the year 9999: the highest time that a batch may hold.
	maxTime = 253402300799999999
	// ceiling is the beginning of the year 9000. Only what replaces a version from above it is stamped higher, by 1 each time: so there
	// is room for every edit that anybody will ever make.
	ceiling = 221845392000000000
	// noEarlier is the beginning of 2026. No clock that shows less is right: a computer with an empty battery says 1970.
	noEarlier = 1767225600000000
	// leeway is how far above what is known of a row a stamp of it is taken whatever the clock says. Each edit of the row takes 1 of it.
	leeway = 1_000_000
)

// Horizon returns the highest time that a stamp may have to be taken from a peer. now is this node's clock, and span how much later a
// child's stamp may be, both in microseconds. A stamp decides at all nodes until their clocks have reached it, so none is taken that
// no clock could show.
//
// A parent's stamps are not held to the clock. What it has from others it has held to its own; and a child whose clock is slow, or
// whose parent's was wrong for a day, must not be cut off.
func Horizon(now, span int64, fromParent bool) int64 {
	if fromParent {
		return ceiling
	}
	now = max(now, noEarlier)
	if span > ceiling-now {
		return ceiling
	}
	return now + span
}

// Takes reports whether a stamp of a row is taken. known is what is known of the row here: what was made on that, by who had it from
// this node, is taken too, or a clock that was wrong here for a day would have this node refuse every edit of what it made that day.
func (im *Import) Takes(known Row, s Stamp) bool {
	return s.Time <= im.Horizon || s.Time-leeway <= known.highest().Time
}
