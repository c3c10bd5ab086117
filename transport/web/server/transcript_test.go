package server_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/httpsig"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/webtest"
)

const document = "../../../docs/http.md"

var update = flag.Bool("update", false, "write the transcript of these tests into docs/http.md")

// TestTranscript has a client upload a file over a link that breaks, and holds docs/http.md to what went over the wire then: the
// clocks stand still, and randomness is that of a test.
func TestTranscript(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	now := func() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) }
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Now = now
		o.Arrived = func(context.Context, string, string) (web.Receipt, error) {
			return web.Receipt{Outcome: "applied"}, nil
		}
	})
	h.Mail("kisumu", "hub-to-kisumu-0000000000-0000000001-07b6bf.omsync", []byte("a small batch"))
	r := &recorder{to: h.HTTP.Listener.Addr().String(), cutAt: 131072}
	c := h.Client("kisumu", func(o *client.Options) { o.URL, o.Now = r.listen(t), now })
	data := make([]byte, 150_000)
	for i := range data {
		data[i] = byte(i % 251)
	}
	webtest.Put(t, c, "kisumu-to-hub-0000000000-0000000002-c14b11.omsync", data)
	c.Close()

	text, first := r.transcript(t)
	holdDocument(t, "transcript", text)
	holdDocument(t, "signature base", signatureBase(t, h, first))
}

// signatureBase returns the text that a request's signature is made of.
func signatureBase(t *testing.T, h *webtest.Hub, request string) (base string) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := httpsig.Parse(r.Header)
	if err != nil {
		t.Fatal(err)
	}
	verify, err := h.Options.Node(t.Context(), sig.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	m := httpsig.Message{Method: r.Method, Path: r.URL.EscapedPath(), Length: r.ContentLength, Header: r.Header}
	if err := sig.Verify(m, func(msg, sig []byte) error { base = string(msg); return verify(msg, sig) }); err != nil {
		t.Fatal(err)
	}
	return base
}

// holdDocument compares the block of the document that follows a comment with a text, or puts it there.
func holdDocument(t *testing.T, comment, text string) {
	t.Helper()
	doc, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)(<!-- " + comment + " -->\n```text\n)(.*?)(```)")
	found := block.FindSubmatch(doc)
	switch {
	case found == nil:
		t.Fatalf("%s has no block %q", document, comment)
	case string(found[2]) == text+"\n":
	case *update:
		doc = block.ReplaceAll(doc, []byte("${1}"+strings.ReplaceAll(text, "$", "$$")+"\n${3}"))
		if err := os.WriteFile(document, doc, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s, %s: it is now (-update writes it)\n%s", document, comment, text)
	}
}

// recorder passes connections on and keeps what went over each. It cuts the first, in the body of a PATCH.
type recorder struct {
	to    string
	cutAt int // bytes of the body

	mu    sync.Mutex
	conns []*recorded
}

// recorded is what went over one connection.
type recorded struct {
	mu       sync.Mutex
	up, down bytes.Buffer
}

func (r *recorder) listen(t *testing.T) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			c := &recorded{}
			r.mu.Lock()
			first := len(r.conns) == 0
			r.conns = append(r.conns, c)
			r.mu.Unlock()
			go r.pass(in, c, first)
		}
	}()
	return "http://" + l.Addr().String()
}

func (r *recorder) pass(in net.Conn, c *recorded, cut bool) {
	defer in.Close()
	out, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer out.Close()
	done := make(chan struct{}, 2)
	copy := func(to, from net.Conn, into *bytes.Buffer, most func() int) {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 16<<10)
		for {
			n, err := from.Read(buf)
			c.mu.Lock()
			left := most() - into.Len()
			n = min(n, left)
			into.Write(buf[:n])
			c.mu.Unlock()
			if _, e := to.Write(buf[:n]); e != nil || err != nil || n == left {
				return
			}
		}
	}
	go copy(out, in, &c.up, func() int { return c.cut(cut, r.cutAt) })
	go copy(in, out, &c.down, func() int { return 1 << 30 })
	<-done
}

// cut returns how many bytes pass on the way up.
func (c *recorded) cut(cut bool, at int) int {
	if i := bytes.Index(c.up.Bytes(), []byte("PATCH ")); cut && i >= 0 {
		if head := bytes.Index(c.up.Bytes()[i:], []byte("\r\n\r\n")); head >= 0 {
			return i + head + 4 + at
		}
	}
	return 1 << 30
}

// transcript returns what went over all connections, with > before what the client says and < before what the server says, and
// the first request.
func (r *recorder) transcript(t *testing.T) (text, first string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	host := regexp.MustCompile(`(?m)^Host: [^\r\n]*`)
	var b strings.Builder
	for i, c := range r.conns {
		c.mu.Lock()
		up, down := c.up.String(), c.down.String()
		c.mu.Unlock()
		if i > 0 {
			fmt.Fprintln(&b, "(the link breaks; another connection)")
			fmt.Fprintln(&b)
		}
		for up != "" {
			var request, answer string
			request, up = message(t, &b, ">", host.ReplaceAllString(up, "Host: hub.example.org:8443"), false)
			if first == "" {
				first = request
			}
			for final := false; !final && down != ""; {
				answer, down = message(t, &b, "<", down, strings.HasPrefix(request, "HEAD "))
				final = !strings.HasPrefix(answer, "HTTP/1.1 1")
			}
		}
	}
	return strings.TrimSpace(b.String()), first
}

// message writes the first message of a stream, and returns its head and the rest of the stream.
func message(t *testing.T, b *strings.Builder, mark, stream string, noBody bool) (head, rest string) {
	t.Helper()
	head, rest, ok := strings.Cut(stream, "\r\n\r\n")
	if !ok {
		t.Fatalf("no end of a head in %q", stream)
	}
	length := 0
	for line := range strings.SplitSeq(head, "\r\n") {
		fmt.Fprintln(b, mark, line)
		if value, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(value)
		}
	}
	if noBody {
		length = 0
	}
	body := rest[:min(length, len(rest))]
	switch {
	case strings.HasPrefix(body, "{"):
		fmt.Fprintf(b, "%s\n%s %s\n", mark, mark, body)
	case len(body) < length:
		fmt.Fprintf(b, "%s\n%s (%d of %d bytes)\n", mark, mark, len(body), length)
	case length > 0:
		fmt.Fprintf(b, "%s\n%s (%d bytes)\n", mark, mark, length)
	}
	fmt.Fprintln(b)
	return head + "\r\n\r\n", rest[len(body):]
}
