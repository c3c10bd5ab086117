package transport

import (
	"fmt"
	"os"
)

// maxReserve is the most that fetches and uploads leave free, in bytes: see reserve.
const maxReserve = 1 << 30

// reserve returns how much of a file system of this size fetches and uploads leave to others, to the database above all: a twentieth,
// 1 GiB at most.
func reserve(all int64) int64 { return min(all/20, maxReserve) }

// checkRoom returns an error if so many bytes more would fill the folder's disk. A file system that does not tell is no error.
func (f *Folder) checkRoom(more int64) error {
	dir, err := f.root.Open(".")
	if err != nil {
		return f.wrap("write to", err)
	}
	defer dir.Close()
	free, all, ok := diskRoom(dir)
	if !ok {
		return nil
	}
	return f.wrap("write to", roomFor(more, free, all))
}

// RoomIn returns how many bytes may still be written into the folder of a path beside the reserve of its disk: less than 0 where the
// reserve is used up. ok: the file system tells.
func RoomIn(path string) (left int64, ok bool) {
	dir, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer dir.Close()
	free, all, ok := diskRoom(dir)
	return free - reserve(all), ok
}

// roomFor returns an error if so many bytes more do not fit beside the reserve.
func roomFor(more, free, all int64) error {
	if more > 0 && more > free-reserve(all) {
		return fmt.Errorf("%w: %d bytes are to come, %d are free, and %d of them are left to others", ErrFull, more, max(free, 0), reserve(all))
	}
	return nil
}
