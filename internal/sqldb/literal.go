package sqldb

import (
	"fmt"
	"slices"
	"strconv"
)

// Binary appends a byte string as a literal.
func Binary(b []byte, s string) []byte {
	switch {
	case s == "":
		return append(b, "''"...)
	case len(s) > 1<<16: // two digits a byte would be too many for the server's longest packet
		return AppendString(append(b, "_binary"...), []byte(s))
	}
	return fmt.Appendf(b, "x'%x'", s)
}

// AppendDerived appends a derived table of literals, "(SELECT 1 id, 'a' name UNION ALL SELECT 2, 'b') d": the shape that locks
// nothing but what is joined to it. columns are its column names; value appends the literal of one column of one row, counted
// from 0. It takes rows, n at most and one at least, until b is longer than limit bytes (0: no limit), and returns how many it
// took.
func AppendDerived(b []byte, columns []string, n, limit int, value func(b []byte, row, column int) []byte) ([]byte, int) {
	b = append(b, "(SELECT "...)
	row := 0
	for ; row < n && (row == 0 || limit == 0 || len(b) < limit); row++ {
		if row > 0 {
			b = append(b, " UNION ALL SELECT "...)
		}
		for c, name := range columns {
			if c > 0 {
				b = append(b, ", "...)
			}
			if b = value(b, row, c); row == 0 {
				b = append(append(b, ' '), name...)
			}
		}
	}
	return append(b, ") d"...), row
}

// longestList is how many integers stand in one list. MariaDB makes a table of 1,000 and more (in_predicate_conversion_threshold), and may read all of
// the other table to join it.
const longestList = 500

// AppendIn appends the condition that a column is one of n integers, at least one, as one term: the shape that takes a server the least time. It may
// read all of a table for it where it takes that for small, unless an index is forced and more is read than the index has; and a statement that
// locks may lock what is between. See [AppendDerived].
func AppendIn(b []byte, column string, n int, integer func(i int) int64) []byte {
	b = append(b, '(')
	for i := range n {
		if i%longestList > 0 {
			b = append(b, ',')
		} else {
			if i > 0 {
				b = append(b, ") OR "...)
			}
			b = append(append(b, column...), " IN ("...)
		}
		b = strconv.AppendInt(b, integer(i), 10)
	}
	return append(b, "))"...)
}

// longString is the length in bytes from which on the room for a literal is made beforehand.
const longString = 1 << 16

// escapes returns how many bytes of v AppendString puts a backslash before.
func escapes(v []byte) (n int) {
	for _, c := range v {
		switch c {
		case 0, '\n', '\r', 0x1a, '\'', '\\':
			n++
		}
	}
	return n
}

// AppendString appends a quoted string literal, for sessions without NO_BACKSLASH_ESCAPES.
// Source: MySQL reference manual, String Literals.
func AppendString(b, v []byte) []byte {
	if len(v) > longString {
		b = slices.Grow(b, len(v)+escapes(v)+longString/16) // of a long value, growth by appending would hold several copies
	}
	b = append(b, '\'')
	for _, c := range v {
		switch c {
		case 0:
			b = append(b, '\\', '0')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case 0x1a:
			b = append(b, '\\', 'Z')
		case '\'', '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '\'')
}
