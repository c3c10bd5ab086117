//go:build unix

package transport

import (
	"errors"
	"os"
	"syscall"
)

// lock takes a file for this run until it is closed, or says at once that another has it. Network shares may have no locks
// (ENOLCK, ENOTSUP): that is no error. Libraries for locks open a file by its path, and not in an os.Root.
func lock(f *os.File) error {
	if errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK) {
		return errLocked
	}
	return nil
}
