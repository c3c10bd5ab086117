package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/webtest"
)

// begin sends the head of a request with all of a file, whose body is then to be written by hand.
func begin(t *testing.T, h *webtest.Hub, path string, data []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", h.HTTP.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := webtest.Piece("kisumu", path, 0, data).Request(h)
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: hub\r\nContent-Length: %d\r\n", path, len(data))
	r.Header.Write(conn)
	fmt.Fprint(conn, "\r\n")
	return conn
}

// A connection that is dead on one side only does not hold up the next.
func TestStaleConnection(t *testing.T) {
	h := webtest.NewHub(t, nil) // stalls after a minute
	data := webtest.Content(1, 300_000)
	w := webtest.Announce("kisumu", "a.omsync", data).Do(h)
	path := w.Header().Get("Location")
	conn := begin(t, h, path, data)
	conn.Write(data[:100_000])
	for end := time.Now().Add(20 * time.Second); h.Server.Load().Uploads().Size("kisumu", filepath.Base(path)) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the first connection is not served")
		}
	}
	begun := time.Now()
	webtest.Put(t, h.Client("kisumu", nil), "a.omsync", data)
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if !bytes.Equal(h.Stored("a.omsync"), data) {
		t.Error("the file is another")
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 409") {
		t.Errorf("the old connection hears %q, %v", line, err)
	}
}

// Many at one upload: one file, and it is right.
func TestManyAtOnce(t *testing.T) {
	h := webtest.NewHub(t, nil)
	data := webtest.Content(1, 2<<20)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := h.Client("kisumu", func(o *client.Options) { o.Tries = 50 })
			if err := c.Put(t.Context(), "a.omsync", bytes.NewReader(data), int64(len(data)), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !bytes.Equal(h.Stored("a.omsync"), data) {
		t.Error("the file is another")
	}
	if h.Checks() != 1 {
		t.Errorf("checked %d times", h.Checks())
	}
}

func TestSlowBody(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) { o.StallTimeout = 100 * time.Millisecond })
	data := webtest.Content(1, 300_000)
	w := webtest.Announce("kisumu", "a.omsync", data).Do(h)
	path := w.Header().Get("Location")
	conn := begin(t, h, path, data)
	for i := range 20 { // slow, but it moves: longer than the timeout in all
		conn.Write(data[i*1000 : (i+1)*1000])
		time.Sleep(20 * time.Millisecond)
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(answer, []byte("HTTP/1.1 408")) {
		t.Errorf("answer %.200q, %v", answer, err)
	}
	if w := (webtest.Raw{Method: "HEAD", Path: path, Node: "kisumu"}).Do(h); w.Header().Get("Upload-Offset") != "20000" {
		t.Errorf("offset %s", w.Header().Get("Upload-Offset"))
	}
}

// A server that has much to do with a file keeps its client waiting, however short of patience that is.
func TestLongWork(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) {
		o.StallTimeout = 100 * time.Millisecond
		o.Arrived = func(context.Context, string, string) (web.Receipt, error) {
			time.Sleep(600 * time.Millisecond)
			return web.Receipt{Outcome: "applied"}, nil
		}
	})
	var got web.Receipt
	c := h.Client("kisumu", func(o *client.Options) {
		o.StallTimeout, o.Tries = 200*time.Millisecond, 1
		o.Receipt = func(_ string, r web.Receipt) { got = r }
	})
	webtest.Put(t, c, "a.omsync", webtest.Content(1, 1000))
	if got.Outcome != "applied" {
		t.Errorf("receipt %+v", got)
	}
}

// And goes on when the client has gone.
func TestClientGoes(t *testing.T) {
	arrived, waiting := make(chan error, 1), make(chan struct{})
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Arrived = func(ctx context.Context, _, _ string) (web.Receipt, error) {
			close(waiting)
			time.Sleep(200 * time.Millisecond)
			arrived <- ctx.Err()
			return web.Receipt{}, nil
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-waiting; cancel() }()
	if err := h.Client("kisumu", nil).Put(ctx, "a.omsync", strings.NewReader("data"), 4, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-arrived; err != nil {
		t.Error(err)
	}
}

// TestNoInterimAnswersBehindAProxy: nginx takes an answer of 1xx for the last one.
func TestNoInterimAnswersBehindAProxy(t *testing.T) {
	for name, c := range map[string]struct {
		proxied bool
		header  string
		interim bool
	}{"direct": {false, "X-Other: 1", true}, "its settings say so": {true, "X-Other: 1", false}, "its headers say so": {false, "X-Forwarded-For: 192.0.2.1", false}} {
		t.Run(name, func(t *testing.T) {
			h := webtest.NewHub(t, func(o *server.Options) {
				o.StallTimeout, o.Proxied = 100*time.Millisecond, c.proxied
				o.Listing = func(context.Context, string) { time.Sleep(250 * time.Millisecond) }
			})
			q := webtest.Raw{Method: "GET", Path: "/v1/mail", Node: "kisumu"}.Request(h)
			conn, err := net.Dial("tcp", h.HTTP.Listener.Addr().String())
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
			if got := strings.Contains(answer.String(), "HTTP/1.1 102"); got != c.interim || !strings.Contains(answer.String(), "HTTP/1.1 200 OK") {
				t.Errorf("answer %q", answer.String())
			}
		})
	}
}
