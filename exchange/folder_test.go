package exchange

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/transport"
)

// One stick visits three sites, and carries between all of them.
func TestStickCarriesBetweenThreeSites(t *testing.T) {
	hub, all := tree(t, "kisumu", "migori")
	stick := t.TempDir()
	if err := os.WriteFile(filepath.Join(stick, "holiday.jpg"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	round := func() {
		for _, name := range []string{"hub", "kisumu", "migori"} {
			all[name].sync(stick)
			for _, told := range all[name].told {
				if strings.HasPrefix(told, "trouble") || strings.HasPrefix(told, "error") || strings.HasPrefix(told, "down") {
					t.Errorf("%s: %s", name, told)
				}
			}
		}
	}
	hub.write("w1", "of the hub")
	round()
	all["kisumu"].write("k1", "of kisumu")
	all["migori"].write("m1", "of migori")
	all["migori"].write("w1", "changed at migori")
	round()
	round()
	same(t, all)
	for range 3 {
		round()
	}
	for name, n := range all {
		n.sync(stick)
		if len(n.told) != 0 {
			t.Errorf("%s still has something to say: %q", name, n.told)
		}
	}
	if got := batches(t, stick); len(got) != 0 {
		t.Errorf("left on the stick: %q", got)
	}
	if _, err := os.Stat(filepath.Join(stick, "holiday.jpg")); err != nil {
		t.Error("a stranger's file is gone")
	}
}

// Two shares, each for one clinic: what is for one does not go over the other's.
func TestLinksForSomePeers(t *testing.T) {
	hub, _ := tree(t, "kisumu", "migori")
	hub.write("w1", "one")
	shares := map[string]string{"kisumu": t.TempDir(), "migori": t.TempDir()}
	var links []LinkOpener
	for peer, path := range shares {
		links = append(links, LinkOpener{Name: "folder:" + path, Peers: []string{peer}, Open: func(context.Context) (*Link, error) {
			f, err := transport.OpenFolder(path)
			return &Link{Store: f}, err
		}})
	}
	if err := hub.x.Sync(t.Context(), SyncOptions{Links: links}, hub.events()); err != nil {
		t.Fatal(err)
	}
	for peer, path := range shares {
		if got := batches(t, path); len(got) != 1 || !MadeBy(got[0], "hub", peer) {
			t.Errorf("in the share of %s: %q", peer, got)
		}
	}
	if err := hub.x.Sync(t.Context(), SyncOptions{Links: links[:1]}, hub.events()); err != nil || len(hub.told) != 0 {
		t.Errorf("once more: %v, %q", err, hub.told)
	}
}

// The stick of last year: its files are applied long since, or of nobody this node knows any more.
func TestOldStickDoesNoHarm(t *testing.T) {
	hub, all := tree(t, "kisumu", "migori")
	kisumu := all["kisumu"]
	old, stick := t.TempDir(), t.TempDir()
	hub.write("w1", "one")
	hub.sync(old)
	if err := os.CopyFS(stick, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		kisumu.sync(stick)
		hub.sync(stick)
	}
	hub.write("w1", "two")
	hub.sync(stick)
	kisumu.sync(stick)
	// Back comes the first stick, with the first full load, for both clinics.
	kisumu.sync(old)
	for _, told := range kisumu.told {
		if !strings.HasPrefix(told, "sent") && !strings.HasPrefix(told, "covered") && !strings.HasPrefix(told, "posted") {
			t.Errorf("told %q", kisumu.told)
		}
	}
	left := batches(t, old)
	if slices.ContainsFunc(left, func(name string) bool { return MadeBy(name, "hub", "kisumu") }) || !slices.ContainsFunc(left, func(name string) bool { return MadeBy(name, "hub", "migori") }) {
		t.Errorf("on the stick: %q; what is due at migori should be left, what is applied here should be gone", left)
	}
	kisumu.sync(stick)
	hub.sync(stick)
	delete(all, "migori")
	same(t, all)
}

// A stick whose switch is on: what is on it is taken, and everything else waits.
func TestReadOnlyStick(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	stick := t.TempDir()
	hub.write("w1", "one")
	hub.sync(stick)
	store := func() *readOnly {
		f, err := transport.OpenFolder(stick)
		if err != nil {
			t.Fatal(err)
		}
		return &readOnly{f}
	}
	sync := func() {
		t.Helper()
		err := kisumu.x.Sync(t.Context(), SyncOptions{Links: []LinkOpener{{Name: "stick", Open: func(context.Context) (*Link, error) { return &Link{Store: store()}, nil }}}}, kisumu.events())
		if err != nil {
			t.Fatal(err)
		}
	}
	first := batches(t, stick)[0]
	content, err := os.ReadFile(filepath.Join(stick, first))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		sync()
		if !slices.ContainsFunc(kisumu.told, func(s string) bool { return strings.HasPrefix(s, "trouble") && strings.Contains(s, "read-only") }) {
			t.Errorf("told %q", kisumu.told)
		}
	}
	same(t, all)
	if got := batches(t, stick); len(got) != 1 {
		t.Errorf("on the stick: %q", got)
	}
	kisumu.sync(stick)
	hub.sync(stick)
	if p := hub.peer("kisumu"); p.Link.Acked.Epoch == 0 {
		t.Error("the acknowledgement did not go when the switch was off")
	}
	for range 3 {
		kisumu.sync(stick)
		hub.sync(stick)
	}
	// With nothing to write, an old file that cannot be removed is no trouble.
	if err := os.WriteFile(filepath.Join(stick, first), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if sync(); len(kisumu.told) != 0 {
		t.Errorf("told %q", kisumu.told)
	}
}

// TestFilesThatMayNotBeRemoved has a folder where a node may not remove what others put: that stops nothing else.
func TestFilesThatMayNotBeRemoved(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	shared := t.TempDir()
	hub.write("w1", "one")
	hub.sync(shared)
	kisumu.write("w2", "two")
	open := func(context.Context) (*Link, error) {
		f, err := transport.OpenFolder(shared)
		return &Link{Store: &sticky{f}}, err
	}
	for range 2 {
		err := kisumu.x.Sync(t.Context(), SyncOptions{Links: []LinkOpener{{Name: "shared", Open: open}}}, kisumu.events())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(slices.DeleteFunc(slices.Clone(kisumu.told), func(s string) bool {
			return !strings.HasPrefix(s, "trouble") || !strings.Contains(s, "remove it by hand")
		})); n != 1 {
			t.Errorf("told %d times: %q", n, kisumu.told)
		}
	}
	hub.sync(shared)
	same(t, all)
}
