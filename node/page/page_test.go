package page

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/page/accounts"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const password = "a sentence of mine"

// world is a page of a hub with two clinics, and what its commands were asked.
type world struct {
	t        testing.TB
	node     *node.Node
	server   *httptest.Server
	page     *Page
	accounts *accounts.Accounts

	mu    sync.Mutex
	ran   []string
	run   func(args []string) (string, error)
	long  func(d Doing, args []string) (string, error) // in place of run, while others go on; nil: run
	away  error                                        // of the database
	row   uint64
	clash uint64 // a conflict
}

// hostile is what somebody else may have written.
const hostile = `<script>alert(1)</script>"'><img src=x onerror=y>` + "\u202egnorw\u2066\x00\x1b[2J"

// newWorld makes a page. Its node has a row that waits and a conflict, which hold the hostile text.
func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, run: func([]string) (string, error) { return "it was done", nil }}
	w.node = nodetest.New(t, filepath.Join(t.TempDir(), "hub"), "hub")
	for _, name := range []string{"kisumu", "migori"} {
		k, err := keys.Create(t.TempDir(), name, keys.X25519)
		nodetest.Check(t, err)
		nodetest.Check(t, w.node.AddPeer(ctx, k.Card(), access.Child))
	}
	peers, err := journal.Peers(ctx, w.node.DB)
	nodetest.Check(t, err)
	value, now := "Achieng "+hostile, time.Now().UnixMicro()
	_, err = journal.PutWaiting(ctx, w.node.DB, []journal.WaitingRow{{Peer: peers[0].ID, Table: w.node.Journal.Tables["site"].ID, Key: "key-of-it",
		Waiting: merge.Waiting{Incoming: merge.Incoming{Alive: true}}, Content: journal.Content{"name" + hostile: {Text: &value}, "uuid": {}},
		Reason: journal.Reason{Code: journal.WaitsForValue, Text: "too long " + hostile}, Since: now, Tried: now}})
	nodetest.Check(t, err)
	nodetest.Check(t, w.node.DB.QueryRow("SELECT id FROM omsync_waiting").Scan(&w.row))
	dbtest.Exec(t, w.node.DB, fmt.Sprintf("INSERT INTO omsync_conflict (digest, table_name, row_key, column_name, value, loser_time, loser_author, winner_time, winner_author, recorded_at, epoch, origin) "+
		"VALUES (REPEAT('d', 16), 'site', 'key-of-it', 'name', _binary %s, %d, %s, %d, 'hub', %d, 1, 1)", quoted(value), now, quoted(hostile[:20]), now, now))
	nodetest.Check(t, w.node.DB.QueryRow("SELECT id FROM omsync_conflict").Scan(&w.clash))
	w.accounts, err = accounts.Open(w.node.Home)
	nodetest.Check(t, err)
	w.page, err = New(Options{Accounts: w.accounts, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Open: func(ctx context.Context) (*node.Node, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.away != nil {
				return nil, w.away
			}
			return node.OpenAll(ctx, w.node.Home, node.Read, nodetest.Quiet)
		},
		Run: func(_ context.Context, d Doing, args ...string) (string, error) {
			w.mu.Lock()
			said := strings.Join(args, " ")
			if d.Input != "" {
				said += " < " + d.Input
			}
			w.ran = append(w.ran, said)
			long := w.long
			w.mu.Unlock()
			if long != nil {
				return long(d, args)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.run(args)
		}})
	nodetest.Check(t, err)
	t.Cleanup(w.page.Close)
	w.server = httptest.NewServer(w.page)
	t.Cleanup(w.server.Close)
	return w
}

func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(s) + "'"
}

// commands returns what was asked of commands since the last call.
func (w *world) commands() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := strings.Join(w.ran, "; ")
	w.ran = nil
	return out
}

