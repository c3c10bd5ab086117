package web

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// raw is a request made by hand.
type raw struct {
	method, path string
	node         string // "": not signed
	at           time.Time
	header       map[string]string
	body         []byte
	length       int64                 // of the body, as it is told; 0: as it is
	tamper       func(r *http.Request) // after the signature
}

func (q raw) request(h *hub) *http.Request {
	h.t.Helper()
	r := httptest.NewRequest(q.method, "http://hub"+q.path, bytes.NewReader(q.body))
	if r.ContentLength = int64(len(q.body)); q.length != 0 {
		r.ContentLength = q.length
	}
	r.Header.Set(headerTo, "hub")
	r.Header.Set("Tus-Resumable", tusVersion)
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	if q.node != "" {
		if q.at.IsZero() {
			q.at = h.server.Load().o.Now()
		}
		m := message{method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery, length: r.ContentLength, header: r.Header}
		if err := m.sign(q.node, q.at, func(msg []byte) ([]byte, error) { return ed25519.Sign(h.keys[q.node], msg), nil }); err != nil {
			h.t.Fatal(err)
		}
	}
	if q.tamper != nil {
		q.tamper(r)
	}
	return r
}

func (q raw) do(h *hub) *httptest.ResponseRecorder {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.server.Load().ServeHTTP(w, q.request(h))
	return w
}

// wantProblem checks an answer that is no success.
func wantProblem(t testing.TB, w *httptest.ResponseRecorder, status int, kind string) {
	t.Helper()
	p := readProblem(w.Result())
	if p.Status != status || p.Type != kind || p.Detail == "" {
		t.Errorf("answer %d %q (%s), want %d %q", p.Status, p.Type, p.Detail, status, kind)
	}
	if status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// announce is a POST for a file.
func announce(node, name string, data []byte) raw {
	sum, _ := tailDigest(bytes.NewReader(data), int64(len(data)))
	return raw{method: "POST", path: "/v1/uploads", node: node, header: map[string]string{
		"Upload-Length": strconv.Itoa(len(data)), "Upload-Metadata": "filename " + b64([]byte(name)) + ",digest " + b64(sum)}}
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// piece is a PATCH.
func piece(node, path string, at int, body []byte) raw {
	sum := sha256.Sum256(body)
	q := raw{method: "PATCH", path: path, node: node, body: body, header: map[string]string{
		"Content-Type": offsetType, "Upload-Offset": strconv.Itoa(at)}}
	if len(body) <= smallBody {
		q.header["Content-Digest"] = "sha-256=:" + b64(sum[:]) + ":"
	}
	return q
}

func TestWhoMayNot(t *testing.T) {
	h := newHub(t, nil)
	h.keys["../kisumu"], h.keys["con"] = h.keys["kisumu"], h.keys["kisumu"]
	list := raw{method: "GET", path: "/v1/mail", node: "kisumu"}
	for name, c := range map[string]struct {
		q      func(q *raw)
		status int
		kind   string
	}{
		"unsigned":      {func(q *raw) { q.node = "" }, 401, "signature"},
		"unknown":       {func(q *raw) { q.node = "stranger" }, 403, "unknown"},
		"suspended":     {func(q *raw) { q.node = "late" }, 403, "suspended"},
		"path as name":  {func(q *raw) { q.node = "../kisumu" }, 401, "unknown"},
		"device":        {func(q *raw) { q.node = "con" }, 401, "unknown"},
		"other node":    {func(q *raw) { q.header = map[string]string{headerTo: "spoke"} }, 421, "peer"},
		"to nobody":     {func(q *raw) { q.tamper = func(r *http.Request) { r.Header.Del(headerTo) } }, 421, "peer"},
		"other path":    {func(q *raw) { q.tamper = func(r *http.Request) { r.URL.Path = "/v1/mail/a.omsync" } }, 401, "signature"},
		"other method":  {func(q *raw) { q.tamper = func(r *http.Request) { r.Method = "HEAD"; r.URL.Path = "/v1/mail/a.omsync" } }, 401, "signature"},
		"query":         {func(q *raw) { q.tamper = func(r *http.Request) { r.URL.RawQuery = "a" } }, 401, "signature"},
		"added range":   {func(q *raw) { q.tamper = func(r *http.Request) { r.Header.Set("Range", "bytes=1-") } }, 401, "signature"},
		"other's key":   {func(q *raw) { q.tamper = func(r *http.Request) { swapKey(r) } }, 401, "signature"},
		"garbage":       {func(q *raw) { q.tamper = func(r *http.Request) { r.Header.Set("Signature-Input", "((((") } }, 401, "signature"},
		"late":          {func(q *raw) { q.at = time.Now().Add(-6 * time.Minute) }, 401, "clock"},
		"early":         {func(q *raw) { q.at = time.Now().Add(6 * time.Minute) }, 401, "clock"},
		"before start":  {func(q *raw) { q.at = time.Now().Add(-4 * time.Minute) }, 401, "clock"},
		"body":          {func(q *raw) { q.body = []byte("x") }, 400, "request"},
		"method":        {func(q *raw) { q.method = "PUT" }, 405, "method"},
		"unknown path":  {func(q *raw) { q.path = "/v1/none" }, 404, "missing"},
		"outside":       {func(q *raw) { q.path = "/mail" }, 404, "missing"},
		"no such mail":  {func(q *raw) { q.path = "/v1/mail/a.omsync" }, 404, "missing"},
		"several parts": {func(q *raw) { q.path = "/v1/mail/a.omsync"; q.header = map[string]string{"Range": "bytes=0-1,2-3"} }, 400, "request"},
	} {
		t.Run(name, func(t *testing.T) {
			q := list
			c.q(&q)
			wantProblem(t, q.do(h), c.status, c.kind)
		})
	}
	if w := list.do(h); w.Code != 200 {
		t.Errorf("the plain request: %d %s", w.Code, w.Body)
	}
}

func swapKey(r *http.Request) {
	r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), "kisumu", "migori", 1))
}

