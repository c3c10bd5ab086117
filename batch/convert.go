package batch

import (
	"math"
	"strconv"
)

// The conversions below take a value only if the number that they make of it
// formats to the very same bytes.

// Mixed radix in which dates and times become numbers: wide enough for zero
// dates and for dates that no calendar has, which MySQL stores if told to.
const (
	dates     = 10000 * 13 * 32
	dateTimes = dates * 86400
	maxScale  = 18
)

var pow10 = [...]int64{1, 10, 100, 1000, 10000, 100000, 1000000}

// parseInt takes -?(0|[1-9][0-9]*) within int64, except -0.
func parseInt(b []byte) (int64, bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	var u uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		u = u*10 + uint64(c-'0')
	}
	if len(digits) < len(b) {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u <= math.MaxInt64
}

func formatInt(b []byte, x int64) []byte { return strconv.AppendInt(b, x, 10) }

// parseDecimal takes decimal text of up to 18 digits: the number without its
// point, and the digits after the point.
func parseDecimal(b []byte) (x int64, scale int, ok bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	point, n := -1, 0
	for i, c := range digits {
		switch {
		case c == '.' && point < 0:
			point = i
		case c >= '0' && c <= '9' && n < maxScale:
			x = x*10 + int64(c-'0')
			n++
		default:
			return 0, 0, false
		}
	}
	whole := len(digits)
	if point >= 0 {
		whole, scale = point, len(digits)-point-1
		if scale == 0 {
			return 0, 0, false
		}
	}
	if whole == 0 || whole > 1 && digits[0] == '0' {
		return 0, 0, false
	}
	if len(digits) < len(b) {
		return -x, scale, x != 0
	}
	return x, scale, true
}

func formatDecimal(b []byte, x int64, scale int) []byte {
	u := uint64(x)
	if x < 0 {
		b, u = append(b, '-'), -u
	}
	var buf [40]byte
	digits := strconv.AppendUint(buf[:0], u, 10)
	for len(digits) <= scale { // 5 with scale 2 is 0.05
		digits = append(digits, 0)
		copy(digits[1:], digits)
		digits[0] = '0'
	}
	if scale == 0 {
		return append(b, digits...)
	}
	whole := len(digits) - scale
	b = append(b, digits[:whole]...)
	b = append(b, '.')
	return append(b, digits[whole:]...)
}

// number reads the n digits at b[at:].
func number(b []byte, at, n int) (uint64, bool) {
	var x uint64
	for _, c := range b[at : at+n] {
		if c < '0' || c > '9' {
			return 0, false
		}
		x = x*10 + uint64(c-'0')
	}
	return x, true
}

func parseDate(b []byte) (uint64, bool) {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	y, ok1 := number(b, 0, 4)
	m, ok2 := number(b, 5, 2)
	d, ok3 := number(b, 8, 2)
	if !ok1 || !ok2 || !ok3 || m > 12 || d > 31 {
		return 0, false
	}
	return (y*13+m)*32 + d, true
}

func formatDate(b []byte, x uint64) []byte {
	d, m, y := x%32, x/32%13, x/32/13
	b = append(b, byte('0'+y/1000), byte('0'+y/100%10))
	b = two(b, y%100)
	b = two(append(b, '-'), m)
	return two(append(b, '-'), d)
}

func two(b []byte, x uint64) []byte { return append(b, byte('0'+x/10), byte('0'+x%10)) }

// parseDateTime takes YYYY-MM-DD hh:mm:ss with up to 6 digits of a fraction:
// the number of the time in units of the last digit, and the digits.
func parseDateTime(b []byte) (x uint64, digits int, ok bool) {
	if len(b) < 19 || b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return 0, 0, false
	}
	date, ok0 := parseDate(b[:10])
	h, ok1 := number(b, 11, 2)
	m, ok2 := number(b, 14, 2)
	s, ok3 := number(b, 17, 2)
	if !ok0 || !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || s > 59 {
		return 0, 0, false
	}
	x = ((date*24+h)*60+m)*60 + s
	if len(b) == 19 {
		return x, 0, true
	}
	digits = len(b) - 20
	if b[19] != '.' || digits < 1 || digits > 6 {
		return 0, 0, false
	}
	f, ok4 := number(b, 20, digits)
	return x*uint64(pow10[digits]) + f, digits, ok4
}

func formatDateTime(b []byte, x uint64, digits int) []byte {
	unit := uint64(pow10[digits])
	f, x := x%unit, x/unit
	b = formatDate(b, x/86400)
	t := x % 86400
	b = two(append(b, ' '), t/3600)
	b = two(append(b, ':'), t/60%60)
	b = two(append(b, ':'), t%60)
	if digits == 0 {
		return b
	}
	b = append(b, '.')
	for unit /= 10; unit > 0; unit /= 10 {
		b = append(b, byte('0'+f/unit%10))
	}
	return b
}

func looksUUID(b []byte) bool {
	return len(b) == 36 && b[8] == '-' && b[13] == '-' && b[18] == '-' && b[23] == '-'
}

// uuidText is where the 16 bytes of a UUID stand in its text.
var uuidText = [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// parseUUID takes the text form of RFC 4122, section 3, in lower case.
func parseUUID(u *[16]byte, b []byte) bool {
	if !looksUUID(b) {
		return false
	}
	both := byte(isDigit)
	for i, at := range uuidText {
		hi, lo := digits[b[at]], digits[b[at+1]]
		both &= hi & lo
		u[i] = hi<<4 | lo&15
	}
	return both == isDigit
}

// digits are the values of hexadecimal digits, with isDigit.
var digits = [256]byte{'0': 16, '1': 17, '2': 18, '3': 19, '4': 20, '5': 21, '6': 22, '7': 23, '8': 24, '9': 25,
	'a': 26, 'b': 27, 'c': 28, 'd': 29, 'e': 30, 'f': 31}

const isDigit = 16

func formatUUID(b []byte, u *[16]byte) []byte {
	const hex = "0123456789abcdef"
	for i, x := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hex[x>>4], hex[x&15])
	}
	return b
}
