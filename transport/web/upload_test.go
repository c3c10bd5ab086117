package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/storetest"
)

// loop makes what a node sends its own mail.
func (h *hub) loop(o *ServerOptions) {
	var mu sync.Mutex
	o.Arrived = func(ctx context.Context, node, name string) (Receipt, error) {
		mu.Lock()
		defer mu.Unlock()
		to := filepath.Join(h.dir, "out-"+node)
		os.MkdirAll(to, 0o700)
		err := os.Rename(filepath.Join(h.dir, "inbox", name), filepath.Join(to, name))
		if errors.Is(err, fs.ErrNotExist) { // another upload of the name has taken it along
			err = nil
		}
		return Receipt{Outcome: "applied"}, err
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) transport.Store {
		h := newHub(t, nil)
		h.loop(&h.o)
		h.restart()
		return h.client("kisumu", nil)
	})
}

// Whatever order pieces come in, from however many senders, cut wherever, with servers that come and go: the file is the
// right one, or not there.
func TestUploadModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHub(t, nil)
		data := content(7, rapid.IntRange(0, 300).Draw(rt, "size"))
		other := content(8, len(data)) // another file of the same name and size
		w := announce("kisumu", "a.omsync", data).do(h)
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
				q := piece("kisumu", path, at, data[at:at+n])
				full := q.body
				q.body, q.length = full[:sent], int64(n)
				w := q.do(h)
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
				w := piece("kisumu", path, from, []byte("wrong")).do(h)
				if w.Code != 409 && w.Code != 404 {
					rt.Fatalf("offset %d in place of %d: %d", from, at, w.Code)
				}
			case "again":
				w := announce("kisumu", "a.omsync", data).do(h)
				if at == len(data) {
					done = true
				}
				if got := w.Header().Get("Upload-Offset"); got != strconv.Itoa(at) || w.Header().Get("Location") != path || (w.Code == 200) != done {
					rt.Fatalf("announced again: %d, offset %s after %d", w.Code, got, at)
				}
			case "head":
				w := raw{method: "HEAD", path: path, node: "kisumu"}.do(h)
				if done && w.Code != 404 || !done && w.Header().Get("Upload-Offset") != strconv.Itoa(at) {
					rt.Fatalf("head: %d, offset %s after %d", w.Code, w.Header().Get("Upload-Offset"), at)
				}
			case "restart":
				h.restart()
			case "other":
				w := announce("kisumu", "a.omsync", other).do(h)
				if len(other) > 0 && w.Header().Get("Location") == path {
					rt.Fatal("two files are one upload")
				}
			case "long":
				if done {
					continue
				}
				w := piece("kisumu", path, at, make([]byte, len(data)-at+1)).do(h)
				if w.Code != 413 {
					rt.Fatalf("more than was announced: %d", w.Code)
				}
			}
			if got := h.stored("a.omsync"); done != (got != nil) || done && !bytes.Equal(got, data) {
				rt.Fatalf("done %t, %d bytes are stored", done, len(got))
			}
		}
		put(t, h.client("kisumu", nil), "a.omsync", data)
		if !bytes.Equal(h.stored("a.omsync"), data) {
			rt.Fatal("the file is not what was sent")
		}
		h.http.Close()
	})
}

// A file that is stored is not sent again, though it is gone from the inbox, the server was restarted, and the client knows
// nothing.
func TestStoredOnce(t *testing.T) {
	h := newHub(t, nil)
	arrived := 0
	h.loop(&h.o)
	loop := h.o.Arrived
	h.o.Arrived = func(ctx context.Context, node, name string) (Receipt, error) {
		arrived++
		return loop(ctx, node, name)
	}
	h.restart()
	data := content(1, 100_000)
	for range 3 {
		var receipts []Receipt
		count := &counting{RoundTripper: http.DefaultTransport}
		c := h.client("kisumu", func(o *ClientOptions) {
			o.Transport = count
			o.Receipt = func(name string, r Receipt) { receipts = append(receipts, r) }
		})
		put(t, c, "a.omsync", data)
		if len(receipts) != 1 || receipts[0].Outcome != "applied" || len(receipts[0].Mail) != 1 || receipts[0].Mail[0].Size != 100_000 {
			t.Errorf("receipts: %+v", receipts)
		}
		if arrived > 1 || h.checks > 1 {
			t.Errorf("arrived %d times, checked %d times", arrived, h.checks)
		}
		h.restart()
	}
	// Another file of the name is another.
	again := content(2, 100_000)
	put(t, h.client("kisumu", nil), "a.omsync", again)
	put(t, h.client("kisumu", nil), "a.omsync", data)
	if arrived != 3 {
		t.Errorf("arrived %d times", arrived)
	}
}

