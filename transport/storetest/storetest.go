// Package storetest says what every transport.Store has to do, as tests that each kind of store runs.
package storetest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/omsync/omsync/transport"
)

// Planter is a store into which a test can lay files past it, as other programs do. Stores that open returns may be ones.
type Planter interface {
	// Plant lays a file under a name that the store's Put may refuse. False: the medium does not take the name.
	Plant(t *testing.T, name string, content []byte) bool
}

// Run tests a kind of store. open returns a store that is empty and that nobody else uses, and closes it with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) transport.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s transport.Store)
	}{
		{"PutListGet", putListGet},
		{"Ranges", ranges},
		{"Replace", replace},
		{"Progress", progress},
		{"Large", large},
		{"BrokenReader", brokenReader},
		{"EndedContext", endedContext},
		{"Names", names},
		{"Missing", missing},
		{"Remove", remove},
		{"Concurrent", concurrent},
		{"Strangers", strangers},
		{"Model", model},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Bytes makes size bytes that are always the same for a seed and compress badly.
func Bytes(seed uint64, size int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	b := make([]byte, size)
	rand.NewChaCha8(key).Read(b)
	return b
}

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func put(t fataler, s transport.Store, name string, content []byte) {
	t.Helper()
	if err := s.Put(context.Background(), name, bytes.NewReader(content), int64(len(content)), nil); err != nil {
		t.Fatalf("Put %s: %v", name, err)
	}
}

func get(t fataler, s transport.Store, name string, offset int64) (content []byte, total int64) {
	t.Helper()
	r, total, err := s.Get(context.Background(), name, offset)
	if err != nil {
		t.Fatalf("Get %s from %d: %v", name, offset, err)
	}
	content, err = io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s from %d: %v", name, offset, err)
	}
	if err := r.Close(); err != nil {
		t.Fatalf("close %s: %v", name, err)
	}
	return content, total
}

// want says that the store has exactly these files.
func want(t fataler, s transport.Store, files map[string][]byte) {
	t.Helper()
	wantListed(t, s, files)
	for name, content := range files {
		if b, total := get(t, s, name, 0); !bytes.Equal(b, content) || total != int64(len(content)) {
			t.Fatalf("%s: %d bytes of %d, want %d; equal: %t", name, len(b), total, len(content), bytes.Equal(b, content))
		}
	}
}

// wantListed says that the store lists exactly these files.
func wantListed(t fataler, s transport.Store, files map[string][]byte) {
	t.Helper()
	got, err := s.List(context.Background())
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	var entries []transport.Entry
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, transport.Entry{Name: name, Size: int64(len(files[name]))})
	}
	if !slices.Equal(got, entries) {
		t.Fatalf("List: %v, want %v", got, entries)
	}
}
