package page

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	qr "github.com/piglig/go-qr"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/exchange/contacts"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node/page/accounts"
)

const token = "omsync-AQEcI5TJkYx0aKxQ7zVf9p2Zk3mB1wq8sLr4Nn0uTtYyEeHhGgDdAaSsCcVvBbNnMm-_0123456789abcdefghijklmnopqrstuvwxyzABCD"

// An invitation is a sheet with the token, the figures and a code that a camera reads, once; no log, and no session, has the token.
func TestInvitation(t *testing.T) {
	w := newWorld(t)
	w.run = func([]string) (string, error) {
		return "omsync: warning: something\n{\"node\":\"siaya\",\"hub\":\"hub\",\"url\":\"https://hub.example.org:8443\",\"expires\":\"2026-12-01T10:00:00Z\",\"fingerprint\":\"01234-56789-11111\",\"token\":\"" + token + "\"}\n", nil
	}
	anna := w.as("anna", accounts.Operator)
	code, body := anna.post("/invitations", "name", "siaya", "address", " https://hub.example.org:8443/ ", "valid", "30d")
	if ran := w.commands(); code != http.StatusOK || ran != "invite siaya --json --valid=30d --url=https://hub.example.org:8443" {
		t.Fatalf("%d, %q", code, ran)
	}
	for _, want := range []string{token, "<span>01234</span> <span>56789</span> <span>11111</span>", "https://hub.example.org:8443"} {
		if !strings.Contains(body, want) {
			t.Errorf("the sheet lacks %q", want)
		}
	}
	if text, err := qr.Decode(picture(t, body)); err != nil || text != "omsync join https://hub.example.org:8443 --token "+token {
		t.Errorf("a camera reads %q, %v", text, err)
	}
	log, err := os.ReadFile(w.accounts.LogPath())
	nodetest.Check(t, err)
	if strings.Contains(string(log), token) {
		t.Error("the log has the token")
	}
	for _, path := range w.paths() {
		if _, body := anna.get(path); strings.Contains(body, token) {
			t.Errorf("%s shows the token again", path)
		}
	}
	for _, form := range [][]string{{"name", "--revoke", "address", "https://x"}, {"name", "Siaya", "address", "https://x"}, {"name", "siaya"}, {"name", "siaya", "address", "javascript:alert(1)"}, {"name", "siaya", "address", "https://x y"},
		{"name", "siaya", "address", "https://x/'$(reboot)"}, {"name", "siaya", "address", "https://u:p@x"}, {"name", "siaya", "address", "https://" + strings.Repeat("x", 200)}, {"name", "siaya", "address", "https://x", "valid", "--list"}} {
		if code, _ := anna.post("/invitations", form...); code < 400 || code >= 500 || w.commands() != "" {
			t.Errorf("%q: %d", form, code)
		}
	}
	w.run = func([]string) (string, error) {
		return "omsync: 1000 invitations are open already", errors.New("1000 are open")
	}
	anna.post("/invitations", "name", "siaya", "address", "https://x")
	if _, body := anna.get("/invitations"); !strings.Contains(body, "1000 invitations are open already") {
		t.Error("nobody is told why there is no invitation")
	}
}

// picture draws the code that a sheet holds.
func picture(t *testing.T, body string) image.Image {
	t.Helper()
	size := regexp.MustCompile(`class="code" viewBox="0 0 (\d+) `).FindStringSubmatch(body)
	path := regexp.MustCompile(`class="black" d="([^"]*)"`).FindStringSubmatch(body)
	if size == nil || path == nil {
		t.Fatal("there is no code")
	}
	n, err := strconv.Atoi(size[1])
	nodetest.Check(t, err)
	const scale = 4
	m := image.NewGray(image.Rect(0, 0, n*scale, n*scale))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	for _, bar := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(path[1], -1) {
		x, _ := strconv.Atoi(bar[1])
		y, _ := strconv.Atoi(bar[2])
		width, _ := strconv.Atoi(bar[3])
		for i := x * scale; i < (x+width)*scale; i++ {
			for j := y * scale; j < (y+1)*scale; j++ {
				m.SetGray(i, j, color.Gray{})
			}
		}
	}
	return m
}

