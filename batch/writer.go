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
	state
	pack     packer // the goroutine's of ahead, while that has items
	ahead    ahead
	file     counter
	zw       *Compressor
	unpacked unpacked
	cipher   io.WriteCloser
	sign     func(msg []byte) ([]byte, error)
	err      error // sticks: of the file, or that the writer is closed
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
	return NewWriterWith(NewCompressor(h), w, h, encrypt, sign)
}

// NewWriterWith is NewWriter with a compressor that no other writer has; nil, or
// one for other features: it makes its own.
func NewWriterWith(c *Compressor, w io.Writer, h *Header, encrypt func(io.Writer) (io.WriteCloser, error), sign func(msg []byte) ([]byte, error)) (*Writer, error) {
	head, err := h.marshal()
	if err != nil {
		return nil, err
	}
	bw := &Writer{state: newState(h), sign: sign, file: counter{w: w, h: sha512.New()}}
	lead := binary.BigEndian.AppendUint32([]byte{Version}, uint32(len(head)))
	if _, err := bw.file.Write(append(lead, head...)); err != nil {
		return nil, fmt.Errorf("write batch: %w", err)
	}
	if bw.cipher, err = encrypt(&bw.file); err != nil {
		return nil, fmt.Errorf("encrypt batch: %w", err)
	}
	if c == nil || c.dictionary != h.HasZstdDictionary() {
		c = NewCompressor(h)
	}
	c.to.Writer = bw.cipher
	bw.unpacked.compressor = c
	bw.ahead.changed.L = &bw.ahead.mu
	bw.zw, bw.pack.out = c, &out{zw: &bw.unpacked}
	bw.pack.tight = h.HasZstdDictionary()
	bw.pack.raw(h.Opening(head))
	return bw, nil
}

// done ends an item that was packed at once, before all others.
func (w *Writer) done() error {
	w.items++
	return w.stick(w.packed())
}

// packed ends an item that is packed.
func (w *Writer) packed() error {
	if len(w.pack.b) > outBuffer {
		w.pack.flush()
	}
	return w.pack.err
}

// later has an item packed in its turn.
func (w *Writer) later(weight int, pack func(p *packer)) error {
	w.items++
	return w.stick(w.ahead.add(weight, func() error {
		pack(&w.pack)
		return w.packed()
	}))
}

// stick makes an error of the file below stick.
func (w *Writer) stick(err error) error {
	if err != nil {
		w.err = fmt.Errorf("write batch: %w", err)
	}
	return w.err
}

// Table defines a table and returns its number, which counts from 0. Its name
// must be new.
func (w *Writer) Table(t Table) (uint32, error) {
	if w.err != nil {
		return 0, w.err
	}
	t.Key, t.Columns = append([]Column(nil), t.Key...), append([]Column(nil), t.Columns...)
	n, err := w.addTable(t)
	if err != nil {
		return 0, err
	}
	return n, w.later(aheadSmall, func(p *packer) {
		p.list(6, itemTable, uint64(n))
		p.text(t.Name)
		p.text(t.Root)
		for _, list := range [][]Column{t.Key, t.Columns} {
			p.array(len(list))
			for _, c := range list {
				p.array(4)
				p.text(c.Name)
				p.uint(uint64(c.Kind))
				var ref uint64
				if c.Ref {
					ref = 1
				}
				p.uint(ref)
				p.uint(uint64(c.Slot))
			}
		}
	})
}

// Keys appends keys of a table to the dictionary and returns the index of the
// first; those of the others follow it. A part may refer to any earlier entry,
// of the same call too.
func (w *Writer) Keys(table uint32, parts []Values) (first uint32, err error) {
	if w.err != nil {
		return 0, w.err
	}
	n := 0
	if len(parts) > 0 {
		n = max(len(parts[0].Bytes), len(parts[0].Refs))
	}
	if err := w.checkKeys(table, parts, n); err != nil {
		return 0, err
	}
	first = w.addKeys()
	key := w.tables[table].Key
	return first, w.later(aheadSmall, func(p *packer) {
		p.list(5, itemKeys, uint64(table), uint64(first), uint64(n))
		p.columns(key, parts, n)
	})
}

func (p *packer) columns(columns []Column, values []Values, n int) {
	p.array(len(values))
	for i := range values {
		p.column(columns[i].Kind, values[i])
	}
}

// DictLen returns the number of keys in the dictionary.
func (w *Writer) DictLen() int { return len(w.dict) }

// DictBytes returns what the keys in the dictionary count against MaxDictBytes.
func (w *Writer) DictBytes() int { return w.dictBytes }

// ResetDict empties the dictionary: the next key has index FirstRef.
func (w *Writer) ResetDict() error {
	if w.err != nil {
		return w.err
	}
	w.resetDict()
	return w.later(aheadSmall, func(p *packer) { p.list(1, itemReset) })
}

// Rows writes a block of 1 to MaxBlockRows rows.
func (w *Writer) Rows(r *Rows) error {
	if w.err != nil {
		return w.err
	}
	if err := w.checkRows(r); err != nil {
		return err
	}
	n, columns := len(r.Keys), w.tables[r.Table].Columns
	w.rows += uint64(n)
	return w.later(aheadBlock, func(p *packer) {
		p.list(11, itemRows, uint64(r.Table), uint64(n))
		p.series(widen(&p.words, r.Keys))
		p.optional(r.Acks != nil, r.Acks)
		p.optional(r.Groups != nil, widen(&p.words, r.Groups))
		p.series(r.Masks)
		p.series(widen(&p.words, r.Times))
		p.strings(r.Authors)
		p.series(r.Epochs)
		p.columns(columns, r.Columns, n)
	})
}

// optional writes a series, or null if it is not there.
func (p *packer) optional(there bool, v []uint64) {
	if there {
		p.series(v)
	} else {
		p.null()
	}
}

// strings writes texts as the distinct ones and a position for each.
func (p *packer) strings(v []string) {
	at := make(map[string]uint64, 16)
	var distinct []string
	p.words = resized(p.words, len(v))
	for i, s := range v {
		if i > 0 && s == v[i-1] {
			p.words[i] = p.words[i-1]
			continue
		}
		j, ok := at[s]
		if !ok {
			j = uint64(len(distinct))
			at[s] = j
			distinct = append(distinct, s)
		}
		p.words[i] = j
	}
	p.array(2)
	p.array(len(distinct))
	for _, s := range distinct {
		p.text(s)
	}
	p.series(p.words)
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
	if err := w.pad(); err != nil {
		return err
	}
	if err := w.stick(w.ahead.wait()); err != nil {
		return err
	}
	w.err = errors.New("batch is closed")
	w.pack.list(5, itemEnd, w.items, w.rows, w.deletions, w.records)
	w.pack.flush()
	if w.pack.err != nil {
		return fmt.Errorf("write batch: %w", w.pack.err)
	}
	if err := w.zw.Close(); err != nil {
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
