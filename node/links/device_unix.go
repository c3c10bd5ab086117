//go:build unix

package links

import (
	"os"
	"syscall"
)

// device is the number of the file system that a path is on.
func device(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev), nil
	}
	return 0, nil
}
