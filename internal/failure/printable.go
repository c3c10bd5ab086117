package failure

import (
	"strconv"
	"strings"
)

// Printable returns a text that a stranger wrote with nothing in it that a terminal obeys.
func Printable(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return strconv.Quote(s)
	}
	return s
}
