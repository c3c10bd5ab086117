package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/storetest"
)

// A medium is a kind of file system on an image that is mounted as a stick would be.
type medium struct {
	kind  string
	mkfs  []string // and the image
	large int64    // the size in bytes of a file that is too large for it
	fuse  string   // a program that mounts it where the kernel cannot
}

var media = []medium{
	{kind: "vfat", mkfs: []string{"mkfs.vfat", "-F", "32"}, large: 1 << 32},
	// FAT for machines whose kernel has none.
	{kind: "fusefat", mkfs: []string{"mkfs.vfat", "-F", "32"}, fuse: "fusefat"},
	{kind: "exfat", mkfs: []string{"mkfs.exfat"}},
	{kind: "ext2", mkfs: []string{"mkfs.ext2", "-q", "-F", "-b", "1024", "-m", "0", "-O", "none"}, large: 17 << 30},
}

// TestMedia runs the tests of media, each kind in a process with mounts of its own: whatever happens to it, the kernel takes
// mounts and loop devices away when it ends.
func TestMedia(t *testing.T) {
	for _, m := range media {
		t.Run(m.kind, func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("only root mounts images")
			}
			for _, name := range []string{m.mkfs[0], m.fuse} {
				if _, err := exec.LookPath(name); err != nil && name != "" {
					t.Skip(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOnMedium$", "-test.v")
			cmd.Env = append(os.Environ(), "OMSYNC_TEST_MEDIUM="+m.kind, "OMSYNC_TEST_DIR="+t.TempDir())
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
			out, err := cmd.CombinedOutput()
			switch {
			case errors.Is(err, syscall.EPERM):
				t.Skipf("no mounts of its own for a process: %v", err)
			case err != nil:
				t.Errorf("%v\n%s", err, out)
			case bytes.Contains(out, []byte("--- SKIP: TestOnMedium ")):
				t.Skipf("%s", out)
			default:
				t.Logf("%s", out)
			}
		})
	}
}

func TestOnMedium(t *testing.T) {
	kind := os.Getenv("OMSYNC_TEST_MEDIUM")
	i := slices.IndexFunc(media, func(m medium) bool { return m.kind == kind })
	if i < 0 {
		t.Skip("TestMedia runs it")
	}
	m := media[i]
	m.mount(t, 40<<20, "rw") // skips all if this kernel cannot

	t.Run("store", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) transport.Store { return openPlanted(t, m.mount(t, 40<<20, "rw").path) })
	})
	t.Run("full", m.full)
	if m.fuse == "" { // fusefat spoils a file system when it sets a file's size
		t.Run("fetch", m.fetch)
		t.Run("read-only", m.readOnly)
		t.Run("pulled out", m.pulledOut)
		t.Run("too large", m.tooLarge)
	}
}

type mounted struct {
	path string // where it is mounted
	disk string // the file system that the image is on
}

// pull makes the disk answer every access with an input/output error (ext4 and xfs: "shutdown", for such tests), and so the
// medium on it.
func (d mounted) pull(t *testing.T) {
	dir, err := os.Open(d.disk)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	const ioctl, nologflush = 0x8004587d, 2
	if err := unix.IoctlSetPointerInt(int(dir.Fd()), ioctl, nologflush); err != nil {
		t.Fatal(err)
	}
}

