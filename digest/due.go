package digest

import "time"

// Again is how long after a comparison the next digest of a peer that comes by itself is compared: that takes reading all tables.
const Again = 12 * time.Hour

// Due reports whether a digest is to be made for a peer: every so long, the first one that long after the peer was added; 0: never. A last one
// of the future is of a wrong clock.
func Due(every time.Duration, added, last, now time.Time) bool {
	if last.Before(added) {
		last = added
	}
	return every > 0 && (now.Sub(last) >= every || last.After(now))
}

// IsCompared reports whether a digest that has come by itself is compared, if the last one was at a time.
func IsCompared(last, now time.Time) bool {
	return now.Sub(last) >= Again || last.After(now)
}
