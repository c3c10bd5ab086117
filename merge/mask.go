package merge

import (
	"iter"
	"math/bits"
	"strings"
)

// A Mask is a set of versioned things of a row, each by the number of its bit: [Existence], and from 1 on the row's columns. It is a
// value: nothing changes one in place, and two that hold the same are equal by ==. A table of up to 62 columns needs none above bit 62,
// and its masks are one number: they need no memory of their own.
type Mask struct {
	first uint64 // bits 0 to 63
	more  string // bits 64 and above, eight in a byte; its last byte is not 0
}

// Numbers of bits.
const (
	// Existence is the bit of a row's existence; it has its version from the row's insert, and never a value.
	Existence = 0
	// MaxBit is the highest one. InnoDB allows a table 1,017 columns; what is above is for columns that come when others were dropped.
	MaxBit = wordBits + 1<<5*setBits - 1
)

// Words: masks are stored and sent as 64-bit numbers, see [Mask.Words].
const (
	// WordColumns is what of a word that is not the first says which columns are meant; the rest says which word it is.
	WordColumns = 1<<setBits - 1

	wordBits = 63 // bits that the first word holds
	setBits  = 58 // bits that each other one holds
	wordMore = 1 << 63
)

// Bit returns the mask of one bit.
func Bit(bit int) Mask {
	if bit < 64 {
		return Mask{first: 1 << bit}
	}
	var b MaskBuilder
	b.Add(bit)
	return b.Mask()
}

// Bits returns a mask of bits 0 to 63 by their number.
func Bits(first uint64) Mask { return Mask{first: first} }

// Everything returns the mask of all bits that there can be.
func Everything() Mask {
	return Mask{^uint64(0), strings.Repeat("\xff", (MaxBit-64)/8) + string([]byte{1<<((MaxBit-64)%8+1) - 1})}
}

// IsEmpty reports whether nothing is in the mask.
func (m Mask) IsEmpty() bool { return m == Mask{} }

// Has reports whether a bit is in the mask.
func (m Mask) Has(bit int) bool {
	if bit < 64 {
		return m.first&(1<<bit) != 0
	}
	at := (bit - 64) / 8
	return at < len(m.more) && m.more[at]&(1<<((bit-64)%8)) != 0
}

// Meets reports whether some bit is in both masks.
func (m Mask) Meets(o Mask) bool {
	return m.first&o.first != 0 || m.more != "" && o.more != "" && meets(m.more, o.more)
}

func meets(a, b string) bool {
	for i := range min(len(a), len(b)) {
		if a[i]&b[i] != 0 {
			return true
		}
	}
	return false
}

// And returns the bits that are in both masks.
func (m Mask) And(o Mask) Mask {
	if m.more == "" || o.more == "" {
		return Mask{first: m.first & o.first}
	}
	return Mask{m.first & o.first, combine(m.more[:min(len(m.more), len(o.more))], o.more, func(a, b byte) byte { return a & b })}
}

// Or returns the bits that are in one of the masks, or in both.
func (m Mask) Or(o Mask) Mask {
	if m.more == "" && o.more == "" {
		return Mask{first: m.first | o.first}
	}
	if len(m.more) < len(o.more) {
		m, o = o, m
	}
	return Mask{m.first | o.first, combine(m.more, o.more, func(a, b byte) byte { return a | b })}
}

// Without returns the bits that are not in the other mask.
func (m Mask) Without(o Mask) Mask {
	if m.more == "" {
		return Mask{first: m.first &^ o.first}
	}
	return Mask{m.first &^ o.first, combine(m.more, o.more, func(a, b byte) byte { return a &^ b })}
}

// Columns returns the mask without the row's existence.
func (m Mask) Columns() Mask { return Mask{m.first &^ (1 << Existence), m.more} }

// WithExistence returns the mask with the row's existence.
func (m Mask) WithExistence() Mask { return Mask{m.first | 1<<Existence, m.more} }

