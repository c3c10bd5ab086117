package transport

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	f := open(t, t.TempDir())
	for _, name := range []string{"", ".omsync", "a", "a.txt", "../a.omsync", "a/b.omsync", `a\b.omsync`, "/a.omsync", ".a.omsync",
		"a:b.omsync", "a?.omsync", "a b.omsync", "é.omsync", "con.omsync", "LPT1.x.omsync", "a\x00.omsync", "a.OMSYNC",
		strings.Repeat("a", 200) + ".omsync"} {
		if w, err := f.Create(t.Context(), name); err == nil {
			w.Discard()
			t.Errorf("%q was taken", name)
		} else if strings.Contains(err.Error(), "part") {
			t.Errorf("%q: the temporary name shows: %v", name, err)
		}
	}
	for _, name := range []string{"a.omsync", "hub-kisumu-0-17.p002.omsync", "console.omsync"} {
		put(t, f, name, "x")
	}
}

// What Create takes stays in the folder, is listed and can be read.
func TestNamesProperty(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[.a-zA-Z0-9/\\:_-]{0,12}(\.omsync)?`)).Draw(rt, "name")
		w, err := f.Create(context.Background(), name)
		if err != nil {
			return
		}
		if err := w.Commit(); err != nil {
			rt.Fatalf("%q: %v", name, err)
		}
		defer os.Remove(filepath.Join(dir, name))
		if got := all(t, f); !slices.Equal(got, []string{name}) {
			rt.Fatalf("%q made %q", name, got)
		}
		if got := names(t, f); !slices.Equal(got, []string{name}) {
			rt.Fatalf("%q is listed as %q", name, got)
		}
		if get(t, f, name) != "" {
			rt.Fatalf("%q is not empty", name)
		}
	})
}
