package page

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node/page/accounts"
)

// person is somebody with a browser.
type person struct {
	w      *world
	client *http.Client
}

func (w *world) nobody() *person {
	jar, err := cookiejar.New(nil)
	nodetest.Check(w.t, err)
	return &person{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as makes an account, and logs in.
func (w *world) as(name string, role accounts.Role) *person {
	w.t.Helper()
	token, err := w.accounts.Add(name, role)
	nodetest.Check(w.t, err)
	p := w.nobody()
	if code, body := p.post("/first/"+token, "password", password, "again", password); code != http.StatusSeeOther {
		w.t.Fatalf("first login: %d\n%s", code, body)
	}
	return p
}

func (p *person) do(method, path string, form url.Values, headers ...string) (int, string, http.Header) {
	p.w.t.Helper()
	r, err := http.NewRequest(method, p.w.server.URL+path, strings.NewReader(form.Encode()))
	nodetest.Check(p.w.t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := p.client.Do(r)
	nodetest.Check(p.w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	nodetest.Check(p.w.t, err)
	return resp.StatusCode, string(b), resp.Header
}

// watch reads a view that goes on, until it has said some things, or ends.
func (p *person) watch(path string, want ...string) string {
	p.w.t.Helper()
	resp, err := p.client.Get(p.w.server.URL + path)
	nodetest.Check(p.w.t, err)
	defer resp.Body.Close()
	var all strings.Builder
	some := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(some)
		all.Write(some[:n])
		lacks := slices.ContainsFunc(want, func(s string) bool { return !strings.Contains(all.String(), s) })
		if err != nil || !lacks {
			if lacks {
				p.w.t.Errorf("%s does not say %q:\n%s", path, want, all.String())
			}
			return all.String()
		}
	}
}

func (p *person) get(path string) (int, string) {
	code, body, _ := p.do(http.MethodGet, path, nil)
	return code, body
}

func (p *person) post(path string, form ...string) (int, string) {
	v := url.Values{}
	for i := 0; i < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	code, body, _ := p.do(http.MethodPost, path, v)
	return code, body
}
