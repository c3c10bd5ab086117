package exchange

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/transport"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// node is a site with keys, a home folder and what its runs told.
type node struct {
	*sites.Site
	x    *Node
	t    testing.TB
	told []string
}

const table = `CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, note MEDIUMTEXT) ENGINE=InnoDB`

// tree makes a hub and clinics that are its children.
func tree(t testing.TB, clinics ...string) (hub *node, all map[string]*node) {
	t.Helper()
	return treeOf(t, "none", []string{table}, clinics...)
}

// treeOf is tree with a data model.
func treeOf(t testing.TB, profile string, tables []string, clinics ...string) (hub *node, all map[string]*node) {
	t.Helper()
	all = map[string]*node{}
	for _, name := range append([]string{"hub"}, clinics...) {
		all[name] = newNode(t, name, profile, tables)
	}
	hub = all["hub"]
	for _, name := range clinics {
		hub.add(all[name], "child")
		all[name].add(hub, "parent")
	}
	return hub, all
}

func newNode(t testing.TB, name, profile string, tables []string) *node {
	t.Helper()
	s := sites.New(t, name, profile, tables...)
	s.Init()
	home := t.TempDir()
	id, err := keys.Create(home, name, keys.X25519)
	if err != nil {
		t.Fatal(err)
	}
	return &node{Site: s, t: t, x: &Node{Home: home, Name: name, Journal: s.J, Keys: id, Wait: sites.Wait, AtOnce: 3}}
}

func (n *node) add(other *node, role string) {
	n.t.Helper()
	p := &journal.Peer{Name: other.Name, Role: access.Role(role), Card: other.x.Keys.Card().Marshal(), Link: merge.Link{Number: uint64(time.Now().UnixMicro())}}
	if err := journal.AddPeer(n.t.Context(), n.J.DB, p); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) peer(name string) *journal.Peer {
	n.t.Helper()
	p, err := journal.PeerByName(n.t.Context(), n.J.DB, name, false)
	if err != nil || p == nil {
		n.t.Fatalf("peer %s: %v, %v", name, p, err)
	}
	return p
}

// write changes the database as the application would.
func (n *node) write(uuid string, note string) {
	n.t.Helper()
	dbtest.Exec(n.t, n.DB, fmt.Sprintf("INSERT INTO ward (uuid, note) VALUES ('%s', '%s') ON DUPLICATE KEY UPDATE note = VALUES(note)", uuid, note))
}

// bulk is text that does not compress, of about so many bytes.
func bulk(size int) string {
	b := make([]byte, size*3/4)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

func (n *node) post(peer string) []export.Batch {
	n.t.Helper()
	made, err := n.x.FillOutbox(n.t.Context(), n.peer(peer), 0)
	if err != nil {
		n.t.Fatalf("%s posts to %s: %v", n.Name, peer, err)
	}
	return made
}

// waiting lists an outbox.
func (n *node) waiting(peer string) []string {
	n.t.Helper()
	return batches(n.t, filepath.Join(n.x.Home, "outbox", peer))
}

func batches(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), transport.Suffix) {
			out = append(out, e.Name())
		}
	}
	return out
}

// events notes what a run tells.
func (n *node) events() Events {
	n.told = nil
	tell := func(format string, args ...any) { n.told = append(n.told, fmt.Sprintf(format, args...)) }
	return Events{
		Begin: func() error { return nil },
		Imported: func(r *Result) error {
			if r.Err != nil {
				tell("error %v", r.Err)
			} else {
				tell("%s %s", r.Report.Outcome, r.Report.Sender)
			}
			return nil
		},
		Exported: func(made []export.Batch) error {
			for _, e := range made {
				tell("posted %s %d rows", e.Peer, e.Rows)
			}
			return nil
		},
		Sent:     func(m Transfer) { tell("sent %s", m.File) },
		Received: func(m Transfer) { tell("received %s", m.File) },
		Down:     func(link string, s *LinkState) { tell("down %s", s.Error) },
		Trouble:  func(err error) { tell("trouble %v", err) },
	}
}

// sync does a run over folders.
func (n *node) sync(folders ...string) {
	n.t.Helper()
	var links []LinkOpener
	for _, path := range folders {
		links = append(links, LinkOpener{Name: "folder " + path, Open: func(context.Context) (*Link, error) {
			f, err := transport.OpenFolder(path)
			if errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("%w: %w", transport.ErrDown, err)
			} else if err != nil {
				return nil, err
			}
			return &Link{Store: f}, nil
		}})
	}
	if err := n.x.Sync(n.t.Context(), SyncOptions{Links: links}, n.events()); err != nil {
		n.t.Fatalf("%s: %v; told %q", n.Name, err, n.told)
	}
}

// same fails the test if two nodes' rows differ.
func same(t testing.TB, all map[string]*node) {
	t.Helper()
	want := ""
	for _, name := range slices.Sorted(maps.Keys(all)) {
		got := ""
		rows, err := all[name].DB.Query("SELECT uuid, note FROM ward ORDER BY uuid")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var a, b string
			if err := rows.Scan(&a, &b); err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("%s %x\n", a, sha256.Sum256([]byte(b))) // not every server has MD5()
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s has\n%s, others have\n%s", name, got, want)
		}
	}
}

// deliver takes over what waits for the node at another, as if it had been sent, and imports it.
func (n *node) deliver(from *node) {
	n.t.Helper()
	from.post(n.Name)
	for _, name := range from.waiting(n.Name) {
		b, err := os.ReadFile(filepath.Join(from.x.Home, "outbox", n.Name, name))
		if err != nil {
			n.t.Fatal(err)
		}
		if err := n.x.AcceptFile(n.t.Context(), n.peer(from.Name), name, bytes.NewReader(b), int64(len(b))); err != nil {
			n.t.Fatal(err)
		}
	}
	e := n.events()
	if _, err := n.x.ImportInbox(n.t.Context(), nil, e.Begin, e.Imported); err != nil {
		n.t.Fatal(err)
	}
}

// sticky is a folder where files can be added and not removed.
type sticky struct{ *transport.Folder }

func (s *sticky) Remove(_ context.Context, name string) error {
	return fmt.Errorf("remove %s: %w", name, fs.ErrPermission)
}

// readOnly is a folder on a medium that cannot be written to.
type readOnly struct{ *transport.Folder }

func (r *readOnly) Put(context.Context, string, io.ReaderAt, int64, func(int64)) error {
	return fmt.Errorf("write to stick: %w", transport.ErrReadOnly)
}

func (r *readOnly) Remove(context.Context, string) error {
	return fmt.Errorf("remove from stick: %w", transport.ErrReadOnly)
}
