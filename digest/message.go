package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// Message is what the hash of a row's content is of: its head (see [Seed.AppendHead]), and the values of the columns of its table in the digest.
// Whoever has rows as the database hands them on makes messages of these at once, one behind the other, and fills in references once their
// keys are known.
type Message []byte

// headBytes is the length of the head, of which the last 8 bytes are the row.
const headBytes = len(Seed{}) + 1 + 8

// AppendHead appends the head of a message, in which the row is not said yet.
func (s Seed) AppendHead(b []byte) []byte {
	b = append(append(b, s[:]...), 'c')
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

// AppendPlain appends a plain value; nil is NULL.
func AppendPlain(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(append(b, 1), uint64(len(v)))
	return append(b, v...)
}

// AppendInt appends a plain value that is a number, as its digits.
func AppendInt(b []byte, n int64) []byte {
	b = append(b, 1, 0)
	start := len(b)
	b = strconv.AppendInt(b, n, 10)
	b[start-1] = byte(len(b) - start) // 20 at most: a length of one byte
	return b
}

// AppendRef appends a reference to a row that does not exist. The hash of another row's key may be copied to where it is in b.
func AppendRef(b []byte) (out []byte, at int) {
	b = append(b, 2)
	return append(b, nowhere[:]...), len(b)
}

// Content is [Hasher.Content] of a message.
func (m Message) Content(row Row) uint64 {
	binary.BigEndian.PutUint64(m[headBytes-8:headBytes], uint64(row))
	sum := sha256.Sum256(m)
	return binary.BigEndian.Uint64(sum[:8])%(prime-1) + 1
}
