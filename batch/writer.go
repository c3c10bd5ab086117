package batch

import (
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Writer writes one batch file. Its methods check what they are given before
// they write any of it. Then they keep it, and it must not be changed any more:
// items are packed, compressed and written while the next are made. So an error
// of the file below may come from a later call; it sticks, and no signature is
// then ever made. A Writer that is dropped without Close holds no resources, once
// it has written what it was given, and has written a file that no reader takes.
type Writer struct {
	stream
	file   counter
	cipher io.WriteCloser
	sign   func(msg []byte) ([]byte, error)
}

// counter hashes and counts what goes into the file.
type counter struct {
	w io.Writer
	h hash.Hash
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.h.Write(p[:n])
	c.n += int64(n)
	return n, err
}

// NewWriter starts a batch on w with its header. encrypt wraps the writer of
// the ciphertext; sign gets Domain followed by the SHA-512 of all that
// precedes the signature, and returns SignatureSize bytes.
func NewWriter(w io.Writer, h *Header, encrypt func(io.Writer) (io.WriteCloser, error), sign func(msg []byte) ([]byte, error)) (*Writer, error) {
	return NewWriterWith(nil, w, h, encrypt, sign)
}

// NewWriterWith is NewWriter with a compressor that no other writer has; nil, or
// one for other features: it makes its own.
func NewWriterWith(c *Compressor, w io.Writer, h *Header, encrypt func(io.Writer) (io.WriteCloser, error), sign func(msg []byte) ([]byte, error)) (*Writer, error) {
	return newWriter(nil, c, w, h, encrypt, sign)
}

func newWriter(from *Compressors, c *Compressor, w io.Writer, h *Header, encrypt func(io.Writer) (io.WriteCloser, error), sign func(msg []byte) ([]byte, error)) (*Writer, error) {
	head, err := h.marshal()
	if err != nil {
		return nil, err
	}
	bw := &Writer{sign: sign, file: counter{w: w, h: sha512.New()}}
	lead := binary.BigEndian.AppendUint32([]byte{Version}, uint32(len(head)))
	if _, err := bw.file.Write(append(lead, head...)); err != nil {
		return nil, fmt.Errorf("write batch: %w", err)
	}
	if bw.cipher, err = encrypt(&bw.file); err != nil {
		return nil, fmt.Errorf("encrypt batch: %w", err)
	}
	bw.begin(from, h, bw.cipher)
	if from == nil {
		if c == nil || c.dictionary != h.HasZstdDictionary() {
			c = NewCompressor(h)
		}
		bw.frames.ready = c
	}
	bw.pack.raw(h.Opening(head))
	return bw, nil
}

// Deletions writes a block of 1 to MaxBlockRows deletions.
func (w *Writer) Deletions(d *Deletions) error {
	if w.err != nil {
		return w.err
	}
	if err := w.checkDeletions(d); err != nil {
		return err
	}
	n, more := len(d.Keys), w.more()
	w.deletions += uint64(n)
	return w.later(aheadBlock, func(p *packer) {
		p.list(7+more, itemDeletions, uint64(d.Table), uint64(n))
		p.series(widen(&p.words, d.Keys))
		p.series(widen(&p.words, d.Times))
		p.strings(d.Authors)
		p.series(d.Epochs)
		if w.scopes {
			p.owners(d.Owners)
		}
	})
}

// Records writes a block of 1 to MaxBlockRows conflict records.
func (w *Writer) Records(r *Records) error {
	if w.err != nil {
		return w.err
	}
	if err := w.checkRecords(r); err != nil {
		return err
	}
	n, more := len(r.Keys), w.more()
	w.records += uint64(n)
	return w.later(aheadBlock, func(p *packer) {
		p.list(13+more, itemRecords, uint64(r.Table), uint64(n))
		p.series(widen(&p.words, r.Keys))
		p.strings(r.Columns)
		p.values(KindText, r.Values)
		if r.Notes == nil {
			p.null()
		} else {
			p.strings(r.Notes)
		}
		p.series(widen(&p.words, r.LostTimes))
		p.strings(r.LostAuthors)
		p.series(widen(&p.words, r.WonTimes))
		p.strings(r.WonAuthors)
		p.series(widen(&p.words, r.At))
		p.series(r.Epochs)
		if w.scopes {
			p.owners(r.Owners)
		}
	})
}

// Size returns the bytes written to the file so far, once all that was given is
// packed. What compression and encryption still hold back, up to some 200 kB, is
// not in it.
func (w *Writer) Size() int64 {
	w.stick(w.ahead.wait())
	return w.file.n
}

// Wait returns when nothing is written any more of what was given: before the
// file below is closed without Close.
func (w *Writer) Wait() { w.ahead.wait() }

// Close ends the batch and signs it. A file that is too short for what it has,
// so that no reader would take it, gets padding first. Only a file whose Close returned nil is
// one. The writer below is neither synced nor closed.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := errors.Join(w.checkOfShort(), w.pad()); err != nil {
		return err
	}
	if err := w.stick(w.ahead.wait()); err != nil {
		return err
	}
	w.err = errors.New("batch is closed")
	w.pack.list(5, itemEnd, w.items, w.rows, w.deletions, w.records)
	if err := w.endFrame(); err != nil {
		return fmt.Errorf("write batch: %w", err)
	}
	if err := w.cipher.Close(); err != nil {
		return fmt.Errorf("encrypt batch: %w", err)
	}
	sig, err := w.sign(message(w.file.h))
	if err != nil {
		return fmt.Errorf("sign batch: %w", err)
	}
	if len(sig) != SignatureSize {
		return fmt.Errorf("sign batch: signature has %d bytes, not %d", len(sig), SignatureSize)
	}
	if _, err := w.file.Write(sig); err != nil {
		return fmt.Errorf("write batch: %w", err)
	}
	return nil
}

// message returns what is signed.
func message(h hash.Hash) []byte { return h.Sum([]byte(Domain)) }
