package status_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/links"
	"github.com/omsync/omsync/node/status"
	"github.com/omsync/omsync/transport"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

func of(t *testing.T, n *node.Node, now time.Time) *status.Status {
	t.Helper()
	s, err := status.Of(t.Context(), n, now, nil)
	nodetest.Check(t, err)
	return s
}

// A trigger that is gone is shown, until a command that changes the node has made it again.
func TestWrongTriggers(t *testing.T) {
	n := nodetest.New(t, filepath.Join(t.TempDir(), "hub"), "hub")
	if s := of(t, n, time.Now()); len(s.Triggers) > 0 {
		t.Errorf("wrong: %v", s.Triggers)
	}
	var name string
	nodetest.Check(t, n.DB.QueryRow("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'site' LIMIT 1").Scan(&name))
	dbtest.Exec(t, n.DB, "DROP TRIGGER "+name)
	if s := of(t, n, time.Now()); !slices.Equal(s.Triggers, []string{"site"}) {
		t.Errorf("wrong: %v", s.Triggers)
	}
}

// Rows wait until they are sent and acknowledged, and those that only flow down never wait for a parent.
func TestWhatWaits(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	n, peer := nodetest.New(t, filepath.Join(dir, "hub"), "hub"), nodetest.New(t, filepath.Join(dir, "kisumu"), "kisumu")
	nodetest.Check(t, n.AddPeer(ctx, peer.Keys.Card(), access.Child))
	nodetest.Check(t, peer.AddPeer(ctx, n.Keys.Card(), access.Parent))
	dbtest.Exec(t, n.DB, "INSERT INTO site (uuid, name) VALUES ('s1', 'ward')")
	if s := of(t, n, time.Now()); s.Unsealed != 1 || s.Peers[0].Waiting != 0 || s.Peers[0].Sent.Epoch != 0 || s.Peers[0].Sent.At != nil {
		t.Errorf("before the first export: %+v", s)
	}
	stick, err := transport.MakeFolder(filepath.Join(dir, "stick"))
	nodetest.Check(t, err)
	defer stick.Close()
	peers, err := n.ChoosePeers(ctx, nil)
	nodetest.Check(t, err)
	made, err := n.Exchange().Export(ctx, peers[0], stick, exchange.ExportOptions{})
	nodetest.Check(t, err)
	if len(made) != 1 {
		t.Fatalf("%d files", len(made))
	}
	s := of(t, n, time.Now().Add(time.Hour))
	p := s.Peers[0]
	if s.Unsealed != 0 || p.Waiting != 1 || p.Sent.Epoch != s.Sealed.Epoch || p.Sent.Age == nil || *p.Sent.Age < 3590 || p.Acked.Epoch != 0 {
		t.Errorf("after it: %+v", s)
	}

	file := filepath.Join(dir, "profile.toml")
	nodetest.Check(t, os.WriteFile(file, []byte("[direction]\ndown = [\"site\"]\n"), 0o600))
	n.ProfileFile = file
	profile, err := n.ReadProfile()
	nodetest.Check(t, err)
	n.Journal.Profile = profile
	_, n.Journal.Catalogue, err = n.ReadCatalogue(ctx)
	nodetest.Check(t, err)
	peers[0].Role = access.Parent
	if waiting, err := n.Journal.CountWaiting(ctx, n.DB, peers[0]); err != nil || waiting != 0 {
		t.Errorf("%d rows that only flow down wait for a parent, %v", waiting, err)
	}
	peers[0].Role = access.Child
	if waiting, err := n.Journal.CountWaiting(ctx, n.DB, peers[0]); err != nil || waiting != 1 {
		t.Errorf("%d rows wait for a child, %v", waiting, err)
	}
}

// A link that is not there is down since it was first missed, and one that nobody used is unused.
func TestLinks(t *testing.T) {
	ctx := t.Context()
	n := nodetest.New(t, t.TempDir(), "hub")
	gone := config.Link{URL: "folder:" + filepath.Join(t.TempDir(), "share")}
	nodetest.Check(t, os.Mkdir(gone.URL[len("folder:"):], 0o700))
	n.Links = []config.Link{gone, {URL: "folder:/never/used"}}
	x := n.Exchange()
	visit := func() {
		events := exchange.Events{Begin: func() error { return nil }, Down: func(string, *exchange.LinkState) {}, Trouble: func(error) {}}
		nodetest.Check(t, x.OverLinks(ctx, links.Openers(n, x, n.Links[:1]), events, func(*exchange.Link, *exchange.State) error { return nil }))
	}
	visit()
	nodetest.Check(t, os.Remove(gone.URL[len("folder:"):]))
	states := map[string]string{}
	for _, l := range of(t, n, time.Now()).Links {
		states[l.Link] = l.State
	}
	if len(states) != 2 || states[gone.URL] != "up" || states["folder:/never/used"] != "unused" {
		t.Errorf("after a visit: %v", states)
	}
	visit()
	all := of(t, n, time.Now()).Links
	at := slices.IndexFunc(all, func(l status.Link) bool { return l.Link == gone.URL })
	if l := all[at]; len(all) != 2 || l.State != "down" || l.Down == nil || l.Up == nil || l.Error == "" {
		t.Errorf("once it is gone: %+v", all)
	}
	open := links.Openers(n, x, n.Links)[0].Open
	if _, err := open(ctx); !errors.Is(err, transport.ErrDown) {
		t.Errorf("opened: %v", err)
	}
}
