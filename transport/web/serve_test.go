package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omsync/omsync/transport"
)

// serve runs a hub's server and returns its address, and what ends it.
func (h *hub) serve(conf *tls.Config) (addr string, stop func() error) {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.server.Load().Serve(ctx, l, conf) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	h.t.Cleanup(func() { stop() })
	return l.Addr().String(), stop
}

func TestPins(t *testing.T) {
	h := newHub(t, nil)
	dir := t.TempDir()
	cert, pin, err := Certificate(dir, []string{"hub.example", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"tls.crt": 0o644, "tls.key": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&^mode != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if again, pin2, err := Certificate(dir, []string{"other"}); err != nil || pin2 != pin || !again.Leaf.Equal(cert.Leaf) {
		t.Errorf("the second time: %s in place of %s, %v", pin2, pin, err)
	}
	os.Remove(filepath.Join(dir, "tls.crt"))
	if again, pin2, err := Certificate(dir, []string{"other"}); err != nil || pin2 != pin || again.Leaf.DNSNames[0] != "other" {
		t.Errorf("made anew: %s in place of %s, %v", pin2, pin, err)
	}
	addr, _ := h.serve(&tls.Config{Certificates: []tls.Certificate{cert}})
	_, other, err := Certificate(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}

	c := h.client("kisumu", func(o *ClientOptions) { o.URL, o.Pin = "https://"+addr, pin })
	put(t, c, "a.omsync", content(1, 300_000))
	if c.ServerPin() != pin {
		t.Errorf("the server's pin is %q, not %q", c.ServerPin(), pin)
	}
	for name, with := range map[string]struct{ pin, says string }{
		"wrong pin": {other, "invitation"},
		"no pin":    {"", "new invitation"},
	} {
		c := h.client("kisumu", func(o *ClientOptions) { o.URL, o.Pin = "https://"+addr, with.pin })
		_, err := c.List(t.Context())
		if err == nil || errors.Is(err, transport.ErrDown) || !strings.Contains(err.Error(), with.says) {
			t.Errorf("%s: %v", name, err)
		}
		if c.ServerPin() != pin {
			t.Errorf("%s: the server's pin is %q", name, c.ServerPin())
		}
	}
	for _, bad := range []string{"x", "sha256:", "sha256:AAAA", strings.TrimPrefix(pin, "sha256:"), pin + "A"} {
		if _, err := NewClient(ClientOptions{URL: "https://hub", Pin: bad}); err == nil {
			t.Errorf("pin %q is taken", bad)
		}
	}
	plain, _ := h.serve(nil)
	c = h.client("kisumu", func(o *ClientOptions) { o.URL, o.Pin = "https://"+plain, pin })
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("a server without TLS: %v", err)
	}
}

// Certificates that this computer trusts, but that are not good here.
func TestCertificatesInPeoplesWords(t *testing.T) {
	h := newHub(t, nil)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	now := time.Now()
	for name, c := range map[string]struct {
		host     string
		from, to time.Time
		says     []string
	}{
		"good":    {"127.0.0.1", now.Add(-time.Hour), now.Add(time.Hour), nil},
		"name":    {"10.9.9.9", now.Add(-time.Hour), now.Add(time.Hour), []string{"not for 127.0.0.1", "10.9.9.9"}},
		"expired": {"127.0.0.1", now.Add(-2 * time.Hour), now.Add(-time.Hour), []string{"expired", "this computer's time is " + now.Format("2006-01-02")}},
		"early":   {"127.0.0.1", now.Add(time.Hour), now.Add(2 * time.Hour), []string{"not valid yet", "set it"}},
	} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: c.from, NotAfter: c.to, IPAddresses: []net.IP{net.ParseIP(c.host)},
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
		der, err := x509.CreateCertificate(crand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, _ := x509.ParseCertificate(der)
		pool := x509.NewCertPool()
		pool.AddCert(leaf)
		addr, stop := h.serve(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
		client := h.client("kisumu", func(o *ClientOptions) { o.URL = "https://" + addr })
		client.http.(*http.Transport).TLSClientConfig.RootCAs = pool
		_, err = client.List(t.Context())
		if (err == nil) != (c.says == nil) || errors.Is(err, transport.ErrDown) {
			t.Errorf("%s: %v", name, err)
		}
		for _, s := range c.says {
			if err == nil || !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v does not say %q", name, err, s)
			}
		}
		client.Close()
		stop()
		h.restart()
	}
}

func TestCertificateMadeTwiceAtOnce(t *testing.T) {
	dir := t.TempDir()
	pins := make([]string, 8)
	var wg sync.WaitGroup
	for i := range pins {
		wg.Go(func() {
			var err error
			if _, pins[i], err = Certificate(dir, []string{"hub"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range pins {
		if p != pins[0] {
			t.Errorf("pins %q", pins)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
	os.Remove(filepath.Join(dir, "tls.key"))
	if _, _, err := Certificate(dir, nil); err == nil {
		t.Error("a certificate without its key is replaced")
	}
}

func TestAddresses(t *testing.T) {
	for _, url := range []string{"", "hub", "ftp://hub", "http://hub:80", "http://10.0.0.1", "https://user:secret@hub", "https://hub/?x", "https://hub#x", "https://",
		"http://localhost.example"} {
		if _, err := NewClient(ClientOptions{URL: url}); err == nil {
			t.Errorf("%q is taken", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v tells the password", err)
		}
	}
	for _, url := range []string{"http://localhost:1", "http://[::1]:1", "http://127.0.0.9", "https://hub/prefix/"} {
		if c, err := NewClient(ClientOptions{URL: url}); err != nil || c.String() != strings.TrimSuffix(url, "/") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestIdleConnections(t *testing.T) {
	h := newHub(t, nil)
	addr, stop := h.serve(nil)
	var conns []net.Conn
	for i := range 1000 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Skipf("connection %d: %v", i, err)
		}
		defer conn.Close()
		conns = append(conns, conn)
		if i%2 == 0 { // some have asked for something before, some are in the midst of asking
			fmt.Fprint(conn, "GET /v1/health HTTP/1.1\r\nHost: hub\r\n")
			if i%4 == 0 {
				fmt.Fprint(conn, "\r\n")
			}
		}
	}
	c := h.client("kisumu", func(o *ClientOptions) { o.URL = "http://" + addr })
	begun := time.Now()
	put(t, c, "a.omsync", content(1, 300_000))
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	for _, conn := range conns {
		conn.Close()
	}
	c.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A server that ends lets requests that run come to their end.
func TestGracefulEnd(t *testing.T) {
	waiting := make(chan struct{})
	h := newHub(t, func(o *ServerOptions) {
		o.Arrived = func(ctx context.Context, _, _ string) (Receipt, error) {
			close(waiting)
			time.Sleep(300 * time.Millisecond)
			return Receipt{Outcome: "applied"}, ctx.Err()
		}
	})
	addr, stop := h.serve(nil)
	var got Receipt
	c := h.client("kisumu", func(o *ClientOptions) {
		o.URL, o.Tries = "http://"+addr, 1
		o.Receipt = func(_ string, r Receipt) { got = r }
	})
	done := make(chan error, 1)
	go func() { done <- c.Put(t.Context(), "a.omsync", strings.NewReader("data"), 4, nil) }()
	<-waiting
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil || got.Outcome != "applied" {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestBrokenListener(t *testing.T) {
	h := newHub(t, nil)
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	l.Close()
	if err := h.server.Load().Serve(t.Context(), l, nil); err == nil {
		t.Error("no error")
	}
}

func TestTooManyRequests(t *testing.T) {
	block, began := make(chan struct{}), make(chan struct{}, 2)
	h := newHub(t, func(o *ServerOptions) {
		o.MaxRequests = 2
		o.Listing = func(context.Context, string) { began <- struct{}{}; <-block }
	})
	list := raw{method: "GET", path: "/v1/mail", node: "kisumu"}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { list.do(h) })
		<-began
	}
	wantProblem(t, raw{method: "GET", path: "/v1/health"}.do(h), 503, "busy")
	close(block)
	wg.Wait()
	if w := (raw{method: "GET", path: "/v1/health"}).do(h); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestPanics(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) {
		o.Listing = func(context.Context, string) { panic("secret") }
		o.Taken = func(context.Context, string, string) { panic("secret") }
	})
	for _, q := range []raw{{method: "GET", path: "/v1/mail"}, {method: "DELETE", path: "/v1/mail/a.omsync"}} {
		q.node = "kisumu"
		w := q.do(h)
		if strings.Contains(w.Body.String(), "secret") {
			t.Error("the answer tells too much")
		}
		wantProblem(t, w, 500, "internal")
	}
}

func TestJoin(t *testing.T) {
	var remotes []string
	h := newHub(t, func(o *ServerOptions) {
		o.Join = func(_ context.Context, remote string, body []byte) ([]byte, error) {
			remotes = append(remotes, remote)
			switch string(body) {
			case "token":
				return nil, &Problem{403, "token", "this invitation was used"}
			case "database":
				return nil, errors.New("password")
			}
			return append([]byte("welcome "), body...), nil
		}
	})
	c := h.client("new", func(o *ClientOptions) { o.Peer = "" })
	if got, err := c.Join(t.Context(), []byte("kisumu")); err != nil || string(got) != "welcome kisumu" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.Join(t.Context(), []byte("token")); status(t, err) != (Problem{403, "token", "this invitation was used"}) {
		t.Error(err)
	}
	if _, err := c.Join(t.Context(), []byte("database")); status(t, err).Status != 500 || strings.Contains(err.Error(), "password") {
		t.Error(err)
	}
	if _, err := c.Join(t.Context(), make([]byte, maxJoin+1)); err == nil {
		t.Error("too large")
	}
	if len(remotes) != 3 || remotes[0] != "127.0.0.1" {
		t.Errorf("from %q", remotes)
	}
	join := func(from string, size int) *httptest.ResponseRecorder {
		r := raw{method: "POST", path: "/v1/join", body: make([]byte, size)}.request(h)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.server.Load().ServeHTTP(w, r)
		return w
	}
	wantProblem(t, join("10.0.0.1:5", maxJoin+1), 413, "large")
	if w := join("10.0.0.1:5", maxJoin); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
	n := 0
	for n < 100 && join("10.0.0.2:5", 1).Code == 200 {
		n++
	}
	if n < 5 || n > 20 {
		t.Errorf("%d requests of one address are taken", n)
	}
	wantProblem(t, join("10.0.0.2:6", 1), 503, "busy")
	if w := join("10.0.0.3:5", 1); w.Code != 200 {
		t.Errorf("another address: %d", w.Code)
	}
	for i := range 200 { // one home with many addresses
		w := join(fmt.Sprintf("[2001:db8::%x]:5", i), 1)
		if i == 199 {
			wantProblem(t, w, 503, "busy")
		}
	}
	h = newHub(t, nil)
	wantProblem(t, raw{method: "POST", path: "/v1/join"}.do(h), 404, "missing")
}

func TestRemote(t *testing.T) {
	for _, c := range [][3]string{
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.1:5", "1.2.3.4", "10.0.0.1"}, // anybody can say so
		{"127.0.0.1:5", "6.6.6.6, 1.2.3.4", "1.2.3.4"},
		{"127.0.0.1:5", "garbage", "127.0.0.1"},
		{"[::1]:5", "2001:db8::1", "2001:db8::1"},
	} {
		r := &http.Request{RemoteAddr: c[0], Header: http.Header{}}
		if c[1] != "" {
			r.Header.Set("X-Forwarded-For", c[1])
		}
		if got := remote(r); got != c[2] {
			t.Errorf("%q: %s", c, got)
		}
	}
}

func TestReceiptMail(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) {
		o.Arrived = func(context.Context, string, string) (Receipt, error) { return Receipt{Outcome: "applied"}, nil }
	})
	small, large := content(1, maxInline), content(2, maxInline+1)
	h.mail("kisumu", "a.omsync", small)
	h.mail("kisumu", "b.omsync", large)
	h.mail("kisumu", "notes.txt", large)
	var got Receipt
	put(t, h.client("kisumu", func(o *ClientOptions) { o.Receipt = func(_ string, r Receipt) { got = r } }), "x.omsync", []byte("x"))
	if len(got.Mail) != 2 || !bytes.Equal(got.Mail[0].Data, small) || got.Mail[1].Name != "b.omsync" || got.Mail[1].Size != maxInline+1 || got.Mail[1].Data != nil {
		t.Errorf("%d mails", len(got.Mail))
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := newHub(t, func(o *ServerOptions) { o.Metrics = reg })
	h.restart() // on the same registry
	c := h.client("kisumu", nil)
	put(t, c, "a.omsync", content(1, 1000))
	c.Put(t.Context(), "b.omsync", strings.NewReader("bad"), 3, nil)
	raw{method: "BREW", path: "/v1/mail"}.do(h)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			got[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for key, want := range map[string]float64{
		"omsync_http_uploads_total kisumu stored":     1,
		"omsync_http_uploads_total kisumu refused":    1,
		"omsync_http_requests_total 2xx POST uploads": 2,
		"omsync_http_requests_total 2xx PATCH upload": 1,
		"omsync_http_requests_total 4xx PATCH upload": 1,
		"omsync_http_requests_total 4xx other mail":   1,
		"omsync_http_bytes_total in":                  1003,
		"omsync_http_requests_in_flight":              0,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v, want %v", key, v, want)
		}
	}
	for key := range got {
		if strings.Contains(key, "omsync ") || strings.Contains(key, "BREW") {
			t.Errorf("label in %s", key)
		}
	}
}
