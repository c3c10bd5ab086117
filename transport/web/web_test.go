package web

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
)

// hub is a server of the tests over folders that outlive it.
type hub struct {
	t      testing.TB
	dir    string
	o      ServerOptions
	server atomic.Pointer[Server]
	http   *httptest.Server
	keys   map[string]ed25519.PrivateKey

	mu     sync.Mutex
	checks int
}

func newHub(t testing.TB, change func(o *ServerOptions)) *hub {
	t.Helper()
	h := &hub{t: t, dir: t.TempDir(), keys: map[string]ed25519.PrivateKey{}}
	for _, node := range []string{"kisumu", "migori", "stranger", "late"} {
		h.keys[node] = ed25519.NewKeyFromSeed(fmt.Appendf(nil, "%-32s", node))
	}
	inbox := folder(t, filepath.Join(h.dir, "inbox"))
	h.o = ServerOptions{
		Self: "hub", Version: "test",
		Uploads: filepath.Join(h.dir, "uploads"),
		Inbox:   inbox,
		Outbox: func(node string) (*transport.Folder, error) {
			return transport.MakeFolder(filepath.Join(h.dir, "out-"+node))
		},
		Node: func(ctx context.Context, name string) (func(msg, sig []byte) error, error) {
			switch key, ok := h.keys[name]; {
			case name == "late":
				return nil, &Problem{403, "suspended", "late is suspended"}
			case !ok || name == "stranger":
				return nil, &Problem{403, "unknown", "nobody knows " + name}
			default:
				return func(msg, sig []byte) error {
					if !ed25519.Verify(key.Public().(ed25519.PublicKey), msg, sig) {
						return errors.New("wrong key")
					}
					return nil
				}, nil
			}
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
		change(&h.o)
	}
	h.restart()
	h.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.server.Load().ServeHTTP(w, r) }))
	t.Cleanup(h.http.Close)
	return h
}

// restart makes the server anew.
func (h *hub) restart() {
	h.t.Helper()
	s, err := NewServer(h.o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.server.Store(s)
}

func (h *hub) client(node string, change func(o *ClientOptions)) *Client {
	h.t.Helper()
	o := ClientOptions{
		URL: h.http.URL, Self: node, Peer: "hub", Backoff: time.Millisecond,
		Sign: func(msg []byte) ([]byte, error) { return ed25519.Sign(h.keys[node], msg), nil },
	}
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

// stored reads a file of the inbox; nil: there is none.
func (h *hub) stored(name string) []byte {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, "inbox", name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return data
}

// mail puts a file into a node's outbox.
func (h *hub) mail(node, name string, data []byte) {
	h.t.Helper()
	dir := filepath.Join(h.dir, "out-"+node)
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

// content makes bytes that are everywhere different.
func content(seed uint64, n int) []byte {
	out := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(out)
	return out
}

func put(t testing.TB, c *Client, name string, data []byte) {
	t.Helper()
	if err := c.Put(t.Context(), name, bytes.NewReader(data), int64(len(data)), nil); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

func get(t testing.TB, c *Client, name string, offset int64) []byte {
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

// status is the problem that an error is about.
func status(t testing.TB, err error) Problem {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("no problem: %v", err)
	}
	return *p
}

func TestThereAndBack(t *testing.T) {
	h := newHub(t, nil)
	c := h.client("kisumu", nil)
	for i, size := range []int{0, 1, 100, 64 << 10, 64<<10 + 1, 1 << 20} {
		name := fmt.Sprintf("kisumu-to-hub-%d.omsync", i)
		data := content(uint64(i), size)
		var last int64 = -1
		err := c.Put(t.Context(), name, bytes.NewReader(data), int64(size), func(done int64) {
			if done < last || done > int64(size) {
				t.Errorf("%d bytes: progress %d after %d", size, done, last)
			}
			last = done
		})
		if err != nil {
			t.Fatal(err)
		}
		if last != int64(size) {
			t.Errorf("%d bytes: progress ends at %d", size, last)
		}
		if !bytes.Equal(h.stored(name), data) {
			t.Errorf("%d bytes: other bytes are stored", size)
		}
		h.mail("kisumu", name, data)
		for _, offset := range []int{0, size / 2, size} {
			if got := get(t, c, name, int64(offset)); !bytes.Equal(got, data[offset:]) {
				t.Errorf("%d bytes from %d: read others", size, offset)
			}
		}
		if _, _, err := c.Get(t.Context(), name, int64(size)+1); err == nil {
			t.Errorf("%d bytes: an offset beyond the end is taken", size)
		}
	}
	list, err := c.List(t.Context())
	if err != nil || len(list) != 6 || list[5].Size != 1<<20 {
		t.Errorf("list: %v, %v", list, err)
	}
	if err := c.Remove(t.Context(), "kisumu-to-hub-1.omsync"); err != nil {
		t.Error(err)
	}
	if err := c.Remove(t.Context(), "kisumu-to-hub-1.omsync"); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Get(t.Context(), "kisumu-to-hub-1.omsync", 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("get what is gone: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "uploads", "kisumu", "*.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if node, err := c.Health(t.Context()); node != "hub" || err != nil {
		t.Errorf("health: %q, %v", node, err)
	}
}
