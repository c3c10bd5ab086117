package batch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
)

// ShortKeys is the feature of files that may name rows which the receiver has by the beginning of their keys.
const ShortKeys = "short-keys"

// Limits of short keys.
const (
	MaxShortKeys  = 1 << 16 // short keys in a file, those before a reset too
	MaxShortKey   = 255     // bytes of a key that may be named short
	minShortBytes = 4       // of a UUID that a short key has: a shorter one might be of many rows
	maxShortBytes = 15
	minShortText  = 4 // and of another text
	maxShortText  = 36
	minShortTail  = 8 // bytes of the run that ends a text, which its short key leaves out
	shortCheck    = 8 // bytes of the check
)

// shortRows is how many rows the table of a receiver may have, and shortOdds one in how many items may then have a short key that another
// of its rows has too, if keys are random. Whoever has one asks for the file again: that costs, and harms nothing.
const shortRows, shortOdds = 1 << 24, 1000

// HasShortKeys reports whether the batch may use [ShortKeys].
func (h *Header) HasShortKeys() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == ShortKeys })
}

// ShortKeysItem adds keys of a table, whose key is one column without references, to the dictionary, from index First on. Of each the file has the
// beginning alone, in small letters: the receiver knows the whole key, as it has the row. See [Reader.TakeShort].
type ShortKeysItem struct {
	Table    uint32
	First    uint32
	Prefixes [][]byte // of the keys as texts, in small letters: letters, digits and hyphens, the last of them no hyphen
}

// ShortCheckItem is a hash of all whole keys of which the file has the beginning: see [ShortSum].
type ShortCheckItem struct {
	Sum [shortCheck]byte
}

// ShortSum is the hash of whole keys, in the order of their file.
type ShortSum struct{ h hash.Hash }

// Add takes in the next key, in small letters, of a table as the sender calls it.
func (s *ShortSum) Add(table string, key []byte) {
	if s.h == nil {
		s.h = sha256.New()
	}
	s.h.Write([]byte(table))
	s.h.Write([]byte{0})
	s.h.Write(key)
	s.h.Write([]byte{0})
}

// Sum returns the check of what was taken in.
func (s *ShortSum) Sum() (out [shortCheck]byte) {
	if s.h != nil {
		copy(out[:], s.h.Sum(nil))
	}
	return out
}

// ShortWidth returns how many bytes of a UUID name n rows, so that it is unlikely that one of a receiver's other rows begins in the same way.
func ShortWidth(n int) int {
	width, names := minShortBytes, uint64(1)<<(8*minShortBytes)
	for ; width < maxShortBytes && names < uint64(min(n, MaxShortKeys))*shortRows*shortOdds; width++ {
		names <<= 8
	}
	return width
}

// ShortName returns the beginning of a key by which it may be named, with so many bytes if it is a UUID. Of another text, width is 0: what
// stands before the run of one letter or digit that ends it, and the first of that run. false: the key cannot be named by less.
func ShortName(key []byte, width int) ([]byte, bool) {
	if width > 0 {
		var u [16]byte
		if !parseUUID(&u, key) {
			return nil, false
		}
		return key[:shortText(width)], true
	}
	if len(key) == 0 || len(key) > MaxShortKey {
		return nil, false
	}
	run := len(key) - 1
	for run > 0 && key[run-1] == key[len(key)-1] {
		run--
	}
	if len(key)-run < minShortTail || key[run] == 'z' || !validShortText(key[:run+1]) { // earlier programs look for it up to what comes after all that begin with a z, which differs by collation
		return nil, false
	}
	return key[:run+1], true
}

// shortText is how many bytes of text so many bytes of a UUID are.
func shortText(width int) int {
	n := 2 * width
	for _, hyphen := range []int{8, 13, 18, 23} { // places in the text
		if n > hyphen {
			n++
		}
	}
	return n
}

