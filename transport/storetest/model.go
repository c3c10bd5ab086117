package storetest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/transport"
)

// The store does what a map of names and contents does.
func model(t *testing.T, s transport.Store) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		list, err := s.List(ctx)
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		for _, e := range list {
			if err := s.Remove(ctx, e.Name); err != nil {
				t.Fatalf("Remove: %v", err)
			}
		}
		// Names that differ by more than case: FAT takes names that do not for the same.
		name := rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"a", "b.1", "hub-to-migori-0-1-58a859"}).Draw(t, "base") + ".omsync"
		})
		files := map[string][]byte{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				n := name.Draw(t, "name")
				files[n] = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "content")
				put(t, s, n, files[n])
			},
			"break": func(t *rapid.T) {
				n := name.Draw(t, "name")
				size := rapid.IntRange(1, 1000).Draw(t, "size")
				b := broken{make([]byte, size), int64(rapid.IntRange(0, size-1).Draw(t, "at")), func() error { return errBroken }}
				if err := s.Put(ctx, n, b, int64(size), nil); !errors.Is(err, errBroken) {
					t.Fatalf("Put %s: %v", n, err)
				}
			},
			"remove": func(t *rapid.T) {
				n := name.Draw(t, "name")
				delete(files, n)
				if err := s.Remove(ctx, n); err != nil {
					t.Fatalf("Remove %s: %v", n, err)
				}
			},
			"get": func(t *rapid.T) {
				n := name.Draw(t, "name")
				at := rapid.IntRange(0, 310).Draw(t, "at")
				b, there := files[n]
				if there && at <= len(b) {
					if got, total := get(t, s, n, int64(at)); !bytes.Equal(got, b[at:]) || total != int64(len(b)) {
						t.Fatalf("%s from %d: %q of %d, want %q", n, at, got, total, b[at:])
					}
					return
				}
				r, _, err := s.Get(ctx, n, int64(at))
				if err == nil {
					r.Close()
				}
				if err == nil || errors.Is(err, fs.ErrNotExist) == there {
					t.Fatalf("%s from %d: %v; is there: %t", n, at, err, there)
				}
			},
			"": func(t *rapid.T) { wantListed(t, s, files) },
		})
		want(t, s, files)
	})
}
