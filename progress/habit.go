package progress

import (
	"slices"
	"time"
)

const (
	// habitual is how often a silence of a length must have been for it to count as a habit: the longest ones may be failures.
	habitual = 3
	// unknown is how long a peer may be silent of which too little is known.
	unknown = 3 * 24 * time.Hour
	// learning is how long a peer must be known before its habit alone decides: four weekends.
	learning = 28 * 24 * time.Hour
)

// Habit returns how long a peer is silent now and then without anything being wrong: a silence as long was there three times. 0: too few are
// known. Silences that end before they begin, or after now, are from a clock that was wrong, and count for nothing.
func Habit(silences []Silence, now time.Time) time.Duration {
	var lengths []time.Duration
	for _, s := range silences {
		if length := s.To.Sub(s.From); length > 0 && !s.To.After(now) {
			lengths = append(lengths, length)
		}
	}
	if len(lengths) < habitual {
		return 0
	}
	slices.Sort(lengths)
	return lengths[len(lengths)-habitual]
}

// Allowed returns for how long a peer may be silent before it is late: its habit and a quarter of it more, within the bounds.
func Allowed(p Peer, now time.Time, b Bounds) time.Duration {
	allowed := Habit(p.Silences, now) * 5 / 4
	if age := now.Sub(p.First); p.First.IsZero() || age < learning {
		allowed = max(allowed, unknown)
	}
	return min(max(allowed, b.Least), max(b.Most, b.Least))
}
