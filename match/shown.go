package match

import (
	"fmt"
	"strings"
	"unicode"
)

// Shown returns a key as files and screens have it: of the same key always the same, of two keys never one. What is no plain character
// stands as %XX, and so does % itself.
func Shown(key string) string {
	if !strings.ContainsFunc(key, special) {
		return key
	}
	var b strings.Builder
	for _, r := range []byte(key) {
		if r < 0x20 || r == '%' || r == 0x7f {
			fmt.Fprintf(&b, "%%%02X", r)
		} else {
			b.WriteByte(r)
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

func special(r rune) bool { return r == '%' || r == unicode.ReplacementChar || unicode.IsControl(r) }