// Each route lets in who may, and nobody else. The table is written down once more here: a route that it lacks is a fault.
func TestRoles(t *testing.T) {
	w := newWorld(t)
	least := map[string]accounts.Role{ // "": everybody
		"GET /style.css": "", "GET /login": "", "POST /login": "", "POST /logout": "", "GET /first/{token}": "", "POST /first/{token}": "",
		"GET /{$}": accounts.Viewer, "GET /sites/{name}": accounts.Viewer, "GET /waiting": accounts.Viewer, "GET /conflicts": accounts.Viewer,
		"POST /sites/{name}/suspend": accounts.Operator, "POST /sites/{name}/resume": accounts.Operator, "POST /sync": accounts.Operator,
		"GET /waiting/{id}": accounts.Operator, "POST /waiting/retry": accounts.Operator, "POST /waiting/{id}/drop": accounts.Operator,
		"GET /conflicts/{id}": accounts.Operator, "POST /conflicts/{id}/{how}": accounts.Operator, "GET /log": accounts.Operator,
		"GET /sites/{name}/tables": accounts.Viewer, "POST /sites/{name}/tables/look": accounts.Operator, "POST /sites/{name}/tables/set": accounts.Operator,
		"GET /invitations": accounts.Viewer, "POST /invitations": accounts.Operator, "POST /invitations/{name}/revoke": accounts.Operator,
		"GET /join": accounts.Operator, "POST /join": accounts.Operator, "GET /stick": accounts.Viewer, "POST /stick/{how}": accounts.Operator,
		"GET /files": accounts.Viewer, "POST /files/{how}": accounts.Operator, "POST /files/{name}/accept": accounts.Operator,
		"GET /requests": accounts.Operator, "POST /requests/{how}": accounts.Operator, "GET /doctor": accounts.Operator, "POST /doctor": accounts.Operator,
		"GET /needs": accounts.Viewer, "GET /needs.txt": accounts.Viewer,
		"GET /tables": accounts.Viewer, "POST /tables/look": accounts.Operator, "POST /tables/set": accounts.Operator,
		"GET /policies": accounts.Viewer, "POST /policies/set": accounts.Operator, "POST /policies/remove": accounts.Operator,
		"GET /match": accounts.Operator, "POST /match/read": accounts.Operator, "POST /match/decide": accounts.Operator,
		"GET /sites/{name}/compared": accounts.Viewer, "POST /sites/{name}/compared/again": accounts.Operator, "POST /sites/{name}/compared/repair": accounts.Operator,
	}
	w.asks("kisumu", "p-1")
	w.policy("site", "parent")
	w.linked()
	file := w.failed("kisumu")
	hows := map[string]string{"/conflicts/{id}/{how}": "kept", "/stick/{how}": "copy", "/files/{how}": "retry", "/requests/{how}": "approve"}
	form := url.Values{"id": {fmt.Sprint(w.row)}, "sure": {"yes"}, "name": {"siaya"}, "address": {"https://hub.example.org"}, "token": {"omsync-x"}, "table": {"site"}, "direction": {"up"}, "policy": {"child"}, "rule": {"site"}, "stick": {"folder:/nowhere"},
		"file": {fileNumber(file)}, "peer": {"kisumu"}, "key": {"p-1"}, "mark": {w.compared("kisumu", 1)}, "part": {"proposed"}, "say-0": {"same"}}
	w.clinic()
	people := map[accounts.Role]*person{"": w.nobody(), accounts.Viewer: w.as("vera", accounts.Viewer), accounts.Operator: w.as("otto", accounts.Operator)}
	rank := map[accounts.Role]int{"": 0, accounts.Viewer: 1, accounts.Operator: 2}
	for _, r := range w.page.routes() {
		name := r.method + " " + r.path
		need, ok := least[name]
		if !ok {
			t.Errorf("%s is not in the table", name)
			continue
		}
		delete(least, name)
		if name == "POST /logout" {
			continue // would end what the others need
		}
		path := strings.NewReplacer("{$}", "", "{name}", "kisumu", "{id}", fmt.Sprint(w.row), "{how}", hows[r.path], "{token}", "none").Replace(r.path)
		if strings.HasPrefix(r.path, "/conflicts/") {
			path = strings.Replace(path, fmt.Sprint("/", w.row), fmt.Sprint("/", w.clash), 1)
		}
		for role, p := range people {
			w.commands()
			if r.path == "/match/decide" {
				form.Set("mark", w.matched(1))
			}
			code, body, h := p.do(r.method, path, form)
			w.page.acts.wait() // an act that takes long has ended
			closed := code == http.StatusForbidden || code == http.StatusUnauthorized && r.path != "/login" || code == http.StatusSeeOther && h.Get("Location") == "/login"
			if closed != (rank[role] < rank[need]) {
				t.Errorf("%s as %q: %d, which is closed: %t\n%.300s", name, role, code, closed, body)
			}
			ran := w.commands()
			if closed && ran != "" {
				t.Errorf("%s as %q: %q was done", name, role, ran)
			}
			if acts := r.right == accounts.Act && r.method == http.MethodPost; acts && !closed && ran == "" {
				t.Errorf("%s as %q: nothing was done", name, role)
			}
		}
	}
	for name := range least {
		t.Errorf("%s is no route", name)
	}
}

