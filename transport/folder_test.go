package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func open(t *testing.T, path string) *Folder {
	t.Helper()
	f, err := OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func names(t *testing.T, f *Folder) []string {
	t.Helper()
	list, err := f.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name)
	}
	return out
}

// all lists what is in the folder, hidden files too.
func all(t *testing.T, f *Folder) []string {
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

func put(t *testing.T, f *Folder, name, content string) {
	t.Helper()
	w, err := f.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, f *Folder, name string) string {
	t.Helper()
	r, size, err := f.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != size {
		t.Errorf("%s: %d bytes, said to have %d", name, len(b), size)
	}
	return string(b)
}

func TestPutListGet(t *testing.T) {
	f := open(t, t.TempDir())
	if got := names(t, f); got != nil {
		t.Errorf("an empty folder lists %q", got)
	}
	put(t, f, "hub-kisumu-2.omsync", "two")
	put(t, f, "hub-kisumu-1.omsync", "one")
	put(t, f, "hub-kisumu-2.omsync", "two again")
	list, err := f.List(t.Context())
	want := []Entry{{"hub-kisumu-1.omsync", 3}, {"hub-kisumu-2.omsync", 9}}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("listed %v, %v; want %v", list, err, want)
	}
	if got := get(t, f, "hub-kisumu-2.omsync"); got != "two again" {
		t.Errorf("read %q", got)
	}
	if got := all(t, f); len(got) != 2 {
		t.Errorf("left behind: %q", got)
	}
}

func TestNothingUnderTheNameBeforeCommit(t *testing.T) {
	f := open(t, t.TempDir())
	put(t, f, "a.omsync", "old")
	w, err := f.Create(t.Context(), "a.omsync")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "new and longer")
	if got := names(t, f); !slices.Equal(got, []string{"a.omsync"}) {
		t.Errorf("while writing: %q", got)
	}
	if got := get(t, f, "a.omsync"); got != "old" {
		t.Errorf("while writing: %q", got)
	}
	w.Discard()
	w.Discard()
	if got := get(t, f, "a.omsync"); got != "old" {
		t.Errorf("after Discard: %q", got)
	}
	if got := all(t, f); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
	if err := w.Commit(); err == nil {
		t.Error("committed after Discard")
	}
}

func TestDiscardAfterCommitKeepsTheFile(t *testing.T) {
	f := open(t, t.TempDir())
	w, err := f.Create(t.Context(), "a.omsync")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Discard()
	if got := get(t, f, "a.omsync"); got != "" {
		t.Errorf("read %q", got)
	}
}

func TestStrangersFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	for _, name := range []string{"photo.jpg", "notes.txt", "._a.omsync", ".omsync", "omsync", "x.omsync.part", "old.OMSYNC", "copy of a (1).omsync"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.omsync"), 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(outside, []byte("secret"), 0o600)
	if err := os.Symlink(outside, filepath.Join(dir, "link.omsync")); err != nil {
		t.Skip(err)
	}
	want := []string{"copy of a (1).omsync", "old.OMSYNC"}
	if got := names(t, f); !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if got := get(t, f, "old.OMSYNC"); got != "old.OMSYNC" {
		t.Errorf("read %q", got)
	}
	for _, name := range []string{"link.omsync", "folder.omsync", "none.omsync", "../" + filepath.Base(dir) + "/old.OMSYNC"} {
		if r, _, err := f.Open(t.Context(), name); err == nil {
			r.Close()
			t.Errorf("%s was opened", name)
		}
	}
}

func TestOpenFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := OpenFolder(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "plugged in") {
		t.Errorf("missing folder: %v", err)
	}
	if _, err := OpenFolder(file); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("file: %v", err)
	}
	if f, err := MakeFolder(filepath.Join(dir, "new")); err != nil {
		t.Error(err)
	} else {
		put(t, f, "a.omsync", "")
		f.Close()
	}
	if f, err := MakeFolder(filepath.Join(dir, "new") + "/"); err != nil {
		t.Errorf("a folder that is there: %v", err)
	} else {
		f.Close()
	}
	if _, err := MakeFolder(filepath.Join(dir, "two", "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing parent: %v", err)
	}
	if _, err := MakeFolder(file); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// broken goes wrong at one step.
type broken struct{ write, sync, close error }

func (b broken) Write(p []byte) (int, error) {
	if b.write != nil {
		return len(p) / 2, b.write
	}
	return len(p), nil
}
func (b broken) Sync() error  { return b.sync }
func (b broken) Close() error { return b.close }

