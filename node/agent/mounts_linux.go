package agent

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// mounts returns what is mounted below some folders, or at one of them.
func mounts(roots []string) (out []mount) {
	all, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		for _, root := range roots {
			if m.Mountpoint == root || strings.HasPrefix(m.Mountpoint, strings.TrimSuffix(root, "/")+"/") {
				return false, false
			}
		}
		return true, false
	})
	if err != nil {
		return nil
	}
	for _, m := range all {
		out = append(out, mount{m.Mountpoint, strconv.Itoa(m.ID)})
	}
	return out
}

// mountOf returns the number of the mount to which a path leads. Another stick has another, but for one that takes its place within seconds.
func mountOf(path string) string {
	found, longest := "", -1
	mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		inside := m.Mountpoint == path || strings.HasPrefix(path, strings.TrimSuffix(m.Mountpoint, "/")+"/")
		if inside && len(m.Mountpoint) >= longest { // the last of those at one place lies on top
			found, longest = strconv.Itoa(m.ID), len(m.Mountpoint)
		}
		return true, false
	})
	return found
}

// flush has all that was written to the file system of a path on its medium.
func flush(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("see that all is on it: %w", err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil && !errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("see that all is on it: %w", err)
	}
	return nil
}
