package batch

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// hollow is a file of any size: some bytes at its beginning, some at its end, and zeros between them.
type hollow struct {
	head, tail []byte
	size       int64
	read       int64
}

func (h *hollow) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	for i := range p {
		switch pos := at + int64(i); {
		case pos >= h.size:
			return i, io.EOF
		case pos < int64(len(h.head)):
			p[i] = h.head[pos]
		case pos >= h.size-int64(len(h.tail)):
			p[i] = h.tail[pos-(h.size-int64(len(h.tail)))]
		}
		h.read++
	}
	return len(p), nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestProbe(t *testing.T) {
	file := func(first byte, header int) []byte {
		b := randomBytes(3 << 20)
		b[0] = first
		binary.BigEndian.PutUint32(b[1:], uint32(header))
		return b
	}
	zeros := func(b []byte, from, to int) []byte {
		clear(b[from:to])
		return b
	}
	for what, c := range map[string]struct {
		head, tail []byte
		size       int64
		corrupt    bool
	}{
		"random bytes":                      {head: file(Version, 200), size: 3 << 20},
		"8 GB with the beginning of a file": {head: file(Version, 200), size: 8 << 30, corrupt: true},
		"and with its end":                  {head: file(Version, 200), tail: randomBytes(3 << 20), size: 8 << 30, corrupt: true},
		"a beginning of 8 KB":               {head: file(Version, 200)[:8192], size: 8 << 30, corrupt: true},
		"half of it zeros":                  {head: file(Version, 200), size: 6 << 20, corrupt: true},
		"the end alone":                     {head: zeros(file(Version, 200), 3<<20-128, 3<<20-64), size: 3 << 20, corrupt: true},
		"zeros in the header":               {head: zeros(file(Version, 1<<20), 5, 1<<20), size: 3 << 20},
		"a header longer than the file":     {head: file(Version, 1<<31), size: 3 << 20},
		"a later format":                    {head: zeros(file(Version+1, 200), 300, 3<<20), size: 3 << 20},
		"small":                             {head: zeros(file(Version, 200), 300, 3<<20), size: probeFrom - 1},
		"empty":                             {},
	} {
		f := &hollow{head: c.head, tail: c.tail, size: c.size}
		err := Probe(f, c.size)
		if errors.Is(err, ErrCorrupt) != c.corrupt || err != nil && !c.corrupt {
			t.Errorf("%s: %v", what, err)
		}
		if most := int64(5 + probePlaces*probeLength); f.read > most {
			t.Errorf("%s: %d bytes were read, %d at most", what, f.read, most)
		}
	}
	if err := Probe(bytes.NewReader(nil), 8<<30); err == nil {
		t.Error("a file that ends before its size was taken")
	}
}
