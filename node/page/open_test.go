package page

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/node/page/accounts"
)

// A page that was left open for a week does nothing: its session has ended; and once somebody has logged in again, what it shows must still be so.
func TestLeftOpen(t *testing.T) {
	w := newWorld(t)
	mark := w.compared("kisumu", 2)
	w.page.sessions.IdleTimeout = 200 * time.Millisecond
	anna := w.as("anna", accounts.Operator)
	if code, _ := anna.get("/"); code != http.StatusOK {
		t.Fatalf("before: %d", code)
	}
	time.Sleep(500 * time.Millisecond)
	w.page.sessions.IdleTimeout = idleEnd
	for path, form := range map[string][]string{"/sites/kisumu/suspend": nil, "/waiting/retry": {"peer", "kisumu"}, "/sites/kisumu/compared/repair": {"mark", mark, "sure", "yes"}, "/match/decide": {"part", "proposed", "say-0", "same"}} {
		if code, body := anna.post(path, form...); code != http.StatusUnauthorized || w.commands() != "" || !strings.Contains(body, "You are not logged in any more. Nothing was done.") {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _, h := anna.do(http.MethodGet, "/conflicts", nil); code != http.StatusSeeOther || h.Get("Location") != "/login" {
		t.Errorf("a view: %d", code)
	}
	if code, _ := anna.post("/login", "name", "anna", "password", password); code != http.StatusSeeOther {
		t.Fatalf("the next login: %d", code)
	}
	w.compared("kisumu", 1) // in the week that has passed
	if code, _ := anna.post("/sites/kisumu/compared/repair", "mark", mark, "sure", "yes"); code != http.StatusConflict || w.commands() != "" {
		t.Errorf("what was open: %d", code)
	}
}

// What a telephone thinks of the time does not matter: nothing that it is sent ends at a time, and nothing that it says of time counts.
func TestTelephonesClock(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	for _, at := range []time.Time{time.Unix(0, 0), time.Now().AddDate(50, 0, 0)} {
		stamp := at.UTC().Format(http.TimeFormat)
		for _, path := range []string{"/", "/sites/kisumu", "/style.css", "/?lang=fr"} {
			code, body, h := anna.do(http.MethodGet, path, nil, "Date", stamp, "If-Modified-Since", stamp, "If-Unmodified-Since", stamp)
			if code != http.StatusOK || body == "" || h.Get("Expires") != "" || strings.Contains(body, "<script") {
				t.Errorf("%s on a telephone of %v: %d, %v", path, at, code, h)
			}
			for _, c := range h.Values("Set-Cookie") {
				if strings.Contains(c, "Expires=") {
					t.Errorf("%s: %s", path, c)
				}
			}
		}
	}
}

// Headers that somebody made up are no more than that: none comes back, none is long, none ends the page.
func TestHostileHeaders(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	long := strings.Repeat("x", maxHeader/2)
	for _, headers := range [][]string{
		{"Accept-Language", "<script>alert(1)</script>"}, {"Accept-Language", strings.Repeat("fr-", 2000)}, {"Cookie", "omsync=\"<script>\"; omsync-language=<script>"},
		{"Cookie", "omsync=" + long}, {"X-Forwarded-For", "<script>, ::1, 999.1.1.1"}, {"Referer", "https://elsewhere.example.org/<script>"}, {"Accept-Encoding", "gzip;q=x, <script>"},
		{"Range", "bytes=0-1"}, {"Content-Type", "multipart/form-data; boundary=<script>"}, {"Content-Length", "0"}, {"X-HTTP-Method-Override", "DELETE"}, {"User-Agent", long},
	} {
		for _, path := range []string{"/", "/login", "/waiting", "/log"} {
			code, body, h := anna.do(http.MethodGet, path, nil, headers...)
			if code >= http.StatusInternalServerError || strings.Contains(body, "<script>") || len(body) > 60_000 {
				t.Errorf("%s with %.60q: %d", path, headers, code)
			}
			for name, values := range h {
				if strings.Contains(strings.Join(values, " "), "script>") {
					t.Errorf("%s with %.60q: %s comes back", path, headers, name)
				}
			}
		}
		if code, body := anna.get("/"); code != http.StatusOK || !strings.Contains(body, "anna") {
			t.Fatalf("after %.60q the session is gone: %d", headers, code)
		}
	}
	r, err := http.NewRequest(http.MethodTrace, w.server.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		t.Error("it answers TRACE")
	}
}
