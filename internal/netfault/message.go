package netfault

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

const maxRequest = 64 << 20

var errTooLarge = fmt.Errorf("a request of more than %d MiB", maxRequest>>20)

// request is one request as it was sent, with everything from its first line to the end of its body.
type request struct {
	raw  []byte
	head *http.Request // its body is read
	last bool          // the client sends no other on this connection
}

// answer is one answer as it was sent, with the 1xx answers before it.
type answer struct {
	raw  []byte
	last bool // the server takes no other request on this connection, or the end of the connection is the end of the body
}

// requests cuts what a client sends into requests.
type requests struct {
	client net.Conn
	read   bytes.Buffer // what was read and is not part of a request yet, with what is buffered in r
	r      *bufio.Reader
}

func newRequests(client net.Conn) *requests {
	q := &requests{client: client}
	q.r = bufio.NewReader(io.TeeReader(client, &q.read))
	return q
}

// next is io.EOF when the client is done.
func (q *requests) next() (request, error) {
	head, err := http.ReadRequest(q.r)
	if err != nil {
		return request{}, err
	}
	// RFC 9110, 10.1.1: a client may wait for leave to send the body.
	if strings.EqualFold(head.Header.Get("Expect"), "100-continue") {
		if _, err := io.WriteString(q.client, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return request{}, err
		}
	}
	n, err := io.Copy(io.Discard, io.LimitReader(head.Body, maxRequest+1))
	if err != nil {
		return request{}, err
	}
	if n > maxRequest {
		return request{}, errTooLarge
	}
	raw := bytes.Clone(q.read.Next(q.read.Len() - q.r.Buffered()))
	return request{raw: raw, head: head, last: head.Close}, nil
}

// send sends a request over a connection of its own and waits for the whole answer.
func (s *server) send(ctx context.Context, r request) (answer, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return answer{}, err
	}
	defer context.AfterFunc(ctx, func() { abort(c) })()
	written := make(chan struct{})
	// The server may answer before it has read everything, and then read no more.
	go func() {
		defer close(written)
		c.Write(r.raw)
	}()
	a, err := readAnswer(c, r.head)
	c.Close()
	<-written
	return a, err
}

func readAnswer(c net.Conn, to *http.Request) (answer, error) {
	var raw bytes.Buffer
	reader := bufio.NewReader(io.TeeReader(c, &raw))
	for {
		response, err := http.ReadResponse(reader, to)
		if err != nil {
			return answer{}, fmt.Errorf("read an answer: %w", err)
		}
		if response.StatusCode == http.StatusSwitchingProtocols {
			return answer{}, errors.New("read an answer: the protocol is switched; a faulty network knows HTTP/1.1 only")
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return answer{}, fmt.Errorf("read the body of an answer: %w", err)
		}
		if response.StatusCode >= 200 {
			return answer{raw: raw.Bytes(), last: response.Close}, nil
		}
	}
}
