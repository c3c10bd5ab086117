package attempts

import "time"

// Most is how many attempts at a file may fail. After them it is set aside.
const Most = 5

// delays is how long to wait after the first failed attempt, the second, and so on; the last one holds for all that follow.
var delays = [...]time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 24 * time.Hour}

// Verdict is what is to be done about a file now.
type Verdict uint8

const (
	Due      Verdict = iota // try it
	Wait                    // leave it for later
	SetAside                // take it out of the way: a person decides
	Asks                    // leave it where it is until a person has agreed to what it deletes
)

// Judge returns what is to be done about a file; after Wait, when it will be due. A clock that was set back since the last attempt
// makes it due: waiting for the time that the clock said then might take years, and the count bounds how often this happens. What
// is not the file's fault, as far as is known, lengthens the wait and sets nothing aside.
func (f File) Judge(now time.Time) (Verdict, time.Time) {
	switch {
	case f.Dropped:
		return SetAside, time.Time{}
	case f.Deletions != nil: // however often it failed: what its sender's later files build on must not get lost
		return Asks, time.Time{}
	case f.Failed >= Most:
		return SetAside, time.Time{}
	}
	return f.JudgeFetch(now)
}

// JudgeFetch is Judge for a file in a store that came damaged. There it is never set aside: whoever carries it may bring a good copy.
func (f File) JudgeFetch(now time.Time) (Verdict, time.Time) {
	n := max(f.Failed, min(f.Shaken, Most-1), 1)
	next := f.Last.Add(delays[min(n, len(delays))-1])
	if now.Before(f.Last) || !now.Before(next) {
		return Due, time.Time{}
	}
	return Wait, next
}

// Rows that wait and were not tried for longest are tried again after an import: TurnRows of them, or one for every turnShare rows that came
// in, and not fewer than turnLeast.
const (
	TurnRows  = 200
	turnLeast = 40
	turnShare = 25
)

// Turn returns how many rows that wait to try again after an import that brought so many rows (0: there was none), and what is owed to them
// after that. Where few wait they are tried each time. Where many do, what a small import owes them adds up to TurnRows: a try costs as much
// for one row as for these, and the turn of each comes as soon.
func Turn(owed, cameIn, waiting int64) (rows, left int64) {
	share := min(max(cameIn/turnShare, turnLeast), TurnRows)
	switch {
	case cameIn == 0 || min(max(owed, 0), TurnRows)+share >= TurnRows:
		return TurnRows, 0
	case waiting <= share:
		return share, 0
	}
	return 0, max(owed, 0) + share
}

// Fair returns the order in which to work on items of several senders: one of each in turn, so that nobody waits for more than one of
// anybody else's. Senders with trouble come after all others, for what they send may end the run. sender and trouble say, of item i,
// who sent it and whether an attempt at it failed before. The items of one sender stay in their order.
func Fair(n int, sender func(i int) string, trouble func(i int) bool) []int {
	queues, troubled := map[string][]int{}, map[string]bool{}
	var senders []string
	for i := range n {
		s := sender(i)
		if queues[s] == nil {
			senders = append(senders, s)
		}
		queues[s] = append(queues[s], i)
		troubled[s] = troubled[s] || trouble(i)
	}
	out := make([]int, 0, n)
	for _, last := range []bool{false, true} {
		for round, left := 0, true; left; round++ {
			left = false
			for _, s := range senders {
				if troubled[s] == last && round < len(queues[s]) {
					out, left = append(out, queues[s][round]), true
				}
			}
		}
	}
	return out
}
