//go:build unix

package transport

import (
	"os"

	"golang.org/x/sys/unix"
)

// diskRoom returns how many bytes are free for this account on a folder's file system, and how many it has in all. ok: it could be told.
func diskRoom(folder *os.File) (free, all int64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(folder.Fd()), &s); err != nil || s.Bsize <= 0 || s.Blocks == 0 {
		return 0, 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), true
}
