package status

import (
	"time"

	"github.com/omsync/omsync/journal"
)

// Clock is how far a peer's clock is from this computer's, at least.
type Clock struct {
	Ahead int64     `json:"ahead_seconds"` // below 0: behind
	Since time.Time `json:"since"`         // when that was first seen
	Seen  time.Time `json:"seen"`          // and last
}

// There is how many rows of this node wait at a peer, since they cannot be applied there.
type There struct {
	Rows    int64            `json:"rows"`
	Reasons map[string]int64 `json:"reasons"`
	Said    time.Time        `json:"said"` // when the file was read that says so
}

// report sets what the peer's headers show.
func (p *Peer) report(r journal.Report) {
	at := func(µs int64) time.Time { return time.UnixMicro(µs).UTC().Truncate(time.Second) }
	if r.Clock.By != 0 {
		p.Clock = &Clock{r.Clock.By / 1_000_000, at(r.Clock.Since), at(r.Clock.Seen)}
	}
	if len(r.Waits) == 0 {
		return
	}
	p.There = &There{Reasons: map[string]int64{}, Said: at(r.ReadAt)}
	for _, c := range r.Waits {
		p.There.Rows += c.Rows
		p.There.Reasons[string(c.Reason)] += c.Rows
	}
}
