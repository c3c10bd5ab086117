package contacts

import (
	"time"

	"github.com/omsync/omsync/batch"
)

// Bounds of what is remembered of a peer.
const (
	// leastGap is the shortest silence that is remembered: runs of one morning are one contact.
	leastGap = time.Hour
	// Window is for how long silences are remembered.
	Window = 60 * 24 * time.Hour
	// Days is for how many days back, today among them, it is remembered what came.
	Days = 90
	// maxGaps is how many silences are remembered: of more, the shortest is forgotten.
	maxGaps = 80
)

// Contacts is when a peer was heard. The zero Contacts is that of a peer that never was. Times are by this computer's clock, but for Made.
type Contacts struct {
	First time.Time `json:"first,omitzero"` // the first contact that is known
	Last  time.Time `json:"last,omitzero"`  // the last one
	Made  time.Time `json:"made,omitzero"`  // when its file was made, by the peer's clock
	Gaps  []Gap     `json:"gaps,omitempty"` // the silences since, of an hour and more, oldest first
	Days  []Day     `json:"days,omitempty"` // on which something of it was applied, oldest first
	// Health is what it last said of itself; nil: nothing.
	Health *batch.Health `json:"health,omitempty"`
}

// Day is what came of a peer on one day, in UTC by this computer's clock.
type Day struct {
	Day   string `json:"day"` // 2006-01-02
	Files int64  `json:"files"`
	Bytes int64  `json:"bytes"`
	Rows  int64  `json:"rows"` // that changed here
}

// File is a file of a peer that was read.
type File struct {
	Made        time.Time     // by the peer's clock
	News        bool          // something of it was applied
	Bytes, Rows int64         // of what was applied
	Health      *batch.Health // what it says of its sender; nil: nothing
}

// Gap is a silence.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Length returns how long it was.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

// Hear returns what is known after a file of the peer was read now. A file that brought nothing is a contact only if it was made later than the last one that was: one that is read again and again shows
// nothing of the peer. What the peer says of itself is what such a file says, if it says anything.
func (c Contacts) Hear(f File, now time.Time) Contacts {
	made, now := f.Made.UTC().Truncate(time.Second), now.UTC().Truncate(time.Second)
	if !f.News && !made.After(c.Made) {
		return c
	}
	out := Contacts{First: c.First, Last: now, Made: made, Health: c.Health, Days: c.Days}
	if f.Health != nil {
		out.Health = f.Health
	}
	if f.News {
		out.Days = withFile(c.Days, f, now)
	}
	for _, g := range c.Gaps {
		if !g.To.After(now) && now.Sub(g.To) <= Window { // what is later than now is from a clock that was wrong
			out.Gaps = append(out.Gaps, g)
		}
	}
	if out.First.IsZero() || out.First.After(now) {
		out.First = now
	}
	if gap := (Gap{c.Last, now}); !c.Last.IsZero() && gap.Length() >= leastGap {
		out.Gaps = append(out.Gaps, gap)
	}
	if len(out.Gaps) > maxGaps {
		shortest := 0
		for i, g := range out.Gaps {
			if g.Length() < out.Gaps[shortest].Length() {
				shortest = i
			}
		}
		out.Gaps = append(out.Gaps[:shortest:shortest], out.Gaps[shortest+1:]...)
	}
	return out
}

// withFile returns the days with one file more. Those that are too long ago, or later than now, are forgotten.
func withFile(days []Day, f File, now time.Time) []Day {
	first, today := now.AddDate(0, 0, 1-Days).Format(time.DateOnly), now.Format(time.DateOnly)
	var out []Day
	sum := Day{Day: today}
	for _, d := range days {
		switch {
		case d.Day == today:
			sum = d
		case first <= d.Day && d.Day < today:
			out = append(out, d)
		}
	}
	sum.Files, sum.Bytes, sum.Rows = sum.Files+1, sum.Bytes+f.Bytes, sum.Rows+f.Rows
	out = append(out, sum)
	return out[max(0, len(out)-Days):]
}
