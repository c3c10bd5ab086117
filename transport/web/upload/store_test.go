package upload_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omsync/omsync/transport/web/upload"
)

func open(t *testing.T) (*upload.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "uploads")
	s, err := upload.Open(dir, func() (int64, bool) { return 0, false })
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func kisumu(name string, length int64) upload.Upload {
	return upload.Upload{Node: "kisumu", Name: name, Length: length, Digest: []byte("digest")}
}

func mayHave(n int64) func() (upload.Quota, error) {
	return func() (upload.Quota, error) { return upload.Quota{Most: n}, nil }
}

// TestFilesOfEarlierPrograms holds names and content of the files to those that all versions so far have written: what is there when a
// hub is updated goes on.
func TestFilesOfEarlierPrograms(t *testing.T) {
	s, dir := open(t)
	u := kisumu("a.omsync", 5)
	const id = "6d5a7c717b51f24cb1a421b4217b02e3"
	const done = "done/fb1095b321204154127ff14a18fa0439"
	files := map[string]string{
		id + ".info": `{"node":"kisumu","name":"a.omsync","length":5,"digest":"ZGlnZXN0"}`,
		id + ".part": "abc",
		done:         `{"id":"` + id + `","outcome":"applied","why":"x"}`,
	}
	if err := s.Begin(u, mayHave(5)); err != nil {
		t.Fatal(err)
	}
	p, err := s.OpenPart(u)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.WriteAt([]byte("abc"), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Mark(u.Node, u.Name, upload.Marker{ID: u.ID(), Outcome: "applied", Why: "x"}); err != nil {
		t.Fatal(err)
	}
	n := 0
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, _ error) error {
		if e.Type().IsRegular() {
			n++
		}
		return nil
	})
	if n != len(files) {
		t.Errorf("%d files", n)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(dir, "kisumu", name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestQuota(t *testing.T) {
	s, _ := open(t)
	if err := s.Begin(kisumu("a.omsync", 60), mayHave(100)); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(kisumu("a.omsync", 60), mayHave(100)); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := s.Begin(kisumu("b.omsync", 41), mayHave(100)); !errors.Is(err, upload.ErrQuota) {
		t.Errorf("one byte too many: %v", err)
	}
	other := upload.Upload{Node: "migori", Name: "b.omsync", Length: 41}
	if err := s.Begin(other, mayHave(100)); err != nil {
		t.Errorf("another node's: %v", err)
	}
	s.Drop("kisumu", kisumu("a.omsync", 60).ID())
	if err := s.Begin(kisumu("b.omsync", 41), mayHave(100)); err != nil {
		t.Errorf("after the first is dropped: %v", err)
	}
	if _, err := s.Load("kisumu", kisumu("a.omsync", 60).ID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was dropped: %v", err)
	}
}

func TestLock(t *testing.T) {
	s, _ := open(t)
	interrupted := make(chan struct{}, 1)
	release, err := s.Lock(t.Context(), "kisumu", "x", func() { interrupted <- struct{}{} }, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := s.Lock(t.Context(), "migori", "x", nil, time.Minute); err != nil {
		t.Errorf("another node's: %v", err)
	} else {
		other()
	}
	if _, err := s.Lock(t.Context(), "kisumu", "x", nil, time.Millisecond); !errors.Is(err, upload.ErrBusy) {
		t.Errorf("locked twice: %v", err)
	}
	<-interrupted
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Lock(ctx, "kisumu", "x", nil, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
	<-interrupted
	go func() { <-interrupted; release() }()
	release, err = s.Lock(t.Context(), "kisumu", "x", nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	release()
}

// TestRoom has nodes announce uploads where a disk has room for 400 bytes.
func TestRoom(t *testing.T) {
	s, dir := open(t)
	left := int64(400)
	s.Room = func() (int64, bool) { return left, true }
	begin := func(node, name string, length int64) error {
		return s.Begin(upload.Upload{Node: node, Name: name, Length: length}, mayHave(1000))
	}
	for _, c := range []struct {
		node, name string
		length     int64
		want       error
	}{
		{"kisumu", "a.omsync", 500, upload.ErrFull},
		{"kisumu", "a.omsync", 101, upload.ErrShare},
		{"kisumu", "a.omsync", 60, nil},
		{"kisumu", "b.omsync", 41, upload.ErrShare},
		{"kisumu", "b.omsync", 40, nil},
		{"migori", "a.omsync", 76, upload.ErrShare}, // a quarter of the 300 that kisumu leaves
		{"migori", "a.omsync", 75, nil},
		{"siaya", "a.omsync", 56, nil},
		{"siaya", "b.omsync", 226, upload.ErrFull},
	} {
		if err := begin(c.node, c.name, c.length); !errors.Is(err, c.want) {
			t.Errorf("%s, %d bytes: %v, want %v", c.node, c.length, err, c.want)
		}
	}
	// What others announced and nobody went on with for a day holds no room; it is there still.
	quiet(t, filepath.Join(dir, "kisumu"))
	quiet(t, filepath.Join(dir, "migori"))
	if err := begin("siaya", "b.omsync", 44); err != nil {
		t.Errorf("after a day: %v", err)
	}
	if _, err := s.Load("migori", (upload.Upload{Node: "migori", Name: "a.omsync", Length: 75}).ID()); err != nil {
		t.Errorf("another node's is gone: %v", err)
	}
	// The node's own makes room, but not in vain.
	left = 500
	old := upload.Upload{Node: "kisumu", Name: "a.omsync", Length: 60}
	if err := begin("kisumu", "c.omsync", 101); !errors.Is(err, upload.ErrShare) {
		t.Errorf("more than its share: %v", err)
	}
	if _, err := s.Load("kisumu", old.ID()); err != nil {
		t.Errorf("dropped in vain: %v", err)
	}
	if err := begin("kisumu", "c.omsync", 100); err != nil {
		t.Errorf("in place of what is quiet: %v", err)
	}
	if _, err := s.Load("kisumu", old.ID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what made room: %v", err)
	}
}

// quiet makes the files of a node as old as if nobody went on with them for a day.
func quiet(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	at := time.Now().Add(-25 * time.Hour)
	for _, f := range files {
		if err := os.Chtimes(f, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFits(t *testing.T) {
	s, _ := open(t)
	for _, c := range []struct {
		left int64
		told bool
		more int64
		want error
	}{
		{10, true, 10, nil}, {10, true, 11, upload.ErrFull}, {-1, true, 0, nil}, {-1, true, 1, upload.ErrFull}, {0, false, 1 << 40, nil},
	} {
		s.Room = func() (int64, bool) { return c.left, c.told }
		if err := s.Fits(c.more); !errors.Is(err, c.want) {
			t.Errorf("%d bytes where %d are left: %v", c.more, c.left, err)
		}
	}
}
