package transport

import (
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// diskRoom returns how many bytes are free for this account on a folder's file system, and how many it has in all. ok: it could be told.
func diskRoom(folder *os.File) (free, all int64, ok bool) {
	path, err := windows.UTF16PtrFromString(folder.Name())
	if err != nil {
		return 0, 0, false
	}
	var f, a uint64
	if err := windows.GetDiskFreeSpaceEx(path, &f, &a, nil); err != nil {
		return 0, 0, false
	}
	return int64(min(f, math.MaxInt64)), int64(min(a, math.MaxInt64)), true
}
