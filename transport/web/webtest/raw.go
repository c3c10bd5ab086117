package webtest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/httpsig"
)

// Raw is a request made by hand.
type Raw struct {
	Method, Path string
	Node         string    // "": not signed
	At           time.Time // zero: now
	Header       map[string]string
	Body         []byte
	Length       int64                 // of the body, as it is told; 0: as it is
	Tamper       func(r *http.Request) // after the signature
}

// Request returns the request, signed for a hub.
func (q Raw) Request(h *Hub) *http.Request {
	h.t.Helper()
	r := httptest.NewRequest(q.Method, "http://hub"+q.Path, bytes.NewReader(q.Body))
	if r.ContentLength = int64(len(q.Body)); q.Length != 0 {
		r.ContentLength = q.Length
	}
	r.Header.Set(httpsig.HeaderTo, "hub")
	r.Header.Set("Tus-Resumable", web.TusVersion)
	for k, v := range q.Header {
		r.Header.Set(k, v)
	}
	if q.Node != "" {
		if q.At.IsZero() {
			q.At = h.Now()
		}
		m := httpsig.Message{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Length: r.ContentLength, Header: r.Header}
		if err := m.Sign(q.Node, q.At, func(msg []byte) ([]byte, error) { return ed25519.Sign(h.Keys[q.Node], msg), nil }); err != nil {
			h.t.Fatal(err)
		}
	}
	if q.Tamper != nil {
		q.Tamper(r)
	}
	return r
}

// Do has a hub answer the request.
func (q Raw) Do(h *Hub) *httptest.ResponseRecorder {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.Server.Load().ServeHTTP(w, q.Request(h))
	return w
}

// WantProblem checks an answer that is no success.
func WantProblem(t testing.TB, w *httptest.ResponseRecorder, status int, kind string) {
	t.Helper()
	p := web.ReadProblem(w.Result())
	if p.Status != status || p.Type != kind || p.Detail == "" {
		t.Errorf("answer %d %q (%s), want %d %q", p.Status, p.Type, p.Detail, status, kind)
	}
	if status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// Announce returns a POST for a file.
func Announce(node, name string, data []byte) Raw {
	sum, _ := web.FileDigest(bytes.NewReader(data), int64(len(data)))
	return Raw{Method: "POST", Path: "/v1/uploads", Node: node, Header: map[string]string{
		"Upload-Length": strconv.Itoa(len(data)), "Upload-Metadata": "filename " + Base64([]byte(name)) + ",digest " + Base64(sum)}}
}

// Base64 returns bytes as headers have them.
func Base64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// Piece returns a PATCH.
func Piece(node, path string, at int, body []byte) Raw {
	sum := sha256.Sum256(body)
	q := Raw{Method: "PATCH", Path: path, Node: node, Body: body, Header: map[string]string{
		"Content-Type": web.OffsetType, "Upload-Offset": strconv.Itoa(at)}}
	if len(body) <= web.MaxDigested {
		q.Header["Content-Digest"] = "sha-256=:" + Base64(sum[:]) + ":"
	}
	return q
}
