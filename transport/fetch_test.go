package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
	"pgregory.net/rapid"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/storetest"
)

// flaky is a store whose reads break: each Get gives at most so many bytes.
type flaky struct {
	transport.Store
	cut    func() int64 // negative: nothing breaks
	gets   int
	moved  int64
	before func() // each Get
}

var errCut = errors.New("the line was cut")

func (s *flaky) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	if s.before != nil {
		s.before()
	}
	s.gets++
	r, total, err := s.Store.Get(ctx, name, offset)
	if err != nil {
		return nil, 0, err
	}
	return &cutReader{r, s, s.cut()}, total, nil
}

type cutReader struct {
	io.ReadCloser
	s    *flaky
	left int64
}

func (r *cutReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, errCut
	}
	if r.left > 0 {
		p = p[:min(int64(len(p)), r.left)]
	}
	n, err := r.ReadCloser.Read(p)
	r.s.moved += int64(n)
	if r.left > 0 {
		r.left -= int64(n)
	}
	return n, err
}

func whole() int64 { return -1 }

func putFile(t *testing.T, s transport.Store, name string, content []byte) transport.Entry {
	t.Helper()
	if err := s.Put(t.Context(), name, bytes.NewReader(content), int64(len(content)), nil); err != nil {
		t.Fatal(err)
	}
	return transport.Entry{Name: name, Size: int64(len(content))}
}

// same is a check that wants these bytes.
func same(content []byte) func(io.ReaderAt, int64) error {
	return func(r io.ReaderAt, size int64) error {
		b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
		if err != nil || !bytes.Equal(b, content) {
			return errDamaged
		}
		return nil
	}
}

var errDamaged = errors.New("damaged")

func read(t *testing.T, f *transport.Folder, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.Path(), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// inFolder lists all files, hidden ones too.
func inFolder(t *testing.T, f *transport.Folder) []string {
	t.Helper()
	entries, err := os.ReadDir(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// However often a fetch breaks off, no byte is moved twice, and nothing has the name before the end.
func TestFetchGoesOn(t *testing.T) {
	from := openPlanted(t, t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		into := openPlanted(t, dir).Folder
		content := storetest.Bytes(rapid.Uint64Range(0, 1<<20).Draw(rt, "seed"), rapid.IntRange(0, 700_000).Draw(rt, "size"))
		e := putFile(t, from, "a.omsync", content)
		s := &flaky{Store: from, cut: func() int64 {
			return rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, 500_000)).Draw(rt, "cut")
		}}
		var last int64
		progress := func(done int64) {
			if done < last || done > e.Size {
				rt.Fatalf("progress from %d to %d", last, done)
			}
			last = done
		}
		for i := range 13 {
			if i == 12 {
				s.cut = whole
			}
			err := transport.Fetch(t.Context(), s, e, into, same(content), progress)
			if err == nil {
				break
			}
			if !errors.Is(err, errCut) {
				rt.Fatal(err)
			}
			if list, err := into.List(t.Context()); err != nil || len(list) != 0 {
				rt.Fatalf("after a break: %v, %v", list, err)
			}
			putFile(t, into, "other.omsync", nil) // clears what is old, not this
			into.Remove(t.Context(), "other.omsync")
		}
		if last != e.Size || !bytes.Equal(read(t, into, "a.omsync"), content) {
			rt.Fatalf("not the same; progress ends at %d of %d", last, e.Size)
		}
		if got := inFolder(t, into); !slices.Equal(got, []string{"a.omsync"}) {
			rt.Fatalf("left behind: %q", got)
		}
		if s.moved != e.Size {
			rt.Fatalf("moved %d bytes of %d", s.moved, e.Size)
		}
	})
}

