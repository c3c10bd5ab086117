package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/page/accounts"
)

// paths are the views of the world.
func (w *world) paths() []string {
	return []string{"/", "/invitations", "/join", "/stick", "/files", "/requests", "/doctor", "/match", "/needs", "/tables", "/policies", "/sites/kisumu/tables", "/sites/kisumu/compared", "/sites/kisumu", "/waiting", "/waiting?peer=kisumu", fmt.Sprint("/waiting/", w.row), "/conflicts", "/conflicts?all=1", fmt.Sprint("/conflicts/", w.clash), "/log"}
}

// What somebody else wrote is text on each view, in one direction, and of a length.
func TestHostileTexts(t *testing.T) {
	w := newWorld(t)
	w.failed("kisumu")
	w.compared("kisumu", 3)
	nodetest.Check(t, os.WriteFile(filepath.Join(w.node.Home, "links.json"), []byte(`{"omsync_links":1,"sent":{},"links":{"folder:/<b>":{"up":"2020-01-01T00:00:00Z","down":"2020-01-01T00:00:00Z","error":"<script>alert(1)</script>\u202e"}}}`), 0o600))
	w.run = func([]string) (string, error) { return hostile, errors.New(hostile) }
	anna := w.as("anna", accounts.Operator)
	anna.post("/sites/kisumu/suspend") // its answer is shown on the next view
	w.clinic()
	w.matched(3)
	seen := 0
	for _, path := range append(w.paths(), "/sites/%3Cscript%3Ealert(1)", "/conflicts/%3Cscript%3E", "/%3Cscript%3E", "/waiting?peer=%3Cscript%3E", "/?lang=%3Cscript%3E", "/?page=-1") {
		code, body := anna.get(path)
		if code >= 500 {
			t.Errorf("%s: %d", path, code)
		}
		if i := strings.Index(body, "&lt;script&gt;"); i >= 0 {
			seen++
		}
		if m := regexp.MustCompile(`(?i)<(script|img|b)[ >]`).FindString(body); m != "" {
			t.Errorf("%s has %s", path, m)
		}
		if strings.ContainsAny(strings.ReplaceAll(body, "<pre>", ""), "\u202e\u2066\x00\x1b") {
			t.Errorf("%s has what turns a text or a terminal around", path)
		}
		if len(body) > 60_000 {
			t.Errorf("%s has %d bytes", path, len(body))
		}
	}
	if seen < 6 {
		t.Errorf("only %d views show the text: the test shows little", seen)
	}
}

// A viewer is not sent what rows hold.
func TestViewersSeeNoRows(t *testing.T) {
	w := newWorld(t)
	vera, otto := w.as("vera", accounts.Viewer), w.as("otto", accounts.Operator)
	w.compared("kisumu", 3)
	w.clinic()
	w.matched(3)
	shown := 0
	for _, path := range w.paths() {
		if _, body := vera.get(path); strings.Contains(body, "Achieng") || strings.Contains(body, "key-of-it") {
			t.Errorf("%s shows a viewer what a row holds", path)
		}
		if _, body := otto.get(path); strings.Contains(body, "Achieng") || strings.Contains(body, "key-of-it") {
			shown++
		}
	}
	if shown < 5 {
		t.Errorf("only %d views show an operator what a row holds: the test shows little", shown)
	}
}

// Each act, and each look at a row, is in the log before it happens; what cannot be written there is not done.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	w.run = func(args []string) (string, error) {
		last, err := w.accounts.Last(1)
		nodetest.Check(t, err)
		if len(last) != 1 || last[0].What != "omsync "+strings.Join(args, " ") || last[0].Who != "anna" || last[0].Result != "" || last[0].From == "" {
			t.Errorf("while %q is done the log ends with %+v", args, last)
		}
		return "", errors.New("it did not work")
	}
	anna.get(fmt.Sprint("/waiting/", w.row))
	anna.get(fmt.Sprint("/conflicts/", w.clash))
	anna.get("/conflicts")
	anna.post("/sites/kisumu/suspend")
	anna.post(fmt.Sprint("/waiting/", w.row, "/drop"), "sure", "yes", "why", "--why=x\nline")
	anna.post(fmt.Sprint("/waiting/", w.row, "/drop"), "sure", "yes", "why", strings.Repeat("\U0001F3E5", 2*maxShown)) // which row it was is there all the same
	anna.post(fmt.Sprint("/conflicts/", w.clash, "/lost"))
	entries, err := w.accounts.Last(100)
	nodetest.Check(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.What+": "+e.Result)
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{"chose a password and logged in: ", fmt.Sprintf("looked at row %d that waits: ", w.row), fmt.Sprintf("looked at conflict %d: ", w.clash), "looked at the list of conflicts: ",
		"omsync peer suspend kisumu: not done: it did not work", fmt.Sprintf("omsync quarantine drop %d --why=anna: --why=x\ufffdline: not done", w.row), fmt.Sprintf("omsync conflicts resolve %d --take=lost: not done", w.clash)} {
		if !strings.Contains(all, want) {
			t.Errorf("the log lacks %q:\n%s", want, all)
		}
	}
	before, err := os.ReadFile(w.accounts.LogPath())
	nodetest.Check(t, err)
	w.run = func([]string) (string, error) { return "", nil }
	anna.post("/sites/kisumu/resume")
	after, err := os.ReadFile(w.accounts.LogPath())
	nodetest.Check(t, err)
	if !strings.HasPrefix(string(after), string(before)) || len(after) == len(before) {
		t.Error("the log was not only appended to")
	}
	w.commands()
	nodetest.Check(t, os.Remove(w.accounts.LogPath()))
	nodetest.Check(t, os.Mkdir(w.accounts.LogPath(), 0o700))
	for _, path := range []string{fmt.Sprint("/waiting/", w.row), fmt.Sprint("/conflicts/", w.clash), "/conflicts"} {
		if code, body := anna.get(path); code != http.StatusServiceUnavailable || strings.Contains(body, "Achieng") {
			t.Errorf("%s without a log: %d", path, code)
		}
	}
	if code, _ := anna.post("/sites/kisumu/suspend"); code != http.StatusServiceUnavailable || w.commands() != "" {
		t.Errorf("an act without a log: %d", code)
	}
}

