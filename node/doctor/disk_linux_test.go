package doctor_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/node/doctor"
)

// A home folder on a small disk, which old backups fill: doctor says how little is free, and no more once there is room again.
func TestDiskSpace(t *testing.T) {
	s := sites.New(t, "hub", "none", oneTable)
	s.Init()
	n := opened(t, s)
	disk := t.TempDir()
	err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=210m")
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Skip("only root can make a small disk")
	}
	check(t, err)
	t.Cleanup(func() { check(t, unix.Unmount(disk, 0)) })
	check(t, os.CopyFS(filepath.Join(disk, "hub"), os.DirFS(n.Home)))
	n.Home = filepath.Join(disk, "hub")
	look := func(level doctor.Level, says string) {
		t.Helper()
		f := lookAt(t, n, "disk space")
		if level == "" && strings.Contains(f.What, "home folder: only") {
			t.Errorf("there is room, and still: %+v", f)
		}
		if level != "" && (f.Level != level || !strings.Contains(f.What, says+n.Home) || !strings.Contains(f.Do, "make room: old backups")) {
			t.Errorf("%+v", f)
		}
	}
	old := filepath.Join(disk, "old.backup")
	check(t, os.WriteFile(old, make([]byte, 12<<20), 0o600))
	look(doctor.Fail, "MiB are free in ")
	check(t, os.Remove(old))
	f := lookAt(t, n, "disk space")
	if !strings.Contains(f.What, "home folder: only 2") || f.Level == doctor.OK {
		t.Errorf("%+v", f)
	}
	check(t, unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=3g"))
	look("", "")
}
