package server_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/httpsig"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/webtest"
)

func TestWhoMayNot(t *testing.T) {
	h := webtest.NewHub(t, nil)
	h.Keys["../kisumu"], h.Keys["con"] = h.Keys["kisumu"], h.Keys["kisumu"]
	list := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}
	for name, c := range map[string]struct {
		q      func(q *webtest.Raw)
		status int
		kind   string
	}{
		"unsigned":     {func(q *webtest.Raw) { q.Node = "" }, 401, "signature"},
		"unknown":      {func(q *webtest.Raw) { q.Node = "stranger" }, 401, "signature"},
		"suspended":    {func(q *webtest.Raw) { q.Node = "late" }, 403, "suspended"},
		"path as name": {func(q *webtest.Raw) { q.Node = "../kisumu" }, 401, "unknown"},
		"device":       {func(q *webtest.Raw) { q.Node = "con" }, 401, "unknown"},
		"other node":   {func(q *webtest.Raw) { q.Header = map[string]string{httpsig.HeaderTo: "spoke"} }, 421, "peer"},
		"to nobody":    {func(q *webtest.Raw) { q.Tamper = func(r *http.Request) { r.Header.Del(httpsig.HeaderTo) } }, 421, "peer"},
		"other path":   {func(q *webtest.Raw) { q.Tamper = func(r *http.Request) { r.URL.Path = "/v1/mail/a.omsync" } }, 401, "signature"},
		"other method": {func(q *webtest.Raw) {
			q.Tamper = func(r *http.Request) { r.Method = "HEAD"; r.URL.Path = "/v1/mail/a.omsync" }
		}, 401, "signature"},
		"query":        {func(q *webtest.Raw) { q.Tamper = func(r *http.Request) { r.URL.RawQuery = "a" } }, 401, "signature"},
		"added range":  {func(q *webtest.Raw) { q.Tamper = func(r *http.Request) { r.Header.Set("Range", "bytes=1-") } }, 401, "signature"},
		"other's key":  {func(q *webtest.Raw) { q.Tamper = func(r *http.Request) { swapKey(r) } }, 401, "signature"},
		"garbage":      {func(q *webtest.Raw) { q.Tamper = func(r *http.Request) { r.Header.Set("Signature-Input", "((((") } }, 401, "signature"},
		"late":         {func(q *webtest.Raw) { q.At = time.Now().Add(-6 * time.Minute) }, 401, "clock"},
		"early":        {func(q *webtest.Raw) { q.At = time.Now().Add(6 * time.Minute) }, 401, "clock"},
		"before start": {func(q *webtest.Raw) { q.At = time.Now().Add(-4 * time.Minute) }, 401, "clock"},
		"body":         {func(q *webtest.Raw) { q.Body = []byte("x") }, 400, "request"},
		"method":       {func(q *webtest.Raw) { q.Method = "PUT" }, 405, "method"},
		"unknown path": {func(q *webtest.Raw) { q.Path = "/v1/none" }, 404, "missing"},
		"outside":      {func(q *webtest.Raw) { q.Path = "/mail" }, 404, "missing"},
		"no such mail": {func(q *webtest.Raw) { q.Path = "/v1/mail/a.omsync" }, 404, "missing"},
		"several parts": {func(q *webtest.Raw) {
			q.Path = "/v1/mail/a.omsync"
			q.Header = map[string]string{"Range": "bytes=0-1,2-3"}
		}, 400, "request"},
	} {
		t.Run(name, func(t *testing.T) {
			q := list
			c.q(&q)
			webtest.WantProblem(t, q.Do(h), c.status, c.kind)
		})
	}
	if w := list.Do(h); w.Code != 200 {
		t.Errorf("the plain request: %d %s", w.Code, w.Body)
	}
}

// Who has no key of a node cannot tell from answers which nodes there are: neither known nor suspended ones.
func TestNamesAreNotTold(t *testing.T) {
	h := webtest.NewHub(t, nil)
	answer := func(name string) string {
		q := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "stranger", Tamper: func(r *http.Request) {
			r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), "stranger", name, 1))
		}}
		w := q.Do(h)
		return fmt.Sprint(w.Code, w.Header().Get("Omsync-Problem"), strings.ReplaceAll(w.Body.String(), name, "NAME"))
	}
	want := answer("nobody")
	if !strings.HasPrefix(want, "401") {
		t.Fatalf("a node that is not there is answered %s", want)
	}
	for _, name := range []string{"kisumu", "migori", "late", "stranger"} {
		if got := answer(name); got != want {
			t.Errorf("%s is answered %s, and a node that is not there %s", name, got, want)
		}
	}
}

func swapKey(r *http.Request) {
	r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), "kisumu", "migori", 1))
}

