package keys

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValidName(t *testing.T) {
	for _, s := range []string{"a", "0", "hub", "kisumu-2", "a-", "a--b", "com", "com10", "console", "lpt-1", strings.Repeat("x", 31)} {
		if err := ValidName(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "-a", "Hub", "a b", "a/b", "..", "a.b", "a_b", "a\n", "é", "ａ", strings.Repeat("x", 32),
		"con", "prn", "aux", "nul", "com0", "com1", "com9", "lpt0", "lpt9"} {
		if ValidName(s) == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestValidNameIsItsPattern(t *testing.T) {
	pattern := regexp.MustCompile(`\A[a-z0-9][a-z0-9-]{0,30}\z`)
	device := regexp.MustCompile(`\A(con|prn|aux|nul|com[0-9]|lpt[0-9])\z`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`[a-z0-9-]{0,34}`),
			rapid.StringMatching(`(con|prn|aux|nul|com|lpt)[0-9a]?`),
			rapid.StringN(0, 4, -1),
		).Draw(t, "name")
		want := pattern.MatchString(s) && !device.MatchString(s)
		if got := ValidName(s) == nil; got != want {
			t.Fatalf("ValidName(%q) takes it: %v, want %v", s, got, want)
		}
	})
}
