package transport

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock takes a file for this run until it is closed, or says at once that another has it. The locked byte lies beyond what
// files have, for Windows' locks keep others from reading. Shares may have no locks: that is no error.
func lock(f *os.File) error {
	how := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY)
	err := windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return nil
}
