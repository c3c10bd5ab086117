// Package durable writes small files that must be whole whenever the power fails or the disk is full.
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
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = tolerate(f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(filepath.Clean(dir))
}

// SyncDir makes the names in a folder last. Windows has no such call.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(tolerate(d.Sync()), d.Close())
}

// tolerate takes the answer of file systems that cannot sync (EINVAL, ENOTSUP; fsync(2)) for success.
func tolerate(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
