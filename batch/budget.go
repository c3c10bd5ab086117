package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of a batch as a whole, beside those of its blocks. A few bytes of a
// file can stand for any number of keys, rows or bytes: what they stand for is
// counted, not what they are.
const (
	MaxKey         = 65535     // bytes of a key, written as one text
	MaxKeyDepth    = 32        // keys of which one is part of the next; 1: none is
	MaxDictBytes   = 96 << 20  // of the keys in the dictionary, with what each costs beside its text
	MaxHeld        = 144 << 20 // of the dictionary and one block together: its values, and 24 for each
	MaxAllColumns  = 1 << 17   // columns, key columns too, of all tables of one file
	MaxColumnNames = 8 << 20   // bytes of their names

	keyCost  = 64 // bytes that a key counts beside its text
	partCost = 4  // bytes that each of its parts counts
	cellCost = 24 // bytes that each value of a block counts beside its own
)

// ErrExcess means that a batch is well formed and asks for more than any file
// may. It is an ErrCorrupt too: no honest node writes such a file.
var ErrExcess = errors.New("batch asks for more than any file may: look at what wrote it, and have its sender export it anew")

// excess is an ErrExcess, with what is exceeded.
type excess struct{ what string }

// Excess returns an ErrExcess that says what is exceeded, for bounds of those
// who read batches.
func Excess(format string, args ...any) error { return excessive(format, args...) }

func excessive(format string, args ...any) error { return &excess{fmt.Sprintf(format, args...)} }

func (e *excess) Error() string { return ErrExcess.Error() + ": " + e.what }

func (e *excess) Is(target error) bool { return target == ErrExcess || target == ErrCorrupt }

// quota is how much of something a file may hold: some, and more for each of
// its bytes.
type quota struct {
	what          string
	base, perByte uint64
}

// The quotas of a file. The first part is there for small files of much that is
// alike, the second for large ones.
var (
	itemQuota    = quota{"items", 1 << 20, 4}
	keyQuota     = quota{"keys", 1 << 22, 4}
	rowQuota     = quota{"rows, deletions and records", 1 << 20, 4}
	cellQuota    = quota{"values and versions", 1 << 26, 64}
	valueQuota   = quota{"bytes of values", 256 << 20, 256}
	decodedQuota = quota{"bytes of items", 256 << 20, 256}
)

func (q quota) of(size int64) uint64 { return q.base + q.perByte*uint64(max(size, 0)) }

// check returns an error if n is more than a file of that size may hold.
func (q quota) check(n uint64, size int64) error {
	if limit := q.of(size); n > limit {
		return excessive("it has more than %d %s, for %d bytes of file", limit, q.what, size)
	}
	return nil
}

// Use is how much of something a batch has, or holds at once, and how much it may.
type Use struct {
	What     string
	N, Limit uint64
}

// Used returns what was read so far of all that is bounded for a batch as a whole.
func (r *Reader) Used() []Use {
	var decoded uint64
	if b := r.decoded; b != nil {
		decoded = b.n
	}
	return []Use{
		{itemQuota.what, r.items, itemQuota.of(r.size)},
		{keyQuota.what, r.keys, keyQuota.of(r.size)},
		{rowQuota.what, r.rows + r.deletions + r.records, rowQuota.of(r.size)},
		{cellQuota.what, r.cells, cellQuota.of(r.size)},
		{valueQuota.what, r.valueBytes, valueQuota.of(r.size)},
		{decodedQuota.what, decoded, decodedQuota.of(r.size)},
		{"keys in the dictionary", uint64(r.mostKeys), MaxDict},
		{"bytes of the dictionary", uint64(r.mostDictBytes), MaxDictBytes},
		{"bytes of the longest key", uint64(r.longestKey), MaxKey},
		{"depth of keys", uint64(r.deepestKey), MaxKeyDepth},
		{"bytes of a block and the keys before it", uint64(r.mostHeld), MaxHeld},
		{"columns", uint64(r.columns), MaxAllColumns},
		{"bytes of their names", uint64(r.columnNames), MaxColumnNames},
	}
}