func TestMediaThatGoWrong(t *testing.T) {
	path := func(e error) error { return &fs.PathError{Op: "write", Path: ".omsync-1.part", Err: e} }
	for _, c := range []struct {
		name string
		h    broken
		want error
	}{
		{"full", broken{write: path(syscall.ENOSPC)}, ErrFull},
		{"full at sync", broken{sync: path(syscall.ENOSPC)}, ErrFull},
		{"over quota at close", broken{close: path(syscall.EDQUOT)}, ErrFull},
		{"fat32", broken{write: path(syscall.EFBIG)}, ErrTooLarge},
		{"remounted", broken{write: path(syscall.EROFS)}, ErrReadOnly},
		{"pulled out", broken{sync: path(syscall.EIO)}, ErrGone},
		{"stale share", broken{close: path(syscall.ESTALE)}, ErrGone},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t, t.TempDir())
			w, err := f.Create(t.Context(), "a.omsync")
			if err != nil {
				t.Fatal(err)
			}
			w.f.Close()
			w.f = c.h
			_, err = w.Write([]byte("data"))
			if c.h.write != nil {
				if !errors.Is(err, c.want) {
					t.Errorf("Write: %v", err)
				}
				if _, again := w.Write([]byte("more")); again == nil {
					t.Error("Write goes on after an error")
				}
			}
			err = w.Commit()
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), f.Path()) {
				t.Errorf("Commit: %v", err)
			}
			if strings.Contains(err.Error(), ".part") {
				t.Errorf("the temporary name shows: %v", err)
			}
			if got := all(t, f); len(got) != 0 {
				t.Errorf("left behind: %q", got)
			}
		})
	}
}

func TestFileSystemsWithoutSync(t *testing.T) {
	f := open(t, t.TempDir())
	w, err := f.Create(t.Context(), "a.omsync")
	if err != nil {
		t.Fatal(err)
	}
	w.f.Close()
	w.f = broken{sync: &fs.PathError{Op: "sync", Err: syscall.EINVAL}}
	if err := w.Commit(); err != nil {
		t.Error(err)
	}
	if got := names(t, f); len(got) != 1 {
		t.Errorf("listed %q", got)
	}
}

func TestFolderThatVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "stick")
	f, err := MakeFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := f.Create(t.Context(), "a.omsync")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "x")
	if err := os.RemoveAll(dir); err != nil {
		t.Skip(err) // Windows keeps what is open
	}
	if err := w.Commit(); err == nil {
		t.Error("committed into a folder that is gone")
	}
	if _, err := f.Create(t.Context(), "b.omsync"); err == nil {
		t.Error("created in a folder that is gone")
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("modes do not bind this account")
	}
	dir := t.TempDir()
	f := open(t, dir)
	os.Chmod(dir, 0o500)
	defer os.Chmod(dir, 0o700)
	if _, err := f.Create(t.Context(), "a.omsync"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error: %v", err)
	}
}

func TestLeftoversOfKilledRuns(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	write := func(name string, age time.Duration) {
		path := filepath.Join(dir, name)
		os.WriteFile(path, []byte("half"), 0o600)
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(".omsync-0123456789abcdef.part", 30*time.Hour)
	write(".omsync-fedcba9876543210.part", time.Hour) // another node may be at it
	write(".notes.part", 30*time.Hour)
	put(t, f, "a.omsync", "")
	want := []string{".notes.part", ".omsync-fedcba9876543210.part", "a.omsync"}
	if got := all(t, f); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

func TestCancelled(t *testing.T) {
	f := open(t, t.TempDir())
	put(t, f, "a.omsync", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err1 := f.List(ctx)
	_, _, err2 := f.Open(ctx, "a.omsync")
	_, err3 := f.Create(ctx, "b.omsync")
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
	}
}

func TestLargeFolder(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	for i := range 1500 {
		os.WriteFile(filepath.Join(dir, strings.Repeat("x", i%7)+string(rune('a'+i%26))+strings.Repeat("y", i/26)+".omsync"), bytes.Repeat([]byte("."), i%3), 0o600)
	}
	want := len(all(t, f))
	got := names(t, f)
	if len(got) != want || !slices.IsSorted(got) {
		t.Errorf("%d of %d listed, sorted %t", len(got), want, slices.IsSorted(got))
	}
}
