package client_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/webtest"
)

// badLink passes bytes on and breaks each connection after a random number of them.
type badLink struct {
	listener net.Listener
	to       string
	up, down atomic.Int64 // bytes that were passed on
	cuts     atomic.Int64
	mu       sync.Mutex
	next     func() int64 // after how many bytes the next connection breaks; of both ways together
}

func newBadLink(t testing.TB, to string, next func() int64) *badLink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &badLink{listener: l, to: to, next: next}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(conn)
		}
	}()
	t.Cleanup(func() { l.Close() })
	return b
}

func (b *badLink) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", b.to)
	if err != nil {
		return
	}
	defer out.Close()
	b.mu.Lock()
	left := b.next()
	b.mu.Unlock()
	var budget atomic.Int64
	var once sync.Once
	budget.Store(left)
	done := make(chan struct{}, 2)
	copy := func(to, from net.Conn, count *atomic.Int64) {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 16<<10)
		for {
			n, err := from.Read(buf)
			if rest := budget.Add(-int64(n)); rest < 0 {
				n = max(0, n+int(rest))
				count.Add(int64(n))
				to.Write(buf[:n])
				once.Do(func() { b.cuts.Add(1) })
				return
			}
			count.Add(int64(n))
			if _, e := to.Write(buf[:n]); err != nil || e != nil {
				return
			}
		}
	}
	go copy(out, in, &b.up)
	go copy(in, out, &b.down)
	<-done
}

func (b *badLink) url() string { return "http://" + b.listener.Addr().String() }

func TestUploadOverABadLink(t *testing.T) {
	h := webtest.NewHub(t, nil)
	r := rand.New(rand.NewPCG(1, 2))
	link := newBadLink(t, h.HTTP.Listener.Addr().String(), func() int64 { return r.Int64N(1_000_000) })
	size := int64(16 << 20)
	if testing.Short() {
		size = 2 << 20
	}
	data := webtest.Content(1, int(size))
	c := h.Client("kisumu", func(o *client.Options) { o.URL = link.url() })
	var restarts int
	var last int64
	err := c.Put(t.Context(), "a.omsync", bytes.NewReader(data), size, func(done int64) {
		if done > last+size/5 { // the server is made anew now and then
			last = done
			restarts++
			h.Restart()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(h.Stored("a.omsync"), data) {
		t.Error("the file is another")
	}
	extra := float64(link.up.Load()-size) / float64(size)
	t.Logf("%d cuts, %d restarts, %.2f %% more", link.cuts.Load(), restarts, 100*extra)
	if extra > 0.05 {
		t.Errorf("%.1f %% more bytes than the file has, after %d cuts", 100*extra, link.cuts.Load())
	}
	if link.cuts.Load() < 10 && !testing.Short() {
		t.Errorf("only %d cuts", link.cuts.Load())
	}
}

func TestDownloadOverABadLink(t *testing.T) {
	h := webtest.NewHub(t, nil)
	r := rand.New(rand.NewPCG(3, 4))
	link := newBadLink(t, h.HTTP.Listener.Addr().String(), func() int64 { return r.Int64N(1_000_000) })
	data := webtest.Content(1, 8<<20)
	h.Mail("kisumu", "a.omsync", data)
	c := h.Client("kisumu", func(o *client.Options) { o.URL = link.url() })
	for _, from := range []int64{0, 5_000_000} {
		if got := webtest.Get(t, c, "a.omsync", from); !bytes.Equal(got, data[from:]) {
			t.Error("other bytes")
		}
	}
	if link.cuts.Load() < 4 {
		t.Errorf("only %d cuts", link.cuts.Load())
	}
}

// A link that passes nothing is given up, and the error says that it is the link.
func TestNoProgress(t *testing.T) {
	h := webtest.NewHub(t, nil)
	link := newBadLink(t, h.HTTP.Listener.Addr().String(), func() int64 { return 10 })
	c := h.Client("kisumu", func(o *client.Options) { o.URL = link.url(); o.Tries = 3 })
	_, err := c.List(t.Context())
	if !errors.Is(err, transport.ErrDown) || link.cuts.Load() != 3 {
		t.Errorf("%v after %d cuts", err, link.cuts.Load())
	}
	err = c.Put(t.Context(), "a.omsync", strings.NewReader("data"), 4, nil)
	if !errors.Is(err, transport.ErrDown) || link.cuts.Load() != 6 {
		t.Errorf("%v after %d cuts", err, link.cuts.Load())
	}
	if _, _, err = c.Get(t.Context(), "a.omsync", 0); !errors.Is(err, transport.ErrDown) {
		t.Error(err)
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	h := webtest.NewHub(t, nil)
	count := &webtest.Counter{RoundTripper: &http.Transport{}}
	c := h.Client("kisumu", func(o *client.Options) { o.URL, o.Transport = url, count })
	for i, do := range []func() error{
		func() error { _, err := c.List(t.Context()); return err },
		func() error { _, err := c.Health(t.Context()); return err },
		func() error { _, err := c.Join(t.Context(), []byte("x")); return err },
	} {
		if err := do(); !errors.Is(err, transport.ErrDown) || !strings.Contains(err.Error(), url) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := count.Count["GET"] + count.Count["POST"]; n != 6 {
		t.Errorf("%d requests", n)
	}
}

// A server that takes requests and says nothing.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := webtest.NewHub(t, nil)
	c := h.Client("kisumu", func(o *client.Options) {
		o.URL, o.StallTimeout, o.Tries = "http://"+l.Addr().String(), 50*time.Millisecond, 2
	})
	begun := time.Now()
	_, err = c.List(t.Context())
	if !errors.Is(err, transport.ErrDown) || !strings.Contains(err.Error(), "no byte") || time.Since(begun) > 3*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	big := webtest.Content(1, 1<<20)
	if err = c.Put(t.Context(), "a.omsync", bytes.NewReader(big), 1<<20, nil); !errors.Is(err, transport.ErrDown) {
		t.Error(err)
	}
}

// net/http sends a request again whose answer was lost, and its nonce is used up by then. That is no reason to give up.
func TestLostAnswers(t *testing.T) {
	var n atomic.Int64
	h := webtest.NewHub(t, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := n.Add(1); n == 2 || n == 4 || n == 6 {
			h.Server.Load().ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		h.Server.Load().ServeHTTP(w, r)
	}))
	defer srv.Close()
	c := h.Client("kisumu", func(o *client.Options) { o.URL = srv.URL })
	for range 2 {
		if _, err := c.List(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n.Load() < 7 {
		t.Errorf("only %d requests were sent", n.Load())
	}
}

// A mail that is replaced while it is read is not mixed from two.
func TestMailThatChanges(t *testing.T) {
	h := webtest.NewHub(t, nil)
	link := newBadLink(t, h.HTTP.Listener.Addr().String(), func() int64 { return 3_000_000 })
	h.Mail("kisumu", "a.omsync", webtest.Content(1, 16<<20))
	c := h.Client("kisumu", func(o *client.Options) { o.URL = link.url() })
	r, _, err := c.Get(t.Context(), "a.omsync", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	io.CopyN(io.Discard, r, 1000)
	time.Sleep(20 * time.Millisecond) // for clocks of file systems
	h.Mail("kisumu", "a.omsync", webtest.Content(2, 16<<20))
	if _, err := io.Copy(io.Discard, r); err == nil || errors.Is(err, transport.ErrDown) {
		t.Errorf("read on: %v", err)
	}
}