// A clinic joins by what stands on the sheet; the token goes by standard input, and nowhere else.
func TestJoin(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	if code, _ := anna.post("/join", "address", "https://hub.example.org:8443", "token", " "+token+"\n"); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	if ran := w.commands(); ran != "join https://hub.example.org:8443 --token - --yes < "+token+"\n" {
		t.Errorf("%q", ran)
	}
	log, err := os.ReadFile(w.accounts.LogPath())
	nodetest.Check(t, err)
	if strings.Contains(string(log), token) || !strings.Contains(string(log), "join https://hub.example.org:8443 --token - --yes") {
		t.Errorf("the log:\n%s", log)
	}
	for _, form := range [][]string{{"address", "https://x"}, {"address", "--open", "token", token}, {"address", "https://x", "token", "a\nb"}, {"address", "https://x", "token", strings.Repeat("x", maxToken+1)}} {
		if code, _ := anna.post("/join", form...); code != http.StatusUnprocessableEntity || w.commands() != "" {
			t.Errorf("%q: %d", form, code)
		}
	}
}

// Only a stick that is offered is used. How far it is, is shown; in the end, whether it may be pulled out.
func TestStick(t *testing.T) {
	w := newWorld(t)
	folder := t.TempDir()
	w.link("folder:" + folder)
	anna := w.as("anna", accounts.Operator)
	under, end := make(chan struct{}), make(chan error)
	w.long = func(d Doing, args []string) (string, error) {
		if args[0] == "export" {
			return "kisumu: made\n", nil
		}
		d.Progress("to kisumu", true, 3<<20, 12<<20)
		under <- struct{}{}
		return "sent\n", <-end
	}
	if code, _ := anna.post("/stick/copy", "stick", "folder:"+folder); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	<-under
	body := anna.watch("/stick", "Leave the stick where it is.", "to kisumu", "3.0 MiB / 12.0 MiB", `<progress max="12582912" value="3145728"`)
	if strings.Contains(body, "pull the stick out") {
		t.Error("it may be pulled out before its time")
	}
	ended := make(chan string)
	go func() { ended <- anna.watch("/stick", "3.0 MiB / 12.0 MiB", "You may pull the stick out now.") }()
	time.Sleep(50 * time.Millisecond)
	end <- nil
	<-ended
	w.page.acts.wait()
	if ran := w.commands(); ran != "export; push --link=folder:"+folder {
		t.Errorf("%q", ran)
	}
	if _, body := anna.get("/stick"); !strings.Contains(body, "You may pull the stick out now.") {
		t.Error("afterwards it may not be pulled out")
	}
	if code, _ := anna.post("/stick/copy", "stick", "folder:"+folder); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	<-under
	end <- errors.New("no space left on device")
	w.page.acts.wait()
	if _, body := anna.get("/stick"); !strings.Contains(body, "Not all was copied") || strings.Contains(body, "pull the stick out") {
		t.Error("a copy that failed looks well")
	}
	w.commands()
	for _, form := range [][]string{{"/stick/copy"}, {"/stick/copy", "stick", "folder:/etc"}, {"/stick/burn", "stick", "folder:" + folder}, {"/stick/sync", "stick", "folder:" + folder}} {
		if code, _ := anna.post(form[0], form[1:]...); code != http.StatusNotFound || w.commands() != "" {
			t.Errorf("%q: %d", form, code)
		}
	}
}

