package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/transport"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// working is a hub with its worker, and a clinic's first batch.
type working struct {
	t          *testing.T
	home, file string
	clinic     *node.Node
	rows       func() int // in the hub's database
	w          *worker
}

func newWorking(t *testing.T) *working {
	t.Helper()
	dir := t.TempDir()
	v := &working{t: t, home: filepath.Join(dir, "hub")}
	hub, clinic := nodetest.New(t, v.home, "hub"), nodetest.New(t, filepath.Join(dir, "kisumu"), "kisumu")
	v.clinic = clinic
	dbtest.Exec(t, clinic.DB, "INSERT INTO site (uuid, name) VALUES ('s1', 'ward')")
	nodetest.Check(t, hub.AddPeer(t.Context(), clinic.Keys.Card(), access.Child))
	nodetest.Check(t, clinic.AddPeer(t.Context(), hub.Keys.Card(), access.Parent))
	v.file = v.export(clinic)
	v.rows = func() (n int) {
		t.Helper()
		nodetest.Check(t, hub.DB.QueryRow("SELECT COUNT(*) FROM site").Scan(&n))
		return n
	}
	open := func(ctx context.Context) (*node.Node, error) {
		return node.OpenAll(ctx, v.home, node.Read, nodetest.Quiet)
	}
	v.w = newWorker(v.home, open, slog.New(slog.DiscardHandler))
	return v
}

// export has the clinic export into the hub's inbox, and returns the file's name.
func (v *working) export(clinic *node.Node) string {
	v.t.Helper()
	stick, err := transport.MakeFolder(filepath.Join(v.t.TempDir(), "stick"))
	nodetest.Check(v.t, err)
	defer stick.Close()
	peers, err := clinic.ChoosePeers(v.t.Context(), nil)
	nodetest.Check(v.t, err)
	made, err := clinic.Exchange().Export(v.t.Context(), peers[0], stick, exchange.ExportOptions{SinceSent: true})
	nodetest.Check(v.t, err)
	if len(made) != 1 {
		v.t.Fatalf("%d files", len(made))
	}
	inbox, err := exchange.Inbox(v.home)
	nodetest.Check(v.t, err)
	defer inbox.Close()
	nodetest.Check(v.t, os.Rename(filepath.Join(stick.Path(), made[0].File), filepath.Join(inbox.Path(), made[0].File)))
	return made[0].File
}

// setState changes a peer's state as the command does.
func (v *working) setState(name string, state access.State) {
	v.t.Helper()
	n, err := node.OpenAll(v.t.Context(), v.home, node.Change, nodetest.Quiet)
	if err != nil {
		v.t.Fatal(fmt.Errorf("set %s to %s: %w", name, state, err))
	}
	defer n.Close()
	nodetest.Check(v.t, n.SetPeerState(v.t.Context(), name, state))
}

func (v *working) start() {
	ended := v.w.start(v.t.Context())
	v.t.Cleanup(func() { <-ended })
}

func (v *working) within(limit time.Duration, what string, ok func() bool) {
	v.t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			v.t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// TestWorkerTriesAgain has a file arrive while a command holds the node's lock for longer than the server waits. It is
// imported once the lock is free, though its sender does not call again.
func TestWorkerTriesAgain(t *testing.T) {
	v := newWorking(t)
	v.w.lockWait, v.w.retry = time.Millisecond, 50*time.Millisecond
	held, err := node.AcquireLock(t.Context(), v.home, 0)
	if err != nil {
		t.Fatal(err)
	}
	v.start()
	r, err := v.w.arrived(t.Context(), "kisumu", v.file)
	if err != nil || r.Outcome != "stored" || r.Why == "" {
		t.Fatalf("while the lock is held: %+v, %v", r, err)
	}
	held.Release()
	v.within(20*time.Second, "the import", func() bool { return v.rows() == 1 })
}

// TestWorkerLeavesTheLock has nodes call without a pause: commands get their turn all the same.
func TestWorkerLeavesTheLock(t *testing.T) {
	v := newWorking(t)
	v.start()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				v.w.listing(t.Context(), "kisumu")
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	v.within(20*time.Second, "the import", func() bool { return v.rows() == 1 })
	for range 10 {
		v.setState("kisumu", access.Suspended)
		v.setState("kisumu", access.Active)
	}
}

// TestWorkerServesTheOthers has one node's outbox out of order: the mail of the other is made all the same.
func TestWorkerServesTheOthers(t *testing.T) {
	v := newWorking(t)
	other := nodetest.New(t, filepath.Join(filepath.Dir(v.home), "a"), "a")
	hub, err := node.OpenAll(t.Context(), v.home, node.Change, nodetest.Quiet)
	nodetest.Check(t, err)
	nodetest.Check(t, hub.AddPeer(t.Context(), other.Keys.Card(), access.Child))
	hub.Close()
	if err := os.Mkdir(filepath.Join(v.home, "outbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.home, "outbox/a"), nil, 0o600); err != nil { // no folder
		t.Fatal(err)
	}
	bad, good := v.w.ask("a", false), v.w.ask("kisumu", false)
	v.start()
	for _, j := range []*job{bad, good} {
		if !j.wait(t.Context()) {
			t.Fatal("no answer")
		}
	}
	if bad.err == nil || good.err != nil {
		t.Errorf("the bad one: %v, the good one: %v", bad.err, good.err)
	}
	if files, err := filepath.Glob(filepath.Join(v.home, "outbox/kisumu/*.omsync")); err != nil || len(files) != 1 {
		t.Errorf("mail of kisumu: %v, %v", files, err)
	}
}

// heard calls a function for each line of the log.
type heard struct {
	slog.Handler
	line func(message, peer string)
}

func (h heard) Enabled(context.Context, slog.Level) bool { return true }

func (h heard) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "peer" {
			h.line(r.Message, a.Value.String())
		}
		return true
	})
	return nil
}

