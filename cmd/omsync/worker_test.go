package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/dbtest"
)

// working is a hub with its worker, and a clinic's first batch.
type working struct {
	t          *testing.T
	home, file string
	rows       func() int // in the hub's database
	w          *worker
}

func newWorking(t *testing.T) *working {
	t.Helper()
	server := dbtest.Server(t)
	dir := t.TempDir()
	v := &working{t: t, home: filepath.Join(dir, "hub")}
	clinic, stick := filepath.Join(dir, "kisumu"), filepath.Join(dir, "stick")
	hubDB, hubDSN := server.Database(t, tiny()...)
	clinicDB, clinicDSN := server.Database(t, tiny()...)
	dbtest.Exec(t, server.Open(t, clinicDB), "INSERT INTO site (uuid, name) VALUES ('s1', 'ward')")
	for _, n := range []struct{ home, name, dsn string }{{v.home, "hub", hubDSN}, {clinic, "kisumu", clinicDSN}} {
		v.run("--home", n.home, "init", "--node", n.name, "--dsn", n.dsn)
		card := v.run("--home", n.home, "card")
		if err := os.WriteFile(filepath.Join(dir, n.name+".card"), card, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v.run("--home", v.home, "peer", "add", filepath.Join(dir, "kisumu.card"), "--as", "child", "--yes")
	v.run("--home", clinic, "peer", "add", filepath.Join(dir, "hub.card"), "--as", "parent", "--yes")
	v.run("--home", clinic, "export", "--to", stick)
	files, err := filepath.Glob(filepath.Join(stick, "*.omsync"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	v.file = filepath.Base(files[0])
	inbox, err := exchange.Inbox(v.home)
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close()
	if err := os.Rename(files[0], filepath.Join(inbox.Path(), v.file)); err != nil {
		t.Fatal(err)
	}
	db := server.Open(t, hubDB)
	v.rows = func() (n int) {
		t.Helper()
		if err := db.QueryRow("SELECT COUNT(*) FROM site").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	root := newRoot()
	root.SetContext(t.Context())
	root.SetErr(io.Discard)
	v.w = newWorker(&global{home: v.home}, root, slog.New(slog.DiscardHandler))
	return v
}

func (v *working) run(args ...string) []byte {
	v.t.Helper()
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	if err := root.ExecuteContext(v.t.Context()); err != nil {
		v.t.Fatalf("%v: %v\n%s", args, err, errs.String())
	}
	return out.Bytes()
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
	held, err := lock(v.home)
	if err != nil {
		t.Fatal(err)
	}
	v.start()
	r, err := v.w.arrived(t.Context(), "kisumu", v.file)
	if err != nil || r.Outcome != "stored" || r.Why == "" {
		t.Fatalf("while the lock is held: %+v, %v", r, err)
	}
	held.Close()
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
		v.run("--home", v.home, "peer", "suspend", "kisumu")
		v.run("--home", v.home, "peer", "resume", "kisumu")
	}
}

// TestWorkerServesTheOthers has one node's outbox out of order: the mail of the other is made all the same.
func TestWorkerServesTheOthers(t *testing.T) {
	v := newWorking(t)
	dir := filepath.Dir(v.home)
	_, dsn := dbtest.Server(t).Database(t, tiny()...)
	v.run("--home", filepath.Join(dir, "a"), "init", "--node", "a", "--dsn", dsn)
	card := filepath.Join(dir, "a.card")
	if err := os.WriteFile(card, v.run("--home", filepath.Join(dir, "a"), "card"), 0o600); err != nil {
		t.Fatal(err)
	}
	v.run("--home", v.home, "peer", "add", card, "--as", "child", "--yes")
	if err := os.Mkdir(filepath.Join(v.home, "outbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.home, "outbox/a"), nil, 0o600); err != nil { // no folder
		t.Fatal(err)
	}
	bad, good := v.w.ask("a", false), v.w.ask("kisumu", false)
	v.start()
	for _, j := range []*job{bad, good} {
		if !v.w.wait(t.Context(), j) {
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
