package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
)

// served is a hub as a clinic's link to its server shows it: the clinic's mail, and the hub's inbox.
type served struct {
	t        *testing.T
	hub      *node
	clinic   string
	got, put []string
	cut      bool // nothing can be removed: the link breaks off after the last download
}

func (s *served) folder(parts ...string) *transport.Folder {
	s.t.Helper()
	f, err := mailFolder(append([]string{s.hub.x.Home}, parts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { f.Close() })
	return f
}

func (s *served) String() string { return "https://hub" }
func (s *served) Close() error   { return nil }
func (s *served) List(ctx context.Context) ([]transport.Entry, error) {
	s.hub.post(s.clinic)
	return s.folder("outbox", s.clinic).List(ctx)
}

func (s *served) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	s.got = append(s.got, name)
	return s.folder("outbox", s.clinic).Get(ctx, name, offset)
}

func (s *served) Put(ctx context.Context, name string, r io.ReaderAt, size int64, progress func(int64)) error {
	if err := Check(r, size, s.hub.x.Home, s.hub.peer(s.clinic).Contact(), "hub"); err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	s.put = append(s.put, name)
	return s.folder("inbox").Put(ctx, name, r, size, progress)
}

func (s *served) Remove(ctx context.Context, name string) error {
	if s.cut {
		return fmt.Errorf("remove: %w", transport.ErrDown)
	}
	return s.folder("outbox", s.clinic).Remove(ctx, name)
}

func (n *node) syncOver(s *served) {
	n.t.Helper()
	open := func(context.Context) (*Link, error) { return &Link{Store: s, Peer: "hub"}, nil }
	if err := n.x.Sync(n.t.Context(), SyncOptions{Links: []LinkOpener{{Name: s.String(), Peers: []string{"hub"}, Open: open}}}, n.events()); err != nil {
		n.t.Fatalf("%s: %v; told %q", n.Name, err, n.told)
	}
}

// TestAppliedFileIsNotFetchedAgain breaks a link to a server when a file is applied and not yet taken off: it is not fetched a second time.
func TestAppliedFileIsNotFetchedAgain(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	hub.write("w1", "one")
	s := &served{t: t, hub: hub, clinic: "kisumu", cut: true}
	kisumu.syncOver(s)
	same(t, all)
	s.cut = false
	kisumu.syncOver(s)
	if len(s.got) != 1 {
		t.Errorf("fetched %q; told %q", s.got, kisumu.told)
	}
	if left := hub.waiting("kisumu"); strings.Contains(strings.Join(left, " "), s.got[0]) {
		t.Errorf("it still waits: %q", left)
	}
}

// TestDamagedOutboxIsMadeAnew has files go bad where they wait to be sent. Nobody is bothered with them, and what they held goes anew.
func TestDamagedOutboxIsMadeAnew(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"flipped": func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err == nil {
				b[len(b)/2] ^= 1
				err = os.WriteFile(path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"cut": func(t *testing.T, path string) {
			if err := os.Truncate(path, gatherLimit); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			hub, all := tree(t, "kisumu")
			kisumu := all["kisumu"]
			s := &served{t: t, hub: hub, clinic: "kisumu"}
			kisumu.x.Journal.Now = func() time.Time { return time.Now().Add(time.Hour) } // or the hub's header would show that the load never came
			kisumu.write("w1", bulk(2*gatherLimit))
			kisumu.post("hub")
			kisumu.write("w2", bulk(2*gatherLimit)) // builds on the first
			kisumu.post("hub")
			if got := kisumu.waiting("hub"); len(got) != 2 {
				t.Fatalf("waiting: %q", got)
			}
			damage(t, filepath.Join(kisumu.x.Home, "outbox", "hub", kisumu.waiting("hub")[0]))
			kisumu.syncOver(s)
			if told := strings.Join(kisumu.told, ";"); !strings.Contains(told, "trouble") || !strings.Contains(told, "damaged") || len(s.put) != 0 {
				t.Errorf("told %q, sent %q", told, s.put)
			}
			kisumu.syncOver(s)
			e := hub.events()
			if _, err := hub.x.ImportInbox(t.Context(), nil, e.Begin, e.Imported); err != nil {
				t.Fatal(err)
			}
			same(t, all)
		})
	}
}

// TestDamagedStateBeginsAnew reads whatever may be in links.json.
func TestDamagedStateBeginsAnew(t *testing.T) {
	for _, text := range []string{"", "null", "{", "[]", `{"links":null,"sent":null}`, `{"links":{"x":null},"sent":{"hub":null}}`, `{"links":7}`} {
		home := t.TempDir()
		if err := os.WriteFile(filepath.Join(home, "links.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := ReadState(home)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		s.recordSent("hub", "a.omsync", "x")
		if l := s.recordLink("x", s.link("x").Up, errors.New("down")); l.Error != "down" {
			t.Errorf("%q: %+v", text, l)
		}
		if err := s.save(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
