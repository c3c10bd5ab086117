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
	"github.com/omsync/omsync/capture"
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
	t    *testing.T
	told []string
}

const table = `CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, note MEDIUMTEXT) ENGINE=InnoDB`

// tree makes a hub and clinics that are its children.
func tree(t *testing.T, clinics ...string) (hub *node, all map[string]*node) {
	t.Helper()
	all = map[string]*node{}
	for _, name := range append([]string{"hub"}, clinics...) {
		s := sites.New(t, name, "none", table)
		s.Init()
		id, err := keys.Create(t.TempDir(), name, keys.X25519)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = &node{Site: s, t: t, x: &Node{Home: t.TempDir(), Name: name, Journal: s.J, Keys: id, Policy: func(string) merge.Policy { return merge.Newest }, Wait: sites.Wait}}
	}
	hub = all["hub"]
	for _, name := range clinics {
		hub.add(all[name], "child")
		all[name].add(hub, "parent")
	}
	return hub, all
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

func (n *node) post(peer string) []capture.Exported {
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

func batches(t *testing.T, dir string) []string {
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
		Exported: func(made []capture.Exported) error {
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
func same(t *testing.T, all map[string]*node) {
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

func TestOutboxGathersWhatIsSmall(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	hub.write("w1", "one")
	if made := hub.post("kisumu"); len(made) != 1 || made[0].Rows != 1 {
		t.Fatalf("first: %+v", made)
	}
	if made := hub.post("kisumu"); len(made) != 0 || len(hub.waiting("kisumu")) != 1 {
		t.Errorf("nothing new: %+v, %q", made, hub.waiting("kisumu"))
	}
	// A full load is not made twice; what comes later builds on it, in one file however often it is posted.
	for i := range 3 {
		hub.write("w2", fmt.Sprint(i))
		hub.post("kisumu")
	}
	if got := hub.waiting("kisumu"); len(got) != 2 {
		t.Errorf("waiting: %q, want the full load and one more", got)
	}
	kisumu.deliver(hub)
	hub.deliver(kisumu)
	hub.post("kisumu")
	if got := hub.waiting("kisumu"); len(got) > 1 {
		t.Errorf("after the acknowledgement: %q", got)
	}
	kisumu.deliver(hub)
	same(t, all)
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

func TestOutboxLeavesWhatIsLarge(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	kisumu.deliver(hub)
	hub.deliver(kisumu)
	hub.write("w1", bulk(2*gatherLimit))
	hub.post("kisumu")
	large := hub.waiting("kisumu")
	for i := range maxWaiting + 3 {
		hub.write("w2", fmt.Sprint(i))
		hub.post("kisumu")
		if i == 3 {
			if got := hub.waiting("kisumu"); len(got) < 4 || !slices.Contains(got, large[len(large)-1]) {
				t.Errorf("waiting %q: the large file should be left alone", got)
			}
		}
	}
	if got := hub.waiting("kisumu"); len(got) > 5 {
		t.Errorf("%d files wait: they should have been gathered", len(got))
	}
	kisumu.deliver(hub)
	same(t, all)
}

// A batch that went another way is not what the next one in the outbox builds on.
func TestOutboxDoesNotBuildOnWhatIsElsewhere(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	kisumu.deliver(hub)
	hub.deliver(kisumu)
	hub.write("w1", bulk(2*gatherLimit)) // too large to be gathered with what follows
	hub.post("kisumu")
	hub.write("w2", "two")
	stick, err := transport.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stick.Close()
	if made, err := hub.x.Export(t.Context(), hub.peer("kisumu"), stick, ExportOptions{SinceSent: true}); err != nil || len(made) != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	hub.write("w3", "three")
	hub.post("kisumu")
	kisumu.deliver(hub)
	for _, told := range kisumu.told {
		if strings.HasPrefix(told, "gap") {
			t.Errorf("told %q", kisumu.told)
		}
	}
	same(t, all)
}

// One stick visits three sites, and carries between all of them.
func TestCourier(t *testing.T) {
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
func TestOldStick(t *testing.T) {
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

// TestForeignFiles has a folder where a node may not remove what others put: that stops nothing else.
func TestForeignFiles(t *testing.T) {
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

// What is refused whole stays until the same and more is refused too, or applied: one file of a sender at a time waits.
func TestRefusedFilesDoNotPileUp(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	kisumu.deliver(hub)
	hub.deliver(kisumu)
	dbtest.Exec(t, hub.DB, "CREATE UNIQUE INDEX once ON ward (note(10))")
	hub.write("h1", "taken")
	for i := range 4 {
		kisumu.write("k1", "taken")
		kisumu.write("k2", fmt.Sprint(i))
		hub.deliver(kisumu)
		if told := strings.Join(hub.told, ";"); !strings.Contains(told, "error") {
			t.Fatalf("told %q", told)
		}
		if got := batches(t, filepath.Join(hub.x.Home, "inbox")); len(got) > 2 {
			t.Errorf("waiting at the hub: %q", got)
		}
	}
	hub.write("h1", "free again")
	kisumu.write("k2", "last")
	hub.deliver(kisumu)
	kisumu.deliver(hub)
	same(t, all)
	if got := batches(t, filepath.Join(hub.x.Home, "inbox")); len(got) != 0 {
		t.Errorf("waiting at the hub in the end: %q", got)
	}
}

func TestForget(t *testing.T) {
	hub, all := tree(t, "kisumu", "migori")
	hub.write("w1", "one")
	inbox, err := Inbox(hub.x.Home)
	if err != nil {
		t.Fatal(err)
	}
	inbox.Close()
	for _, name := range []string{"kisumu", "migori"} {
		hub.post(name)
		all[name].post("hub")
		for _, file := range all[name].waiting("hub") {
			copyFile(t, filepath.Join(all[name].x.Home, "outbox", "hub", file), filepath.Join(hub.x.Home, "inbox", file))
		}
	}
	if err := DiscardMail(t.Context(), hub.x.Home, "kisumu"); err != nil {
		t.Fatal(err)
	}
	if len(hub.waiting("kisumu")) != 0 || len(hub.waiting("migori")) != 1 {
		t.Errorf("outbox: %q, %q", hub.waiting("kisumu"), hub.waiting("migori"))
	}
	if got := batches(t, filepath.Join(hub.x.Home, "inbox")); len(got) != 1 || !MadeBy(got[0], "migori", "hub") {
		t.Errorf("inbox: %q", got)
	}
}
