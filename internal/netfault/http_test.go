package netfault

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// book is a server that writes down the bodies of requests in the order in which they arrive, and answers with how many it
// has had.
type book struct {
	mu      sync.Mutex
	entries []string
}

func (b *book) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, string(body))
	fmt.Fprint(w, len(b.entries))
}

func (b *book) read() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.entries...)
}

// open starts a book and a proxy before it.
func open(t testing.TB, r Repeats) (*book, *HTTPProxy) {
	t.Helper()
	b := &book{}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	return b, StartHTTP(t, s.Listener.Addr().String(), r)
}

// post sends a body and returns the answer. A POST is not repeated by the client itself.
func post(t testing.TB, p *HTTPProxy, body string) (string, error) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: 20 * time.Second}
	response, err := client.Post("http://"+p.Addr()+"/", "text/plain", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	return string(got), err
}

func mustPost(t testing.TB, p *HTTPProxy, body, want string) {
	t.Helper()
	if got, err := post(t, p, body); err != nil || got != want {
		t.Errorf("%s is answered with %q and %v, want %q", body, got, err, want)
	}
}

func wantBook(t testing.TB, b *book, want ...string) {
	t.Helper()
	if got := b.read(); !reflect.DeepEqual(got, want) {
		t.Errorf("the server had %q, want %q", got, want)
	}
}

// raw runs a server that takes one request per connection, of known length, and returns the bytes it got.
func raw(t testing.TB, length int, answer string) (string, <-chan []byte) {
	got := make(chan []byte, 10)
	return listen(t, func(c *net.TCPConn) {
		buf := make([]byte, length)
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Errorf("the server got less than a request: %v", err)
			return
		}
		io.WriteString(c, answer)
		got <- buf
		if n, _ := io.Copy(io.Discard, c); n > 0 {
			t.Errorf("the server got %d bytes more than a request", n)
		}
	}), got
}

// The bytes arrive as they were sent, twice if they are repeated, and so do those of the answer.
func TestHTTPBytes(t *testing.T) {
	for name, request := range map[string]string{
		"length":  "PUT /a%2Fb//c?x=1;y HTTP/1.1\r\nhost: Somewhere:1\r\nX-odd:  two  spaces\r\nContent-Length: 5\r\n\r\nhello",
		"chunked": "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3;ext=1\r\nabc\r\n0\r\nT: 1\r\n\r\n",
		"none":    "GET / HTTP/1.1\r\nHost: h\r\nAccept-encoding: gzip\r\n\r\n",
		"head":    "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answer := "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 Fine\r\nodd:   yes\r\ncontent-length: 4\r\n\r\n"
			if name != "head" {
				answer += "body"
			}
			target, got := raw(t, len(request), answer)
			p := StartHTTP(t, target, Repeats{Duplicate: 1})
			c := dial(t, p.Addr())
			for range 2 { // over one connection of the client
				io.WriteString(c, request)
				back := make([]byte, len(answer))
				if _, err := io.ReadFull(c, back); err != nil || string(back) != answer {
					t.Errorf("the answer is %q with %v, want %q", back, err, answer)
				}
			}
			p.Flush()
			for range 4 {
				if one := <-got; string(one) != request {
					t.Errorf("the server got %q, want %q", one, request)
				}
			}
			if s, want := p.Stats(), (HTTPStats{Connections: 1, Requests: 2, Duplicated: 2}); s != want {
				t.Errorf("stats are %+v, want %+v", s, want)
			}
			want := HTTPBytes{Up: 2 * int64(len(request)), Down: 2 * int64(len(answer))}
			if b := p.Bytes(); b != want {
				t.Errorf("bytes are %+v, want %+v", b, want)
			}
		})
	}
}

func TestHTTPGood(t *testing.T) {
	b, p := open(t, Repeats{})
	transport := &http.Transport{ExpectContinueTimeout: 10 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	client := http.Client{Transport: transport}
	big := strings.Repeat("0123456789", 500_000)
	request, err := http.NewRequest("PUT", "http://"+p.Addr()+"/x", strings.NewReader(big))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Expect", "100-continue")
	begin := time.Now()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("a client that waits for leave to send waited %v", took)
	}
	wantBook(t, b, big)
}

