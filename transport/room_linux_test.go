package transport_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/omsync/omsync/transport"
)

// TestFullDisk runs TestOnSmallDisk in a process with mounts of its own.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a disk")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOnSmallDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "OMSYNC_TEST_DISK="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skipf("no mounts of its own for a process: %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// A fetch that the disk has no room for is not begun; one that fills the disk all the same leaves nothing.
func TestOnSmallDisk(t *testing.T) {
	disk := os.Getenv("OMSYNC_TEST_DISK")
	if disk == "" {
		t.Skip("TestFullDisk runs it")
	}
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=16m"); err != nil {
		t.Skip(err)
	}
	into, err := transport.OpenFolder(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer into.Close()
	stick, err := transport.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stick.Close()
	filler := filepath.Join(disk, "filler")
	for _, c := range []struct {
		what string
		size int
		fill int // bytes that another program writes meanwhile
		gets int
		ok   bool
	}{
		{"more than the disk has", 20 << 20, 0, 0, false},
		{"more than is left to it", 15<<20 + 1<<19, 0, 0, false},
		{"what fits", 8 << 20, 0, 1, true},
		{"what fits until another program fills the disk", 12 << 20, 8 << 20, 1, false},
	} {
		e := putFile(t, stick, "a.omsync", make([]byte, c.size))
		s := &flaky{Store: stick, cut: whole, before: func() {
			if err := os.WriteFile(filler, make([]byte, c.fill), 0o600); err != nil {
				t.Error(err)
			}
		}}
		check := func(io.ReaderAt, int64) error { return nil }
		err := transport.Fetch(t.Context(), s, e, into, check, nil)
		if c.ok != (err == nil) || err != nil && !errors.Is(err, transport.ErrFull) || s.gets != c.gets {
			t.Errorf("%s: %v, asked %d times", c.what, err, s.gets)
		}
		if err := into.Remove(t.Context(), "a.omsync"); err != nil {
			t.Error(err)
		}
		os.Remove(filler)
		if left, err := os.ReadDir(disk); err != nil || len(left) != 0 {
			t.Errorf("%s: %v stays, %v", c.what, left, err)
		}
	}
}

// What is no good in a folder is not copied, also behind a limit; what another store has is.
func TestCheckedBeforeItIsCopied(t *testing.T) {
	stick, err := transport.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stick.Close()
	dir := t.TempDir()
	into, err := transport.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer into.Close()
	e := putFile(t, stick, "a.omsync", make([]byte, 300_000))
	bad := errors.New("no good")
	for what, s := range map[string]transport.Store{"folder": stick, "limited": transport.Limit(stick, rate.NewLimiter(100<<20, 1<<20))} {
		checks := 0
		err := transport.Fetch(t.Context(), s, e, into, func(r io.ReaderAt, size int64) error {
			checks++
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("%s: %v is there at the check, %v", what, left, err)
			}
			if n, err := io.Copy(io.Discard, io.NewSectionReader(r, 0, size)); n != 300_000 || err != nil {
				t.Errorf("%s: read %d, %v", what, n, err)
			}
			return bad
		}, nil)
		if !errors.Is(err, bad) || checks != 1 {
			t.Errorf("%s: %v after %d checks", what, err, checks)
		}
	}
	other := &flaky{Store: stick, cut: whole}
	if err := transport.Fetch(t.Context(), other, e, into, func(io.ReaderAt, int64) error { return bad }, nil); !errors.Is(err, bad) || other.gets != 1 {
		t.Errorf("another store: %v, asked %d times", err, other.gets)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v stays, %v", left, err)
	}
}