// TestWorkerTakesTurns has a node send many files, and another one come when the first of them is just imported: it waits for that file
// alone.
func TestWorkerTakesTurns(t *testing.T) {
	v := newWorking(t)
	other := nodetest.New(t, filepath.Join(filepath.Dir(v.home), "migori"), "migori")
	hub, err := node.OpenAll(t.Context(), v.home, node.Change, nodetest.Quiet)
	nodetest.Check(t, err)
	nodetest.Check(t, hub.AddPeer(t.Context(), other.Keys.Card(), access.Child))
	nodetest.Check(t, other.AddPeer(t.Context(), hub.Keys.Card(), access.Parent))
	hub.Close()
	for i := range 5 {
		dbtest.Exec(t, v.clinic.DB, fmt.Sprintf("INSERT INTO site (uuid, name) VALUES ('k%d', 'ward')", i))
		v.export(v.clinic)
	}
	dbtest.Exec(t, other.DB, "INSERT INTO site (uuid, name) VALUES ('m1', 'ward')")
	file := v.export(other)
	inbox, stick := filepath.Join(v.home, "inbox"), t.TempDir()
	nodetest.Check(t, os.Rename(filepath.Join(inbox, file), filepath.Join(stick, file)))
	var mu sync.Mutex
	var order []string
	v.w.log = slog.New(heard{slog.DiscardHandler, func(message, peer string) {
		if message != "imported" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if order = append(order, peer); len(order) == 1 {
			nodetest.Check(t, os.Rename(filepath.Join(stick, file), filepath.Join(inbox, file)))
			v.w.ask("migori", true)
		}
	}})
	v.w.ask("kisumu", true)
	v.start()
	v.within(20*time.Second, "the imports", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(order) == 7
	})
	if want := []string{"kisumu", "migori", "kisumu", "kisumu", "kisumu", "kisumu", "kisumu"}; !slices.Equal(order, want) {
		t.Errorf("imported in the order %v, not %v", order, want)
	}
}

// A server looks whether its home folder and database are those that were last used together, as commands do, and knows which histories its node
// had: of a copy nothing is imported.
func TestWorkerOfACopy(t *testing.T) {
	v := newWorking(t)
	place := filepath.Join(v.home, "place.json")
	nodetest.Check(t, os.RemoveAll(place))
	run := func() error {
		t.Helper()
		defer v.w.close()
		v.w.ask("kisumu", true)
		return v.w.run(t.Context(), v.w.take(batchLimit))
	}
	n, err := v.w.current(t.Context())
	nodetest.Check(t, err)
	had := n.Journal
	nodetest.Check(t, run())
	text, err := os.ReadFile(place)
	if err != nil || len(had.Had) == 0 {
		t.Fatalf("after a run it knows of %d histories: %v", len(had.Had), err)
	}
	var p map[string]any
	nodetest.Check(t, json.Unmarshal(text, &p))
	p["home"], p["database"] = "/elsewhere", "another"
	text, err = json.Marshal(p)
	nodetest.Check(t, err)
	nodetest.Check(t, os.WriteFile(place, text, 0o600))
	dbtest.Exec(t, v.clinic.DB, "INSERT INTO site (uuid, name) VALUES ('s2', 'theatre')")
	v.export(v.clinic)
	if before := v.rows(); run() == nil || v.rows() != before {
		t.Errorf("a copy imports: %d rows, before %d", v.rows(), before)
	}
}
