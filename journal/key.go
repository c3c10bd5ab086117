package journal

import (
	"strings"

	"github.com/omsync/omsync/schema"
)

// A row's key is what identifies it everywhere: one string, made of the parts that its table's key columns give. A part
// that refers to a row is that row's key. A key of one part is the part itself; several are joined by the ASCII unit
// separator, inside which a separator is escaped.
const (
	separator = '\x1f'
	escape    = '\x1e'
	null      = "\x1eN"
)

// JoinKey makes a key of its parts; a nil part is NULL.
func JoinKey(parts []*string) string {
	if len(parts) == 1 && parts[0] != nil {
		return *parts[0]
	}
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(separator)
		}
		if p == nil {
			b.WriteString(null)
			continue
		}
		for j := 0; j < len(*p); j++ {
			if c := (*p)[j]; c == separator || c == escape {
				b.WriteByte(escape)
			}
			b.WriteByte((*p)[j])
		}
	}
	return b.String()
}

// SplitKey takes a key of n parts apart; false if it has another number.
func SplitKey(key string, n int) ([]*string, bool) {
	if n == 1 && key != null {
		return []*string{&key}, true
	}
	var parts []*string
	var b []byte
	isNull := false
	end := func() {
		if isNull {
			parts = append(parts, nil)
		} else {
			s := string(b)
			parts = append(parts, &s)
		}
		b, isNull = nil, false
	}
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == separator:
			end()
		case c == escape && i+1 < len(key):
			i++
			if key[i] == 'N' && len(b) == 0 {
				isNull = true
			} else {
				b = append(b, key[i])
			}
		default:
			b = append(b, c)
		}
	}
	end()
	return parts, len(parts) == n
}

// KeyPart is the key part that a plain key column's value gives: a uuid counts in either case.
func KeyPart(c *schema.Column, v string) string {
	if c.UUIDColumn {
		return strings.ToLower(v)
	}
	return v
}
