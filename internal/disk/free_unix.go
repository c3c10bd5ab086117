//go:build unix

package disk

import "golang.org/x/sys/unix"

// Free returns how many bytes a user may still write in a folder; false: that is not known.
func Free(dir string) (uint64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return uint64(s.Bavail) * uint64(s.Bsize), true
}
