package status

import (
	"context"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange/contacts"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/progress"
	"github.com/omsync/omsync/words"
)

// Going is how it is going with a node or a peer, in English: for programs, too.
type Going struct {
	Level    progress.Level `json:"level"`
	Says     string         `json:"says"`
	Findings []Finding      `json:"findings,omitempty"` // in order of need
}

// Finding is one thing that somebody should know.
type Finding struct {
	Level progress.Level `json:"level"`
	Says  string         `json:"says"`
	Next  string         `json:"next,omitempty"` // what to do about it
}

// instant returns a time as JSON has it; nil for none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// judge says how it is going, once everything else is known.
func (s *Status) judge(ctx context.Context, n *node.Node, peers []*journal.Peer, now time.Time, habits *contacts.Cache) error {
	f, err := s.facts(ctx, n, peers, now, habits)
	if err != nil {
		return err
	}
	least, most := n.Late()
	s.Judged = progress.Judge(f, progress.Bounds{Least: least, Most: most})
	catalogues, err := words.Load()
	if err != nil {
		return err
	}
	p := catalogues.For("en")
	p.Now = func() time.Time { return now }
	s.Going = going(p, s.Judged.Level, s.Judged.Says, s.Judged.Findings)
	for _, j := range s.Judged.Peers {
		for i := range s.Peers {
			if q := &s.Peers[i]; q.Name == j.Name {
				q.Going = going(p, j.Level, j.Says, j.Findings)
				q.Allowed, q.Habit = int64(j.Allowed.Seconds()), int64(j.Habit.Seconds())
			}
		}
	}
	return nil
}

func going(p *words.Printer, level progress.Level, says progress.Text, findings []progress.Finding) Going {
	g := Going{Level: level, Says: p.Text(says)}
	for _, f := range findings {
		g.Findings = append(g.Findings, Finding{f.Level, p.Text(f.Says), p.Step(f.Next)})
	}
	return g
}

// facts are what the judgement is made on.
func (s *Status) facts(ctx context.Context, n *node.Node, peers []*journal.Peer, now time.Time, habits *contacts.Cache) (progress.Facts, error) {
	f := progress.Facts{Now: now, Unsealed: s.Unsealed, Conflicts: s.Open, MoreConflicts: s.MoreOpen, Triggers: s.Triggers, Nameless: len(s.Nameless)}
	if s.Unsealed > 0 {
		var err error
		if f.UnsealedSince, err = journal.OldestChange(ctx, n.DB); err != nil {
			return f, err
		}
	}
	for _, t := range s.Troubled {
		f.Files = append(f.Files, progress.File{Name: t.File, Sender: t.Sender, Aside: t.Aside, Deletions: t.Deletions != nil})
	}
	for _, l := range s.Links {
		x := progress.Link{Name: l.Link, Error: l.Error, Refused: l.Refused}
		if l.Up != nil {
			x.Up = *l.Up
		}
		if l.Down != nil {
			x.Down = *l.Down
		}
		f.Links = append(f.Links, x)
	}
	for i, p := range peers {
		x, err := s.peerFacts(n, p, &s.Peers[i], habits)
		if err != nil {
			return f, err
		}
		f.Peers = append(f.Peers, x)
	}
	return f, nil
}

// peerFacts are those about a peer. When it was last heard is what the contacts say, or what was applied and acknowledged, of which an earlier
// omsync took note too.
func (s *Status) peerFacts(n *node.Node, p *journal.Peer, q *Peer, habits *contacts.Cache) (progress.Peer, error) {
	known, err := habits.ReadHabit(n.Home, p.Name, p.Link.Number)
	if err != nil {
		return progress.Peer{}, err
	}
	f := progress.Peer{Name: p.Name, Parent: p.Role == access.Parent, Suspended: p.State == access.Suspended, Added: time.UnixMicro(int64(p.Link.Number)),
		First: known.First, Heard: known.Last, Unsent: q.Waiting, Stopped: q.Stopped != nil, Copies: q.Copies != nil, Revoked: q.Revoked}
	if c := q.Compared; c != nil && c.Why == "" && c.Repaired.IsZero() {
		f.Differ = c.Differ
	}
	for _, t := range []time.Time{p.AppliedAt, p.AckedAt} {
		if t.After(f.Heard) {
			f.Heard = t
		}
	}
	q.Last = instant(f.Heard)
	if q.Since != nil {
		f.UnsentSince = *q.Since
	}
	for _, g := range known.Gaps {
		f.Silences = append(f.Silences, progress.Silence(g))
	}
	q.Health = known.Health
	if q.Health != nil {
		f.DiskFree = int64(q.Health.Free)
	}
	if q.There != nil {
		f.There = q.There.Rows
	}
	if q.Clock != nil {
		f.ClockAhead = time.Duration(q.Clock.Ahead) * time.Second
	}
	for _, w := range s.Quarantine {
		if w.Peer == p.Name {
			f.Waiting = append(f.Waiting, progress.Waiting{Rows: w.Rows, Since: w.Since, ByItself: journal.ReasonCode(w.Reason) == journal.WaitsForRow})
		}
	}
	return f, nil
}
