package journal

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/schema"
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

func TestPrintableKey(t *testing.T) {
	root := func(columns ...*schema.Column) *schema.Table {
		table := &schema.Table{KeyColumns: columns}
		table.Root = table
		return table
	}
	uuid := &schema.Column{Name: "uuid", UUIDColumn: true, Charset: "utf8"}
	ward := root(uuid)
	label := root(&schema.Column{Name: "ward_id", Ref: &schema.Ref{To: ward}}, &schema.Column{Name: "name"}, uuid)
	u := "0e4b1cfa-6a2b-4c0e-9a1d-2f3c4b5a6978"
	key := func(parts ...string) string {
		var p []*string
		for i := range parts {
			p = append(p, &parts[i])
		}
		return JoinKey(p)
	}
	for _, c := range []struct {
		table     *schema.Table
		key, want string
	}{
		{ward, u, u},
		{ward, "Größe-日本", "Größe-日本"},
		{root(&schema.Column{Name: "uuid", UUIDColumn: true}), "\x00\x1fA", "001f41"},
		{ward, "a\x1b[31mb\x7f\n", "a[31mb"},
		{ward, "a\u009b31mb\u0085", "a31mb"},
		{ward, "a\x9b31m", "a\ufffd31m"},
		{ward, "a\u202eb\u2066c\u200fd\u200be\ufefff", "abcdef"},
		{label, key(u, "a name", u), u + "/*/" + u},
		{label, JoinKey([]*string{nil, nil, &u}), "NULL/NULL/" + u},
		{label, "one", "?"},
		{ward, strings.Repeat("k", 120), strings.Repeat("k", 120)},
		{ward, strings.Repeat("k", 121), strings.Repeat("k", 117) + "…"},
		{ward, strings.Repeat("ä", 40_000), strings.Repeat("ä", 58) + "…"},
		{label, key(strings.Repeat("k", 60_000), "a name", u), strings.Repeat("k", 117) + "…"},
	} {
		got := PrintableKey(c.table, c.key)
		if got != c.want {
			t.Errorf("%.50q: %q, want %q", c.key, got, c.want)
		}
		if len(got) > maxPrinted {
			t.Errorf("%.50q has %d bytes", c.key, len(got))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		got := PrintableKey(ward, string(rapid.SliceOf(rapid.Byte()).Draw(t, "key"))+rapid.String().Draw(t, "more"))
		if len(got) > maxPrinted || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q", got)
		}
	})
}
