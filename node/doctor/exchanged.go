package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
)

// What is much, and what is long.
const (
	manyChanges = 200_000
	oldChange   = 3 * 24 * time.Hour
	silence     = 14 * 24 * time.Hour
	recently    = 30 * 24 * time.Hour
)

// backlog looks whether anything takes in what the triggers note.
func backlog(ctx context.Context, x *exam) (Finding, error) {
	n, oldest, err := journal.CaptureBacklog(ctx, x.DB, manyChanges+1)
	if err != nil {
		return Finding{}, err
	}
	var f found
	judgeBacklog(&f, n, time.UnixMicro(oldest), x.now())
	return f.finding(fmt.Sprintf("%d changes wait for the next run", n)), nil
}

func judgeBacklog(f *found, n int64, oldest, now time.Time) {
	do := "omsync sync takes them in; is it in cron, or its timer on (systemctl status omsync-sync.timer)?"
	switch {
	case n > manyChanges:
		f.add(Warn, fmt.Sprintf("more than %d changes wait for a run of omsync, since %s", manyChanges, oldest.Local().Format("2006-01-02 15:04")), do)
	case n > 0 && now.Sub(oldest) > oldChange:
		f.add(Warn, fmt.Sprintf("%d changes wait for a run of omsync, since %s", n, oldest.Local().Format("2006-01-02 15:04")), do)
	}
}

// captureOff says when triggers were missing of late.
func captureOff(_ context.Context, x *exam) (Finding, error) {
	var f found
	for _, m := range node.MissedTimes(x.Home) {
		if x.now().Sub(m.To) < recently {
			f.add(Warn, fmt.Sprintf("some time between %s and %s, of %s", m.From.Local().Format("2006-01-02 15:04"), m.To.Local().Format("2006-01-02 15:04"), strings.Join(m.Tables, ", ")), "")
		}
	}
	if len(f.what) > 0 {
		f.do = []string{"those tables were sent again, and peers were asked for them: look at what the application deleted in these times, and make dumps with --triggers"}
	}
	return f.finding("never in the last 30 days"), nil
}

// cascades names what triggers cannot follow.
func cascades(_ context.Context, x *exam) (Finding, error) {
	gaps := trigger.CascadeGaps(x.Journal.Catalogue)
	if len(gaps) == 0 {
		return Finding{What: "the triggers follow all of them"}, nil
	}
	return Finding{Level: Fail, What: "foreign keys cascade over so many paths that changes beyond them go unseen, from " + strings.Join(gaps, ", "), Do: "take ON DELETE CASCADE or ON UPDATE CASCADE from one of the foreign keys of that circle (ALTER TABLE)"}, nil
}

// peers looks for those that have not been heard of.
func peers(ctx context.Context, x *exam) (Finding, error) {
	all, err := journal.Peers(ctx, x.DB)
	if err != nil {
		return Finding{}, err
	}
	reports, err := journal.Reports(ctx, x.DB)
	if err != nil {
		return Finding{}, err
	}
	var f found
	for _, p := range all {
		heard := p.AppliedAt
		if p.AckedAt.After(heard) {
			heard = p.AckedAt
		}
		for _, r := range reports {
			if at := time.UnixMicro(r.ReadAt); r.Peer == p.ID && r.ReadAt > 0 && at.After(heard) {
				heard = at
			}
		}
		judgeSilence(&f, p.Name, p.State, heard, x.now())
	}
	if len(all) == 0 {
		return Finding{Level: Warn, What: "there is none yet", Do: "omsync join, or omsync peer add CARD --as parent|child"}, nil
	}
	return f.finding(fmt.Sprintf("%d, all heard of in the last 14 days", len(all))), nil
}

// judgeSilence says that nothing was heard of a peer. heard is zero: never.
func judgeSilence(f *found, name string, state access.State, heard, now time.Time) {
	if !state.Exchanges() || now.Sub(heard) <= silence {
		return
	}
	since := "yet"
	if !heard.IsZero() {
		since = "since " + heard.Local().Format("2006-01-02 15:04")
	}
	f.add(Warn, fmt.Sprintf("nothing was heard of %s %s", name, since), fmt.Sprintf("does omsync sync run there? if that site is no more: omsync peer remove %s", name))
}

// waiting looks at rows and files that wait, and at conflicts.
func waiting(ctx context.Context, x *exam) (Finding, error) {
	rows, err := journal.CountWaitingRows(ctx, x.DB)
	if err != nil {
		return Finding{}, err
	}
	var f found
	var n int64
	for _, r := range rows {
		n += r.Rows
	}
	if n > 0 {
		f.add(Warn, fmt.Sprintf("%d rows that came cannot be applied yet", n), "omsync quarantine list says why")
	}
	open, more, err := conflicts.CountOpen(ctx, x.DB, x.Journal, x.now().Add(-x.ConflictsOpen()))
	if err != nil {
		return Finding{}, err
	}
	if open > 0 {
		least := ""
		if more {
			least = "at least "
		}
		f.add(Warn, fmt.Sprintf("%s%d conflicts are open", least, open), "omsync conflicts list")
	}
	held, err := exchange.ListHeld(ctx, x.Home, x.now())
	if err != nil {
		return Finding{}, err
	}
	for _, h := range held {
		switch {
		case h.Aside:
			f.add(Fail, "the file "+h.Name+" failed too often and is set aside: "+h.Why, "omsync inbox retry "+h.Name)
		case h.Deletions != nil:
			f.add(Warn, "the file "+h.Name+" deletes much and waits for a person", "omsync import --accept-deletions "+h.Sender+", if that is meant")
		}
	}
	return f.finding("no rows, no conflicts, no files"), nil
}

// longAgo is after how long a comparison says little, where one comes each week.
const longAgo = 60 * 24 * time.Hour

// comparisons looks at what came of the digests that runs of peers carried here.
func comparisons(ctx context.Context, x *exam) (Finding, error) {
	all, err := journal.Peers(ctx, x.DB)
	if err != nil {
		return Finding{}, err
	}
	var f found
	n := 0
	for _, p := range all {
		c, err := exchange.LastComparison(x.Home, p)
		if err != nil {
			return Finding{}, err
		}
		if c == nil {
			continue
		}
		n++
		judgeComparison(&f, p.Name, c, x.now())
	}
	if n == 0 {
		return f.finding("no digest has come from a peer yet"), nil
	}
	return f.finding(fmt.Sprintf("%d, all hold the same", n)), nil
}

func judgeComparison(f *found, peer string, c *exchange.Comparison, now time.Time) {
	switch {
	case c.Differ > 0:
		f.add(Warn, fmt.Sprintf("%s: %s", peer, c), fmt.Sprintf("omsync verify --kept --peer %s names the rows, and --repair mends them", peer))
	case c.Why != "":
		f.add(Warn, fmt.Sprintf("%s: %s", peer, c), "nothing yet: its next digest comes by itself (omsync sync)")
	case now.Sub(c.At) > longAgo:
		f.add(Warn, fmt.Sprintf("%s was last compared with on %s", peer, c.At.Local().Format("2006-01-02")), "is link.verify off there?")
	}
}
