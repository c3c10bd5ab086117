package schema

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/omsync/omsync/internal/sqldb"
)

// Select returns the expression that reads the column's exact value as text. A FLOAT printed as it is loses digits.
// prefix is "" or a table alias with its dot.
func (c *Column) Select(prefix string) string {
	if c.Type == "float" {
		return prefix + Quote(c.Name) + "*1e0"
	}
	return prefix + Quote(c.Name)
}

// AppendLiteral appends a value, as Select read it, as a literal that stores exactly that value; nil is NULL. Whatever
// the bytes are, the literal is one value: what is not exactly a number of the column's type is quoted, and the server judges it.
func (c *Column) AppendLiteral(b []byte, v []byte) []byte {
	if v == nil {
		return append(b, "NULL"...)
	}
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year":
		if isNumber(c.Type, v) {
			return append(b, v...)
		}
	case "bit":
		if len(v) > 0 && len(v) <= 8 { // beside a column in a condition, bytes would be text that is no number
			var n uint64
			for _, x := range v {
				n = n<<8 | uint64(x)
			}
			return strconv.AppendUint(b, n, 10)
		}
		return append(hex.AppendEncode(append(b, "x'"...), v), '\'')
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		if len(v) > longBytes { // two digits a byte would be too many for the server's longest packet
			return sqldb.AppendString(append(b, "_binary"...), v)
		}
		if len(v) > 0 {
			b = append(b, "x'"...)
			b = hex.AppendEncode(b, v)
			return append(b, '\'')
		}
	}
	return sqldb.AppendString(b, v)
}

// Keeps reports whether the column keeps a value, as Select read it elsewhere, as it is, where the server would not say so itself: it cuts blanks
// off the end of a text that is too long, digits off a fraction, and the time off a day, without an error in any mode. It reports so too of
// a text with too many characters, which is what most often does not fit: looked at here it costs nothing.
func (c *Column) Keeps(v []byte) bool {
	switch c.Type {
	case "char", "varchar":
		return int64(len(v)) <= c.Length || int64(utf8.RuneCount(v)) <= c.Length
	case "tinytext", "text", "mediumtext", "longtext":
		return int64(len(v)) <= c.Length || c.Length == 0 || !c.cutsBlanks(v)
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		return fraction(v) == 0
	case "decimal":
		return fraction(v) <= c.size(1)
	case "datetime", "timestamp", "time":
		return fraction(v) <= c.size(0)
	case "date":
		const day = len("2026-01-31")
		return len(v) <= day || len(bytes.Trim(v[day:], " 0:.")) == 0
	}
	return true
}

// cutsBlanks reports whether all of a text that the column has no room for is white space.
func (c *Column) cutsBlanks(v []byte) bool {
	room := v
	for n := c.Length; n > 0 && len(room) > 0; {
		_, size := utf8.DecodeRune(room)
		if strings.HasPrefix(c.Charset, "utf8") { // the length of a long text is in bytes
			n -= int64(size)
		} else {
			n--
		}
		room = room[size:]
	}
	return len(room) > 0 && len(bytes.TrimSpace(room)) == 0
}

// fraction returns how many digits of a number, or of a time, stand behind its point, but for noughts at the end.
func fraction(v []byte) int {
	at := bytes.IndexByte(v, '.')
	if at < 0 {
		return 0
	}
	rest, _ := digits(v[at+1:])
	if len(rest) > 0 { // with an exponent, say
		return 0
	}
	return len(bytes.TrimRight(v[at+1:], "0"))
}

// size returns the nth number in the brackets of the column's type, 0 if there is none.
func (c *Column) size(n int) int {
	_, in, _ := strings.Cut(c.FullType, "(")
	in, _, _ = strings.Cut(in, ")")
	numbers := strings.Split(in, ",")
	if n >= len(numbers) {
		return 0
	}
	size, err := strconv.Atoi(strings.TrimSpace(numbers[n]))
	if err != nil {
		return 0
	}
	return size
}

// longBytes is from where on byte strings are written as they are.
const longBytes = 1 << 16

// isNumber reports whether v is a number as the server prints one of a column's type: [-]digits, with .digits for fractions, and e[-+]digits
// for floating-point numbers. What only looks like one ("1e-", "1-", "1.") would stand in a statement as something else.
func isNumber(typ string, v []byte) bool {
	rest := bytes.TrimPrefix(v, []byte("-"))
	rest, ok := digits(rest)
	longest := 66 // of DECIMAL
	switch typ {
	case "float", "double":
		longest = 330
		if fraction, there := bytes.CutPrefix(rest, []byte(".")); ok && there {
			rest, ok = digits(fraction)
		}
		if exponent, there := bytes.CutPrefix(rest, []byte("e")); ok && there {
			rest, ok = digits(sign(exponent))
		}
		if _, err := strconv.ParseFloat(string(v), 64); err != nil {
			return false
		}
	case "decimal":
		if fraction, there := bytes.CutPrefix(rest, []byte(".")); ok && there {
			rest, ok = digits(fraction)
		}
	}
	return ok && len(rest) == 0 && len(v) <= longest
}

// digits returns what follows the digits at the start of v, and whether there is at least one.
func digits(v []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(v) && v[n] >= '0' && v[n] <= '9' {
		n++
	}
	return v[n:], n > 0
}

// sign returns what follows the sign of an exponent.
func sign(v []byte) []byte {
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		return v[1:]
	}
	return v
}
