package batch

import (
	"fmt"
	"io"
)

// stream makes items of what it is given, checks them, and has them packed and
// compressed: those of a batch, or of one section.
type stream struct {
	state
	pack     packer // the goroutine's of ahead, while that has items
	ahead    ahead
	frames   frames
	unpacked unpacked
	between  bool  // what was written last is a section: an item that follows begins another
	err      error // sticks: of the file, or that the writer is closed
}

// begin has the items of a batch with this header go to w.
func (w *stream) begin(from *Compressors, h *Header, to io.Writer) {
	w.state = newState(h)
	w.frames = frames{to: to, options: h.encoderOptions(), from: from, plain: w.sections}
	w.unpacked.compressor = &w.frames
	w.ahead.changed.L = &w.ahead.mu
	w.pack.out = &out{zw: &w.unpacked}
	w.pack.tight = h.HasZstdDictionary()
}

// endFrame ends the frame under way. Everything is packed by now.
func (w *stream) endFrame() error {
	if w.pack.flush(); w.pack.err != nil {
		return w.pack.err
	}
	return w.frames.end()
}

// done ends an item that was packed at once, before all others.
func (w *stream) done() error {
	w.items++
	return w.stick(w.packed())
}

// packed ends an item that is packed.
func (w *stream) packed() error {
	if len(w.pack.b) > outBuffer {
		w.pack.flush()
	}
	return w.pack.err
}

// later has an item packed in its turn.
func (w *stream) later(weight int, pack func(p *packer)) error {
	if w.between {
		w.between = false
		if err := w.beginSection(); err != nil {
			return err
		}
	}
	w.items++
	return w.stick(w.ahead.add(weight, func() error {
		pack(&w.pack)
		return w.packed()
	}))
}

// stick makes an error of the file below stick.
func (w *stream) stick(err error) error {
	if err != nil {
		w.err = fmt.Errorf("write batch: %w", err)
	}
	return w.err
}

// Table defines a table and returns its number, which counts from 0. Its name
// must be new.
func (w *stream) Table(t Table) (uint32, error) {
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
func (w *stream) Keys(table uint32, parts []Values) (first uint32, err error) {
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
func (w *stream) DictLen() int { return len(w.dict) }

// DictBytes returns what the keys in the dictionary count against MaxDictBytes.
func (w *stream) DictBytes() int { return w.dictBytes }

// ResetDict empties the dictionary: the next key has index FirstRef.
func (w *stream) ResetDict() error {
	if w.err != nil {
		return w.err
	}
	w.resetDict()
	return w.later(aheadSmall, func(p *packer) { p.list(1, itemReset) })
}

// Rows writes a block of 1 to MaxBlockRows rows.
func (w *stream) Rows(r *Rows) error {
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