type counting struct {
	http.RoundTripper
	mu    sync.Mutex
	count map[string]int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.count[r.Method]++
	c.mu.Unlock()
	return c.RoundTripper.RoundTrip(r)
}

// A server that was killed between the inbox and its note knows the file by itself.
func TestKilledBeforeTheNote(t *testing.T) {
	h := newHub(t, nil)
	data := content(1, 100_000)
	c := h.client("kisumu", nil)
	put(t, c, "a.omsync", data)
	os.RemoveAll(filepath.Join(h.dir, "uploads", "kisumu", "done"))
	w := announce("kisumu", "a.omsync", data).do(h)
	if w.Code != 200 || w.Header().Get("Upload-Offset") != "100000" {
		t.Errorf("%d, offset %s", w.Code, w.Header().Get("Upload-Offset"))
	}
	if w = announce("kisumu", "a.omsync", content(2, 100_000)).do(h); w.Code != 201 {
		t.Errorf("another file: %d", w.Code)
	}
}

// One that was killed with all bytes there, but nothing done with them, does it when the file is offered again.
func TestKilledBeforeTheCheck(t *testing.T) {
	refuse := true
	h := newHub(t, func(o *ServerOptions) {
		check := o.Check
		o.Check = func(ctx context.Context, node, name string, r io.ReaderAt, size int64) error {
			if refuse {
				return &Problem{503, "busy", "not now"}
			}
			return check(ctx, node, name, r, size)
		}
	})
	data := content(1, 1000)
	w := announce("kisumu", "a.omsync", data).do(h)
	path := w.Header().Get("Location")
	wantProblem(t, piece("kisumu", path, 0, data).do(h), 503, "busy")
	h.restart()
	wantProblem(t, announce("kisumu", "a.omsync", data).do(h), 503, "busy")
	refuse = false
	if w = announce("kisumu", "a.omsync", data).do(h); w.Code != 200 || !bytes.Equal(h.stored("a.omsync"), data) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRefused(t *testing.T) {
	h := newHub(t, nil)
	c := h.client("kisumu", nil)
	data := append([]byte("bad"), content(1, 100_000)...)
	for range 2 {
		err := c.Put(t.Context(), "a.omsync", bytes.NewReader(data), int64(len(data)), nil)
		if p := status(t, err); p.Status != 422 || p.Type != "refused" || p.Detail != "it is bad" || errors.Is(err, transport.ErrDown) {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if h.checks != 2 || h.stored("a.omsync") != nil {
		t.Errorf("%d checks, %d bytes stored", h.checks, len(h.stored("a.omsync")))
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "uploads", "kisumu", "*.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	put(t, c, "a.omsync", data[3:])
}

// What is announced of a file's end must be so, and what content-digest says.
func TestDigests(t *testing.T) {
	h := newHub(t, nil)
	data := content(1, 1000)
	w := announce("kisumu", "a.omsync", data).do(h)
	path := w.Header().Get("Location")
	q := piece("kisumu", path, 0, data)
	q.body = content(2, 1000)
	wantProblem(t, q.do(h), 400, "digest")
	q = piece("kisumu", path, 0, data)
	delete(q.header, "Content-Digest")
	wantProblem(t, q.do(h), 400, "digest")
	if w := (raw{method: "HEAD", path: path, node: "kisumu"}).do(h); w.Header().Get("Upload-Offset") != "0" {
		t.Errorf("offset %s", w.Header().Get("Upload-Offset"))
	}
	wantProblem(t, piece("kisumu", path, 0, content(2, 1000)).do(h), 422, "refused")
	if h.checks != 0 {
		t.Error("checked")
	}
}

func TestBadAnnouncements(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) { o.MaxFile, o.MaxPartial = 1000, 1500 })
	good := announce("kisumu", "a.omsync", content(1, 900))
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
		"no digest":   {"Upload-Metadata", "filename " + b64([]byte("a.omsync")), 400, "request"},
		"garbage":     {"Upload-Metadata", "filename !!", 400, "request"},
		"other tus":   {"Tus-Resumable", "0.2.2", 412, "tus"},
	} {
		q := good
		q.header = map[string]string{}
		for k, v := range good.header {
			q.header[k] = v
		}
		q.header[c.header] = c.value
		t.Run(name, func(t *testing.T) { wantProblem(t, q.do(h), c.status, c.kind) })
	}
	w := good.do(h)
	if w.Code != 201 {
		t.Fatal(w.Code)
	}
	path := w.Header().Get("Location")
	wantProblem(t, announce("kisumu", "b.omsync", content(2, 700)).do(h), 413, "quota")
	if w := announce("migori", "b.omsync", content(2, 700)).do(h); w.Code != 201 {
		t.Errorf("another node's: %d", w.Code)
	}
	// What nobody went on with for a day makes room.
	old := time.Now().Add(-25 * time.Hour)
	files, _ := filepath.Glob(filepath.Join(h.dir, "uploads", "kisumu", "*.*"))
	for _, f := range files {
		os.Chtimes(f, old, old)
	}
	if w := announce("kisumu", "b.omsync", content(2, 700)).do(h); w.Code != 201 {
		t.Errorf("after a day: %d %s", w.Code, w.Body)
	}
	wantProblem(t, piece("kisumu", path, 0, []byte("x")).do(h), 404, "missing")
	q := piece("kisumu", path, 0, []byte("x"))
	q.header["Content-Type"] = "text/plain"
	wantProblem(t, q.do(h), 415, "tus")
	q = piece("kisumu", path, 0, []byte("x"))
	q.tamper = func(r *http.Request) { r.ContentLength = -1 }
	wantProblem(t, q.do(h), 401, "signature")
}

func TestOldThingsAreSweptAway(t *testing.T) {
	h := newHub(t, nil)
	put(t, h.client("kisumu", nil), "a.omsync", []byte("a"))
	announce("kisumu", "b.omsync", []byte("b")).do(h)
	count := func() (n int) {
		filepath.WalkDir(filepath.Join(h.dir, "uploads"), func(_ string, e fs.DirEntry, _ error) error {
			if e.Type().IsRegular() {
				n++
			}
			return nil
		})
		return n
	}
	h.restart()
	if n := count(); n != 3 { // a marker, an announcement, and the part
		t.Fatalf("%d files", n)
	}
	for _, age := range []time.Duration{29, 31} {
		at := time.Now().Add(-age * 24 * time.Hour)
		filepath.WalkDir(filepath.Join(h.dir, "uploads"), func(path string, e fs.DirEntry, _ error) error {
			if e.Type().IsRegular() {
				os.Chtimes(path, at, at)
			}
			return nil
		})
		h.restart()
		if n := count(); n != map[time.Duration]int{29: 3, 31: 0}[age] {
			t.Errorf("%d files after %d days", n, age)
		}
	}
}

// fullDisk has room for some bytes only.
type fullDisk struct {
	partFile
	room int64
}

func (f *fullDisk) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.room {
		n := max(0, f.room-off)
		f.partFile.WriteAt(p[:n], off)
		return int(n), &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return f.partFile.WriteAt(p, off)
}

func TestFullDisk(t *testing.T) {
	h := newHub(t, nil)
	s := h.server.Load()
	open := s.up.open
	room := int64(100_000)
	s.up.open = func(name string) (partFile, error) {
		f, err := open(name)
		return &fullDisk{f, room}, err
	}
	data := content(1, 500_000)
	c := h.client("kisumu", nil)
	err := c.Put(t.Context(), "a.omsync", bytes.NewReader(data), int64(len(data)), nil)
	if !errors.Is(err, transport.ErrFull) || status(t, err).Type != "full" {
		t.Fatal(err)
	}
	room = 1 << 30
	put(t, c, "a.omsync", data)
	if !bytes.Equal(h.stored("a.omsync"), data) {
		t.Error("the file is another")
	}
}

// The folder for uploads and the inbox on two file systems.
func TestOtherFileSystem(t *testing.T) {
	const shm = "/dev/shm"
	dir, err := os.MkdirTemp(shm, "omsync-test-")
	if err != nil {
		t.Skip("no second file system")
	}
	defer os.RemoveAll(dir)
	h := newHub(t, func(o *ServerOptions) { o.Uploads = filepath.Join(dir, "uploads") })
	data := content(1, 500_000)
	put(t, h.client("kisumu", nil), "a.omsync", data)
	if !bytes.Equal(h.stored("a.omsync"), data) {
		t.Error("the file is another")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "uploads", "kisumu", "*.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestArrivedGoesWrong(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) {
		o.Arrived = func(context.Context, string, string) (Receipt, error) {
			return Receipt{}, errors.New("the database is down")
		}
	})
	var got Receipt
	c := h.client("kisumu", func(o *ClientOptions) { o.Receipt = func(_ string, r Receipt) { got = r } })
	put(t, c, "a.omsync", []byte("data"))
	if got.Outcome != "stored" || got.Why == "" || strings.Contains(got.Why, "database") {
		t.Errorf("receipt %+v", got)
	}
	if h.stored("a.omsync") == nil {
		t.Error("not stored")
	}
}

