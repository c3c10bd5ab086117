package sqldb

import "fmt"

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

// AppendString appends a quoted string literal, for sessions without NO_BACKSLASH_ESCAPES.
// Source: MySQL reference manual, String Literals.
func AppendString(b, v []byte) []byte {
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