func TestDuplicate(t *testing.T) {
	b, p := open(t, Repeats{Seed: 3, Duplicate: 1})
	const requests = 40
	for n := range requests {
		if _, err := post(t, p, fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	p.Flush()
	got := b.read()
	first, second := map[string]int{}, map[string]int{}
	for at, body := range got {
		if _, there := first[body]; !there {
			first[body] = at
		} else if _, there := second[body]; !there {
			second[body] = at
		} else {
			t.Errorf("%s came three times", body)
		}
	}
	backToBack, later := 0, 0
	for body, at := range first {
		switch again, there := second[body]; {
		case !there:
			t.Errorf("%s came once only", body)
		case again == at+1:
			backToBack++
		default:
			later++
		}
	}
	if len(first) != requests || backToBack < 8 || later < 8 {
		t.Errorf("of %d requests %d came twice at once and %d later", len(first), backToBack, later)
	}
	if s := p.Stats(); s.Duplicated != requests || s.Requests != requests {
		t.Errorf("stats are %+v, want %d copies", s, requests)
	}

	// The same again: one seed, one story.
	b2, p2 := open(t, Repeats{Seed: 3, Duplicate: 1})
	for n := range requests {
		if _, err := post(t, p2, fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	p2.Flush()
	wantBook(t, b2, got...)
}

// The client has the answer to the first of the two.
func TestDuplicateAnswer(t *testing.T) {
	b, p := open(t, Repeats{Duplicate: 1})
	mustPost(t, p, "once", "1")
	p.Flush()
	wantBook(t, b, "once", "once")
}

// A request that somebody else overtakes is answered late.
func TestLateIsOvertaken(t *testing.T) {
	b, p := open(t, Repeats{Late: 1, Hold: 20 * time.Second})
	var late sync.WaitGroup
	late.Go(func() { mustPost(t, p, "first", "2") })
	waitFor(t, "the first is held back", func() bool { return heldOf(p) == 1 })
	mustPost(t, p, "second", "1")
	late.Wait()
	wantBook(t, b, "second", "first")
	if s, want := p.Stats(), (HTTPStats{Connections: 2, Requests: 2, Late: 1}); s != want {
		t.Errorf("stats are %+v, want %+v", s, want)
	}
}

// A client that sends one after the other is told that the connection broke, and its request comes after its next one.
func TestLateWithOneClient(t *testing.T) {
	b, p := open(t, Repeats{Late: 1, Hold: time.Millisecond})
	if got, err := post(t, p, "first"); !isReset(err) {
		t.Errorf("the first is answered with %q and %v, want a reset", got, err)
	}
	mustPost(t, p, "again", "1")
	wantBook(t, b, "again", "first")
	if _, err := post(t, p, "third"); !isReset(err) {
		t.Errorf("the third gets %v, want a reset", err)
	}
	p.Flush()
	wantBook(t, b, "again", "first", "third")
	if s, want := p.Stats(), (HTTPStats{Connections: 3, Requests: 3, Late: 2, Lost: 2}); s != want {
		t.Errorf("stats are %+v, want %+v", s, want)
	}
	if b := p.Bytes(); b.Up != 3*b.Swallowed/2 || b.Down == 0 { // all three have five letters
		t.Errorf("bytes are %+v, want two of three requests swallowed", b)
	}
}

func TestLoseReply(t *testing.T) {
	b, p := open(t, Repeats{LoseReply: 1})
	if got, err := post(t, p, "first"); !isReset(err) {
		t.Errorf("the first is answered with %q and %v, want a reset", got, err)
	}
	wantBook(t, b, "first")
	p.Set(Repeats{})
	mustPost(t, p, "second", "2")
	if s, want := p.Stats(), (HTTPStats{Connections: 2, Requests: 2, Lost: 1}); s != want {
		t.Errorf("stats are %+v, want %+v", s, want)
	}
}

// Shares are shares: of many requests about as many as were asked for.
func TestShares(t *testing.T) {
	_, p := open(t, Repeats{Seed: 8, Duplicate: 0.2, Late: 0.3, LoseReply: 0.4})
	duplicate, late, lose := 0, 0, 0
	for range 1000 {
		c := p.draw()
		for count, is := range map[*int]bool{&duplicate: c.duplicate, &late: c.late, &lose: c.lose} {
			if is {
				*count++
			}
		}
	}
	if duplicate < 150 || duplicate > 250 || late < 250 || late > 350 || lose < 350 || lose > 450 {
		t.Errorf("of 1000 requests %d, %d and %d meet their fate, want 200, 300 and 400", duplicate, late, lose)
	}
}

// Whatever happens, no request is lost and none is damaged, with clients at the same time that try until they are answered.
func TestHTTPAllArrive(t *testing.T) {
	b, p := open(t, Repeats{Seed: 4, Duplicate: 0.3, Late: 0.3, LoseReply: 0.3, Hold: 5 * time.Millisecond})
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() {
			for m := range 20 {
				body := fmt.Sprint(n, " ", m, strings.Repeat("x", 1000*m))
				for tries := 0; ; tries++ {
					if _, err := post(t, p, body); err == nil {
						break
					} else if tries > 100 {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	clients.Wait()
	p.Flush()
	seen := map[string]bool{}
	for _, body := range b.read() {
		seen[body] = true
	}
	if len(seen) != 80 {
		t.Errorf("the server had %d different requests, want 80", len(seen))
	}
	s := p.Stats()
	if s.Duplicated == 0 || s.Late == 0 || s.Lost == 0 || s.Unanswered != 0 {
		t.Errorf("stats are %+v, want some of each and all answered", s)
	}
	// Each request arrives once, and each copy: nothing else.
	if got := int64(len(b.read())); got != s.Requests+s.Duplicated {
		t.Errorf("the server had %d requests, want %d and %d copies", got, s.Requests, s.Duplicated)
	}
}

// A server that answers before it has read everything is understood.
func TestEarlyAnswer(t *testing.T) {
	target := listen(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 100))
		io.WriteString(c, "HTTP/1.1 413 Too Much\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
		time.Sleep(100 * time.Millisecond)
	})
	p := StartHTTP(t, target, Repeats{})
	if got, err := post(t, p, string(bytes.Repeat([]byte{'x'}, 10<<20))); err != nil || got != "no" {
		t.Errorf("got %q and %v, want the answer", got, err)
	}
}

func TestHTTPWithoutServer(t *testing.T) {
	b, p := open(t, Repeats{})
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	server := p.target
	p.Retarget(nobody.Addr().String())
	if _, err := post(t, p, "lost"); !isReset(err) {
		t.Errorf("got %v, want a reset", err)
	}
	p.Retarget(server)
	mustPost(t, p, "found", "1")
	wantBook(t, b, "found")
	if s := p.Stats(); s.Unanswered != 1 {
		t.Errorf("stats are %+v, want one unanswered", s)
	}
}

func heldOf(p *HTTPProxy) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}