func TestPathTricks(t *testing.T) {
	h := webtest.NewHub(t, nil)
	h.Mail("migori", "secret.omsync", []byte("secret"))
	for _, path := range []string{"..", "%2e%2e", "..%2fout-migori%2fsecret.omsync", "%2e%2e%2fout-migori%2fsecret.omsync", "a%2Fb.omsync", `a%5Cb.omsync`,
		"a%00.omsync", "", ".", "../out-migori/secret.omsync", "./secret.omsync", "/secret.omsync", ".hidden.omsync", "con.omsync", "lpt1.omsync", "a.txt",
		"a:b.omsync", "%0a.omsync", "a%20b.omsync", strings.Repeat("a", 300) + ".omsync"} {
		for _, method := range []string{"GET", "DELETE"} {
			// As it comes over the wire, not as a client would clean it.
			r := webtest.Raw{Method: method, Path: "/v1/mail/x", Node: "kisumu"}.Request(h)
			var err error
			if r.URL, err = r.URL.Parse("http://hub/"); err != nil {
				t.Fatal(err)
			}
			r.URL.Path, r.URL.RawPath = "", ""
			if u, err := r.URL.Parse("/v1/mail/x"); err == nil {
				r.URL = u
			}
			plain := strings.NewReplacer("%2e", ".", "%2f", "/", "%2F", "/", "%5C", `\`, "%00", "\x00", "%0a", "\n", "%20", " ").Replace(path)
			r.URL.Path, r.URL.RawPath = "/v1/mail/"+plain, "/v1/mail/"+path
			m := httpsig.Message{Method: method, Path: r.URL.EscapedPath(), Header: r.Header}
			m.Sign("kisumu", time.Now(), func(msg []byte) ([]byte, error) { return ed25519.Sign(h.Keys["kisumu"], msg), nil })
			w := httptest.NewRecorder()
			h.Server.Load().ServeHTTP(w, r)
			webtest.WantProblem(t, w, 400, "name")
		}
	}
	for _, name := range []string{"../a.omsync", "a/b.omsync", `a\b.omsync`, "a\x00.omsync", "", ".omsync", "nul.omsync", "a", "/etc/a.omsync", "..", "a b.omsync"} {
		webtest.WantProblem(t, webtest.Announce("kisumu", name, []byte("x")).Do(h), 400, "name")
	}
	for _, id := range []string{strings.Repeat("0", 32), "x", strings.Repeat("A", 32), "done"} {
		webtest.WantProblem(t, webtest.Piece("kisumu", "/v1/uploads/"+id, 0, []byte("x")).Do(h), 404, "missing")
	}
	if entries, _ := os.ReadDir(filepath.Join(h.Dir, "uploads")); len(entries) > 0 {
		t.Errorf("%v was made", entries)
	}
	if _, err := os.Stat(filepath.Join(h.Dir, "out-migori", "secret.omsync")); err != nil {
		t.Error(err)
	}
}

func TestReplay(t *testing.T) {
	h := webtest.NewHub(t, nil)
	r := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}.Request(h)
	for i := range 3 {
		w := httptest.NewRecorder()
		h.Server.Load().ServeHTTP(w, r.Clone(t.Context()))
		if i == 0 && w.Code != 200 {
			t.Fatal(w.Code)
		} else if i > 0 {
			webtest.WantProblem(t, w, 401, "replay")
		}
	}
	// A server that has forgotten its nonces takes nothing from before.
	h.Options.Now = func() time.Time { return time.Now().Add(2 * time.Second) }
	h.Restart()
	w := httptest.NewRecorder()
	h.Server.Load().ServeHTTP(w, r)
	webtest.WantProblem(t, w, 401, "clock")
}

// A request that is not good uses up no nonce: anybody could send it.
func TestNonceOfABadRequest(t *testing.T) {
	h := webtest.NewHub(t, nil)
	r := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}.Request(h)
	bad := r.Clone(t.Context())
	bad.URL.RawQuery = "x"
	w := httptest.NewRecorder()
	h.Server.Load().ServeHTTP(w, bad)
	webtest.WantProblem(t, w, 401, "signature")
	w = httptest.NewRecorder()
	h.Server.Load().ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("answer %d", w.Code)
	}
}

func TestOwnMailOnly(t *testing.T) {
	h := webtest.NewHub(t, nil)
	h.Mail("kisumu", "k.omsync", []byte("for kisumu"))
	h.Mail("migori", "m.omsync", []byte("for migori"))
	k, m := h.Client("kisumu", nil), h.Client("migori", nil)
	for c, want := range map[*client.Client]string{k: "k.omsync", m: "m.omsync"} {
		if list, err := c.List(t.Context()); err != nil || len(list) != 1 || list[0].Name != want {
			t.Errorf("%v, %v; want %s", list, err, want)
		}
	}
	if _, _, err := k.Get(t.Context(), "m.omsync", 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("another's mail: %v", err)
	}
	if err := k.Remove(t.Context(), "m.omsync"); err != nil {
		t.Error(err)
	}
	if got := webtest.Get(t, m, "m.omsync", 0); string(got) != "for migori" {
		t.Errorf("read %q", got)
	}
	// Nor uploads.
	data := webtest.Content(1, 1000)
	w := webtest.Announce("kisumu", "up.omsync", data).Do(h)
	if w.Code != 201 {
		t.Fatal(w.Code, w.Body)
	}
	webtest.WantProblem(t, webtest.Piece("migori", w.Header().Get("Location"), 0, data).Do(h), 404, "missing")
}

// A server that has just started is taken up with by clocks that are somewhat behind.
func TestJustStarted(t *testing.T) {
	h := webtest.NewHub(t, nil)
	c := h.Client("kisumu", func(o *client.Options) { o.Now = func() time.Time { return time.Now().Add(-3 * time.Second) } })
	if _, err := c.List(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestClockSetBack has a server start with a clock that is a day ahead, and is set then.
func TestClockSetBack(t *testing.T) {
	ahead := 24 * time.Hour
	h := webtest.NewHub(t, func(o *server.Options) { o.Now = func() time.Time { return time.Now().Add(ahead) } })
	ahead = 0
	before := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu", At: time.Now().Add(-time.Minute)}
	if w := (webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}).Do(h); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	webtest.WantProblem(t, before.Do(h), 401, "clock") // it may have been heard before the start
}

func TestNodeThatCannotBeLookedUp(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Node = func(context.Context, string) (func(msg, sig []byte) error, error) {
			return nil, errors.New("password of the database")
		}
	})
	w := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}.Do(h)
	if strings.Contains(w.Body.String(), "password") {
		t.Error("the answer tells too much")
	}
	webtest.WantProblem(t, w, 503, "busy")
}