func run(name string, arg ...string) error {
	if out, err := exec.Command(name, arg...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// mount makes an image of a size and mounts it. The image is on a disk that is itself one, in memory.
func (m medium) mount(t *testing.T, size int64, options string) mounted {
	t.Helper()
	// Not t.TempDir, which would remove what is in the mounts of a test that could not unmount.
	dir, err := os.MkdirTemp(os.Getenv("OMSYNC_TEST_DIR"), "")
	if err != nil {
		t.Fatal(err)
	}
	memory, d := filepath.Join(dir, "memory"), mounted{filepath.Join(dir, "stick"), filepath.Join(dir, "disk")}
	for _, path := range []string{memory, d.path, d.disk} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(path string, arg ...string) {
		t.Helper()
		if err := run("mount", append(arg, path)...); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { run("umount", "-l", path) })
	}
	image := func(path string, size int64, mkfs ...string) string {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if err := run(mkfs[0], append(mkfs[1:], path)...); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mount(memory, "-t", "tmpfs", "-o", "size=1g", "none")
	mount(d.disk, "-t", "ext4", "-o", "loop", image(filepath.Join(memory, "disk"), size+64<<20, "mkfs.ext4", "-q", "-F"))
	stick := image(filepath.Join(d.disk, "stick"), size, m.mkfs...)
	if m.fuse != "" {
		m.serve(t, stick, d.path)
		return d
	}
	mount(d.path, "-t", m.kind, "-o", "loop,"+options, stick)
	os.Remove(filepath.Join(d.path, "lost+found"))
	return d
}

// serve mounts a FAT image by a program, and sees at the end that the file system is in order.
func (m medium) serve(t *testing.T, image, path string) {
	t.Helper()
	cmd := exec.Command(m.fuse, "-f", "-o", "rw+", image, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var s unix.Statfs_t
		if err := unix.Statfs(path, &s); err == nil && s.Type == unix.FUSE_SUPER_MAGIC {
			break
		}
		if len(ended) > 0 || time.Now().After(end) {
			cmd.Process.Kill()
			t.Skipf("%s does not mount", m.fuse)
		}
	}
	t.Cleanup(func() {
		if err := run("umount", path); err != nil {
			t.Error(err)
			cmd.Process.Kill()
		}
		<-ended
		if err := run("fsck.vfat", "-n", image); err != nil {
			t.Error(err)
		}
	})
}

func (m medium) full(t *testing.T) {
	f := openPlanted(t, m.mount(t, 34<<20, "rw").path)
	content := storetest.Bytes(1, 1<<20)
	putFile(t, f, "old.omsync", content)
	for _, name := range []string{"old.omsync", "new.omsync"} {
		err := f.Put(t.Context(), name, bytes.NewReader(make([]byte, 40<<20)), 40<<20, nil)
		if err == nil || !errors.Is(err, transport.ErrFull) && m.fuse == "" { // fusefat calls it EPERM
			t.Errorf("%s: %v", name, err)
		}
		if got := inFolder(t, f.Folder); !slices.Equal(got, []string{"old.omsync"}) {
			t.Errorf("there are %q", got)
		}
		if !bytes.Equal(read(t, f.Folder, "old.omsync"), content) {
			t.Error("the old file is another one")
		}
	}
	putFile(t, f, "new.omsync", content) // there is room again
}

func (m medium) readOnly(t *testing.T) {
	d := m.mount(t, 40<<20, "rw")
	f := openPlanted(t, d.path)
	e := putFile(t, f, "a.omsync", []byte("a"))
	if err := run("mount", "-o", "remount,ro", d.path); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"Put":    f.Put(t.Context(), "b.omsync", bytes.NewReader(nil), 0, nil),
		"Remove": f.Remove(t.Context(), "a.omsync"),
		"Fetch":  transport.Fetch(t.Context(), f, e, f.Folder, nil, nil),
	} {
		if !errors.Is(err, transport.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := read(t, f.Folder, "a.omsync"); string(got) != "a" {
		t.Errorf("read %q", got)
	}
}

func (m medium) pulledOut(t *testing.T) {
	d := m.mount(t, 100<<20, "rw")
	f := openPlanted(t, d.path)
	putFile(t, f, "old.omsync", []byte("old"))
	out := false
	err := f.Put(t.Context(), "new.omsync", bytes.NewReader(storetest.Bytes(1, 30<<20)), 30<<20, func(done int64) {
		if done >= 5<<20 && !out {
			out = true
			d.pull(t)
		}
	})
	if !out {
		t.Fatal("it was not pulled out")
	}
	// A file system that sees the error first makes itself read-only.
	if !errors.Is(err, transport.ErrGone) && !errors.Is(err, transport.ErrReadOnly) {
		t.Errorf("Put: %v", err)
	}
	if list, err := f.List(t.Context()); err == nil && !slices.Equal(list, []transport.Entry{{Name: "old.omsync", Size: 3}}) {
		t.Errorf("listed %v", list)
	}
}

// unread is a file that nobody may begin to read.
type unread struct{ t *testing.T }

func (u unread) ReadAt(p []byte, at int64) (int, error) {
	u.t.Error("the copy began")
	return 0, io.ErrUnexpectedEOF
}

func (m medium) tooLarge(t *testing.T) {
	if m.large == 0 {
		t.Skip("it takes files of every size")
	}
	f := openPlanted(t, m.mount(t, 40<<20, "rw").path)
	err := f.Put(t.Context(), "a.omsync", unread{t}, m.large, nil)
	if !errors.Is(err, transport.ErrTooLarge) || !strings.Contains(err.Error(), f.Path()) {
		t.Errorf("Put: %v", err)
	}
	if got := inFolder(t, f.Folder); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

func (m medium) fetch(t *testing.T) {
	f := openPlanted(t, m.mount(t, 40<<20, "rw").path)
	from := openPlanted(t, t.TempDir())
	content := storetest.Bytes(1, 3<<20)
	e := putFile(t, from, "a.omsync", content)
	s := &flaky{Store: from, cut: func() int64 { return 1 << 20 }}
	for range 4 {
		if err := transport.Fetch(t.Context(), s, e, f.Folder, same(content), nil); err != nil && !errors.Is(err, errCut) {
			t.Fatal(err)
		}
	}
	if s.moved != e.Size || !bytes.Equal(read(t, f.Folder, "a.omsync"), content) {
		t.Errorf("moved %d bytes of %d", s.moved, e.Size)
	}
}
