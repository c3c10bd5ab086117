package schema

import (
	"encoding/hex"
	"strconv"
	"strings"

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
// the bytes are, the literal is one value: numbers stand bare only if they look like numbers.
func (c *Column) AppendLiteral(b []byte, v []byte) []byte {
	if v == nil {
		return append(b, "NULL"...)
	}
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year":
		if isNumber(v) {
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

// longBytes is from where on byte strings are written as they are.
const longBytes = 1 << 16

// isNumber accepts what the server prints for numbers: [-]digits[.digits][e[+-]digits].
func isNumber(v []byte) bool {
	if len(v) == 0 || len(v) > 330 {
		return false
	}
	digits := 0
	for i, c := range v {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && i > 0:
		case c == '-' && (i == 0 || v[i-1] == 'e'):
		case c == '+' && i > 0 && v[i-1] == 'e':
		case c == 'e' && digits > 0 && i < len(v)-1:
		default:
			return false
		}
	}
	return digits > 0 && strings.Count(string(v), ".") <= 1 && strings.Count(string(v), "e") <= 1
}
