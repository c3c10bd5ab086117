package storetest

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/omsync/omsync/transport"
)

func putListGet(t *testing.T, s transport.Store) {
	want(t, s, nil)
	files := map[string][]byte{}
	for i, name := range []string{"hub-to-kisumu-0000000000-0000000002-58a859.omsync", "a.omsync", "z_9.p002.omsync",
		strings.Repeat("long", 48) + ".omsync"} {
		files[name] = Bytes(uint64(i), i*1000) // the first is empty
		put(t, s, name, files[name])
		want(t, s, files)
	}
	if s.String() == "" {
		t.Error("the store has no name")
	}
}

func ranges(t *testing.T, s transport.Store) {
	content := Bytes(1, 70_000)
	put(t, s, "a.omsync", content)
	for _, at := range []int64{0, 1, 4095, 4096, 65_536, 69_999, 70_000} {
		if b, total := get(t, s, "a.omsync", at); total != 70_000 || !bytes.Equal(b, content[at:]) {
			t.Errorf("from %d: %d bytes of %d; equal: %t", at, len(b), total, bytes.Equal(b, content[at:]))
		}
	}
	for _, at := range []int64{70_001, 1 << 40, -1} {
		if r, _, err := s.Get(t.Context(), "a.omsync", at); err == nil {
			r.Close()
			t.Errorf("there is something at %d", at)
		} else if errors.Is(err, fs.ErrNotExist) || errors.Is(err, transport.ErrDown) {
			t.Errorf("from %d: %v", at, err)
		}
	}
	put(t, s, "empty.omsync", nil)
	if b, total := get(t, s, "empty.omsync", 0); len(b) != 0 || total != 0 {
		t.Errorf("empty: %d bytes of %d", len(b), total)
	}
}

func replace(t *testing.T, s transport.Store) {
	for i, size := range []int{100, 5, 0, 9000, 9000} {
		content := Bytes(uint64(i), size)
		put(t, s, "a.omsync", content)
		want(t, s, map[string][]byte{"a.omsync": content})
	}
}

func progress(t *testing.T, s transport.Store) {
	content := Bytes(1, 600_000)
	var last int64
	err := s.Put(t.Context(), "a.omsync", bytes.NewReader(content), int64(len(content)), func(done int64) {
		if done < last || done > int64(len(content)) {
			t.Errorf("progress from %d to %d of %d", last, done, len(content))
		}
		last = done
	})
	if err != nil || last != int64(len(content)) {
		t.Errorf("progress ends at %d of %d; %v", last, len(content), err)
	}
}

func large(t *testing.T, s transport.Store) {
	content := Bytes(1, 11<<20+13)
	put(t, s, "a.omsync", content)
	want(t, s, map[string][]byte{"a.omsync": content})
	at := int64(10 << 20)
	if b, _ := get(t, s, "a.omsync", at); !bytes.Equal(b, content[at:]) {
		t.Errorf("from %d: not the same", at)
	}
}

func missing(t *testing.T, s transport.Store) {
	for _, at := range []int64{0, 10} {
		if _, _, err := s.Get(t.Context(), "none.omsync", at); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("from %d: %v", at, err)
		}
	}
}

func remove(t *testing.T, s transport.Store) {
	put(t, s, "a.omsync", []byte("a"))
	put(t, s, "b.omsync", []byte("b"))
	for range 2 {
		if err := s.Remove(t.Context(), "a.omsync"); err != nil {
			t.Fatal(err)
		}
		want(t, s, map[string][]byte{"b.omsync": []byte("b")})
	}
	if _, _, err := s.Get(t.Context(), "a.omsync", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
	put(t, s, "a.omsync", []byte("again"))
	want(t, s, map[string][]byte{"a.omsync": []byte("again"), "b.omsync": []byte("b")})
}
