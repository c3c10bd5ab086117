package batch

import (
	"bufio"
	"bytes"
	"crypto/sha512"
	"encoding/binary"

	"github.com/klauspost/compress/zstd"
)

type uncompressed struct{ *bytes.Buffer }

func (uncompressed) Flush() error { return nil }

// decoder returns a reader of what pack writes.
func decoder(pack func(p *packer)) *in {
	var buf bytes.Buffer
	p := &packer{out: &out{zw: uncompressed{&buf}}}
	pack(p)
	if p.flush(); p.err != nil {
		panic(p.err)
	}
	return &in{r: bufio.NewReader(&buf), budget: MaxHeld}
}

// batchOf makes a signed batch of a stream that no writer need have written.
func batchOf(head, stream []byte) []byte {
	zw, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	b := binary.BigEndian.AppendUint32([]byte{Version}, uint32(len(head)))
	b = append(b, head...)
	b = zw.EncodeAll(stream, b)
	return signed(b)
}

func signed(b []byte) []byte {
	sum := sha512.Sum512(b)
	sig, err := sign(append([]byte(Domain), sum[:]...))
	if err != nil {
		panic(err)
	}
	return append(b, sig...)
}

// readerOf reads a stream of items that follows a header.
func readerOf(stream []byte) *Reader {
	r := &Reader{state: newState(testHeader()), header: testHeader(), size: int64(len(stream)), file: bytes.NewReader(nil), hash: sha512.New()}
	r.hashed = r.hash.Sum(nil)
	r.r = bufio.NewReader(bytes.NewReader(stream))
	return r
}