// begin sends the head of a request with all of a file, whose body is then to be written by hand.
func begin(h *hub, path string, data []byte) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.http.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	r := piece("kisumu", path, 0, data).request(h)
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: hub\r\nContent-Length: %d\r\n", path, len(data))
	r.Header.Write(conn)
	fmt.Fprint(conn, "\r\n")
	return conn
}

// A connection that is dead on one side only does not hold up the next.
func TestStaleConnection(t *testing.T) {
	h := newHub(t, nil) // stalls after a minute
	data := content(1, 300_000)
	w := announce("kisumu", "a.omsync", data).do(h)
	path := w.Header().Get("Location")
	conn := begin(h, path, data)
	conn.Write(data[:100_000])
	for end := time.Now().Add(20 * time.Second); h.server.Load().up.size("kisumu", filepath.Base(path)) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the first connection is not served")
		}
	}
	begun := time.Now()
	put(t, h.client("kisumu", nil), "a.omsync", data)
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if !bytes.Equal(h.stored("a.omsync"), data) {
		t.Error("the file is another")
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 409") {
		t.Errorf("the old connection hears %q, %v", line, err)
	}
}

// Many at one upload: one file, and it is right.
func TestManyAtOnce(t *testing.T) {
	h := newHub(t, nil)
	data := content(1, 2<<20)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := h.client("kisumu", func(o *ClientOptions) { o.Tries = 50 })
			if err := c.Put(t.Context(), "a.omsync", bytes.NewReader(data), int64(len(data)), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !bytes.Equal(h.stored("a.omsync"), data) {
		t.Error("the file is another")
	}
	if h.checks != 1 {
		t.Errorf("checked %d times", h.checks)
	}
}

func TestSlowBody(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) { o.StallTimeout = 100 * time.Millisecond })
	data := content(1, 300_000)
	w := announce("kisumu", "a.omsync", data).do(h)
	path := w.Header().Get("Location")
	conn := begin(h, path, data)
	for i := range 20 { // slow, but it moves: longer than the timeout in all
		conn.Write(data[i*1000 : (i+1)*1000])
		time.Sleep(20 * time.Millisecond)
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(answer, []byte("HTTP/1.1 408")) {
		t.Errorf("answer %.200q, %v", answer, err)
	}
	if w := (raw{method: "HEAD", path: path, node: "kisumu"}).do(h); w.Header().Get("Upload-Offset") != "20000" {
		t.Errorf("offset %s", w.Header().Get("Upload-Offset"))
	}
}

