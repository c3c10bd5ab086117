package dbtest

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// Counter stands between a program and the server, and notes each statement that the program sends. A count says what a change costs
// also on a machine that does other work.
type Counter struct {
	mu         sync.Mutex
	statements []string
}

// Count returns a counter, and the DSN of a database by way of it. dsn is one that Database returned.
func Count(t testing.TB, dsn string) (*Counter, string) {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "omsync-") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	network, address := cfg.Net, cfg.Addr
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &Counter{}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.relay(client, network, address)
		}
	}()
	cfg.Net, cfg.Addr = "unix", l.Addr().String()
	return c, cfg.FormatDSN()
}

// Take returns the statements since the last Take, each cut after its first 400 bytes.
func (c *Counter) Take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.statements
	c.statements = nil
	return out
}

func (c *Counter) relay(client net.Conn, network, address string) {
	defer client.Close()
	server, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(client, server)
		client.Close()
	}()
	c.read(io.TeeReader(client, server))
}

// read notes the statements in what a client sends. Of each packet the first four bytes are its length and its number, which is 0 where a
// command begins; the command's first byte is 3 where it is a statement. Source: "MySQL Packets" in MySQL's client/server protocol.
func (c *Counter) read(r io.Reader) {
	const query, keep = 3, 400
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		size := int64(head[0]) | int64(head[1])<<8 | int64(head[2])<<16
		text := make([]byte, min(size, keep+1))
		if _, err := io.ReadFull(r, text); err != nil {
			return
		}
		if head[3] == 0 && len(text) > 0 && text[0] == query {
			c.mu.Lock()
			c.statements = append(c.statements, string(text[1:]))
			c.mu.Unlock()
		}
		if _, err := io.CopyN(io.Discard, r, size-int64(len(text))); err != nil {
			return
		}
	}
}
