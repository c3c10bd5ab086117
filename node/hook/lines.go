package hook

import (
	"bytes"
	"fmt"
	"io"
)

// prefixed writes whole lines after a prefix. A very long line comes in pieces.
type prefixed struct {
	out    io.Writer
	prefix string
	line   []byte
}

const maxLine = 8192

func (p *prefixed) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if b[0] == '\n' {
			p.flush()
			b = b[1:]
			continue
		}
		if len(p.line) == maxLine {
			p.flush()
		}
		take := bytes.IndexByte(b, '\n')
		if take < 0 {
			take = len(b)
		}
		take = min(take, maxLine-len(p.line))
		p.line = append(p.line, b[:take]...)
		b = b[take:]
	}
	return n, nil // a terminal that is gone must not end the hook
}

func (p *prefixed) flush() {
	fmt.Fprintf(p.out, "%s%s\n", p.prefix, bytes.TrimSuffix(p.line, []byte("\r")))
	p.line = p.line[:0]
}

func (p *prefixed) end() {
	if len(p.line) > 0 {
		p.flush()
	}
}