// What a change of tables would do is said before it is done; the names are those that there are.
func TestTables(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	w.run = func([]string) (string, error) {
		return `{"changes":[{"peer":"kisumu","table":"site","before":"both","after":"up","stays":1234}],"cuts":[{"peer":"kisumu","table":"item","column":"site_id","to":"site","rows":7,"at":"kisumu"}],"dry_run":true}`, nil
	}
	code, body := anna.post("/sites/kisumu/tables/look", "table", "site", "direction", "up")
	if ran := w.commands(); code != http.StatusOK || ran != "tables set site=up --peer=kisumu --dry-run --json" {
		t.Fatalf("%d, %q", code, ran)
	}
	for _, want := range []string{"both ways → <strong>up only", "keeps what it has: 1,234 rows", "<bdi>item.site_id</bdi> → <bdi>site</bdi>: 7 rows", `name="table" value="site"`, `name="direction" value="up"`} {
		if !strings.Contains(strings.ReplaceAll(body, "</bdi>.<bdi>", "."), want) {
			t.Errorf("it does not say %q:\n%s", want, body)
		}
	}
	if _, body := anna.post("/sites/kisumu/tables/look", "preset", "collect"); !strings.Contains(body, `name="preset" value="collect"`) || w.commands() != "tables preset collect --peer=kisumu --dry-run --json" {
		t.Error("a preset")
	}
	anna.post("/sites/kisumu/tables/set", "table", "site", "direction", "default")
	if ran := w.commands(); ran != "tables set site=default --peer=kisumu" {
		t.Errorf("%q", ran)
	}
	for _, form := range [][]string{{"table", "site"}, {"table", "--peer", "direction", "up"}, {"table", "site", "direction", "sideways"}, {"preset", "--yes"}, {"table", "omsync_peer", "direction", "up"}} {
		for _, path := range []string{"/sites/kisumu/tables/look", "/sites/kisumu/tables/set"} {
			if code, _ := anna.post(path, form...); code != http.StatusNotFound || w.commands() != "" {
				t.Errorf("%s %q: %d", path, form, code)
			}
		}
	}
	if code, _ := anna.get("/sites/nobody/tables"); code != http.StatusNotFound {
		t.Errorf("of nobody: %d", code)
	}
	w.run = func([]string) (string, error) { return "omsync: it does not travel", errors.New("no") }
	if _, body := anna.post("/sites/kisumu/tables/look", "table", "site", "direction", "up"); !strings.Contains(body, "it does not travel") || strings.Contains(body, "/tables/set") {
		t.Error("what cannot be had")
	}
}

// Deletions that wait go through when somebody is sure, and files that failed are tried again or thrown away: those that are there.
func TestFiles(t *testing.T) {
	w := newWorld(t)
	failed := w.failed("kisumu")
	record, err := attempts.Read(w.node.Home)
	nodetest.Check(t, err)
	const waits = "migori-to-hub-1.omsync"
	size := w.file(waits, "migori")
	nodetest.Check(t, record.Begin(waits, size, "migori", time.Now()))
	record.Asks(waits, "it deletes much", []attempts.Deletions{{Table: "obs", Rows: 812, Of: 4000, Since: 1}})
	nodetest.Check(t, record.Save())
	anna := w.as("anna", accounts.Operator)
	_, body := anna.get("/files")
	for _, want := range []string{"812 of 4,000 rows", "Let these deletions through", `action="/files/migori/accept"`, "it failed 1 time"} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %q:\n%s", want, body)
		}
	}
	if code, _ := anna.post("/files/migori/accept"); code != http.StatusUnprocessableEntity || w.commands() != "" {
		t.Errorf("nobody is sure: %d", code)
	}
	anna.post("/files/migori/accept", "sure", "yes")
	anna.post("/files/retry", "file", fileNumber(failed))
	anna.post("/files/drop", "file", fileNumber(failed))
	if ran := w.commands(); ran != "import --accept-deletions=migori; inbox retry -- "+failed+"; inbox drop -- "+failed {
		t.Errorf("%q", ran)
	}
	for _, form := range [][]string{{"/files/drop", "file", "../omsync.toml"}, {"/files/drop"}, {"/files/burn", "file", fileNumber(failed)}, {"/files/nobody/accept", "sure", "yes"}} {
		if code, _ := anna.post(form[0], form[1:]...); code != http.StatusNotFound || w.commands() != "" {
			t.Errorf("%q: %d", form, code)
		}
	}
	if _, body := anna.get("/"); !strings.Contains(body, `<a href="/files">omsync import --accept-deletions migori</a>`) {
		t.Error("the first view does not lead there")
	}
}

