package webtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/server"
)

// Hub is a server over folders that outlive it. Nodes kisumu and migori have its trust; it does not know stranger, and has
// suspended late. A file that begins with "bad" is refused.
type Hub struct {
	Dir     string // its folders: inbox, uploads, out-NODE
	Options server.Options
	Server  atomic.Pointer[server.Server]
	HTTP    *httptest.Server
	Keys    map[string]ed25519.PrivateKey // by node

	t testing.TB

	mu     sync.Mutex
	checks int
}

// NewHub returns a hub that runs until the test ends. change, if not nil, changes its options.
func NewHub(t testing.TB, change func(o *server.Options)) *Hub {
	t.Helper()
	h := &Hub{t: t, Dir: t.TempDir(), Keys: map[string]ed25519.PrivateKey{}}
	for _, node := range []string{"kisumu", "migori", "stranger", "late"} {
		h.Keys[node] = ed25519.NewKeyFromSeed(fmt.Appendf(nil, "%-32s", node))
	}
	inbox := folder(t, filepath.Join(h.Dir, "inbox"))
	h.Options = server.Options{
		Self: "hub", Version: "test",
		Uploads: filepath.Join(h.Dir, "uploads"),
		Inbox:   inbox,
		Outbox: func(node string) (*transport.Folder, error) {
			return transport.MakeFolder(filepath.Join(h.Dir, "out-"+node))
		},
		Node: func(ctx context.Context, name string) (func(msg, sig []byte) error, error) {
			key, ok := h.Keys[name]
			verify := func(msg, sig []byte) error {
				if !ok || name == "stranger" || !ed25519.Verify(key.Public().(ed25519.PublicKey), msg, sig) {
					return errors.New("wrong key")
				}
				return nil
			}
			if name == "late" {
				return verify, &web.Problem{Status: 403, Type: "suspended", Detail: "late is suspended"}
			}
			return verify, nil
		},
		Check: func(ctx context.Context, node, name string, r io.ReaderAt, size int64) error {
			h.mu.Lock()
			h.checks++
			h.mu.Unlock()
			data := make([]byte, min(size, 3))
			r.ReadAt(data, 0)
			if string(data) == "bad" {
				return errors.New("it is bad")
			}
			return nil
		},
	}
	if change != nil {
		change(&h.Options)
	}
	h.Restart()
	h.HTTP = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.Server.Load().ServeHTTP(w, r) }))
	t.Cleanup(h.HTTP.Close)
	return h
}

// Restart makes the server anew, with the options as they are then.
func (h *Hub) Restart() {
	h.t.Helper()
	s, err := server.New(h.Options)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Server.Store(s)
}

// Client returns a client of a node. change, if not nil, changes its options.
func (h *Hub) Client(node string, change func(o *client.Options)) *client.Client {
	h.t.Helper()
	o := client.Options{
		URL: h.HTTP.URL, Self: node, Peer: "hub", Backoff: time.Millisecond,
		Sign: func(msg []byte) ([]byte, error) { return ed25519.Sign(h.Keys[node], msg), nil },
	}
	if change != nil {
		change(&o)
	}
	c, err := client.New(o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// Stored returns what is in a file of the inbox; nil: there is none.
func (h *Hub) Stored(name string) []byte {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.Dir, "inbox", name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return data
}

// Mail puts a file into a node's outbox.
func (h *Hub) Mail(node, name string, data []byte) {
	h.t.Helper()
	dir := filepath.Join(h.Dir, "out-"+node)
	os.MkdirAll(dir, 0o700)
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func folder(t testing.TB, path string) *transport.Folder {
	t.Helper()
	f, err := transport.MakeFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Content returns bytes that are everywhere different.
func Content(seed uint64, n int) []byte {
	out := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(out)
	return out
}

// Put stores a file.
func Put(t testing.TB, c *client.Client, name string, data []byte) {
	t.Helper()
	if err := c.Put(t.Context(), name, bytes.NewReader(data), int64(len(data)), nil); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

// Get returns a mail from an offset on.
func Get(t testing.TB, c *client.Client, name string, offset int64) []byte {
	t.Helper()
	r, _, err := c.Get(t.Context(), name, offset)
	if err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
	return data
}

// Status returns the problem that an error is about.
func Status(t testing.TB, err error) web.Problem {
	t.Helper()
	var p *web.Problem
	if !errors.As(err, &p) {
		t.Fatalf("no problem: %v", err)
	}
	return *p
}

// Checks returns how many files were checked.
func (h *Hub) Checks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.checks
}

// Now returns the time by the server's clock.
func (h *Hub) Now() time.Time {
	if h.Options.Now != nil {
		return h.Options.Now()
	}
	return time.Now()
}

// Serve runs the hub's server and returns its address, and what ends it. After that the hub needs a Restart.
func (h *Hub) Serve(conf *tls.Config) (addr string, stop func() error) {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Server.Load().Serve(ctx, l, conf) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	h.t.Cleanup(func() { stop() })
	return l.Addr().String(), stop
}

// Loop makes what a node sends its own mail.
func (h *Hub) Loop(o *server.Options) {
	var mu sync.Mutex
	o.Arrived = func(ctx context.Context, node, name string) (web.Receipt, error) {
		mu.Lock()
		defer mu.Unlock()
		to := filepath.Join(h.Dir, "out-"+node)
		os.MkdirAll(to, 0o700)
		err := os.Rename(filepath.Join(h.Dir, "inbox", name), filepath.Join(to, name))
		if errors.Is(err, fs.ErrNotExist) { // another upload of the name has taken it along
			err = nil
		}
		return web.Receipt{Outcome: "applied"}, err
	}
}
