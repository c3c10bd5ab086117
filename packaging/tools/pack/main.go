// Command pack makes files to install from folders, the same bytes from the same content: archives, packages for rpm, container images. It
// is a module of its own, so that the program has none of what it needs.
//
//	pack tar|zip FOLDER NAME FILE             an archive with all that is in a folder, below a folder NAME
//	pack rpm FOLDER ARCH VERSION FILE         a package of what is in a folder, as it is to lie in a system
//	pack image VERSION FILE ARCH=PROGRAM...   an image as a tar file with an OCI layout, of a program for each architecture
//
// Times are SOURCE_DATE_EPOCH's. It is run where packaging/build runs: in the project's folder.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	at := time.Unix(seconds, 0).UTC()
	switch {
	case len(args) == 4 && args[0] == "tar":
		return create(args[3], func(w io.Writer) error { return writeTar(w, args[1], args[2], at) })
	case len(args) == 4 && args[0] == "zip":
		return create(args[3], func(w io.Writer) error { return writeZip(w, args[1], args[2], at) })
	case len(args) == 5 && args[0] == "rpm":
		return create(args[4], func(w io.Writer) error { return writeRPM(w, args[1], args[2], args[3], at) })
	case len(args) >= 4 && args[0] == "image":
		return create(args[2], func(w io.Writer) error { return writeImage(w, args[1], args[3:], at) })
	}
	return errors.New("usage: pack tar|zip FOLDER NAME FILE, pack rpm FOLDER ARCH VERSION FILE, pack image VERSION FILE ARCH=PROGRAM...")
}

// create writes a file.
func create(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// file is one in a folder, or a folder.
type file struct {
	name string // below the folder, with slashes
	path string
	mode fs.FileMode
}

// list returns what is in a folder, sorted by name.
func list(folder string) (out []file, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !d.IsDir() && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no plain file", path)
		}
		name, err := filepath.Rel(folder, path)
		out = append(out, file{filepath.ToSlash(name), path, info.Mode()})
		return err
	})
	return out, err
}

// permissions are those that a file has everywhere: what built it may have had another umask.
func (f file) permissions() fs.FileMode {
	if f.mode.IsDir() || f.mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}
