package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Entry is a batch file in a store.
type Entry struct {
	Name string
	Size int64 // bytes
}

// Folder is a folder with batch files. The zero value is of no use: see [OpenFolder].
type Folder struct {
	path string
	root *os.Root // no name, and no link in the folder, leads out of it
}

// OpenFolder opens a folder that is there. Close it when done, so that the stick can be taken out.
func OpenFolder(path string) (*Folder, error) {
	root, err := os.OpenRoot(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no folder %s: is the stick plugged in and the share mounted? (%w)", path, fs.ErrNotExist)
	case err != nil:
		if info, e := os.Stat(path); e == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is a file: name the folder that batches are in", path)
		}
		return nil, fmt.Errorf("open folder %s: %w", path, explain(err))
	}
	return &Folder{path: path, root: root}, nil
}

// MakeFolder is OpenFolder, but makes the folder if only the last part of its path is missing.
func MakeFolder(path string) (*Folder, error) {
	if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("make folder %s: %w", path, explain(err))
	}
	return OpenFolder(path)
}

// Close lets go of the folder.
func (f *Folder) Close() error { return f.root.Close() }

// List returns the batch files in the folder, sorted by name: files whose names end in .omsync in either case, not hidden
// ones (temporary names are hidden), nor links, subfolders or anything else.
func (f *Folder) List(ctx context.Context) ([]Entry, error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return nil, f.wrap("list", err)
	}
	defer dir.Close()
	var out []Entry
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part, err := dir.ReadDir(512)
		for _, e := range part {
			if CheckStored(e.Name()) != nil || !e.Type().IsRegular() {
				continue
			}
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) { // taken away meanwhile
				continue
			} else if err != nil {
				return nil, f.wrap("list", err)
			}
			out = append(out, Entry{e.Name(), info.Size()})
		}
		if len(part) == 0 {
			if err != nil && err != io.EOF {
				return nil, f.wrap("list", err)
			}
			break
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Open returns a batch file, opened to be read, and its size in bytes. The caller closes it. Errors: fs.ErrNotExist, or what the
// medium said.
func (f *Folder) Open(ctx context.Context, name string) (*os.File, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if err := CheckStored(name); err != nil {
		return nil, 0, err
	}
	// Before the open, which would wait for the other end of a pipe.
	if info, err := f.root.Lstat(name); err != nil {
		return nil, 0, f.wrap("open "+name+" in", err)
	} else if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s in %s is not a regular file", name, f.path)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, 0, f.wrap("open "+name+" in", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, f.wrap("open "+name+" in", err)
	}
	return file, info.Size(), nil
}

// Path returns the folder's path as it was given.
func (f *Folder) Path() string { return f.path }

// wrap says what was tried and where, and explains the error.
func (f *Folder) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s folder %s: %w", what, f.path, explain(err))
}
