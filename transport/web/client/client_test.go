package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/storetest"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/webtest"
)

func TestThereAndBack(t *testing.T) {
	h := webtest.NewHub(t, nil)
	c := h.Client("kisumu", nil)
	for i, size := range []int{0, 1, 100, 64 << 10, 64<<10 + 1, 1 << 20} {
		name := fmt.Sprintf("kisumu-to-hub-%d.omsync", i)
		data := webtest.Content(uint64(i), size)
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
		if !bytes.Equal(h.Stored(name), data) {
			t.Errorf("%d bytes: other bytes are stored", size)
		}
		h.Mail("kisumu", name, data)
		for _, offset := range []int{0, size / 2, size} {
			if got := webtest.Get(t, c, name, int64(offset)); !bytes.Equal(got, data[offset:]) {
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
	if left, _ := filepath.Glob(filepath.Join(h.Dir, "uploads", "kisumu", "*.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if node, err := c.Health(t.Context()); node != "hub" || err != nil {
		t.Errorf("health: %q, %v", node, err)
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) transport.Store {
		h := webtest.NewHub(t, nil)
		h.Loop(&h.Options)
		h.Restart()
		return h.Client("kisumu", nil)
	})
}

func TestAddresses(t *testing.T) {
	for _, url := range []string{"", "hub", "ftp://hub", "http://hub:80", "http://10.0.0.1", "https://user:secret@hub", "https://hub/?x", "https://hub#x", "https://",
		"http://localhost.example"} {
		if _, err := client.New(client.Options{URL: url}); err == nil {
			t.Errorf("%q is taken", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v tells the password", err)
		}
	}
	for _, url := range []string{"http://localhost:1", "http://[::1]:1", "http://127.0.0.9", "https://hub/prefix/"} {
		if c, err := client.New(client.Options{URL: url}); err != nil || c.String() != strings.TrimSuffix(url, "/") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestClock(t *testing.T) {
	for name, off := range map[string]time.Duration{"365 days behind": -365 * 24 * time.Hour, "365 days ahead of": 365 * 24 * time.Hour, "20 minutes behind": -20 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			h := webtest.NewHub(t, nil)
			var warned []string
			c := h.Client("kisumu", func(o *client.Options) {
				o.Now = func() time.Time { return time.Now().Add(off) }
				o.Warn = func(format string, args ...any) { warned = append(warned, fmt.Sprintf(format, args...)) }
			})
			webtest.Put(t, c, "a.omsync", webtest.Content(1, 100_000))
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
		web.NewProblem(401, "clock", "the clock is off").Write(w)
	}))
	defer srv.Close()
	h := webtest.NewHub(t, nil)
	c := h.Client("kisumu", func(o *client.Options) { o.URL = srv.URL })
	_, err := c.List(t.Context())
	if p := webtest.Status(t, err); p.Type != "clock" || n != 2 {
		t.Errorf("%v after %d requests", err, n)
	}
}

func TestRate(t *testing.T) {
	h := webtest.NewHub(t, nil)
	lim := rate.NewLimiter(200_000, 10_000)
	c := h.Client("kisumu", func(o *client.Options) { o.Rate = lim })
	data := webtest.Content(1, 60_000)
	begun := time.Now()
	webtest.Put(t, c, "a.omsync", data)
	h.Mail("kisumu", "a.omsync", data)
	if got := webtest.Get(t, c, "a.omsync", 0); !bytes.Equal(got, data) {
		t.Error("other bytes")
	}
	if d := time.Since(begun); d < 500*time.Millisecond { // 120 kB less the burst, at 200 kB/s
		t.Errorf("it took only %v", d)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := c.Put(ctx, "b.omsync", bytes.NewReader(webtest.Content(2, 60_000)), 60_000, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