// A person answers only what a child asks.
func TestRequests(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	if _, body := anna.get("/requests"); !strings.Contains(body, "Nobody asks for a patient.") {
		t.Error("where nobody can ask")
	}
	w.asks("kisumu", "--"+hostile[:20])
	w.page.source.close()
	_, body := anna.get("/requests")
	if !strings.Contains(body, "It may have the patient") || strings.Contains(body, "<script") {
		t.Errorf("what is asked:\n%s", body)
	}
	for _, form := range [][]string{{"/requests/approve", "peer", "kisumu", "key", "p-2"}, {"/requests/approve", "peer", "migori", "key", "--" + hostile[:20]}, {"/requests/burn", "peer", "kisumu", "key", "--" + hostile[:20]}, {"/requests/deny", "peer", "--yes", "key", "x"}} {
		if code, _ := anna.post(form[0], form[1:]...); code != http.StatusNotFound || w.commands() != "" {
			t.Errorf("%q: %d", form, code)
		}
	}
	anna.post("/requests/deny", "peer", "kisumu", "key", "--"+hostile[:20])
	if ran := w.commands(); ran != "scope deny kisumu -- --"+hostile[:20] {
		t.Errorf("%q", ran)
	}
}

// What is wrong comes first, also when the command has an error for it; whatever else it prints is shown as it is.
func TestDoctor(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	w.run = func([]string) (string, error) {
		return `{"node":"hub","findings":[{"check":"keys","level":"ok","what":"fine"},{"check":"disk space","level":"fail","what":"full <b>","do":"make room"}]}` + "\nomsync: failed: 1 check\n", errors.New("failed: 1 check")
	}
	anna.post("/doctor")
	_, body := anna.get("/doctor")
	if i, j := strings.Index(body, "full &lt;b&gt;"), strings.Index(body, "fine"); i < 0 || j < i {
		t.Errorf("it says\n%s", body)
	}
	w.run = func([]string) (string, error) { return "omsync: no configuration", errors.New("no configuration") }
	anna.post("/doctor")
	if _, body := anna.get("/doctor"); !strings.Contains(body, "omsync: no configuration") {
		t.Errorf("of an error it says\n%s", body)
	}
}

// A site's view says what the site says of itself, and draws what came of it; a record that is no such thing does no harm.
func TestSiteSays(t *testing.T) {
	w := newWorld(t)
	p, err := journal.PeerByName(t.Context(), w.node.DB, "kisumu", false)
	nodetest.Check(t, err)
	now := time.Now()
	for back := 100; back >= 0; back -= 4 {
		at := now.AddDate(0, 0, -back)
		nodetest.Check(t, contacts.Record(w.node.Home, "kisumu", p.Link.Number, contacts.File{Made: at, News: true, Bytes: int64(back * 1000), Rows: 5,
			Health: &batch.Health{Waiting: 3, Free: 5 << 30, Backup: now.Unix(), Version: "v0.3.0", Application: "2.6.x"}}, at))
	}
	anna := w.as("anna", accounts.Operator)
	_, body := anna.get("/sites/kisumu")
	for _, want := range []string{"v0.3.0", "2.6.x", "5.0 GiB", now.Format(time.DateOnly), "something on 23 days", `class="bars" d="M`} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %q:\n%s", want, body)
		}
	}
	d := drawDays([]contacts.Day{{Day: "2026-13-77", Files: 1}, {Day: "<b>", Files: 1}, {Day: now.UTC().AddDate(0, 0, 5).Format(time.DateOnly), Files: 1}, {Day: now.UTC().Format(time.DateOnly), Files: 2, Bytes: -5}}, now)
	if d.Days != 1 || d.Files != 2 || d.Bars != fmt.Sprintf("M%d %dv-%dh%dv%dz", 89*dayWidth+1, barHeight, leastOfDay, dayWidth-2, leastOfDay) {
		t.Errorf("%+v", d)
	}
}

// file puts a file into the inbox of which only the header can be read, and returns its size.
func (w *world) file(name, sender string) int64 {
	w.t.Helper()
	var b bytes.Buffer
	_, err := batch.NewWriter(&b, &batch.Header{Sender: sender, Receiver: "hub", Last: true, Time: 1}, func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }, func([]byte) ([]byte, error) { return nil, nil })
	nodetest.Check(w.t, err)
	nodetest.Check(w.t, os.WriteFile(filepath.Join(w.node.Home, "inbox", name), b.Bytes(), 0o600))
	return int64(b.Len())
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
