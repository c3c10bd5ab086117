package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// Seed keys the hashes of one digest. It is drawn at random for each.
type Seed [16]byte

// KeyHash stands for the key of a row, apart from its table: rows that share an ancestor's key share it.
type KeyHash [16]byte

// Nowhere stands for a reference to a row that does not exist.
var nowhere = KeyHash{}

// Row stands for a row of a table in a digest: the number of the table in the lowest 12 bits, above them a hash of its name and of the row's
// key. It is below 2^61-1.
type Row uint64

const tableBits = 12

// Table returns the number of the row's table among those of the digest.
func (r Row) Table() int { return int(r & (1<<tableBits - 1)) }

// Value is a value of a row, or a part of its key.
type Value struct {
	Bytes []byte   // plain: as files have it; nil is NULL
	Ref   *KeyHash // it refers to the row of this key
}

// Nowhere is a reference to a row that does not exist.
func Nowhere() Value { return Value{Ref: &nowhere} }

// Hasher makes the hashes of one digest. Each is the beginning of a SHA-256 of the seed, a letter that says what it is of, and that. It is not safe
// for concurrent use.
type Hasher struct {
	seed       Seed
	keys, rows head
	b          []byte
}

// NewHasher returns a hasher for a digest with this seed.
func NewHasher(seed Seed) *Hasher { return &Hasher{seed: seed} }

// head is the beginning of what is hashed: the seed, a letter, and a name in small letters.
type head struct {
	name string
	b    []byte // nil: there was no name yet
}

// begin begins what is hashed. The head of the last name is kept: what follows mostly has the same.
func (h *Hasher) begin(last *head, what byte, name string) {
	if last.b == nil || last.name != name {
		small := strings.ToLower(name)
		last.name, last.b = name, append(append([]byte{}, h.seed[:]...), what)
		last.b = binary.AppendUvarint(last.b, uint64(len(small)))
		last.b = append(last.b, small...)
	}
	h.b = append(h.b[:0], last.b...)
}

func (h *Hasher) value(v Value) {
	if v.Ref == nil {
		h.b = AppendPlain(h.b, v.Bytes)
		return
	}
	at := 0
	h.b, at = AppendRef(h.b)
	copy(h.b[at:], v.Ref[:])
}

// Key returns the hash of a key: of the name of its root table, and its parts.
func (h *Hasher) Key(root string, parts []Value) (out KeyHash) {
	h.begin(&h.keys, 'k', root)
	for _, p := range parts {
		h.value(p)
	}
	sum := sha256.Sum256(h.b)
	copy(out[:], sum[:])
	return out
}

// Row returns what stands for a row of a table, of that number in the digest, by its key.
func (h *Hasher) Row(table string, number int, key KeyHash) Row {
	h.begin(&h.rows, 'r', table)
	h.b = append(h.b, key[:]...)
	return Row(h.sum()>>(64-61+tableBits)<<tableBits | uint64(number))
}

// Content returns the hash of what a row holds, and of which row: a number from 1 to 2^61-2. The values are those of the columns of the table
// in the digest, in their order.
func (h *Hasher) Content(row Row, values []Value) uint64 {
	h.b = h.seed.AppendHead(h.b[:0])
	for _, v := range values {
		h.value(v)
	}
	out := Message(h.b).Content(row)
	h.forgetLong()
	return out
}

func (h *Hasher) sum() uint64 {
	sum := sha256.Sum256(h.b)
	h.forgetLong()
	return binary.BigEndian.Uint64(sum[:8])
}

func (h *Hasher) forgetLong() {
	if cap(h.b) > 1<<20 { // a long value was in it
		h.b = nil
	}
}

// mix makes other bits of a row's, which are as good as random: which cells it is in follows from them (splitmix64's finalizer).
func mix(r Row, n uint64) uint64 {
	x := uint64(r) + (n+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
