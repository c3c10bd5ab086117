package match

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLabel is how many characters of a label are kept.
const maxLabel = 120

// Label returns a text as labels and evidence have it: one line, with nothing that a screen obeys or that changes the order of what stands beside it,
// and not long.
func Label(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r)
	}), " ")
	if utf8.RuneCountInString(s) <= maxLabel {
		return s
	}
	return string([]rune(s)[:maxLabel-1]) + "…"
}
