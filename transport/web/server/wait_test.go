package server_test

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"net"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/tlspin"
	"github.com/omsync/omsync/transport/web/webtest"
)

// waiting waits until so many requests of a node wait.
func waiting(t *testing.T, s *server.Server, node string, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); s.Waits(node) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests of %s wait, not %d", s.Waits(node), node, n)
		}
	}
}

func TestWait(t *testing.T) {
	h := webtest.NewHub(t, nil)
	c := h.Client("kisumu", nil)
	list, none, err := c.Wait(t.Context(), "", web.MaxWait) // what it knows nothing of it is told at once
	if err != nil || len(list) != 0 || none == "" {
		t.Fatalf("%v %q %v", list, none, err)
	}
	if list, mark, err := c.Wait(t.Context(), none, 0); err != nil || list != nil || mark != none {
		t.Errorf("nothing new: %v %q %v", list, mark, err)
	}
	type answer struct {
		list []web.Mail
		mark string
		err  error
	}
	got := make(chan answer, 1)
	wait := func(known string) {
		list, mark, err := c.Wait(t.Context(), known, web.MaxWait)
		got <- answer{list, mark, err}
	}
	go wait(none)
	waiting(t, h.Server.Load(), "kisumu", 1)
	h.Mail("migori", "hub-to-migori.omsync", []byte("mail"))
	h.Server.Load().Wake("kisumu")
	h.Server.Load().Wake("migori")
	h.Mail("kisumu", "hub-to-kisumu.omsync", []byte("mail"))
	began := time.Now()
	h.Server.Load().Wake("kisumu")
	one := <-got
	if one.err != nil || len(one.list) != 1 || one.list[0].Name != "hub-to-kisumu.omsync" || one.list[0].Size != 4 || one.mark == none {
		t.Fatalf("%+v", one)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v to hear of it", took)
	}
	// What another program put there is found without a word.
	go wait(one.mark)
	waiting(t, h.Server.Load(), "kisumu", 1)
	h.Mail("kisumu", "hub-to-kisumu-2.omsync", []byte("more"))
	if two := <-got; two.err != nil || len(two.list) != 2 {
		t.Errorf("%+v", two)
	}
	waiting(t, h.Server.Load(), "kisumu", 0)
	for header, value := range map[string]string{"none": "", "a word": "long", "less than nothing": "-1"} {
		w := webtest.Raw{Method: "GET", Path: "/v1/wait", Node: "kisumu", Header: map[string]string{web.HeaderWait: value}}.Do(h)
		if w.Code != 400 {
			t.Errorf("%s: %d", header, w.Code)
		}
	}
}

// TestWaitsTakeNoPlace: as many as may wait leave all places to requests that do something.
func TestWaitsTakeNoPlace(t *testing.T) {
	h := webtest.NewHub(t, func(o *server.Options) { o.MaxRequests = 2 })
	mark := web.MailMark(nil)
	var wg sync.WaitGroup
	for _, node := range []string{"kisumu", "migori"} {
		for n := range web.MaxWaits {
			wg.Go(func() {
				if _, _, err := h.Client(node, nil).Wait(t.Context(), mark, web.MaxWait); err != nil {
					t.Error(err)
				}
			})
			waiting(t, h.Server.Load(), node, n+1)
		}
	}
	if got := h.Server.Load().Waiting(); !slices.Equal(got, []string{"kisumu", "migori"}) {
		t.Errorf("waiting: %v", got)
	}
	var p *web.Problem
	if _, _, err := h.Client("kisumu", nil).Wait(t.Context(), mark, 0); !errors.As(err, &p) || p.Type != web.TypeBusy {
		t.Errorf("one more waits: %v", err)
	}
	for range 3 {
		if _, err := h.Client("kisumu", nil).List(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, node := range []string{"kisumu", "migori"} {
		h.Mail(node, "hub-to-"+node+".omsync", []byte("mail"))
		h.Server.Load().Wake(node)
	}
	wg.Wait()
}

// TestTheEndOfAServerEndsWaits: who waits does not hold up its end.
func TestTheEndOfAServerEndsWaits(t *testing.T) {
	h := webtest.NewHub(t, nil)
	addr, stop := h.Serve(nil)
	c, err := client.New(client.Options{URL: "http://" + addr, Self: "kisumu", Peer: "hub", Sign: func(msg []byte) ([]byte, error) {
		return ed25519.Sign(h.Keys["kisumu"], msg), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, _, err := c.Wait(t.Context(), web.MailMark(nil), web.MaxWait)
		waited <- err
	}()
	waiting(t, h.Server.Load(), "kisumu", 1)
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("the server: %v", err)
	}
	if err := <-waited; err != nil {
		t.Errorf("who waited: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestAnOldHubCannotWait(t *testing.T) {
	h := webtest.NewHub(t, nil)
	w := webtest.Raw{Method: "GET", Path: "/v1/hold", Node: "kisumu"}.Do(h) // as /v1/wait was to a server of before
	webtest.WantProblem(t, w, 404, "missing")
	c := h.Client("kisumu", func(o *client.Options) { o.URL += "/elsewhere" })
	if _, _, err := c.Wait(t.Context(), "", 0); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, transport.ErrDown) {
		t.Errorf("%v", err)
	}
}

// counted counts the bytes of all connections, both ways.
type counted struct {
	net.Listener
	n *atomic.Int64
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.n}, err
}

type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// TestBytesOfAnIdleDay counts what waiting costs on a link with TLS where nothing happens, and how much that is in a day.
func TestBytesOfAnIdleDay(t *testing.T) {
	h := webtest.NewHub(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	srv := httptest.NewUnstartedServer(h.Server.Load())
	srv.Listener.Close()
	srv.Listener = counted{l, &n}
	srv.StartTLS()
	defer srv.Close()
	c, err := client.New(client.Options{URL: srv.URL, Pin: tlspin.Of(srv.Certificate()), Self: "kisumu", Peer: "hub", Sign: func(msg []byte) ([]byte, error) {
		return ed25519.Sign(h.Keys["kisumu"], msg), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wait := func() {
		t.Helper()
		if _, _, err := c.Wait(t.Context(), web.MailMark(nil), 0); err != nil {
			t.Fatal(err)
		}
	}
	wait()
	first := n.Load()
	const polls = 100
	for range polls {
		wait()
	}
	each := (n.Load() - first) / polls
	// TCP and IP add to each: two segments with data, their two acknowledgements, and three signs of life with their answers, 52 bytes each.
	const headers = (4 + 6) * 52
	day := (each + headers) * int64(24*time.Hour/web.MaxWait)
	t.Logf("%d bytes to connect; %d bytes and %d of headers each %v, %.1f MB in a day", first, each, headers, web.MaxWait, float64(day)/1e6)
	if each == 0 || day > 4_000_000 {
		t.Errorf("%d bytes in a day", day)
	}
}