func TestPathTricks(t *testing.T) {
	h := newHub(t, nil)
	h.mail("migori", "secret.omsync", []byte("secret"))
	for _, path := range []string{"..", "%2e%2e", "..%2fout-migori%2fsecret.omsync", "%2e%2e%2fout-migori%2fsecret.omsync", "a%2Fb.omsync", `a%5Cb.omsync`,
		"a%00.omsync", "", ".", "../out-migori/secret.omsync", "./secret.omsync", "/secret.omsync", ".hidden.omsync", "con.omsync", "lpt1.omsync", "a.txt",
		"a:b.omsync", "%0a.omsync", "a%20b.omsync", strings.Repeat("a", 300) + ".omsync"} {
		for _, method := range []string{"GET", "DELETE"} {
			// As it comes over the wire, not as a client would clean it.
			r := raw{method: method, path: "/v1/mail/x", node: "kisumu"}.request(h)
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
			m := message{method: method, path: r.URL.EscapedPath(), header: r.Header}
			m.sign("kisumu", time.Now(), func(msg []byte) ([]byte, error) { return ed25519.Sign(h.keys["kisumu"], msg), nil })
			w := httptest.NewRecorder()
			h.server.Load().ServeHTTP(w, r)
			wantProblem(t, w, 400, "name")
		}
	}
	for _, name := range []string{"../a.omsync", "a/b.omsync", `a\b.omsync`, "a\x00.omsync", "", ".omsync", "nul.omsync", "a", "/etc/a.omsync", "..", "a b.omsync"} {
		wantProblem(t, announce("kisumu", name, []byte("x")).do(h), 400, "name")
	}
	for _, id := range []string{strings.Repeat("0", 32), "x", strings.Repeat("A", 32), "done"} {
		wantProblem(t, piece("kisumu", "/v1/uploads/"+id, 0, []byte("x")).do(h), 404, "missing")
	}
	if entries, _ := os.ReadDir(filepath.Join(h.dir, "uploads")); len(entries) > 0 {
		t.Errorf("%v was made", entries)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "out-migori", "secret.omsync")); err != nil {
		t.Error(err)
	}
}

func TestReplay(t *testing.T) {
	h := newHub(t, nil)
	r := raw{method: "GET", path: "/v1/mail", node: "kisumu"}.request(h)
	for i := range 3 {
		w := httptest.NewRecorder()
		h.server.Load().ServeHTTP(w, r.Clone(t.Context()))
		if i == 0 && w.Code != 200 {
			t.Fatal(w.Code)
		} else if i > 0 {
			wantProblem(t, w, 401, "replay")
		}
	}
	// A server that has forgotten its nonces takes nothing from before.
	h.o.Now = func() time.Time { return time.Now().Add(2 * time.Second) }
	h.restart()
	w := httptest.NewRecorder()
	h.server.Load().ServeHTTP(w, r)
	wantProblem(t, w, 401, "clock")
}

// A request that is not good uses up no nonce: anybody could send it.
func TestNonceOfABadRequest(t *testing.T) {
	h := newHub(t, nil)
	r := raw{method: "GET", path: "/v1/mail", node: "kisumu"}.request(h)
	bad := r.Clone(t.Context())
	bad.URL.RawQuery = "x"
	w := httptest.NewRecorder()
	h.server.Load().ServeHTTP(w, bad)
	wantProblem(t, w, 401, "signature")
	w = httptest.NewRecorder()
	h.server.Load().ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("answer %d", w.Code)
	}
}