// Who is let in by a session that has ended, was made up, or is of somebody who is gone? Nobody.
func TestSessions(t *testing.T) {
	w := newWorld(t)
	base, err := url.Parse(w.server.URL)
	nodetest.Check(t, err)
	closed := func(p *person, what string) {
		t.Helper()
		if code, _, h := p.do(http.MethodGet, "/", nil); code != http.StatusSeeOther || h.Get("Location") != "/login" {
			t.Errorf("%s: %d", what, code)
		}
		if code, _ := p.post("/sites/kisumu/suspend"); code != http.StatusUnauthorized || w.commands() != "" {
			t.Errorf("%s: an act: %d", what, code)
		}
	}
	stolen := func(from *person) *person {
		thief := w.nobody()
		thief.client.Jar.SetCookies(base, from.client.Jar.Cookies(base))
		return thief
	}
	anna := w.as("anna", accounts.Operator)
	thief := stolen(anna)
	if code, _ := thief.get("/"); code != http.StatusOK {
		t.Fatalf("the copy of a session does not work at all: %d", code)
	}
	anna.post("/logout")
	closed(anna, "after the end")
	closed(thief, "a copy, after the end")

	forger := w.nobody()
	forger.client.Jar.SetCookies(base, []*http.Cookie{{Name: "omsync", Value: strings.Repeat("A", 43)}})
	closed(forger, "a session that was made up")

	planted := w.nobody() // a thief gives somebody a session before they log in
	before := planted.client.Jar.Cookies(base)
	if code, _ := planted.post("/login", "name", "anna", "password", password); code != http.StatusSeeOther {
		t.Fatalf("log in again: %d", code)
	}
	for _, c := range planted.client.Jar.Cookies(base) {
		for _, b := range before {
			if c.Name == "omsync" && c.Value == b.Value {
				t.Error("a session of before the login goes on")
			}
		}
	}
	if _, err := w.accounts.Reset("anna"); err != nil {
		t.Fatal(err)
	}
	closed(planted, "after a new link")

	berta := w.as("berta", accounts.Operator)
	nodetest.Check(t, w.accounts.SetRole("berta", accounts.Viewer))
	if code, _ := berta.post("/sites/kisumu/suspend"); code != http.StatusForbidden || w.commands() != "" {
		t.Errorf("after the role was taken away: %d", code)
	}
	nodetest.Check(t, w.accounts.Remove("berta"))
	closed(berta, "after the account was taken away")
	if _, err := w.accounts.Add("berta", accounts.Operator); err != nil {
		t.Fatal(err)
	}
	closed(berta, "after another account got the name")
}

// What another site's page has a browser send is refused.
func TestFromElsewhere(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example.org"}, {"Origin", "null"}} {
		code, _, h := anna.do(http.MethodPost, "/sites/kisumu/suspend", nil, headers...)
		if code != http.StatusForbidden || w.commands() != "" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%v: %d", headers, code)
		}
	}
	if code, _, _ := anna.do(http.MethodPost, "/sites/kisumu/suspend", nil, "Sec-Fetch-Site", "same-origin", "Origin", w.server.URL); code != http.StatusSeeOther || w.commands() != "peer suspend kisumu" {
		t.Errorf("from the page itself: %d", code)
	}
	if code, _ := anna.get("/sites/kisumu/suspend"); code == http.StatusSeeOther || w.commands() != "" {
		t.Errorf("by a link: %d", code)
	}
	for _, path := range []string{"/", "/login", "/style.css", "/nothing", "/waiting", "/conflicts/1"} {
		_, _, h := anna.do(http.MethodGet, path, nil)
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
	for _, c := range anna.client.Jar.Cookies(must(url.Parse(w.server.URL))) {
		if c.Name == "omsync" && c.Value == "" {
			t.Error("no session")
		}
	}
	_, _, h := w.nobody().do(http.MethodPost, "/login", url.Values{"name": {"anna"}, "password": {password}})
	if c := h.Get("Set-Cookie"); !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Strict") {
		t.Errorf("the cookie: %s", c)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Guessing is slow, says nothing of which names there are, and does not lock out who knows.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	w.as("anna", accounts.Operator)
	_, wrong := w.nobody().post("/login", "name", "anna", "password", "wrong wrong wrong")
	_, none := w.nobody().post("/login", "name", "nobody", "password", "wrong wrong wrong")
	if wrong != none || !strings.Contains(wrong, "The name or the password is wrong.") {
		t.Errorf("%s\n%s", wrong, none)
	}
	code := 0
	for range burstOfOne + 2 {
		code, _ = w.nobody().post("/login", "name", "anna", "password", "wrong wrong wrong")
	}
	if code != http.StatusTooManyRequests {
		t.Errorf("after many: %d", code)
	}
	if code, _ := w.nobody().post("/login", "name", "anna", "password", password); code != http.StatusTooManyRequests {
		t.Errorf("the right one after many wrong ones: %d", code)
	}
}

// A link sets a password once.
func TestFirst(t *testing.T) {
	w := newWorld(t)
	token, err := w.accounts.Add("anna", accounts.Viewer)
	nodetest.Check(t, err)
	p := w.nobody()
	if code, body := p.get("/first/" + token); code != http.StatusOK || !strings.Contains(body, "anna") {
		t.Errorf("the form: %d", code)
	}
	if code, body := p.post("/first/"+token, "password", "short", "again", "short"); code != http.StatusUnprocessableEntity || !strings.Contains(body, "at least 10 characters") {
		t.Errorf("a short one: %d", code)
	}
	if code, body := p.post("/first/"+token, "password", password, "again", "another one"); code != http.StatusUnprocessableEntity || !strings.Contains(body, "not the same") {
		t.Errorf("two different ones: %d", code)
	}
	if code, _ := p.post("/first/"+token, "password", password, "again", password); code != http.StatusSeeOther {
		t.Errorf("a good one: %d", code)
	}
	if code, _ := w.nobody().post("/first/"+token, "password", password, "again", password); code != http.StatusNotFound {
		t.Errorf("the link once more: %d", code)
	}
	if code, _ := w.nobody().get("/first/" + strings.Repeat("0", len(token))); code != http.StatusNotFound {
		t.Errorf("a link that was made up: %d", code)
	}
}
