package contacts

import "time"

// Bounds of what is remembered of a peer.
const (
	// leastGap is the shortest silence that is remembered: runs of one morning are one contact.
	leastGap = time.Hour
	// Window is for how long silences are remembered.
	Window = 60 * 24 * time.Hour
	// maxGaps is how many silences are remembered: of more, the shortest is forgotten.
	maxGaps = 80
)

// Contacts is when a peer was heard. The zero Contacts is that of a peer that never was. Times are by this computer's clock, but for Made.
type Contacts struct {
	First time.Time `json:"first,omitzero"` // the first contact that is known
	Last  time.Time `json:"last,omitzero"`  // the last one
	Made  time.Time `json:"made,omitzero"`  // when its file was made, by the peer's clock
	Gaps  []Gap     `json:"gaps,omitempty"` // the silences since, of an hour and more, oldest first
}

// Gap is a silence.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Length returns how long it was.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

// Hear returns what is known after a file of the peer was read now, which was made at a time by its clock. news: something of it was applied.
// A file that brought nothing is a contact only if it was made later than the last one that was: one that is read again and again shows
// nothing of the peer.
func (c Contacts) Hear(made time.Time, news bool, now time.Time) Contacts {
	made, now = made.UTC().Truncate(time.Second), now.UTC().Truncate(time.Second)
	if !news && !made.After(c.Made) {
		return c
	}
	out := Contacts{First: c.First, Last: now, Made: made}
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
