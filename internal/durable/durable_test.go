package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	// What a killed run left, longer than what comes.
	if err := os.WriteFile(filepath.Join(dir, ".state.new"), []byte("left by a run that was killed"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two, longer", ""} {
		if err := Write(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("read %q, %v; wrote %q", got, err, want)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"state"}) {
			t.Errorf("left behind: %q", got)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}

func TestWriteThatCannotEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"folder"}) {
		t.Errorf("left behind: %q", got)
	}
	if err := Write(filepath.Join(dir, "none", "file"), []byte("x"), 0o600); err == nil {
		t.Error("written into a folder that is not there")
	}
}

// A relative name without a folder is of the present one.
func TestWriteHere(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := Write("file", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := Create(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file that is there: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "first" {
		t.Errorf("read %q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestSynced(t *testing.T) {
	for err, tolerated := range map[error]bool{
		nil: true, syscall.EINVAL: true, syscall.ENOTSUP: true, syscall.ENOTTY: true, syscall.EBADF: true, syscall.EACCES: true,
		syscall.EIO: false, syscall.ENOSPC: false, syscall.EDQUOT: false, syscall.EROFS: false, fs.ErrClosed: false,
	} {
		wrapped := err
		if err != nil {
			wrapped = &fs.PathError{Op: "sync", Path: "file", Err: err}
		}
		if got := Synced(wrapped); (got == nil) != tolerated {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := errors.Join(SyncDir(dir), SyncRoot(root)); err != nil {
		t.Error(err)
	}
	if err := SyncDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a folder that is not there: %v", err)
	}
}
