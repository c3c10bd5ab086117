package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/webtest"
)

func TestRetryAfter(t *testing.T) {
	var n atomic.Int64
	h := webtest.NewHub(t, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "a proxy's page", http.StatusServiceUnavailable)
			return
		}
		h.Server.Load().ServeHTTP(w, r)
	}))
	defer srv.Close()
	begun := time.Now()
	c := h.Client("kisumu", func(o *client.Options) { o.URL = srv.URL })
	if _, err := c.List(t.Context()); err != nil || time.Since(begun) < time.Second || n.Load() != 2 {
		t.Errorf("%v after %v and %d requests", err, time.Since(begun), n.Load())
	}
}

// Answers that are not omsync's are errors, and not of the link.
func TestStrangeAnswers(t *testing.T) {
	h := webtest.NewHub(t, nil)
	for name, answer := range map[string]http.HandlerFunc{
		"login page": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>Log in</html>") },
		"moved":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"not found":  http.NotFound,
		"broken json": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "[{")
		},
		"forbidden": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no\x1b[2J", http.StatusForbidden) },
		"bad offset": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Upload-Offset", "99")
			w.WriteHeader(201)
		},
		"internal": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(answer)
			defer srv.Close()
			c := h.Client("kisumu", func(o *client.Options) { o.URL = srv.URL })
			_, e1 := c.List(t.Context())
			_, _, e2 := c.Get(t.Context(), "a.omsync", 10)
			e3 := c.Put(t.Context(), "a.omsync", strings.NewReader("data"), 4, nil)
			_, e4 := c.Health(t.Context())
			for i, err := range []error{e1, e2, e3, e4} {
				if i == 1 && name == "login page" {
					continue // shorter than the offset
				}
				if err == nil || errors.Is(err, transport.ErrDown) != (name == "internal") || strings.Contains(err.Error(), "\x1b") {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
}

// A server that knows no ranges.
func TestNoRanges(t *testing.T) {
	h := webtest.NewHub(t, nil)
	data := webtest.Content(1, 100_000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(data) }))
	defer srv.Close()
	c := h.Client("kisumu", func(o *client.Options) {
		o.URL = srv.URL
	})
	if _, _, err := c.Get(t.Context(), "a.omsync", 1000); err == nil {
		t.Error("an answer without a length is taken")
	}
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000")
		w.Write(data)
	})
	if got := webtest.Get(t, c, "a.omsync", 1000); !bytes.Equal(got, data[1000:]) {
		t.Error("other bytes")
	}
	if _, _, err := c.Get(t.Context(), "a.omsync", 100_001); err == nil {
		t.Error("an offset beyond the end is taken")
	}
}
