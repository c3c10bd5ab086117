// Package forge makes batches that no honest node writes, with a node's valid keys: what a thief of a clinic's computer can send. Tests
// alone use it. A forged file takes its header from one that the clinic made, so that its receiver's link lets it pass, and has any
// items after it: from the writer that honest nodes use, or as CBOR, which nothing checks.
package forge

import (
	"bytes"
	"crypto/sha512"
	"io"
	"os"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/keys"
)

// Forger forges batches of one clinic for one receiver.
type Forger struct {
	ID     *keys.Identity // the clinic's
	To     keys.Card      // the receiver's
	Header *batch.Header  // of each batch
}

// New returns a forger with a clinic's keys, which are in its home folder, and the header of a file that it made.
func New(home, name, receiverCard, honest string) (*Forger, error) {
	id, err := keys.Load(home, name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(receiverCard)
	if err != nil {
		return nil, err
	}
	card, err := keys.ParseCard(text)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(honest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := batch.ReadHeader(f)
	if err != nil {
		return nil, err
	}
	return &Forger{id, card, h}, nil
}

// Write writes a batch by way of the honest writer, with the items that it is given, into a file.
func (f *Forger) Write(path string, items func(w *batch.Writer) error) error {
	return create(path, func(out io.Writer) error {
		w, err := batch.NewWriter(out, f.Header, f.To.Encrypt, f.ID.Sign)
		if err != nil {
			return err
		}
		if err := items(w); err != nil {
			return err
		}
		return w.Close()
	})
}

// WriteStream writes a batch with a stream of items that nothing checks, into a file. The end item is written only if the stream ends
// with one.
func (f *Forger) WriteStream(path string, items func(s *Stream)) error {
	return create(path, func(out io.Writer) error {
		return writeStream(out, f.Header, f.To.Encrypt, f.ID.Sign, zstd.SpeedBetterCompression, items)
	})
}

// WritePlain writes a batch with a stream of items that nothing checks, neither encrypted nor signed, for who takes any signature.
func WritePlain(out io.Writer, h *batch.Header, items func(s *Stream)) error {
	return writeStream(out, h, func(w io.Writer) (io.WriteCloser, error) { return keep{w}, nil },
		func([]byte) ([]byte, error) { return make([]byte, batch.SignatureSize), nil }, zstd.SpeedFastest, items)
}

func writeStream(out io.Writer, h *batch.Header, encrypt func(io.Writer) (io.WriteCloser, error), sign func([]byte) ([]byte, error), level zstd.EncoderLevel, items func(s *Stream)) error {
	var head bytes.Buffer
	w, err := batch.NewWriter(&head, h, func(w io.Writer) (io.WriteCloser, error) { return keep{w}, nil }, nil)
	if err != nil {
		return err
	}
	n := w.Size() // the version, the length and the header
	sum := sha512.New()
	both := io.MultiWriter(out, sum)
	if _, err := both.Write(head.Bytes()[:n]); err != nil {
		return err
	}
	cipher, err := encrypt(both)
	if err != nil {
		return err
	}
	zw, err := zstd.NewWriter(cipher, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithEncoderLevel(level))
	if err != nil {
		return err
	}
	s := &Stream{w: zw}
	s.Bytes(h.Opening(head.Bytes()[5:n]))
	items(s)
	if s.err != nil {
		return s.err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	if err := cipher.Close(); err != nil {
		return err
	}
	sig, err := sign(append([]byte(batch.Domain), sum.Sum(nil)...))
	if err != nil {
		return err
	}
	_, err = out.Write(sig)
	return err
}

type keep struct{ io.Writer }

func (keep) Close() error { return nil }

func create(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// Stream is the items of a batch, written one by one. Its errors stick.
type Stream struct {
	w   io.Writer
	n   int64 // bytes written
	err error
}

// Bytes writes bytes as they are.
func (s *Stream) Bytes(b []byte) {
	if s.err == nil {
		_, s.err = s.w.Write(b)
		s.n += int64(len(b))
	}
}

// Item writes one item, or any other CBOR.
func (s *Stream) Item(elements ...any) {
	b, err := cbor.Marshal(elements)
	if err != nil && s.err == nil {
		s.err = err
	}
	s.Bytes(b)
}

// Zeros writes n zeros.
func (s *Stream) Zeros(n int64) {
	some := make([]byte, 1<<16)
	for ; n > 0; n -= int64(len(some)) {
		s.Bytes(some[:min(n, int64(len(some)))])
	}
}

// The types of items and the encodings of columns, as FORMAT.md has them.
const (
	End, Table, Keys, Reset, Rows, Deletions, Records, Section = 0, 1, 2, 3, 4, 5, 6, 10
	ShortKeys, ShortCheck                                      = 11, 12

	Absent, Const, Plain, Split, Dict, Refs, Int = 0, 1, 2, 3, 4, 5, 7
)

// Run is a series that begins with start and goes up by step.
func Run(start, step uint64) []any { return []any{0, start, step} }

// All is a column whose values are all the same.
func All(v []byte) []any { return []any{Const, v} }

// Column describes a column.
func Column(name string, kind batch.Kind, ref bool, slot int) []any {
	isRef := 0
	if ref {
		isRef = 1
	}
	return []any{name, uint8(kind), isRef, slot}
}

// Authors is one author for all versions.
func Authors(name string) []any { return []any{[]any{name}, Run(0, 0)} }

// Block is an item with n rows, each with one version of all columns, by the author given.
func Block(table uint32, n int, first uint32, author string, epoch uint64, columns ...any) []any {
	return []any{Rows, table, n, Run(uint64(first), 1), nil, nil, Run(3, 0), Run(5, 0), Authors(author), Run(epoch, 0), columns}
}
