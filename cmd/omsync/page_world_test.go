package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/exchange/contacts"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	nodepage "github.com/omsync/omsync/node/page"
	"github.com/omsync/omsync/node/page/accounts"
)

// pageWorld is a hub and its clinics, with all that the page has to show.
type pageWorld struct {
	t       *testing.T
	dir     string
	homes   map[string]nodepage.Command
	server  *dbtest.ServerInfo
	names   map[string]string
	address string
}

func (w *pageWorld) do(home string, args ...string) string {
	w.t.Helper()
	out, err := w.homes[home](w.t.Context(), nodepage.Doing{}, args...)
	if err != nil {
		w.t.Fatalf("omsync --home %s %s: %v\n%s", home, strings.Join(args, " "), err, out)
	}
	return out
}

func (w *pageWorld) sql(home, statement string) {
	w.t.Helper()
	dbtest.Exec(w.t, w.server.Open(w.t, w.names[home]), statement)
}

func (w *pageWorld) sync(homes ...string) {
	for _, h := range homes {
		w.do(h, "sync", "--link", "folder:"+filepath.Join(w.dir, "stick"))
	}
}

// emptyPageWorld has nodes that know nobody, and a folder that is the stick.
func emptyPageWorld(t *testing.T, names ...string) *pageWorld {
	w := &pageWorld{t: t, dir: t.TempDir(), homes: map[string]nodepage.Command{}, server: dbtest.Server(t), names: map[string]string{}}
	for _, name := range names {
		w.node(name)
	}
	if err := os.Mkdir(filepath.Join(w.dir, "stick"), 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// newPageWorld makes a hub and three clinics. kisumu made a conflict, and a row of it waits at the hub; migori, which comes each Friday, has
// not come for two weeks; siaya was never heard.
func newPageWorld(t *testing.T) *pageWorld {
	sites := []string{"hub", "kisumu", "migori", "siaya"}
	w := emptyPageWorld(t, sites...)
	w.meet("hub", "kisumu", "migori", "siaya")
	w.sql("hub", "INSERT INTO site (uuid, name) VALUES ('s1', 'Ward 3'), ('s2', 'Laboratory')")
	w.sync("hub", "kisumu", "migori", "hub", "kisumu")
	w.sql("kisumu", "UPDATE site SET name = 'Ward 3, Kisumu' WHERE uuid = 's1'")
	w.sql("kisumu", "INSERT INTO site (uuid, name) VALUES ('k1', 'Pharmacy')")
	w.sql("hub", "UPDATE site SET name = 'Ward three' WHERE uuid = 's1'")
	w.sql("hub", "INSERT INTO site (uuid, name) VALUES ('h1', 'Pharmacy')")
	w.sync("kisumu", "hub")
	w.late("migori")
	return w
}

// node makes a node that knows nobody.
func (w *pageWorld) node(name string, flags ...string) {
	w.t.Helper()
	db, dsn := w.server.Database(w.t, append(tiny(), "ALTER TABLE site ADD UNIQUE KEY (name)")...)
	home := filepath.Join(w.dir, name)
	w.names[name], w.homes[name] = db, commandsOf(home)
	w.do(name, append([]string{"init", "--node", name, "--dsn", dsn, "--profile", "none"}, flags...)...)
}

// meet makes clinics children of the hub.
func (w *pageWorld) meet(hub string, clinics ...string) {
	w.t.Helper()
	for _, name := range append(clinics, hub) {
		if err := os.WriteFile(filepath.Join(w.dir, name+".card"), []byte(w.do(name, "card")), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, name := range clinics {
		w.do(hub, "peer", "add", filepath.Join(w.dir, name+".card"), "--as", "child", "--yes")
		w.do(name, "peer", "add", filepath.Join(w.dir, hub+".card"), "--as", "parent", "--yes")
	}
}

// hub runs the server of the hub until the test ends, and returns its address.
func (w *pageWorld) hub() string {
	w.t.Helper()
	log, logged := io.Pipe()
	root := newRoot()
	root.SetArgs([]string{"--home", filepath.Join(w.dir, "hub"), "serve", "--listen", "127.0.0.1:0", "--import"})
	root.SetOut(io.Discard)
	root.SetErr(logged)
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		logged.Close()
		done <- err
	}()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Errorf("serve: %v", err)
		}
	})
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if m := regexp.MustCompile(`msg=listening .*address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, log)
			return "https://" + m[1]
		}
	}
	w.t.Fatal("the hub's server does not come up")
	return ""
}

// late has a clinic have come each Friday, and not since.
func (w *pageWorld) late(name string) {
	n, err := node.OpenAll(w.t.Context(), filepath.Join(w.dir, "hub"), node.Read, node.Listener{Say: func(string, ...any) {}, Warn: func(string, ...any) {}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer n.Close()
	p, err := journal.PeerByName(w.t.Context(), n.DB, name, false)
	if err != nil || p == nil {
		w.t.Fatal(p, err)
	}
	if err := os.RemoveAll(filepath.Join(n.Home, "contacts", name+".json")); err != nil {
		w.t.Fatal(err)
	}
	for weeks := 9; weeks >= 2; weeks-- {
		at := time.Now().AddDate(0, 0, -7*weeks)
		if err := contacts.Record(n.Home, name, p.Link.Number, contacts.File{Made: at, News: true, Bytes: int64(4000 * weeks), Rows: int64(10 * weeks)}, at); err != nil {
			w.t.Fatal(err)
		}
	}
	w.sql("hub", fmt.Sprintf("UPDATE omsync_peer SET applied_at = applied_at - %d, acked_at = acked_at - %[1]d WHERE name = '%s'", 14*24*3600*1_000_000, name))
}

// serve shows the page of a home.
func (w *pageWorld) serve(home string) *accounts.Accounts {
	w.t.Helper()
	dir := filepath.Join(w.dir, home)
	people, err := accounts.Open(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := nodepage.New(nodepage.Options{Accounts: people, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Run: commandsOf(dir),
		Open: func(ctx context.Context) (*node.Node, error) {
			return node.OpenAll(ctx, dir, node.Read, node.Listener{Say: func(string, ...any) {}, Warn: func(string, ...any) {}})
		}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
	s := httptest.NewServer(p)
	w.t.Cleanup(s.Close)
	w.address = s.URL
	return people
}
