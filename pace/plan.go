package pace

import (
	"slices"
	"time"
)

// Kind is what sort of link a link is.
type Kind int

const (
	Server Kind = iota // it can say when there is something
	Polled             // a server of before, a folder or a bucket: it has to be asked
	Stick              // it is there now and then
)

const (
	// Probe is how often the database is asked for a sign of news.
	Probe = 2 * time.Second
	// StartSpread is within what time after its start a node begins: where the power comes back, many start together.
	StartSpread = 10 * time.Second
	// LeastPause is how long there is nothing done at least between two runs; as long as the last one took, if that is longer.
	LeastPause = time.Second
	// MostPause is the longest pause after a long run.
	MostPause = time.Minute
	// Poll is how often a link is asked that cannot say when there is something.
	Poll = 5 * time.Minute
	// Rest is after what time a run is due although nothing seems to be: nobody knows all that can go wrong with news.
	Rest = 30 * time.Minute
)

// Plan is what is due at a node's links. Its methods are for one goroutine.
type Plan struct {
	backoff Backoff
	chance  func() float64
	links   map[string]*link
	rest    time.Time // when the last run ended
	pause   time.Duration
	busy    bool
	began   time.Time
}

// link is what a plan knows of a link.
type link struct {
	kind     Kind
	wanted   time.Time // since when a run over it is due; zero: it is not
	away     int       // how often in a row whoever waits at it found it away
	failures int       // of runs, in a row
	until    time.Time // it is left alone until then
	next     time.Time // when a run is due by itself
}

// New returns a plan without links. chance returns numbers from 0 up to 1.
func New(b Backoff, chance func() float64) *Plan {
	return &Plan{backoff: b, chance: chance, links: map[string]*link{}}
}

// Links says which links there are now, sticks apart: see [Plan.Sticks]. New ones are due within StartSpread.
func (p *Plan) Links(kinds map[string]Kind, now time.Time) {
	for name, l := range p.links {
		if _, ok := kinds[name]; !ok && l.kind != Stick {
			delete(p.links, name)
		}
	}
	for name, kind := range kinds {
		if l := p.links[name]; l == nil {
			p.links[name] = &link{kind: kind, wanted: now, until: now.Add(time.Duration(p.chance() * float64(StartSpread)))}
		}
	}
}

// Sticks says which sticks are there now, by what is another one whenever a stick is put in. A new one is due at once, and one that was
// pulled out is forgotten. It returns the new ones.
func (p *Plan) Sticks(there []string, now time.Time) (fresh []string) {
	for name, l := range p.links {
		if l.kind == Stick && !slices.Contains(there, name) {
			delete(p.links, name)
		}
	}
	for _, name := range there {
		if p.links[name] == nil {
			p.links[name] = &link{kind: Stick, wanted: now}
			fresh = append(fresh, name)
		}
	}
	return fresh
}

// Local says that the database has news: every link but a stick, which somebody may be pulling out, is due.
func (p *Plan) Local(now time.Time) {
	for _, l := range p.links {
		if l.kind != Stick {
			l.want(now)
		}
	}
}

func (l *link) want(now time.Time) {
	if l.wanted.IsZero() {
		l.wanted = now
	}
}

// News says that there is something over a link.
func (p *Plan) News(name string, now time.Time) {
	if l := p.links[name]; l != nil {
		l.want(now)
	}
}

// Answered says that a server answered, and whether it can say when there is something. One that was away is due: nobody knows what it has.
func (p *Plan) Answered(name string, says bool, now time.Time) {
	l := p.links[name]
	if l == nil || l.kind == Stick {
		return
	}
	if l.away > 0 {
		l.want(now)
		l.away = 0
	}
	l.kind = Polled
	if says {
		l.kind = Server
	}
}

// Lost says that a server is not there, and returns after how long to ask it again. What was due stays so, until it answers.
func (p *Plan) Lost(name string) time.Duration {
	l := p.links[name]
	if l == nil {
		return p.backoff.After(1, p.chance())
	}
	l.away++
	return p.backoff.After(l.away, p.chance())
}

// Due returns the links over which a run is due now, sorted; none while one is under way, or too soon after the last.
func (p *Plan) Due(now time.Time) (due []string) {
	if p.busy || now.Before(p.rest.Add(p.pause)) {
		return nil
	}
	for name, l := range p.links {
		if l.kind == Server && l.away > 0 {
			continue
		}
		if !now.Before(l.until) && (!l.wanted.IsZero() || !l.next.IsZero() && !now.Before(l.next)) {
			due = append(due, name)
		}
	}
	slices.Sort(due)
	return due
}

// Began says that a run over links begins. What comes from now on is for the next.
func (p *Plan) Began(names []string, now time.Time) {
	p.busy, p.began = true, now
	for _, name := range names {
		if l := p.links[name]; l != nil {
			l.wanted = time.Time{}
		}
	}
}

// Ended says that the run over links has ended, and over which of them something went wrong: there it is due again after a while.
func (p *Plan) Ended(names, failed []string, now time.Time) {
	p.busy, p.rest = false, now
	p.pause = min(max(now.Sub(p.began), LeastPause), MostPause)
	for _, name := range names {
		l := p.links[name]
		if l == nil {
			continue
		}
		l.next = time.Time{}
		switch {
		case slices.Contains(failed, name):
			l.failures++
			l.until = now.Add(p.backoff.After(l.failures, p.chance()))
			l.want(now)
			continue
		case l.kind == Server:
			l.next = now.Add(Spread(Rest, p.chance()))
		case l.kind == Polled:
			l.next = now.Add(Spread(Poll, p.chance()))
		}
		l.away, l.failures, l.until = 0, 0, time.Time{}
	}
}
