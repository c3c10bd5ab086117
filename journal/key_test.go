package journal

import (
	"testing"

	"pgregory.net/rapid"
)

func TestKeysComeApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.Ptr(rapid.StringOf(rapid.SampledFrom([]rune{'a', 'N', '\x1e', '\x1f', 'é'})), true)
		parts := rapid.SliceOfN(part, 1, 4).Draw(t, "parts")
		got, ok := SplitKey(JoinKey(parts), len(parts))
		if len(parts) == 1 && parts[0] != nil && *parts[0] == null {
			return // a key of one part is the part itself; no uuid or name is this control character
		}
		if !ok || len(got) != len(parts) {
			t.Fatalf("%q came apart as %d parts, %v", JoinKey(parts), len(got), ok)
		}
		for i := range parts {
			if (got[i] == nil) != (parts[i] == nil) || got[i] != nil && *got[i] != *parts[i] {
				t.Fatalf("part %d of %q", i, JoinKey(parts))
			}
		}
	})
}

func TestSplitKeyOfAnotherNumber(t *testing.T) {
	if _, ok := SplitKey("a\x1fb", 3); ok {
		t.Error("two parts passed for three")
	}
}
