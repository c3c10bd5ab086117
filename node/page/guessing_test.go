package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node/page/accounts"
)

// One computer that tries without end keeps nobody else out, also behind a proxy, who is believed about where requests come from if there is
// to be one.
func TestGuessingFromOneComputer(t *testing.T) {
	w := newWorld(t)
	w.as("anna", accounts.Operator)
	login := func(from, name, password string) int {
		r := httptest.NewRequest("POST", "/login", strings.NewReader(url.Values{"name": {name}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", "192.0.2.9, "+from)
		r.RemoteAddr = "127.0.0.1:5"
		answer := httptest.NewRecorder()
		w.page.ServeHTTP(answer, r)
		return answer.Code
	}
	w.page.Proxied = true
	code := 0
	for i := range 2 * burstOfAll {
		code = login("10.0.0.66", fmt.Sprint("name", i), "wrong wrong wrong")
	}
	if code != http.StatusTooManyRequests {
		t.Errorf("after many: %d", code)
	}
	if code := login("10.0.0.1", "anna", password); code != http.StatusSeeOther {
		t.Errorf("another computer: %d", code)
	}
	last, err := w.accounts.Last(1)
	nodetest.Check(t, err)
	if len(last) != 1 || last[0].From != "10.0.0.1" {
		t.Errorf("the log: %+v", last)
	}
	w.page.Proxied = false
	for i := range burstOfOne + 1 {
		code = login(fmt.Sprint("10.0.1.", i), fmt.Sprint("other", i), "wrong wrong wrong")
	}
	if code != http.StatusTooManyRequests {
		t.Errorf("who says to come from elsewhere: %d", code)
	}
}
