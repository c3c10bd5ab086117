package exchange

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/transport"
)

// syncVerifying does a run over a folder that carries a digest if the last is so old.
func (n *node) syncVerifying(folder string, every time.Duration) {
	n.t.Helper()
	open := func(context.Context) (*Link, error) {
		f, err := transport.OpenFolder(folder)
		if err != nil {
			return nil, err
		}
		return &Link{Store: f}, nil
	}
	if err := n.x.Sync(n.t.Context(), SyncOptions{Links: []LinkOpener{{Name: "folder " + folder, Open: open, Verify: every}}}, n.events()); err != nil {
		n.t.Fatalf("%s: %v; told %q", n.Name, err, n.told)
	}
}

func (n *node) last(peer string) *Comparison {
	n.t.Helper()
	c, err := LastComparison(n.x.Home, n.peer(peer))
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// A digest goes to the parent with a run when it is due, is compared when it comes, and is gone then; to a peer that knows no digests none goes.
func TestCarriedDigest(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu, folder := all["kisumu"], t.TempDir()
	hub.fill("h", 20)
	kisumu.fill("k", 20)
	meet(hub, kisumu)
	rounds := func(every time.Duration) {
		t.Helper()
		for range 3 {
			kisumu.syncVerifying(folder, every)
			hub.sync(folder)
		}
	}
	rounds(time.Nanosecond)
	if c := hub.last("kisumu"); c != nil {
		t.Fatalf("a digest went to a hub that has not said that it compares: %v", c)
	}
	hub.x.Features, kisumu.x.Features = features.Present(), features.Present()
	hub.write("h1", "to have something to say")
	rounds(0)
	rounds(time.Hour)
	if c := hub.last("kisumu"); c != nil {
		t.Fatalf("none was due: %v", c)
	}
	compared := func(want string) *Comparison {
		t.Helper()
		if c, err := readCarried(hub.x.Home, hub.peer("kisumu")); err != nil {
			t.Fatal(err)
		} else if c.Last != nil { // long ago
			c.Came = c.Came.Add(-digest.Again)
			if err := c.save(hub.x.Home, "kisumu"); err != nil {
				t.Fatal(err)
			}
		}
		kisumu.syncVerifying(folder, time.Nanosecond)
		hub.sync(folder)
		if !slices.ContainsFunc(hub.told, func(s string) bool { return s == "compared kisumu" }) {
			t.Errorf("the hub told %q, kisumu %q", hub.told, kisumu.told)
		}
		kisumu.sync(folder)
		hub.sync(folder)
		c := hub.last("kisumu")
		if c == nil || !strings.HasPrefix(c.String(), want) {
			t.Fatalf("compared: %v, want %s", c, want)
		}
		if left := batches(t, folder); len(left) != 0 {
			t.Errorf("left in the folder: %q", left)
		}
		if left := append(batches(t, hub.x.Home+"/inbox"), batches(t, kisumu.x.Home+"/digests/hub")...); len(left) != 0 {
			t.Errorf("left: %q", left)
		}
		return c
	}
	if c := compared("both hold the same, 40 rows, as of "); c.Tables != 1 || c.Left != 0 {
		t.Errorf("compared: %+v", c)
	}
	dbtest.Exec(t, kisumu.DB, "SET @omsync_quiet = 1", "UPDATE ward SET note = 'unseen' WHERE uuid IN ('h2', 'k2')", "DELETE FROM ward WHERE uuid = 'k3'", "SET @omsync_quiet = NULL")
	compared("3 of 40 rows differ, as of ")

	// Who sends one after the other has one compared.
	dbtest.Exec(t, kisumu.DB, "SET @omsync_quiet = 1", "UPDATE ward SET note = 'unseen' WHERE uuid = 'h4'", "SET @omsync_quiet = NULL")
	kisumu.syncVerifying(folder, time.Nanosecond)
	hub.sync(folder)
	if c := hub.last("kisumu"); c.Differ != 3 || !slices.Contains(hub.told, "compared kisumu") || len(batches(t, hub.x.Home+"/inbox")) != 0 {
		t.Errorf("compared: %v; told %q", c, hub.told)
	}

	// Of a link that was removed and added, nothing of before counts.
	dbtest.Exec(t, hub.DB, "UPDATE omsync_peer SET link = REPLACE(link, '\"number\":', '\"number\":1') WHERE name = 'kisumu'")
	if c := hub.last("kisumu"); c != nil {
		t.Errorf("of the link before: %v", c)
	}
	if err := os.WriteFile(carriedPath(hub.x.Home, "kisumu"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := hub.last("kisumu"); c != nil {
		t.Errorf("of a damaged record: %v", c)
	}
}

// A digest that nobody can compare with any more is said and thrown away.
func TestCarriedDigestOfBefore(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu, folder := all["kisumu"], t.TempDir()
	hub.x.Features, kisumu.x.Features = features.Present(), features.Present()
	kisumu.fill("k", 5)
	meet(hub, kisumu)
	kisumu.syncVerifying(folder, time.Nanosecond)
	dbtest.Exec(t, hub.DB, "UPDATE omsync_node SET history = history + 1 WHERE id = 1")
	hub.sync(folder)
	if c := hub.last("kisumu"); c == nil || c.Why == "" || len(batches(t, hub.x.Home+"/inbox")) != 0 {
		t.Errorf("compared: %v; told %q, and kisumu %q", c, hub.told, kisumu.told)
	}
}
