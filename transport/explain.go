package transport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Errors that callers tell apart. They come with the system's own words.
var (
	// ErrFull means that the medium has no room left.
	ErrFull = errors.New("no room left: free some space or use another medium")
	// ErrTooLarge means that the file system takes no file so large: FAT32 stops at 4 GiB.
	ErrTooLarge = errors.New("the file is larger than this file system takes: FAT32 stops at 4 GiB, so export in parts or use exFAT")
	// ErrReadOnly means that the medium cannot be written to.
	ErrReadOnly = errors.New("read-only: look for a switch on the stick, or mount it for writing")
	// ErrDown means that there is no way to a store now: no network, no answer, a stick that is not plugged in. Trying again
	// later is all there is to do.
	ErrDown = errors.New("no link")
	// ErrGone means that the medium does not answer any more.
	ErrGone = errors.New("the medium does not answer: it was pulled out, or is damaged; plug it in again and repeat the command")
)

// explain puts the few ways in which media go wrong into words for people who carry sticks.
func explain(err error) error {
	for _, c := range []struct {
		means error
		when  []error
	}{
		{ErrFull, []error{syscall.ENOSPC, syscall.EDQUOT}},
		{ErrTooLarge, []error{syscall.EFBIG}},
		{ErrReadOnly, []error{syscall.EROFS}},
		{ErrGone, []error{syscall.EIO, syscall.ENODEV, syscall.ENXIO, syscall.ESTALE, syscall.ENOTCONN}},
	} {
		for _, e := range c.when {
			if errors.Is(err, e) {
				return fmt.Errorf("%w (%w)", c.means, withoutPath(err))
			}
		}
	}
	return withoutPath(err)
}

// withoutPath takes off the operation and the name, which callers have better words for.
func withoutPath(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
