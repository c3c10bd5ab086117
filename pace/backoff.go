package pace

import "time"

// Backoff is how long something that failed is left alone.
type Backoff struct {
	Least time.Duration // after whatever failure
	First time.Duration // what the first may add
	Most  time.Duration // what later ones may add, each twice as much as the one before
}

// DefaultBackoff is that of links. A hub that was away for a moment hears of each of its nodes within 20 seconds: of 500, some 25 in a second.
func DefaultBackoff() Backoff { return Backoff{time.Second, 20 * time.Second, 5 * time.Minute} }

// After returns how long to wait after so many failures in a row: by chance, a number from 0 up to 1, between nothing and all that they may
// add. Who lost the same hub at one moment so comes back at moments that have nothing to do with each other.
func (b Backoff) After(failures int, chance float64) time.Duration {
	add := b.First
	for i := 1; i < failures && add < b.Most; i++ {
		add *= 2
	}
	return b.Least + time.Duration(chance*float64(min(add, b.Most)))
}

// Spread returns a time around d, by chance: four fifths of it to six fifths.
func Spread(d time.Duration, chance float64) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*chance))
}
