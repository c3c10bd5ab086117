package web

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestOneNodeLeavesRoom has a node begin more than it needs: it is told to wait, and others are served.
func TestOneNodeLeavesRoom(t *testing.T) {
	block, began := make(chan struct{}), make(chan struct{}, 100)
	h := newHub(t, func(o *ServerOptions) {
		o.MaxRequests = 64
		o.Listing = func(_ context.Context, node string) {
			if node == "kisumu" {
				began <- struct{}{}
				<-block
			}
		}
	})
	list := raw{method: "GET", path: "/v1/mail", node: "kisumu"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { list.do(h) })
		<-began
	}
	wantProblem(t, list.do(h), 503, "busy")
	if w := (raw{method: "GET", path: "/v1/mail", node: "migori"}).do(h); w.Code != 200 {
		t.Errorf("another node: %d %s", w.Code, w.Body)
	}
	close(block)
	wg.Wait()
	if w := list.do(h); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

// TestClockSetBack has a server start with a clock that is a day ahead, and is set then.
func TestClockSetBack(t *testing.T) {
	ahead := 24 * time.Hour
	h := newHub(t, func(o *ServerOptions) { o.Now = func() time.Time { return time.Now().Add(ahead) } })
	ahead = 0
	before := raw{method: "GET", path: "/v1/mail", node: "kisumu", at: time.Now().Add(-time.Minute)}
	if w := (raw{method: "GET", path: "/v1/mail", node: "kisumu"}).do(h); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantProblem(t, before.do(h), 401, "clock") // it may have been heard before the start
}

// TestNoBeatsBehindAProxy: nginx takes an answer of 1xx for the last one.
func TestNoBeatsBehindAProxy(t *testing.T) {
	for name, c := range map[string]struct {
		proxied bool
		header  string
		beats   bool
	}{"direct": {false, "X-Other: 1", true}, "its settings say so": {true, "X-Other: 1", false}, "its headers say so": {false, "X-Forwarded-For: 192.0.2.1", false}} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, func(o *ServerOptions) {
				o.StallTimeout, o.Proxied = 100*time.Millisecond, c.proxied
				o.Listing = func(context.Context, string) { time.Sleep(250 * time.Millisecond) }
			})
			q := raw{method: "GET", path: "/v1/mail", node: "kisumu"}.request(h)
			conn, err := net.Dial("tcp", h.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var text bytes.Buffer
			text.WriteString("GET /v1/mail HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n" + c.header + "\r\n")
			q.Header.Write(&text)
			text.WriteString("\r\n")
			if _, err := conn.Write(text.Bytes()); err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			var answer bytes.Buffer
			if _, err := answer.ReadFrom(conn); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(answer.String(), "HTTP/1.1 102"); got != c.beats || !strings.Contains(answer.String(), "HTTP/1.1 200 OK") {
				t.Errorf("answer %q", answer.String())
			}
		})
	}
}

// TestFullBeforeTheNote has the disk be full just when a file is in the inbox: once it is offered again it is seen to.
func TestFullBeforeTheNote(t *testing.T) {
	var arrived []string
	h := newHub(t, func(o *ServerOptions) {
		o.Arrived = func(_ context.Context, _, name string) (Receipt, error) {
			arrived = append(arrived, name)
			return Receipt{Outcome: "applied"}, nil
		}
	})
	data := content(1, 1000)
	done := filepath.Join(h.dir, "uploads", "kisumu", "done")
	path := announce("kisumu", "a.omsync", data).do(h).Header().Get("Location")
	if err := os.WriteFile(done, nil, 0o600); err != nil { // a file where the folder of notes should be
		t.Fatal(err)
	}
	if w := piece("kisumu", path, 0, data).do(h); w.Code != http.StatusInternalServerError || len(arrived) != 0 || h.stored("a.omsync") == nil {
		t.Fatalf("%d, arrived %q", w.Code, arrived)
	}
	if err := os.Remove(done); err != nil {
		t.Fatal(err)
	}
	if w := announce("kisumu", "a.omsync", data).do(h); w.Code != 200 || len(arrived) != 1 || !strings.Contains(w.Body.String(), "applied") {
		t.Errorf("%d %s, arrived %q", w.Code, w.Body, arrived)
	}
}

// TestFullInbox has a node send more than the server takes of one: what waits in the inbox counts, and only its own.
func TestFullInbox(t *testing.T) {
	h := newHub(t, func(o *ServerOptions) {
		o.MaxPartial = 2500
		o.Mine = func(node, name string) bool { return strings.HasPrefix(name, node+"-") }
	})
	c := h.client("kisumu", nil)
	put(t, c, "kisumu-1.omsync", content(1, 1000))
	put(t, c, "kisumu-2.omsync", content(2, 1000))
	wantProblem(t, announce("kisumu", "kisumu-3.omsync", content(3, 1000)).do(h), 413, "quota")
	put(t, h.client("migori", nil), "migori-1.omsync", content(4, 1000))
	if err := os.Remove(filepath.Join(h.dir, "inbox", "kisumu-1.omsync")); err != nil { // imported
		t.Fatal(err)
	}
	put(t, c, "kisumu-3.omsync", content(3, 1000))
}
