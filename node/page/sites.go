package page

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange/contacts"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/status"
	"github.com/omsync/omsync/progress"
)

// perPage is how many sites, rows or conflicts a view shows.
const perPage = 100

// homeData is what the first view shows.
type homeData struct {
	Status   *status.Status
	Judged   progress.Judgement
	Clinic   bool   // it has a parent: one big sign
	Parent   string // its name
	Links    bool   // there is something to sync over
	Sites    []siteLine
	Levels   []levelCount
	Page     int
	Previous int // 0: this is the first
	Next     int // 0: this is the last
	Job      *jobView
}

type levelCount struct {
	Level progress.Level
	Sites int
}

// siteLine is a peer in the list.
type siteLine struct {
	progress.PeerJudgement
	Peer *status.Peer
	Here int64 // rows of it that wait here
}

func (p *Page) home(a *asked) error {
	s, err := p.source.standing(a.ctx())
	if err != nil {
		return err
	}
	d := homeData{Status: s, Judged: s.Judged, Job: p.acts.job().view(), Page: pageNumber(a.r), Links: len(s.Links) > 0}
	count := map[progress.Level]int{}
	peers, rows := map[string]*status.Peer{}, map[string]int64{}
	for i := range s.Peers {
		peers[s.Peers[i].Name] = &s.Peers[i]
	}
	for _, w := range s.Quarantine {
		rows[w.Peer] += w.Rows
	}
	for _, j := range s.Judged.Peers {
		line := siteLine{PeerJudgement: j, Here: rows[j.Name], Peer: peers[j.Name]}
		if j.Parent {
			d.Clinic, d.Parent = true, j.Name
		}
		count[j.Level]++
		d.Sites = append(d.Sites, line)
	}
	for _, l := range []progress.Level{progress.Needs, progress.Late, progress.Well} {
		if count[l] > 0 {
			d.Levels = append(d.Levels, levelCount{l, count[l]})
		}
	}
	from := min((d.Page-1)*perPage, len(d.Sites))
	to := min(from+perPage, len(d.Sites))
	if to < len(d.Sites) {
		d.Next = d.Page + 1
	}
	d.Previous = d.Page - 1
	d.Sites = d.Sites[from:to]
	return a.show(http.StatusOK, "home", "How it is going", d)
}

// pageNumber is which page of a list somebody wants, from 1.
func pageNumber(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}

// siteData is what the view of a site shows.
type siteData struct {
	Judged    progress.PeerJudgement
	Peer      status.Peer
	Suspended bool
	Waiting   []status.Waiting // rows of it that wait here
	Files     []status.File
	Silences  []contacts.Gap // the last ones, newest first
	Exchanges *exchangesData
}

// maxSilences is how many silences are shown.
const maxSilences = 12

func (p *Page) site(a *asked) error {
	s, err := p.source.standing(a.ctx())
	if err != nil {
		return err
	}
	d := siteData{}
	name, found := a.r.PathValue("name"), false
	for i, j := range s.Judged.Peers {
		if j.Name == name {
			d.Judged, found = s.Judged.Peers[i], true
		}
	}
	for _, q := range s.Peers {
		if q.Name == name {
			d.Peer = q
		}
	}
	if !found {
		return errNothing
	}
	d.Suspended = d.Peer.State == access.Suspended
	for _, w := range s.Quarantine {
		if w.Peer == name {
			d.Waiting = append(d.Waiting, w)
		}
	}
	for _, f := range s.Troubled {
		if f.Sender == name {
			d.Files = append(d.Files, f)
		}
	}
	err = a.withNode(func(n *node.Node) error {
		q, err := a.peer(n, name)
		if err != nil {
			return err
		}
		known, err := contacts.Read(n.Home, name, q.Link.Number)
		d.Silences, d.Exchanges = known.Gaps, drawDays(known.Days, time.Now())
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(d.Silences)
	d.Silences = d.Silences[:min(len(d.Silences), maxSilences)]
	return a.show(http.StatusOK, "site", "Site", d)
}

// peer returns the peer of that name; there is no such thing if there is none.
func (a *asked) peer(n *node.Node, name string) (*journal.Peer, error) {
	q, err := journal.PeerByName(a.ctx(), n.DB, name, false)
	if err == nil && q == nil {
		err = errNothing
	}
	return q, err
}

// peerName returns the name of a peer that the path has, or errNothing: what goes to a command is a name that is known.
func (a *asked) peerName(name string) (string, error) {
	err := a.withNode(func(n *node.Node) error {
		_, err := a.peer(n, name)
		return err
	})
	return name, err
}

func (p *Page) suspend(a *asked) error { return a.setState("suspend") }
func (p *Page) resume(a *asked) error  { return a.setState("resume") }

func (a *asked) setState(verb string) error {
	name, err := a.peerName(a.r.PathValue("name"))
	if err != nil {
		return err
	}
	return a.act([]string{"sites", name}, "peer", verb, name)
}

// auditLog shows what people did.
func (p *Page) auditLog(a *asked) error {
	entries, err := p.Accounts.Last(perPage)
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "log", "Who did what", entries)
}
