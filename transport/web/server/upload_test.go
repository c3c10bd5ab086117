package server_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/webtest"
)

// Whatever order pieces come in, from however many senders, cut wherever, with servers that come and go: the file is the
// right one, or not there.
func TestUploadModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := webtest.NewHub(t, nil)
		data := webtest.Content(7, rapid.IntRange(0, 300).Draw(rt, "size"))
		other := webtest.Content(8, len(data)) // another file of the same name and size
		w := webtest.Announce("kisumu", "a.omsync", data).Do(h)
		at, done := 0, len(data) == 0
		path := w.Header().Get("Location")
		steps := rapid.IntRange(0, 20).Draw(rt, "steps")
		for range steps {
			switch rapid.SampledFrom([]string{"patch", "patch", "patch", "wrong", "again", "head", "restart", "other", "long"}).Draw(rt, "step") {
			case "patch":
				if done {
					continue
				}
				n := rapid.IntRange(0, len(data)-at).Draw(rt, "bytes")
				sent := rapid.IntRange(0, n).Draw(rt, "arrive")
				q := webtest.Piece("kisumu", path, at, data[at:at+n])
				full := q.Body
				q.Body, q.Length = full[:sent], int64(n)
				w := q.Do(h)
				at += sent
				if got := w.Header().Get("Upload-Offset"); got != strconv.Itoa(at) {
					rt.Fatalf("offset %s after %d bytes (%d %s)", got, at, w.Code, w.Body)
				}
				done = at == len(data) && sent == n
			case "wrong":
				from := rapid.IntRange(0, len(data)+1).Draw(rt, "from")
				if from == at {
					continue
				}
				w := webtest.Piece("kisumu", path, from, []byte("wrong")).Do(h)
				if w.Code != 409 && w.Code != 404 {
					rt.Fatalf("offset %d in place of %d: %d", from, at, w.Code)
				}
			case "again":
				w := webtest.Announce("kisumu", "a.omsync", data).Do(h)
				if at == len(data) {
					done = true
				}
				if got := w.Header().Get("Upload-Offset"); got != strconv.Itoa(at) || w.Header().Get("Location") != path || (w.Code == 200) != done {
					rt.Fatalf("announced again: %d, offset %s after %d", w.Code, got, at)
				}
			case "head":
				w := webtest.Raw{Method: "HEAD", Path: path, Node: "kisumu"}.Do(h)
				if done && w.Code != 404 || !done && w.Header().Get("Upload-Offset") != strconv.Itoa(at) {
					rt.Fatalf("head: %d, offset %s after %d", w.Code, w.Header().Get("Upload-Offset"), at)
				}
			case "restart":
				h.Restart()
			case "other":
				w := webtest.Announce("kisumu", "a.omsync", other).Do(h)
				if len(other) > 0 && w.Header().Get("Location") == path {
					rt.Fatal("two files are one upload")
				}
			case "long":
				if done {
					continue
				}
				w := webtest.Piece("kisumu", path, at, make([]byte, len(data)-at+1)).Do(h)
				if w.Code != 413 {
					rt.Fatalf("more than was announced: %d", w.Code)
				}
			}
			if got := h.Stored("a.omsync"); done != (got != nil) || done && !bytes.Equal(got, data) {
				rt.Fatalf("done %t, %d bytes are stored", done, len(got))
			}
		}
		webtest.Put(t, h.Client("kisumu", nil), "a.omsync", data)
		if !bytes.Equal(h.Stored("a.omsync"), data) {
			rt.Fatal("the file is not what was sent")
		}
		h.HTTP.Close()
	})
}

// A file that is stored is not sent again, though it is gone from the inbox, the server was restarted, and the client knows
// nothing.
func TestStoredOnce(t *testing.T) {
	h := webtest.NewHub(t, nil)
	arrived := 0
	h.Loop(&h.Options)
	loop := h.Options.Arrived
	h.Options.Arrived = func(ctx context.Context, node, name string) (web.Receipt, error) {
		arrived++
		return loop(ctx, node, name)
	}
	h.Restart()
	data := webtest.Content(1, 100_000)
	for range 3 {
		var receipts []web.Receipt
		count := &webtest.Counter{RoundTripper: http.DefaultTransport}
		c := h.Client("kisumu", func(o *client.Options) {
			o.Transport = count
			o.Receipt = func(name string, r web.Receipt) { receipts = append(receipts, r) }
		})
		webtest.Put(t, c, "a.omsync", data)
		if len(receipts) != 1 || receipts[0].Outcome != "applied" || len(receipts[0].Mail) != 1 || receipts[0].Mail[0].Size != 100_000 {
			t.Errorf("receipts: %+v", receipts)
		}
		if arrived > 1 || h.Checks() > 1 {
			t.Errorf("arrived %d times, checked %d times", arrived, h.Checks())
		}
		h.Restart()
	}
	// Another file of the name is another.
	again := webtest.Content(2, 100_000)
	webtest.Put(t, h.Client("kisumu", nil), "a.omsync", again)
	webtest.Put(t, h.Client("kisumu", nil), "a.omsync", data)
	if arrived != 3 {
		t.Errorf("arrived %d times", arrived)
	}
}

