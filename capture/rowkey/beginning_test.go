package rowkey

import (
	"slices"
	"testing"
)

// A key that is shorter than some beginnings, and is one itself, begins with that one alone.
func TestBeginnings(t *testing.T) {
	var b Beginnings
	for _, text := range []string{"abcd", "abcdef", "abxx", "abcd"} {
		b.Add([]byte(text))
	}
	if len(b.Texts) != 3 {
		t.Errorf("%q", b.Texts)
	}
	for key, want := range map[string][]string{"abcd": {"abcd"}, "abcdefgh": {"abcd", "abcdef"}, "ab": nil, "abxx-1": {"abxx"}, "": nil} {
		var got []string
		b.Each(key, func(text string) { got = append(got, text) })
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%q begins with %q, want %q", key, got, want)
		}
	}
	(&Beginnings{}).Each("abcd", func(text string) { t.Errorf("of none, %q", text) })
}