func TestFetchDamaged(t *testing.T) {
	from, into := openPlanted(t, t.TempDir()), openPlanted(t, t.TempDir()).Folder
	content := storetest.Bytes(1, 300_000)
	e := putFile(t, from, "a.omsync", content)
	putFile(t, into, "a.omsync", []byte("old"))
	s := &flaky{Store: from, cut: func() int64 { return 200_000 }}
	if err := transport.Fetch(t.Context(), s, e, into, nil, nil); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	// What a power failure leaves: the size is there, the content is not.
	part := filepath.Join(into.Path(), inFolder(t, into)[0])
	if err := os.WriteFile(part, make([]byte, 200_000), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cut = whole
	if err := transport.Fetch(t.Context(), s, e, into, same(content), nil); !errors.Is(err, errDamaged) {
		t.Errorf("damaged: %v", err)
	}
	if got := inFolder(t, into); !slices.Equal(got, []string{"a.omsync"}) || string(read(t, into, "a.omsync")) != "old" {
		t.Errorf("there are %q", got)
	}
	if err := transport.Fetch(t.Context(), s, e, into, same(content), nil); err != nil {
		t.Errorf("again: %v", err)
	}
	if !bytes.Equal(read(t, into, "a.omsync"), content) {
		t.Error("not the same")
	}
}

func TestFetchOfAnotherSize(t *testing.T) {
	content := storetest.Bytes(1, 300_000)
	for _, c := range []struct {
		name string
		part int // bytes of an earlier fetch; negative: none
		said int64
	}{
		{"larger than said", -1, 100_000},
		{"smaller than said", -1, 400_000},
		{"smaller than a part", 350_000, 400_000},
		{"part of the smaller", 50_000, 100_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, into := openPlanted(t, t.TempDir()), openPlanted(t, t.TempDir()).Folder
			e := transport.Entry{Name: "a.omsync", Size: c.said}
			s := &flaky{Store: from, cut: whole}
			if c.part >= 0 {
				putFile(t, from, e.Name, storetest.Bytes(2, int(c.said)))
				s.cut = func() int64 { return int64(c.part) }
				if err := transport.Fetch(t.Context(), s, e, into, nil, nil); !errors.Is(err, errCut) {
					t.Fatal(err)
				}
				s.cut = whole
			}
			putFile(t, from, e.Name, content)
			err := transport.Fetch(t.Context(), s, e, into, same(content), nil)
			if c.part > len(content) { // no store has anything beyond the end: the next listing tells the size
				if err == nil {
					t.Error("no error")
				}
				e.Size = int64(len(content))
				err = transport.Fetch(t.Context(), s, e, into, same(content), nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, into, "a.omsync"), content) {
				t.Error("not the same")
			}
		})
	}
}

