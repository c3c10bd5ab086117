package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/webtest"
)

func TestPrefix(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) { o.Prefix = "/omsync" })
	c := h.Client("kisumu", func(o *client.Options) { o.URL = h.HTTP.URL + "/omsync/" })
	data := webtest.Content(1, 200_000)
	webtest.Put(t, c, "a.omsync", data)
	// A proxy that takes it off.
	strip := httptest.NewServer(http.StripPrefix("/omsync", h.HTTP.Config.Handler))
	defer strip.Close()
	c = h.Client("kisumu", func(o *client.Options) { o.URL = strip.URL + "/omsync" })
	webtest.Put(t, c, "b.omsync", data)
	if !bytes.Equal(h.Stored("a.omsync"), data) || !bytes.Equal(h.Stored("b.omsync"), data) {
		t.Error("not stored")
	}
}

func TestHealthAndOptions(t *testing.T) {
	h := webtest.NewHub(t, nil)
	if w := (webtest.Raw{Method: "GET", Path: "/v1/health"}).Do(h); w.Code != 200 || w.Body.String() != `{"node":"hub","status":"ok","version":"test"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	sick := webtest.NewHub(t, func(o *server.Options) {
		o.Healthy = func(context.Context) error { return errors.New("dial db.example.org") }
	})
	webtest.WantProblem(t, webtest.Raw{Method: "GET", Path: "/v1/health"}.Do(sick), 503, "unhealthy")
	if w := (webtest.Raw{Method: "GET", Path: "/v1/health"}).Do(sick); strings.Contains(w.Body.String(), "db.example.org") {
		t.Errorf("strangers are told: %s", w.Body)
	}
	w := webtest.Raw{Method: "OPTIONS", Path: "/v1/uploads"}.Do(h)
	if w.Code != 204 || w.Header().Get("Tus-Version") != "1.0.0" || w.Header().Get("Tus-Extension") != "creation" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestIdleConnections(t *testing.T) {
	h := webtest.NewHub(t, nil)
	addr, stop := h.Serve(nil)
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
	c := h.Client("kisumu", func(o *client.Options) { o.URL = "http://" + addr })
	begun := time.Now()
	webtest.Put(t, c, "a.omsync", webtest.Content(1, 300_000))
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
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Arrived = func(ctx context.Context, _, _ string) (web.Receipt, error) {
			close(waiting)
			time.Sleep(300 * time.Millisecond)
			return web.Receipt{Outcome: "applied"}, ctx.Err()
		}
	})
	addr, stop := h.Serve(nil)
	var got web.Receipt
	c := h.Client("kisumu", func(o *client.Options) {
		o.URL, o.Tries = "http://"+addr, 1
		o.Receipt = func(_ string, r web.Receipt) { got = r }
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
	h := webtest.NewHub(t, nil)
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	l.Close()
	if err := h.Server.Load().Serve(t.Context(), l, nil); err == nil {
		t.Error("no error")
	}
}

func TestPanics(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Listing = func(context.Context, string) { panic("secret") }
		o.Taken = func(context.Context, string, string) { panic("secret") }
	})
	for _, q := range []webtest.Raw{{Method: "GET", Path: "/v1/mail"}, {Method: "DELETE", Path: "/v1/mail/a.omsync"}} {
		q.Node = "kisumu"
		w := q.Do(h)
		if strings.Contains(w.Body.String(), "secret") {
			t.Error("the answer tells too much")
		}
		webtest.WantProblem(t, w, 500, "internal")
	}
}

// A client that goes is no trouble of the server's.
func TestNobodyWaits(t *testing.T) {
	for name, change := range map[string]func(o *server.Options){
		"looking up": func(o *server.Options) {
			o.Node = func(ctx context.Context, _ string) (func(msg, sig []byte) error, error) { return nil, ctx.Err() }
		},
		"listing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			h := webtest.NewHub(t, func(o *server.Options) {
				o.Log = slog.New(slog.NewTextHandler(&log, nil))
				if change != nil {
					change(o)
				}
			})
			h.Mail("kisumu", "a.omsync", []byte("data"))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			h.Server.Load().ServeHTTP(httptest.NewRecorder(), webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}.Request(h).WithContext(ctx))
			if text := log.String(); strings.Contains(text, "level=ERROR") || !strings.Contains(text, "problem=gone") {
				t.Error(text)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := webtest.NewHub(t, func(o *server.Options) { o.Metrics = reg })
	h.Restart() // on the same registry
	c := h.Client("kisumu", nil)
	webtest.Put(t, c, "a.omsync", webtest.Content(1, 1000))
	c.Put(t.Context(), "b.omsync", strings.NewReader("bad"), 3, nil)
	webtest.Raw{Method: "BREW", Path: "/v1/mail"}.Do(h)
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
