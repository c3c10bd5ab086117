// Package storetest says what every transport.Store has to do, as tests that each kind of store runs.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

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

var errBroken = errors.New("the disk is broken")

// broken is a file that cannot be read from an offset on.
type broken struct {
	content []byte
	from    int64
	then    func() error
}

func (b broken) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > b.from {
		n := 0
		if at < b.from {
			n = copy(p, b.content[at:b.from])
		}
		return n, b.then()
	}
	return copy(p, b.content[at:]), nil
}

func brokenReader(t *testing.T, s transport.Store) {
	const size = 6 << 20
	content, old := Bytes(1, size), []byte("old")
	files := map[string][]byte{"old.omsync": old}
	put(t, s, "old.omsync", old)
	for _, from := range []int64{0, 1000, size - 1} {
		for _, name := range []string{"new.omsync", "old.omsync"} {
			err := s.Put(t.Context(), name, broken{content, from, func() error { return errBroken }}, size, nil)
			if !errors.Is(err, errBroken) || errors.Is(err, transport.ErrDown) {
				t.Errorf("%s breaks at %d: %v", name, from, err)
			}
			want(t, s, files)
		}
	}
	// Shorter than it was said to be.
	if err := s.Put(t.Context(), "new.omsync", bytes.NewReader(content[:5000]), 5001, nil); err == nil {
		t.Error("a file with less than its size was stored")
	}
	want(t, s, files)
	put(t, s, "new.omsync", content)
	files["new.omsync"] = content
	want(t, s, files)
}

func endedContext(t *testing.T, s transport.Store) {
	put(t, s, "old.omsync", []byte("old"))
	files := map[string][]byte{"old.omsync": []byte("old")}
	content := Bytes(1, 6<<20)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Put(ctx, "old.omsync", broken{content, 3 << 20, func() error { cancel(); <-ctx.Done(); return ctx.Err() }},
		int64(len(content)), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v", err)
	}
	want(t, s, files)
	for what, do := range map[string]func() error{
		"List":   func() error { _, err := s.List(ctx); return err },
		"Get":    func() error { _, _, err := s.Get(ctx, "old.omsync", 0); return err },
		"Put":    func() error { return s.Put(ctx, "new.omsync", bytes.NewReader(content), 10, nil) },
		"Remove": func() error { return s.Remove(ctx, "old.omsync") },
	} {
		if err := do(); !errors.Is(err, context.Canceled) || errors.Is(err, transport.ErrDown) {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
	want(t, s, files)

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	big := Bytes(2, 11<<20)
	put(t, s, "big.omsync", big)
	r, _, err := s.Get(ctx, "big.omsync", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("reading after the end: %v", err)
	}
}

// Refused are names that no store may take.
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

func concurrent(t *testing.T, s transport.Store) {
	const writers, rounds = 4, 5
	files := map[string][]byte{}
	contents := map[string]bool{} // of the file that all write
	for w := range writers {
		for i := range rounds {
			files[fmt.Sprintf("w%d-%d.omsync", w, i)] = Bytes(uint64(w*rounds+i), 1000*i+w)
			contents[string(Bytes(uint64(w), 20_000+w))] = true
		}
	}
	stop := make(chan struct{})
	var wg, readers sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("w%d-%d.omsync", w, i)
				if err := s.Put(t.Context(), name, bytes.NewReader(files[name]), int64(len(files[name])), nil); err != nil {
					t.Errorf("Put %s: %v", name, err)
				}
				all := Bytes(uint64(w), 20_000+w)
				if err := s.Put(t.Context(), "all.omsync", bytes.NewReader(all), int64(len(all)), nil); err != nil {
					t.Errorf("Put all.omsync: %v", err)
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			list, err := s.List(t.Context())
			if err != nil {
				t.Errorf("List: %v", err)
				return
			}
			for _, e := range list {
				if b, ok := files[e.Name]; ok && e.Size != int64(len(b)) || !ok && e.Name != "all.omsync" {
					t.Errorf("listed %v", e)
				}
			}
			r, total, err := s.Get(t.Context(), "all.omsync", 0)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				t.Errorf("Get: %v", err)
				return
			}
			b, err := io.ReadAll(r)
			r.Close()
			if err != nil || int64(len(b)) != total || !contents[string(b)] {
				t.Errorf("read %d bytes of %d that nobody wrote so; %v", len(b), total, err)
			}
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	if t.Failed() {
		return
	}
	all, _ := get(t, s, "all.omsync", 0)
	if !contents[string(all)] {
		t.Error("all.omsync is a mixture")
	}
	files["all.omsync"] = all
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
