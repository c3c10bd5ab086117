package nodename_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/internal/nodename"
)

func TestCheck(t *testing.T) {
	for s, good := range map[string]bool{
		"a": true, "0": true, "hub": true, "kisumu-2": true, "a-": true, "a--b": true, "a-to-b": true, strings.Repeat("x", 31): true,
		"": false, "-": false, "-a": false, "Hub": false, "a b": false, "a/b": false, "..": false, "a.b": false, "a_b": false,
		"a\n": false, "a\x00": false, "é": false, "ａ": false, "\xff": false, strings.Repeat("x", 32): false, strings.Repeat("x", 64): false,
		// Windows' devices, and names that only begin like them.
		"con": false, "prn": false, "aux": false, "nul": false, "com0": false, "com1": false, "com9": false, "lpt0": false, "lpt9": false,
		"com": true, "com10": true, "console": true, "lpt-1": true, "nul-": true,
	} {
		if err := nodename.Check(s); (err == nil) != good {
			t.Errorf("%q: taken is %t: %v", s, !good, err)
		}
	}
}

func TestCheckIsItsPattern(t *testing.T) {
	pattern := regexp.MustCompile(`\A[a-z0-9][a-z0-9-]{0,30}\z`)
	device := regexp.MustCompile(`\A(con|prn|aux|nul|com[0-9]|lpt[0-9])\z`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`[a-z0-9-]{0,34}`),
			rapid.StringMatching(`(con|prn|aux|nul|com|lpt)[0-9a]?`),
			rapid.StringN(0, 4, -1),
		).Draw(t, "name")
		want := pattern.MatchString(s) && !device.MatchString(s)
		if got := nodename.Check(s) == nil; got != want {
			t.Fatalf("Check(%q) takes it: %v, want %v", s, got, want)
		}
	})
}

func TestIsDevice(t *testing.T) {
	for base, want := range map[string]bool{"CON": true, "Lpt3": true, "nul": true, "nuls": false, "lpt": false, "": false, "com": false, "coma": false} {
		if got := nodename.IsDevice(base); got != want {
			t.Errorf("%q is a device: %t", base, got)
		}
	}
}
