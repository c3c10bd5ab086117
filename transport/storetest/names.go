package storetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/omsync/omsync/transport"
)

// refused are names that no store may take.
var refused = []string{"", ".omsync", "a", "a.txt", "../a.omsync", "a/b.omsync", `a\b.omsync`, "/a.omsync", ".a.omsync",
	"a:b.omsync", "a?.omsync", "a b.omsync", "é.omsync", "con.omsync", "LPT1.x.omsync", "a\x00.omsync", "a.OMSYNC",
	"a\n.omsync", "%2e%2e%2fa.omsync", strings.Repeat("a", 200) + ".omsync"}

func names(t *testing.T, s transport.Store) {
	for _, name := range refused {
		if err := s.Put(t.Context(), name, bytes.NewReader(nil), 0, nil); err == nil {
			t.Errorf("%q was taken", name)
		} else if errors.Is(err, transport.ErrDown) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"../a.omsync", "a/b.omsync", "/a.omsync", "a.txt", ".a.omsync"} {
		if r, _, err := s.Get(t.Context(), name, 0); err == nil {
			r.Close()
			t.Errorf("%q was read", name)
		}
		if err := s.Remove(t.Context(), name); err == nil {
			t.Errorf("%q was removed", name)
		}
	}
	want(t, s, nil)
	files := map[string][]byte{}
	for _, name := range []string{"a.omsync", "A-b_c.D.9.omsync", "console.omsync", "--.omsync", "a..b.omsync"} {
		files[name] = []byte(name)
		put(t, s, name, files[name])
	}
	want(t, s, files)
}

func strangers(t *testing.T, s transport.Store) {
	p, ok := s.(Planter)
	if !ok {
		t.Skip("nobody else can lay files into this kind of store")
	}
	planted := 0
	for _, name := range []string{"photo.jpg", "._a.omsync", ".omsync", "omsync", "x.omsync.part", "below/b.omsync"} {
		if p.Plant(t, name, []byte(name)) {
			planted++
		}
	}
	if planted == 0 {
		t.Fatal("no file was laid into the store")
	}
	want(t, s, nil)
	put(t, s, "a.omsync", []byte("a"))
	files := map[string][]byte{"a.omsync": []byte("a")}
	// Names that people give to copies are listed and can be read, though Put refuses them.
	for _, name := range []string{"old.OMSYNC", "copy of a (1).omsync", "é+%.omsync"} {
		if p.Plant(t, name, []byte(name)) {
			files[name] = []byte(name)
		}
	}
	want(t, s, files)
	for name := range files {
		if err := s.Remove(t.Context(), name); err != nil {
			t.Errorf("Remove %q: %v", name, err)
		}
	}
	want(t, s, nil)
}