func TestFetchOfAFileThatChangesAllTheTime(t *testing.T) {
	from, into := openPlanted(t, t.TempDir()), openPlanted(t, t.TempDir()).Folder
	size := 1000
	e := putFile(t, from, "a.omsync", make([]byte, size))
	s := &flaky{Store: from, cut: whole, before: func() {
		size++
		putFile(t, from, "a.omsync", make([]byte, size))
	}}
	if err := transport.Fetch(t.Context(), s, e, into, nil, nil); err == nil || !strings.Contains(err.Error(), "changes") {
		t.Error(err)
	}
	if got := inFolder(t, into); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

func TestFetchPartialThatIsTooLong(t *testing.T) {
	from, into := openPlanted(t, t.TempDir()), openPlanted(t, t.TempDir()).Folder
	content := storetest.Bytes(1, 1000)
	e := putFile(t, from, "a.omsync", content)
	s := &flaky{Store: from, cut: func() int64 { return 10 }}
	transport.Fetch(t.Context(), s, e, into, nil, nil)
	if err := os.WriteFile(filepath.Join(into.Path(), inFolder(t, into)[0]), make([]byte, 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := transport.Fetch(t.Context(), from, e, into, same(content), nil); err != nil {
		t.Error(err)
	}
}

func TestFetchErrors(t *testing.T) {
	from, into := openPlanted(t, t.TempDir()), openPlanted(t, t.TempDir()).Folder
	err := transport.Fetch(t.Context(), from, transport.Entry{Name: "none.omsync", Size: 5}, into, nil, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	err = transport.Fetch(t.Context(), from, transport.Entry{Name: "copy of a (1).omsync", Size: 5}, into, nil, nil)
	if err == nil || !strings.Contains(err.Error(), from.String()) {
		t.Errorf("bad name: %v", err)
	}
	e := putFile(t, from, "a.omsync", []byte("12345"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := transport.Fetch(ctx, from, e, into, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if list, err := into.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
}

func TestFetchTwiceAtOnce(t *testing.T) {
	from, into := openPlanted(t, t.TempDir()), openPlanted(t, t.TempDir()).Folder
	content := storetest.Bytes(1, 1000)
	e := putFile(t, from, "a.omsync", content)
	var second error
	s := &flaky{Store: from, cut: whole, before: func() {
		second = transport.Fetch(t.Context(), from, e, into, nil, nil)
	}}
	if err := transport.Fetch(t.Context(), s, e, into, same(content), nil); err != nil {
		t.Error(err)
	}
	if second == nil || !strings.Contains(second.Error(), "another run") {
		t.Errorf("the second: %v", second)
	}
}

func TestOldPartialsAreClearedAndOwnIsNot(t *testing.T) {
	from, into := openPlanted(t, t.TempDir()), openPlanted(t, t.TempDir()).Folder
	content := storetest.Bytes(1, 1000)
	s := &flaky{Store: from, cut: func() int64 { return 400 }}
	for _, name := range []string{"a.omsync", "b.omsync"} {
		if err := transport.Fetch(t.Context(), s, putFile(t, from, name, content), into, nil, nil); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
	}
	parts := inFolder(t, into)
	if len(parts) != 2 {
		t.Fatalf("there are %q", parts)
	}
	for _, p := range parts {
		at := time.Now().Add(-30 * time.Hour)
		if err := os.Chtimes(filepath.Join(into.Path(), p), at, at); err != nil {
			t.Fatal(err)
		}
	}
	s.moved, s.cut = 0, whole
	if err := transport.Fetch(t.Context(), s, transport.Entry{Name: "a.omsync", Size: 1000}, into, same(content), nil); err != nil {
		t.Fatal(err)
	}
	if s.moved != 600 {
		t.Errorf("moved %d bytes, want the 600 that lacked", s.moved)
	}
	if got := inFolder(t, into); !slices.Equal(got, []string{"a.omsync"}) {
		t.Errorf("there are %q", got)
	}
}

// A fetch whose process is killed goes on in the next one.
func TestFetchKilled(t *testing.T) {
	content := storetest.Bytes(1, 1<<20)
	if dir := os.Getenv("OMSYNC_TEST_FETCH"); dir != "" { // the one to be killed
		from, into := openPlanted(t, filepath.Join(dir, "from")), openPlanted(t, filepath.Join(dir, "into")).Folder
		slow := transport.Limit(from, rate.NewLimiter(200_000, 50_000))
		transport.Fetch(t.Context(), slow, transport.Entry{Name: "a.omsync", Size: 1 << 20}, into, nil, nil)
		return
	}
	dir := t.TempDir()
	for _, sub := range []string{"from", "into"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	from, into := openPlanted(t, filepath.Join(dir, "from")), openPlanted(t, filepath.Join(dir, "into")).Folder
	e := putFile(t, from, "a.omsync", content)
	cmd := exec.Command(os.Args[0], "-test.run=^TestFetchKilled$")
	cmd.Env = append(os.Environ(), "OMSYNC_TEST_FETCH="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var have int64
	for end := time.Now().Add(20 * time.Second); have < 100_000 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, name := range inFolder(t, into) {
			if info, err := os.Stat(filepath.Join(into.Path(), name)); err == nil {
				have = info.Size()
			}
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if have < 100_000 || have >= e.Size {
		t.Fatalf("killed with %d bytes", have)
	}
	s := &flaky{Store: from, cut: whole}
	if err := transport.Fetch(t.Context(), s, e, into, same(content), nil); err != nil {
		t.Fatal(err)
	}
	if s.moved > e.Size-have {
		t.Errorf("moved %d bytes of %d, of which %d were there", s.moved, e.Size, have)
	}
	if got := inFolder(t, into); !slices.Equal(got, []string{"a.omsync"}) {
		t.Errorf("there are %q", got)
	}
}
