package features

// Missed is what is remembered of the batches of a peer that named rows short of which it was not known here which they are. Each costs that it goes
// again with whole keys. So for a while the peer is not told that short keys are read: a row that is always missed costs little. Times are in microseconds
// since 1970 UTC by this node's clock.
type Missed struct {
	Times int   `json:"times"` // how often, since the last four weeks without
	At    int64 `json:"at"`    // when last
}

const hour = 60 * 60 * 1_000_000

// The first time short keys are not read for an hour, then each time for four times as long, at most for a week; after four weeks without it begins anew.
const (
	missedFirst  = hour
	missedFactor = 4
	missedMost   = 7 * 24 * hour
	missedForget = 28 * 24 * hour
)

// Withdrawn reports whether the peer is not told now that short keys are read. A clock that was set back ends it.
func (m Missed) Withdrawn(now int64) bool {
	return m.Times > 0 && now >= m.At && now-m.At < m.wait()
}

func (m Missed) wait() int64 {
	wait := int64(missedFirst)
	for n := 1; n < m.Times && wait < missedMost; n++ {
		wait *= missedFactor
	}
	return min(wait, missedMost)
}

// Miss returns what is remembered after one more. Batches that were under way when the peer was last told are not counted.
func (m Missed) Miss(now int64) Missed {
	switch {
	case m.Withdrawn(now):
		return m
	case now-m.At >= missedForget:
		m.Times = 0
	}
	return Missed{m.Times + 1, now}
}