// A server that has much to do with a file keeps its client waiting, however short of patience that is.
func TestLongWork(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) {
		o.StallTimeout = 100 * time.Millisecond
		o.Arrived = func(context.Context, string, string) (Receipt, error) {
			time.Sleep(600 * time.Millisecond)
			return Receipt{Outcome: "applied"}, nil
		}
	})
	var got Receipt
	c := h.client("kisumu", func(o *ClientOptions) {
		o.StallTimeout, o.Tries = 200*time.Millisecond, 1
		o.Receipt = func(_ string, r Receipt) { got = r }
	})
	put(t, c, "a.omsync", content(1, 1000))
	if got.Outcome != "applied" {
		t.Errorf("receipt %+v", got)
	}
}

// And goes on when the client has gone.
func TestClientGoes(t *testing.T) {
	arrived, waiting := make(chan error, 1), make(chan struct{})
	h := newHub(t, func(o *ServerOptions) {
		o.Arrived = func(ctx context.Context, _, _ string) (Receipt, error) {
			close(waiting)
			time.Sleep(200 * time.Millisecond)
			arrived <- ctx.Err()
			return Receipt{}, nil
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-waiting; cancel() }()
	if err := h.client("kisumu", nil).Put(ctx, "a.omsync", strings.NewReader("data"), 4, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-arrived; err != nil {
		t.Error(err)
	}
}
