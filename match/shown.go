package match

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shown returns a key as files and screens have it: of the same key always the same, of two keys never one. What is no plain character
// stands as %XX for each of its bytes, and so does % itself.
func Shown(key string) string {
	if !strings.ContainsFunc(key, special) {
		return key
	}
	var b strings.Builder
	for i, r := range key {
		n := 1
		if r != utf8.RuneError {
			n = utf8.RuneLen(r)
		} else if strings.HasPrefix(key[i:], string(utf8.RuneError)) {
			n = len(string(utf8.RuneError))
		}
		if !special(r) {
			b.WriteRune(r)
			continue
		}
		for _, c := range []byte(key[i : i+n]) {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func special(r rune) bool { return r == '%' || r == utf8.RuneError || !unicode.IsPrint(r) }