func TestRefused(t *testing.T) {
	h := webtest.NewHub(t, nil)
	c := h.Client("kisumu", nil)
	data := append([]byte("bad"), webtest.Content(1, 100_000)...)
	for range 2 {
		err := c.Put(t.Context(), "a.omsync", bytes.NewReader(data), int64(len(data)), nil)
		if p := webtest.Status(t, err); p.Status != 422 || p.Type != "refused" || p.Detail != "it is bad" || errors.Is(err, transport.ErrDown) {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if h.Checks() != 2 || h.Stored("a.omsync") != nil {
		t.Errorf("%d checks, %d bytes stored", h.Checks(), len(h.Stored("a.omsync")))
	}
	if left, _ := filepath.Glob(filepath.Join(h.Dir, "uploads", "kisumu", "*.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	webtest.Put(t, c, "a.omsync", data[3:])
}

// What is announced of a file's end must be so, and what content-digest says.
func TestDigests(t *testing.T) {
	h := webtest.NewHub(t, nil)
	data := webtest.Content(1, 1000)
	w := webtest.Announce("kisumu", "a.omsync", data).Do(h)
	path := w.Header().Get("Location")
	q := webtest.Piece("kisumu", path, 0, data)
	q.Body = webtest.Content(2, 1000)
	webtest.WantProblem(t, q.Do(h), 400, "digest")
	q = webtest.Piece("kisumu", path, 0, data)
	delete(q.Header, "Content-Digest")
	webtest.WantProblem(t, q.Do(h), 400, "digest")
	if w := (webtest.Raw{Method: "HEAD", Path: path, Node: "kisumu"}).Do(h); w.Header().Get("Upload-Offset") != "0" {
		t.Errorf("offset %s", w.Header().Get("Upload-Offset"))
	}
	webtest.WantProblem(t, webtest.Piece("kisumu", path, 0, webtest.Content(2, 1000)).Do(h), 422, "refused")
	if h.Checks() != 0 {
		t.Error("checked")
	}
}

func TestBadAnnouncements(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) { o.MaxFile, o.MaxPartial = 1000, 1500 })
	good := webtest.Announce("kisumu", "a.omsync", webtest.Content(1, 900))
	for name, c := range map[string]struct {
		header, value string
		status        int
		kind          string
	}{
		"no length":   {"Upload-Length", "", 400, "request"},
		"negative":    {"Upload-Length", "-1", 400, "request"},
		"word":        {"Upload-Length", "many", 400, "request"},
		"enormous":    {"Upload-Length", "99999999999999999999", 400, "request"},
		"too large":   {"Upload-Length", "1001", 413, "large"},
		"no metadata": {"Upload-Metadata", "", 400, "name"},
		"no digest":   {"Upload-Metadata", "filename " + webtest.Base64([]byte("a.omsync")), 400, "request"},
		"garbage":     {"Upload-Metadata", "filename !!", 400, "request"},
		"other tus":   {"Tus-Resumable", "0.2.2", 412, "tus"},
	} {
		q := good
		q.Header = map[string]string{}
		for k, v := range good.Header {
			q.Header[k] = v
		}
		q.Header[c.header] = c.value
		t.Run(name, func(t *testing.T) { webtest.WantProblem(t, q.Do(h), c.status, c.kind) })
	}
	w := good.Do(h)
	if w.Code != 201 {
		t.Fatal(w.Code)
	}
	path := w.Header().Get("Location")
	webtest.WantProblem(t, webtest.Announce("kisumu", "b.omsync", webtest.Content(2, 700)).Do(h), 413, "quota")
	if w := webtest.Announce("migori", "b.omsync", webtest.Content(2, 700)).Do(h); w.Code != 201 {
		t.Errorf("another node's: %d", w.Code)
	}
	// What nobody went on with for a day makes room.
	old := time.Now().Add(-25 * time.Hour)
	files, _ := filepath.Glob(filepath.Join(h.Dir, "uploads", "kisumu", "*.*"))
	for _, f := range files {
		os.Chtimes(f, old, old)
	}
	if w := webtest.Announce("kisumu", "b.omsync", webtest.Content(2, 700)).Do(h); w.Code != 201 {
		t.Errorf("after a day: %d %s", w.Code, w.Body)
	}
	webtest.WantProblem(t, webtest.Piece("kisumu", path, 0, []byte("x")).Do(h), 404, "missing")
	q := webtest.Piece("kisumu", path, 0, []byte("x"))
	q.Header["Content-Type"] = "text/plain"
	webtest.WantProblem(t, q.Do(h), 415, "tus")
	q = webtest.Piece("kisumu", path, 0, []byte("x"))
	q.Tamper = func(r *http.Request) { r.ContentLength = -1 }
	webtest.WantProblem(t, q.Do(h), 401, "signature")
}

func TestArrivedGoesWrong(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Arrived = func(context.Context, string, string) (web.Receipt, error) {
			return web.Receipt{}, errors.New("the database is down")
		}
	})
	var got web.Receipt
	c := h.Client("kisumu", func(o *client.Options) { o.Receipt = func(_ string, r web.Receipt) { got = r } })
	webtest.Put(t, c, "a.omsync", []byte("data"))
	if got.Outcome != "stored" || got.Why == "" || strings.Contains(got.Why, "database") {
		t.Errorf("receipt %+v", got)
	}
	if h.Stored("a.omsync") == nil {
		t.Error("not stored")
	}
}

