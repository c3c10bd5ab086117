package page

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/node/page/accounts"
)

// What needs somebody is one sheet, and the same as a text: to viewers, too, for it holds nothing of a row.
func TestNeeds(t *testing.T) {
	w := newWorld(t)
	w.failed("kisumu")
	dbtest.Exec(t, w.node.DB, "UPDATE omsync_waiting SET since = since - 30 * 86400 * 1000000")
	vera := w.as("vera", accounts.Viewer)
	if _, body := vera.get("/"); !strings.Contains(body, `href="/needs"`) {
		t.Error("the first view does not lead there")
	}
	code, body := vera.get("/needs")
	for _, want := range []string{"What needs somebody at", "kisumu", "cannot be applied here", "<li><bdi>site</bdi>: 1 row (the oldest: 30 days ago)</li>", "not applied", "/needs.txt"} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%d: no %q in\n%s", code, want, body)
		}
	}
	mail, err := url.Parse(html.UnescapeString(regexp.MustCompile(`href="(mailto:[^"]*)"`).FindStringSubmatch(body)[1]))
	if err != nil || mail.Opaque != "" || !strings.Contains(mail.Query().Get("subject"), "What needs somebody at hub") || !strings.Contains(mail.Query().Get("body"), "site: 1 row") || len(mail.Query().Get("body")) > maxMail+100 {
		t.Errorf("the mail: %v, %+v", err, mail)
	}
	code, text, h := vera.do(http.MethodGet, "/needs.txt", nil)
	if code != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") || !strings.HasPrefix(h.Get("Content-Disposition"), `attachment; filename="omsync-hub-20`) || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the file: %d, %v", code, h)
	}
	for _, want := range []string{"What needs somebody at hub\n", "kisumu\n- ", "- site: 1 row (the oldest: 30 days ago)\n", "- not applied: \u2068kisumu-to-hub-<b>\ufffd.omsync\u2069\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for what, seen := range map[string]string{"the sheet": body, "the text": text} {
		if strings.Contains(seen, "Achieng") || strings.Contains(seen, "key-of-it") || strings.Contains(seen, "too long") || strings.ContainsAny(seen, "\u202e\x1b\x00") {
			t.Errorf("%s holds what a row does:\n%s", what, seen)
		}
	}
	if _, text, _ := vera.do(http.MethodGet, "/needs.txt", nil, "Accept-Language", "pt"); !strings.Contains(text, "O que precisa de alguém em hub") || !strings.Contains(text, "site: 1 linha") {
		t.Errorf("in Portuguese:\n%s", text)
	}
	for i := range 200 { // of much, the beginning is sent
		dbtest.Exec(t, w.node.DB, fmt.Sprintf("INSERT INTO omsync_peer (name, role, state, card, link) SELECT 'late-%03d', role, state, card, link FROM omsync_peer WHERE name = 'migori'", i))
	}
	dbtest.Exec(t, w.node.DB, "INSERT INTO omsync_waiting (peer_id, table_id, row_key, versions, content, since_epoch, reason, column_name, text, since, tried_at, tries) "+
		"SELECT p.id, w.table_id, 'k', versions, content, since_epoch, reason, column_name, 'it waits', since, tried_at, tries FROM omsync_waiting w JOIN omsync_peer p ON p.name LIKE 'late-%'")
	w.page.source.changed()
	code, body = vera.get("/needs")
	if n := strings.Count(body, "<h2><bdi>"); code != http.StatusOK || n == 0 || n > 30 || len(body) > 60_000 {
		t.Errorf("of 200 sites: %d, %d sites in %d bytes", code, n, len(body))
	}
	if mail := regexp.MustCompile(`href="(mailto:[^"]*)"`).FindStringSubmatch(body); len(mail) != 2 || len(mail[1]) > 3*maxMail+1000 {
		t.Error("the mail is too long, or is not there")
	}
}