func TestOwnMailOnly(t *testing.T) {
	h := newHub(t, nil)
	h.mail("kisumu", "k.omsync", []byte("for kisumu"))
	h.mail("migori", "m.omsync", []byte("for migori"))
	k, m := h.client("kisumu", nil), h.client("migori", nil)
	for c, want := range map[*Client]string{k: "k.omsync", m: "m.omsync"} {
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
	if got := get(t, m, "m.omsync", 0); string(got) != "for migori" {
		t.Errorf("read %q", got)
	}
	// Nor uploads.
	data := content(1, 1000)
	w := announce("kisumu", "up.omsync", data).do(h)
	if w.Code != 201 {
		t.Fatal(w.Code, w.Body)
	}
	wantProblem(t, piece("migori", w.Header().Get("Location"), 0, data).do(h), 404, "missing")
}

func TestClock(t *testing.T) {
	for name, off := range map[string]time.Duration{"365 days behind": -365 * 24 * time.Hour, "365 days ahead of": 365 * 24 * time.Hour, "20 minutes behind": -20 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, nil)
			var warned []string
			c := h.client("kisumu", func(o *ClientOptions) {
				o.Now = func() time.Time { return time.Now().Add(off) }
				o.Warn = func(format string, args ...any) { warned = append(warned, fmt.Sprintf(format, args...)) }
			})
			put(t, c, "a.omsync", content(1, 100_000))
			if _, err := c.List(t.Context()); err != nil {
				t.Error(err)
			}
			if len(warned) != 1 || warned[0] != "this computer's clock is "+name+" hub's: set it" {
				t.Errorf("warned: %q", warned)
			}
		})
	}
}

func TestClockThatNobodyKnows(t *testing.T) {
	var n int
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		problem(401, "clock", "the clock is off").write(w)
	}))
	defer srv.Close()
	h := newHub(t, nil)
	c := h.client("kisumu", func(o *ClientOptions) { o.URL = srv.URL })
	_, err := c.List(t.Context())
	if p := status(t, err); p.Type != "clock" || n != 2 {
		t.Errorf("%v after %d requests", err, n)
	}
}

// A server that has just started is taken up with by clocks that are somewhat behind.
func TestJustStarted(t *testing.T) {
	h := newHub(t, nil)
	c := h.client("kisumu", func(o *ClientOptions) { o.Now = func() time.Time { return time.Now().Add(-3 * time.Second) } })
	if _, err := c.List(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNodeThatCannotBeLookedUp(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) {
		o.Node = func(context.Context, string) (func(msg, sig []byte) error, error) {
			return nil, errors.New("password of the database")
		}
	})
	w := raw{method: "GET", path: "/v1/mail", node: "kisumu"}.do(h)
	if strings.Contains(w.Body.String(), "password") {
		t.Error("the answer tells too much")
	}
	wantProblem(t, w, 503, "busy")
}

// A client that goes is no trouble of the server's.
func TestNobodyWaits(t *testing.T) {
	for name, change := range map[string]func(o *ServerOptions){
		"looking up": func(o *ServerOptions) {
			o.Node = func(ctx context.Context, _ string) (func(msg, sig []byte) error, error) { return nil, ctx.Err() }
		},
		"listing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			h := newHub(t, func(o *ServerOptions) {
				o.Log = slog.New(slog.NewTextHandler(&log, nil))
				if change != nil {
					change(o)
				}
			})
			h.mail("kisumu", "a.omsync", []byte("data"))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			h.server.Load().ServeHTTP(httptest.NewRecorder(), raw{method: "GET", path: "/v1/mail", node: "kisumu"}.request(h).WithContext(ctx))
			if text := log.String(); strings.Contains(text, "level=ERROR") || !strings.Contains(text, "problem=gone") {
				t.Error(text)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) { o.Prefix = "/omsync" })
	c := h.client("kisumu", func(o *ClientOptions) { o.URL = h.http.URL + "/omsync/" })
	data := content(1, 200_000)
	put(t, c, "a.omsync", data)
	// A proxy that takes it off.
	strip := httptest.NewServer(http.StripPrefix("/omsync", h.http.Config.Handler))
	defer strip.Close()
	c = h.client("kisumu", func(o *ClientOptions) { o.URL = strip.URL + "/omsync" })
	put(t, c, "b.omsync", data)
	if !bytes.Equal(h.stored("a.omsync"), data) || !bytes.Equal(h.stored("b.omsync"), data) {
		t.Error("not stored")
	}
}

func TestHealthAndOptions(t *testing.T) {
	h := newHub(t, nil)
	if w := (raw{method: "GET", path: "/v1/health"}).do(h); w.Code != 200 || w.Body.String() != `{"node":"hub","status":"ok","version":"test"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	sick := newHub(t, func(o *ServerOptions) {
		o.Healthy = func(context.Context) error { return errors.New("dial db.example.org") }
	})
	wantProblem(t, raw{method: "GET", path: "/v1/health"}.do(sick), 503, "unhealthy")
	if w := (raw{method: "GET", path: "/v1/health"}).do(sick); strings.Contains(w.Body.String(), "db.example.org") {
		t.Errorf("strangers are told: %s", w.Body)
	}
	w := raw{method: "OPTIONS", path: "/v1/uploads"}.do(h)
	if w.Code != 204 || w.Header().Get("Tus-Version") != "1.0.0" || w.Header().Get("Tus-Extension") != "creation" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