// validShortText reports whether a short key is one that rows may be looked for by.
func validShortText(b []byte) bool {
	if len(b) < minShortText || len(b) > maxShortText || b[len(b)-1] == '-' {
		return false
	}
	return !slices.ContainsFunc(b, func(c byte) bool { return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') })
}

// checkShort checks what keys of a table may be named short.
func (s *state) checkShort(table uint32, n int) error {
	t, err := s.table(table)
	switch {
	case err != nil:
		return err
	case len(t.Key) != 1 || t.Key[0].Ref:
		return fmt.Errorf("short keys of table %q, whose key is not one column without references", t.Name)
	case s.shorts+n > MaxShortKeys:
		return excessive("it has more than %d short keys", MaxShortKeys)
	}
	return nil
}

// ShortKeys is Keys for keys of which the file gets the beginning alone, as [ShortName] has it with this width. Keys are in small letters.
func (w *Writer) ShortKeys(table uint32, keys [][]byte, width int) (first uint32, err error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case !w.mayShorten:
		return 0, errors.New("the header does not say that the batch has short keys")
	}
	if err := w.checkShort(table, len(keys)); err != nil {
		return 0, err
	}
	prefixes := make([][]byte, len(keys))
	for i, key := range keys {
		var ok bool
		if prefixes[i], ok = ShortName(key, width); !ok {
			return 0, fmt.Errorf("a key of table %q cannot be named short", w.tables[table].Name)
		}
	}
	if err := w.checkKeys(table, []Values{{Bytes: keys}}, len(keys)); err != nil {
		return 0, err
	}
	first = w.addKeys()
	w.shorts += len(keys)
	for _, key := range keys {
		w.sum.Add(w.tables[table].Name, key)
	}
	return first, w.later(aheadSmall, func(p *packer) {
		p.list(6, itemShortKeys, uint64(table), uint64(first), uint64(len(keys)), uint64(width))
		if width == 0 {
			p.values(KindText, prefixes)
			return
		}
		n := len(keys)
		planes := make([]byte, width*n)
		var u [16]byte
		for i, key := range keys {
			parseUUID(&u, key)
			for j := range width {
				planes[j*n+i] = u[j]
			}
		}
		p.planes(planes, n)
	})
}

// ShortLen returns how many short keys the batch has.
func (w *Writer) ShortLen() int { return w.shorts }

// checkOfShort writes the check, if the batch has short keys: before its end.
func (w *Writer) checkOfShort() error {
	if w.shorts == 0 {
		return nil
	}
	sum := w.sum.Sum()
	return w.later(aheadSmall, func(p *packer) {
		p.list(2, itemShortCheck)
		p.bytes(sum[:])
	})
}

// TakeShort has the reader ask for the whole keys of which the batch has the beginning: table is the name of their table, and the answer has as many
// keys as there are prefixes, in small letters. Next then returns them as a [KeysItem], and checks at the end that they are what the sender
// named.
func (r *Reader) TakeShort(whole func(table string, prefixes [][]byte) ([][]byte, error)) {
	r.whole = whole
}

func (r *Reader) readShortKeys() any {
	if !r.mayShorten || r.checked {
		r.fail("short keys in a batch that does not say that it has some, or after their check")
		return nil
	}
	table := uint32(r.uint("table number", MaxTables))
	first := uint32(r.uint("first index", maxRef))
	n := int(r.uint("keys", MaxBlockRows))
	width := int(r.uint("width", maxShortBytes))
	if r.in.err != nil {
		return nil
	}
	err := checkBlock(n, 1)
	if err == nil {
		err = r.checkShort(table, n)
	}
	if err == nil {
		err = r.checkFirst(first)
	}
	if err == nil && width > 0 && width < minShortBytes {
		err = fmt.Errorf("short keys of %d bytes, less than %d", width, minShortBytes)
	}
	if r.accept(err); err != nil {
		return nil
	}
	r.shorts += n
	item := &ShortKeysItem{Table: table, First: first, Prefixes: r.prefixes(n, width)}
	if r.in.err != nil {
		return nil
	}
	keys := item.Prefixes
	if r.whole != nil {
		if keys, err = r.whole(r.tables[table].Name, item.Prefixes); err == nil && len(keys) != n {
			err = fmt.Errorf("%d keys for %d short ones", len(keys), n)
		}
		if err != nil {
			r.in.err = err
			return nil
		}
		for i, key := range keys {
			if len(key) < len(item.Prefixes[i]) || string(key[:len(item.Prefixes[i])]) != string(item.Prefixes[i]) {
				r.in.err = errors.New("a key does not begin as its short one")
				return nil
			}
			r.sum.Add(r.tables[table].Name, key)
		}
	}
	parts := []Values{{Bytes: keys}}
	if r.accept(r.checkKeys(table, parts, n)); r.in.err != nil {
		return nil
	}
	r.addKeys()
	if r.whole != nil {
		return &KeysItem{Table: table, First: first, N: n, Parts: parts}
	}
	return item
}

// prefixes reads n short keys.
func (r *Reader) prefixes(n, width int) [][]byte {
	if width == 0 {
		texts := r.values(n, 1)
		for _, b := range texts {
			if !validShortText(b) {
				r.fail("a short key that is no beginning of a key")
				return nil
			}
		}
		return texts
	}
	planes := r.bytes("short keys", width*n)
	var u [16]byte
	return r.format(n, 36, func(b []byte, i int) []byte {
		for j := range width {
			u[j] = planes[j*n+i]
		}
		return formatUUID(b, &u)[:len(b)+shortText(width)]
	})
}

func (r *Reader) readShortCheck() *ShortCheckItem {
	if r.shorts == 0 || r.checked {
		r.fail("a check of short keys where there are none, or twice")
		return nil
	}
	item := &ShortCheckItem{}
	copy(item.Sum[:], r.bytes("check of short keys", shortCheck))
	r.checked = true
	if r.in.err == nil && r.whole != nil && item.Sum != r.sum.Sum() {
		r.fail("short keys were taken for other keys than the sender's")
	}
	return item
}