func TestReceiptMail(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Arrived = func(context.Context, string, string) (web.Receipt, error) {
			return web.Receipt{Outcome: "applied"}, nil
		}
	})
	small, large := webtest.Content(1, web.MaxInline), webtest.Content(2, web.MaxInline+1)
	h.Mail("kisumu", "a.omsync", small)
	h.Mail("kisumu", "b.omsync", large)
	h.Mail("kisumu", "notes.txt", large)
	var got web.Receipt
	webtest.Put(t, h.Client("kisumu", func(o *client.Options) { o.Receipt = func(_ string, r web.Receipt) { got = r } }), "x.omsync", []byte("x"))
	if len(got.Mail) != 2 || !bytes.Equal(got.Mail[0].Data, small) || got.Mail[1].Name != "b.omsync" || got.Mail[1].Size != web.MaxInline+1 || got.Mail[1].Data != nil {
		t.Errorf("%d mails", len(got.Mail))
	}
}

// TestFullInbox has a node send more than the server takes of one: what waits in the inbox counts, and only its own.
func TestFullInbox(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) {
		o.MaxPartial = 2500
		o.Mine = func(node, name string) bool { return strings.HasPrefix(name, node+"-") }
	})
	c := h.Client("kisumu", nil)
	webtest.Put(t, c, "kisumu-1.omsync", webtest.Content(1, 1000))
	webtest.Put(t, c, "kisumu-2.omsync", webtest.Content(2, 1000))
	webtest.WantProblem(t, webtest.Announce("kisumu", "kisumu-3.omsync", webtest.Content(3, 1000)).Do(h), 413, "quota")
	webtest.Put(t, h.Client("migori", nil), "migori-1.omsync", webtest.Content(4, 1000))
	if err := os.Remove(filepath.Join(h.Dir, "inbox", "kisumu-1.omsync")); err != nil { // imported
		t.Fatal(err)
	}
	webtest.Put(t, c, "kisumu-3.omsync", webtest.Content(3, 1000))
}

func TestOldThingsAreSweptAway(t *testing.T) {
	h := webtest.NewHub(t, nil)
	webtest.Put(t, h.Client("kisumu", nil), "a.omsync", []byte("a"))
	webtest.Announce("kisumu", "b.omsync", []byte("b")).Do(h)
	count := func() (n int) {
		filepath.WalkDir(filepath.Join(h.Dir, "uploads"), func(_ string, e fs.DirEntry, _ error) error {
			if e.Type().IsRegular() {
				n++
			}
			return nil
		})
		return n
	}
	h.Restart()
	if n := count(); n != 3 { // a marker, an announcement, and the part
		t.Fatalf("%d files", n)
	}
	for _, age := range []time.Duration{29, 31} {
		at := time.Now().Add(-age * 24 * time.Hour)
		filepath.WalkDir(filepath.Join(h.Dir, "uploads"), func(path string, e fs.DirEntry, _ error) error {
			if e.Type().IsRegular() {
				os.Chtimes(path, at, at)
			}
			return nil
		})
		h.Restart()
		if n := count(); n != map[time.Duration]int{29: 3, 31: 0}[age] {
			t.Errorf("%d files after %d days", n, age)
		}
	}
}
