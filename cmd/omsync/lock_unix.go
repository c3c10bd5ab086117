//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the lock, or says at once that it is taken. Home folders on network shares may have no locks (ENOLCK,
// ENOTSUP): that is an error, for two runs at once are worse than none.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return errLocked
	case err != nil:
		return fmt.Errorf("lock %s: %w: keep the home folder on a disk of this machine", f.Name(), err)
	}
	return nil
}