// combine returns f of each byte of a and the one of b at its place, 0 if there is none. A result that is a, or the same again, takes no memory.
func combine(a, b string, f func(a, b byte) byte) string {
	end, same := 0, true
	at := func(i int) byte {
		if i < len(b) {
			return b[i]
		}
		return 0
	}
	for i := range len(a) {
		c := f(a[i], at(i))
		if c != 0 {
			end = i + 1
		}
		same = same && c == a[i]
	}
	if same {
		return a[:end]
	}
	out := make([]byte, end)
	for i := range out {
		out[i] = f(a[i], at(i))
	}
	return string(out)
}

// All returns the bits in rising order.
func (m Mask) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for first := m.first; first != 0; first &= first - 1 {
			if !yield(bits.TrailingZeros64(first)) {
				return
			}
		}
		for i := range len(m.more) {
			for b := m.more[i]; b != 0; b &= b - 1 {
				if !yield(64 + 8*i + bits.TrailingZeros8(b)) {
					return
				}
			}
		}
	}
}

// lowest returns the lowest bit of a mask that is not empty.
func (m Mask) lowest() int {
	if m.first != 0 {
		return bits.TrailingZeros64(m.first)
	}
	for bit := range m.All() {
		return bit
	}
	return MaxBit + 1
}

// First returns bits 0 to 63 of the mask.
func (m Mask) First() uint64 { return m.first }

// IsWide reports whether the mask holds more than one word can: some bit above 62.
func (m Mask) IsWide() bool { return m.first >= wordMore || m.more != "" }

// Word returns the mask as one number, if it is not wide.
func (m Mask) Word() uint64 { return m.first &^ wordMore }

// Words returns the mask as it is stored and sent: a number for bits 0 to 62, if it has some of them, and one for each of the 32 sets of 58
// further bits of which it has some. Such a number has bit 63, the set's number from 0 on in bits 58 to 62, and in bits 0 to 57 those
// of the set: bit i of set s stands for bit 63 + 58 s + i.
func (m Mask) Words() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		word := m.Word()
		if !m.IsWide() {
			if word != 0 {
				yield(word)
			}
			return
		}
		set := -1
		for bit := range (Mask{m.first & wordMore, m.more}).All() {
			if s := (bit - wordBits) / setBits; s != set {
				if word != 0 && !yield(word) {
					return
				}
				set, word = s, wordMore|uint64(s)<<setBits
			}
			word |= 1 << ((bit - wordBits) % setBits)
		}
		yield(word)
	}
}

// FromWord returns the mask that a number stands for: see [Mask.Words].
func FromWord(word uint64) Mask {
	if word < wordMore {
		return Mask{first: word}
	}
	var b MaskBuilder
	first := wordBits + int(word>>setBits&(1<<5-1))*setBits
	for w := word & WordColumns; w != 0; w &= w - 1 {
		b.Add(first + bits.TrailingZeros64(w))
	}
	return b.Mask()
}

// A MaskBuilder puts a mask together bit by bit. The zero value is ready for use.
type MaskBuilder struct {
	first uint64
	more  []byte
}

// Add adds a bit, up to [MaxBit].
func (b *MaskBuilder) Add(bit int) {
	if bit < 64 {
		b.first |= 1 << bit
		return
	}
	at := (bit - 64) / 8
	for len(b.more) <= at {
		b.more = append(b.more, 0)
	}
	b.more[at] |= 1 << ((bit - 64) % 8)
}

// AddAll adds what a mask has.
func (b *MaskBuilder) AddAll(m Mask) {
	b.first |= m.first
	for len(b.more) < len(m.more) {
		b.more = append(b.more, 0)
	}
	for i := range len(m.more) {
		b.more[i] |= m.more[i]
	}
}

// Mask returns the bits that were added.
func (b *MaskBuilder) Mask() Mask { return Mask{b.first, string(b.more)} }
