package status_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/progress"
	"github.com/omsync/omsync/transport"
)

// pair is a hub and a clinic, and a stick between them.
type pair struct {
	t           *testing.T
	hub, clinic *node.Node
	stick       *transport.Folder
}

func newPair(t *testing.T) *pair {
	dir := t.TempDir()
	p := &pair{t: t, hub: nodetest.New(t, filepath.Join(dir, "hub"), "hub"), clinic: nodetest.New(t, filepath.Join(dir, "kisumu"), "kisumu")}
	nodetest.Check(t, p.hub.AddPeer(t.Context(), p.clinic.Keys.Card(), access.Child))
	nodetest.Check(t, p.clinic.AddPeer(t.Context(), p.hub.Keys.Card(), access.Parent))
	var err error
	p.stick, err = transport.MakeFolder(filepath.Join(dir, "stick"))
	nodetest.Check(t, err)
	t.Cleanup(func() { p.stick.Close() })
	return p
}

// bring has one node export at a time, and the other import then.
func (p *pair) bring(from, to *node.Node, at time.Time) {
	p.t.Helper()
	ctx := p.t.Context()
	clock := func() time.Time { return at }
	from.Journal.Now, to.Journal.Now = clock, clock
	peers, err := from.ChoosePeers(ctx, nil)
	nodetest.Check(p.t, err)
	_, err = from.Exchange().Export(ctx, peers[0], p.stick, exchange.ExportOptions{})
	nodetest.Check(p.t, err)
	p.read(to)
}

// read has a node import what is on the stick, by name: also what it knows.
func (p *pair) read(n *node.Node) {
	p.t.Helper()
	files, err := exchange.FilesIn(p.t.Context(), p.stick, func(name string) string { return name })
	nodetest.Check(p.t, err)
	var mine []*exchange.Incoming
	for _, f := range files {
		if strings.Contains(f.Name, "-to-"+n.Node+"-") {
			mine = append(mine, f)
		}
	}
	err = n.Exchange().Import(p.t.Context(), mine, exchange.ImportOptions{}, func() error { return nil }, func(r *exchange.Result) error { return r.Err })
	nodetest.Check(p.t, err)
}

// A clinic that comes by stick each week is not late after six days, and is after nine; a file that is read again does not make it look well,
// and neither does a clock here that is set back.
func TestLateByHabit(t *testing.T) {
	p := newPair(t)
	start := time.Now().Add(-70 * 24 * time.Hour).Truncate(time.Second)
	at := start
	for week := range 9 {
		at = start.AddDate(0, 0, 7*week)
		dbtest.Exec(t, p.clinic.DB, "INSERT INTO site (uuid, name) VALUES (UUID(), 'row')")
		p.bring(p.clinic, p.hub, at)
		p.bring(p.hub, p.clinic, at.Add(time.Minute))
	}
	p.bring(p.clinic, p.hub, at.Add(time.Hour))
	last := at.Add(time.Hour)
	check := func(age time.Duration, want progress.Level, says string) {
		t.Helper()
		s := of(t, p.hub, last.Add(age))
		q := s.Peers[0]
		if q.Level != want || !strings.Contains(q.Says, says) || q.Habit < 6*24*3600 || q.Habit > 7*24*3600 {
			t.Errorf("after %v: %v, %q, habit %d", age, q.Level, q.Says, q.Habit)
		}
	}
	day := 24 * time.Hour
	check(6*day, progress.Well, "kisumu has all, and was heard 6 days ago.")
	check(10*day, progress.Late, "kisumu has been silent for 10 days; it is used to")
	p.hub.Journal.Now = func() time.Time { return last.Add(9 * day) }
	nodetest.Check(t, os.RemoveAll(filepath.Join(p.hub.Home, "seen"))) // all files are read once more
	p.read(p.hub)
	check(10*day, progress.Late, "kisumu has been silent for 10 days")
	check(40*day, progress.Needs, "kisumu has been silent for 40 days")
	check(-3*day, progress.Needs, "Nobody can say when kisumu was last heard")
}

// What is unsent has an age, at both ends, also of changes that no seal has taken in; and JSON has it all.
func TestUnsentSince(t *testing.T) {
	p := newPair(t)
	now := time.Now()
	p.bring(p.hub, p.clinic, now.Add(-9*time.Hour))
	p.bring(p.clinic, p.hub, now.Add(-9*time.Hour))
	p.bring(p.hub, p.clinic, now.Add(-8*time.Hour))
	if s := of(t, p.clinic, now); s.Level != progress.Well || !strings.HasPrefix(s.Says, "All work is safe at hub, which was heard 8 hours ago") {
		t.Errorf("in step: %v, %q", s.Level, s.Says)
	}
	dbtest.Exec(t, p.clinic.DB, "INSERT INTO site (uuid, name) VALUES ('k1', 'row'), ('k2', 'row')")
	if s := of(t, p.clinic, now.Add(time.Minute)); s.Level != progress.Well || !strings.HasPrefix(s.Says, "2 changes since ") || s.Peers[0].Since != nil {
		t.Errorf("just typed: %v, %q", s.Level, s.Says)
	}
	peers, err := p.clinic.ChoosePeers(t.Context(), nil)
	nodetest.Check(t, err)
	p.clinic.Journal.Now = func() time.Time { return now }
	_, err = p.clinic.Exchange().Export(t.Context(), peers[0], p.stick, exchange.ExportOptions{})
	nodetest.Check(t, err)
	s := of(t, p.clinic, now.Add(4*24*time.Hour))
	q := s.Peers[0]
	if s.Level != progress.Late || q.Waiting != 2 || q.Since == nil || q.Since.Before(now.Add(-time.Minute)) || q.Since.After(now.Add(time.Minute)) {
		t.Errorf("after four days: %v, %q, %+v", s.Level, s.Says, q)
	}
	found := false
	for _, f := range q.Findings {
		found = found || strings.HasPrefix(f.Says, "2 changes since") && f.Next == "omsync sync"
	}
	b, err := json.Marshal(s)
	nodetest.Check(t, err)
	if !found || !strings.Contains(string(b), `"level":"late","says":"hub has been silent for 4 days.`) || !strings.Contains(string(b), `"rows_waiting_since":"`) {
		t.Errorf("%+v\n%s", q.Findings, b)
	}
	if s := of(t, p.clinic, now.Add(-2*24*time.Hour)); s.Level != progress.Needs {
		t.Errorf("with a clock that was set back: %v, %q", s.Level, s.Says)
	}
}

// A node that an earlier omsync worked with knows no contacts: what was applied last says when a peer was heard.
func TestWithoutContacts(t *testing.T) {
	p := newPair(t)
	now := time.Now()
	p.bring(p.hub, p.clinic, now)
	nodetest.Check(t, os.RemoveAll(filepath.Join(p.clinic.Home, "contacts")))
	q := of(t, p.clinic, now.Add(2*24*time.Hour)).Peers[0]
	if q.Level != progress.Well || q.Last == nil || q.Habit != 0 || q.Allowed != 3*24*3600 {
		t.Errorf("%+v", q)
	}
	if q := of(t, p.clinic, now.Add(4*24*time.Hour)).Peers[0]; q.Level != progress.Late {
		t.Errorf("%+v", q)
	}
}
