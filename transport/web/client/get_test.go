package client

import (
	"testing"
)

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 5-9/10")
	f.Add("bytes */10")
	f.Fuzz(func(t *testing.T, text string) {
		if start, total, ok := contentRange(text); ok && (start < 0 || start > total) {
			t.Errorf("%q: %d of %d", text, start, total)
		}
	})
}