// What is gone, or is no name and no number, is not there, and no command hears of it.
func TestGone(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	for _, path := range []string{"/sites/nobody", "/waiting/999999", "/waiting/x", "/waiting/0", "/conflicts/999999", "/conflicts/-1", "/conflicts/18446744073709551616", "/nothing", "/waiting?peer=nobody"} {
		if code, _ := anna.get(path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	for path, form := range map[string][]string{"/sites/nobody/suspend": nil, "/sites/--yes/suspend": nil, "/waiting/retry": {"id", "--peer=kisumu"}, "/waiting/retry?": {"peer", "--dropped"}, "/waiting/x/drop": {"sure", "yes"},
		"/conflicts/1/burn": nil, "/conflicts/x/kept": nil} {
		if code, _ := anna.post(path, form...); code != http.StatusNotFound || w.commands() != "" {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _ := anna.post(fmt.Sprint("/waiting/", w.row, "/drop")); code != http.StatusUnprocessableEntity || w.commands() != "" {
		t.Errorf("a drop that nobody is sure of: %d", code)
	}
	if code, _ := anna.post("/sites/kisumu/suspend", "x", strings.Repeat("x", 2*maxBody)); code == http.StatusSeeOther {
		anna.get("/") // a body that no act reads does no harm
	}
	w.commands()
	if code, _ := anna.post("/waiting/retry", "id", strings.Repeat("1", 2*maxBody)); code != http.StatusRequestEntityTooLarge || w.commands() != "" {
		t.Errorf("a form that is too long: %d", code)
	}
	w.run = func([]string) (string, error) {
		return "omsync: there is no conflict 7\nhint: x", errors.New("there is no conflict 7")
	}
	if code, _ := anna.post(fmt.Sprint("/conflicts/", w.clash, "/kept")); code != http.StatusSeeOther {
		t.Errorf("an act on what another has settled: %d", code)
	}
	if _, body := anna.get(fmt.Sprint("/conflicts/", w.clash)); !strings.Contains(body, "Not done") || !strings.Contains(body, "there is no conflict 7") {
		t.Errorf("and what is said of it:\n%s", body)
	}
	w.run = func([]string) (string, error) { return "", node.ErrLocked }
	anna.post("/sites/kisumu/suspend")
	if _, body := anna.get("/sites/kisumu"); !strings.Contains(body, "Another run is at work") {
		t.Errorf("while another run is at work:\n%s", body)
	}
}

// While the database is away the page says so, tells strangers nothing, and goes on when it is back.
func TestDatabaseAway(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	away := func(err error) {
		w.mu.Lock()
		w.away = err
		w.mu.Unlock()
		w.page.source.close()
		w.page.source.changed()
	}
	away(errors.New("connection refused <b>"))
	for _, path := range w.paths() {
		if path == "/log" || path == "/join" || path == "/doctor" {
			continue
		}
		if code, body := anna.get(path); code != http.StatusServiceUnavailable || !strings.Contains(body, "connection refused") || strings.Contains(body, "<b>") {
			t.Errorf("%s: %d\n%s", path, code, body)
		}
	}
	if code, body := w.nobody().get("/login"); code != http.StatusOK || strings.Contains(body, "refused") {
		t.Errorf("the login: %d", code)
	}
	away(nil)
	if code, _ := anna.get("/"); code != http.StatusOK {
		t.Errorf("afterwards: %d", code)
	}
	w.page.source.mu.RLock()
	w.page.source.node.DB.Close() // the connection is lost while the node is open
	w.page.source.mu.RUnlock()
	w.page.source.changed()
	if code, _ := anna.get("/"); code != http.StatusServiceUnavailable {
		t.Errorf("with a connection that is lost: %d", code)
	}
	if code, _ := anna.get("/"); code != http.StatusOK {
		t.Errorf("with a new one: %d", code)
	}
}

// The page speaks the browser's language, or the one that was chosen.
func TestLanguages(t *testing.T) {
	w := newWorld(t)
	vera := w.as("vera", accounts.Viewer)
	for wanted, want := range map[string]string{"fr-CD": "Comment ça va", "pt": "Como está a correr", "es-419,en": "Cómo va", "sw": "How it is going"} {
		if _, body, _ := vera.do(http.MethodGet, "/", nil, "Accept-Language", wanted); !strings.Contains(body, want) {
			t.Errorf("%s: no %q", wanted, want)
		}
	}
	vera.get("/?lang=fr")
	if _, body, _ := vera.do(http.MethodGet, "/", nil, "Accept-Language", "es"); !strings.Contains(body, "Comment ça va") || !strings.Contains(body, `<html lang="fr">`) {
		t.Error("the language that was chosen is forgotten")
	}
}

// A sync goes on when who started it is gone, one at a time, is told of when it ends, and ends with the page.
func TestSync(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	began, ended := make(chan struct{}), make(chan struct{})
	w.page.acts.run = func(ctx context.Context, _ Doing, args ...string) (string, error) {
		if args[0] != "sync" {
			return "", nil
		}
		close(began)
		<-ctx.Done()
		close(ended)
		return "sent <b>", ctx.Err()
	}
	w.linked()
	if code, _ := anna.post("/sync"); code != http.StatusSeeOther {
		t.Fatalf("start: %d", code)
	}
	<-began
	anna.watch("/", "A sync runs since", "disabled", "Look again")
	for _, path := range []string{"/sync", "/sites/kisumu/suspend"} {
		anna.post(path)
		anna.watch("/", "Another run is at work")
	}
	select {
	case <-ended:
		t.Error("it ended with the request")
	default:
	}
	w.page.Close()
	<-ended
	if _, body := anna.get("/"); !strings.Contains(body, "has something to say") || !strings.Contains(body, "sent &lt;b&gt;") {
		t.Errorf("after it ended:\n%s", body)
	}
	entries, err := w.accounts.Last(10)
	nodetest.Check(t, err)
	if !strings.Contains(fmt.Sprint(entries), "context canceled") {
		t.Errorf("the log: %v", entries)
	}
}

// linked gives the node a link, so that there is something to sync over.
func (w *world) linked() { w.link("folder:/nowhere") }

func (w *world) link(url string) {
	path := filepath.Join(w.node.Home, "omsync.toml")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	nodetest.Check(w.t, err)
	_, err = fmt.Fprintf(f, "\n[[link]]\nurl = %q\n", url)
	nodetest.Check(w.t, errors.Join(err, f.Close()))
}

// failed puts a file of a peer into the inbox that cannot be applied, and returns its name.
func (w *world) failed(peer string) string {
	w.t.Helper()
	record, err := attempts.Read(w.node.Home)
	nodetest.Check(w.t, err)
	inbox := filepath.Join(w.node.Home, "inbox")
	nodetest.Check(w.t, os.MkdirAll(inbox, 0o700))
	name := peer + "-to-hub-<b>\u202e.omsync"
	nodetest.Check(w.t, os.WriteFile(filepath.Join(inbox, name), []byte("no batch"), 0o600))
	nodetest.Check(w.t, record.Begin(name, 8, peer, time.Now()))
	record.Failed(name, hostile+strings.Repeat("long ", 500))
	nodetest.Check(w.t, record.Save())
	return name
}

// asks has a child ask for a patient, where a person is to answer.
func (w *world) asks(peer, key string) {
	w.t.Helper()
	nodetest.Check(w.t, os.WriteFile(filepath.Join(w.node.Home, "own.toml"), []byte("[owner]\ntable = \"site\"\n"), 0o600))
	c := *w.node.Config
	c.ProfileFile = "own.toml"
	nodetest.Check(w.t, c.Write())
	dbtest.Exec(w.t, w.node.DB, fmt.Sprintf("INSERT INTO omsync_scope_peer (peer_id, own, since, approve, whole) SELECT id, 1, 1, 1, 0 FROM omsync_peer WHERE name = '%s'", peer))
	dbtest.Exec(w.t, w.node.DB, fmt.Sprintf("INSERT INTO omsync_scope (peer_id, owner_key, since, told, gone, denied, changed, asked, rule, purging) SELECT id, %s, 0, 0, 0, 0, 1, 1, 0, 0 FROM omsync_peer WHERE name = '%s'", quoted(key), peer))
}