// most is the greatest of what a batch had so far.
type most struct{ mostKeys, mostDictBytes, longestKey, deepestKey, mostHeld int }

// checkQuotas holds what was read so far against the size of the file.
func (s *state) checkQuotas(size int64) error {
	for _, c := range []struct {
		quota
		n uint64
	}{{itemQuota, s.items}, {keyQuota, s.keys}, {rowQuota, s.rows + s.deletions + s.records}, {cellQuota, s.cells}, {valueQuota, s.valueBytes}} {
		if err := c.check(c.n, size); err != nil {
			return err
		}
	}
	return nil
}

// bounded breaks off a stream that has become longer than its file may unpack to.
type bounded struct {
	r    io.Reader
	n    uint64
	size int64 // of the file
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += uint64(n)
	if over := decodedQuota.check(b.n, b.size); over != nil {
		return 0, over
	}
	return n, err
}

// dictKey is what is known of an entry of the dictionary.
type dictKey struct {
	root    uint16 // number of the root of its table
	size    uint16 // bytes of the key as one text
	escapes uint16 // bytes of it that get another before them where it is one of several parts of a key
	depth   uint8
}

// The bytes that join and escape the parts of a key.
const (
	keySeparator = '\x1f'
	keyEscape    = '\x1e'
)

func escapes(b []byte) int {
	return bytes.Count(b, []byte{keySeparator}) + bytes.Count(b, []byte{keyEscape})
}

// measure returns what the i'th of some keys will be, without making it.
// at returns the entries before it.
func measure(parts []Values, i int, at func(ref uint32) dictKey) (dictKey, error) {
	size, escaped, depth := len(parts)-1, len(parts)-1, uint8(0) // the separators
	for p := range parts {
		v := &parts[p]
		n, e, null := 0, 0, false
		switch {
		case v.Refs != nil && v.Refs[i] >= FirstRef:
			k := at(v.Refs[i])
			n, e, depth = int(k.size), int(k.escapes), max(depth, k.depth)
		case v.Refs != nil && v.Refs[i] == RefNowhere || v.Bytes == nil || v.Bytes[i] == nil:
			n, e, null = 2, 1, true
		default:
			if n = len(v.Bytes[i]); n <= MaxKey {
				e = escapes(v.Bytes[i])
			}
		}
		if len(parts) > 1 && !null {
			n, e = n+e, 2*e
		}
		size, escaped = size+n, escaped+e
		if size > MaxKey {
			return dictKey{}, excessive("a key has more than %d bytes", MaxKey)
		}
	}
	if depth >= MaxKeyDepth {
		return dictKey{}, excessive("a key is made of keys more than %d deep", MaxKeyDepth)
	}
	return dictKey{size: uint16(size), escapes: uint16(escaped), depth: depth + 1}, nil
}

// measureKeys measures n keys of a table, and keeps what it found for addKeys.
func (s *state) measureKeys(table uint32, parts []Values, n int) error {
	s.fresh, s.freshBytes = s.fresh[:0], 0
	at := func(ref uint32) dictKey {
		if i := int(ref - FirstRef); i < len(s.dict) {
			return s.dict[i]
		}
		return s.fresh[int(ref-FirstRef)-len(s.dict)]
	}
	for i := range n {
		k, err := measure(parts, i, at)
		if err != nil {
			return fmt.Errorf("keys of table %q: %w", s.tables[table].Name, err)
		}
		k.root = uint16(s.roots[table])
		s.fresh = append(s.fresh, k)
		s.freshBytes += keyCost + partCost*len(parts) + int(k.size)
		if s.dictBytes+s.freshBytes > MaxDictBytes {
			return excessive("the keys of the dictionary have more than %d bytes", MaxDictBytes)
		}
	}
	return nil
}
