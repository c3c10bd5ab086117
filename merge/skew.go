package merge

// skewSlack is how far two clocks may be apart before anybody is told: ten minutes, which no rule notices.
const skewSlack = 10 * 60 * 1_000_000

// A Skew is how far a peer's clock is from this node's, as far as headers prove it. All times are in microseconds since 1970 UTC, by this
// node's clock. The zero Skew says that nothing is known against either clock.
type Skew struct {
	By    int64 // µs by which the peer's clock is ahead at least; below 0: behind
	Since int64 // when a header first showed that
	Seen  int64 // when the last one did
}

// See returns what is known after one more header, made at a time by the peer's clock and read now. acked is when the epoch was made here
// that the header acknowledges; 0: unknown. The header was made after that and before now: so its clock is ahead if it says that it was made
// later than now, and behind if it says that it was made before what it acknowledges. A file may travel for weeks: what a header does not
// contradict stays.
func (s Skew) See(made, acked, now int64) Skew {
	least := made - now
	known, most := acked > 0 && acked <= now, made-acked // otherwise the clock here was set back since
	by := int64(0)
	switch {
	case least > skewSlack:
		by = least
	case known && most < -skewSlack:
		by = most
	case s.By > 0 && (!known || most >= s.By), s.By < 0 && least <= s.By:
		return s
	default:
		return Skew{}
	}
	if s.By == 0 || (s.By > 0) != (by > 0) {
		s.Since = now
	}
	return Skew{By: by, Since: s.Since, Seen: now}
}
