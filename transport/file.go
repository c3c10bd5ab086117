package transport

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/omsync/omsync/internal/durable"
)

// File is a batch file on its way into a store: bytes under a temporary name until Commit.
type File struct {
	folder *Folder
	f      handle
	temp   string
	name   string
	err    error // the first error of a Write: Commit repeats it
	done   bool
}

// handle is what File does with an *os.File.
type handle interface {
	Write(p []byte) (int, error)
	Sync() error
	Close() error
}

// Create begins a file that will have this name, which must end in .omsync and be one that any file system takes: up to
// 200 letters, digits, dots, dashes and underscores. Exactly one of Commit and Discard ends it. What killed runs left
// behind a day ago or earlier is cleared away.
func (f *Folder) Create(ctx context.Context, name string) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return f.create(name)
}

// CreateBeside is Create for a file of another kind, whose name ends in suffix and would be that of a batch with [Suffix] in its place.
func (f *Folder) CreateBeside(ctx context.Context, name, suffix string) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	base, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return nil, fmt.Errorf("file name %q: it must end in %s", name, suffix)
	}
	if err := CheckName(base + Suffix); err != nil {
		return nil, err
	}
	return f.create(name)
}

func (f *Folder) create(name string) (*File, error) {
	temp := randomName()
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, f.wrap("write to", err)
	}
	f.removeStale(file)
	return &File{folder: f, f: file, temp: temp, name: name}, nil
}

// Write adds to the file.
func (w *File) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.f.Write(p)
	if err != nil {
		w.err = w.folder.wrap("write "+w.name+" to", err)
	}
	return n, w.err
}

// Commit puts the file on the medium and then gives it its name, in place of a file that had it. If it returns an error
// the name is as it was, and nothing is left behind; only if the medium's own list of files could not be synced is the
// file there and the error about its safety.
func (w *File) Commit() error {
	if w.done {
		return fmt.Errorf("write %s: it has ended already", w.name)
	}
	if w.err != nil {
		w.Discard()
		return w.err
	}
	w.done = true
	err := durable.Synced(w.f.Sync())
	if e := w.f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = w.folder.root.Rename(w.temp, w.name)
	}
	if err != nil {
		w.folder.root.Remove(w.temp)
		return w.folder.wrap("write "+w.name+" to", err)
	}
	return w.folder.wrap("write "+w.name+" to", w.folder.sync())
}

// Discard gives the file up. After Commit it does nothing.
func (w *File) Discard() {
	if w.done {
		return
	}
	w.done = true
	w.f.Close()
	w.folder.root.Remove(w.temp)
}

func (f *Folder) sync() error { return durable.SyncRoot(f.root) }
