package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// clocks looks at this computer's clock, and at those of the peers as far as their files show them.
func clocks(ctx context.Context, x *exam) (Finding, error) {
	now := x.now()
	if !merge.ClockIsSane(now.UnixMicro()) {
		return Finding{Level: Fail, What: "this computer's clock says " + now.Format("2006-01-02 15:04"), Do: "set it by a time server (timedatectl set-ntp true): what is changed here loses to every other change, or nobody takes it"}, nil
	}
	peers, err := journal.Peers(ctx, x.DB)
	if err != nil {
		return Finding{}, err
	}
	reports, err := journal.Reports(ctx, x.DB)
	if err != nil {
		return Finding{}, err
	}
	var lines []string
	for _, p := range peers {
		for _, r := range reports {
			if r.Peer == p.ID && r.Clock.By != 0 {
				lines = append(lines, ClockText(p.Name, time.Duration(r.Clock.By)*time.Microsecond, time.UnixMicro(r.Clock.Since)))
			}
		}
	}
	if len(lines) == 0 {
		return Finding{What: "none is known to be off"}, nil
	}
	f := Finding{Level: Warn, What: strings.Join(lines, "; "), Do: "set it there, if the clock here is right: the later of two changes made at once is the one that stays, by these clocks"}
	if len(lines) > 1 && len(lines) == len(peers) {
		f.Do = "look at the clock of this computer first: all others differ from it"
	}
	return f, nil
}

// ClockText says how far the clock of a peer is off; below 0: behind.
func ClockText(peer string, ahead time.Duration, since time.Time) string {
	by, way := ahead, "ahead of"
	if ahead < 0 {
		by, way = -ahead, "behind"
	}
	return fmt.Sprintf("the clock of %s is %s %s this computer's, at least (seen since %s)", peer, durationText(by), way, since.Local().Format("2006-01-02 15:04"))
}

// durationText is a time of ten minutes and more, in one unit.
func durationText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*365*day:
		return fmt.Sprintf("%d years", d/(365*day))
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}
