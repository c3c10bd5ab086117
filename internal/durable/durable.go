// Package durable writes small files that must be whole whenever the power fails or the disk is full.
//
// It is for what a node keeps: state, settings and keys. Batches, which are large and come in pieces, are written by package
// transport, which takes from here what counts as synced.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Write puts a file on the disk under a name, in place of one that had it: whole or not at all. Until it returns nil the name
// is as it was. A killed run may leave a hidden file beside it that ends in .new; the next Write to the name takes it over, so
// two must not write to one name at once.
func Write(path string, content []byte, mode fs.FileMode) error {
	dir, name := filepath.Split(path)
	temp := filepath.Join(dir, "."+name+".new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := Create(temp, content, mode); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(filepath.Clean(dir))
}

// Create puts a file on the disk under a name that is not taken; fs.ErrExist if it is. Whatever the error, it leaves no file
// that it made. The name lasts from the next [SyncDir] of its folder on: several new files need one only.
func Create(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = Synced(f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// SyncDir makes the names in a folder last. Windows has no such call.
func SyncDir(dir string) error {
	return syncDir(func() (*os.File, error) { return os.Open(dir) })
}

// SyncRoot makes the names in an open folder last, like [SyncDir].
func SyncRoot(dir *os.Root) error {
	return syncDir(func() (*os.File, error) { return dir.Open(".") })
}

func syncDir(open func() (*os.File, error)) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := open()
	if err != nil {
		return err
	}
	return errors.Join(Synced(d.Sync()), d.Close())
}

// Synced takes the answers of file systems that cannot sync a file or folder for success (fsync(2): EINVAL; network and FUSE
// file systems: ENOTSUP, ENOTTY, and EACCES or EBADF for folders opened to read). It returns every other error as it is: those
// are about the bytes.
func Synced(err error) error {
	for _, e := range []error{syscall.EINVAL, syscall.ENOTTY, syscall.EBADF, errors.ErrUnsupported, fs.ErrPermission} {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}
