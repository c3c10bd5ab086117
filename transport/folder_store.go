package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

var _ Store = (*Folder)(nil)

// chunk is how many bytes are moved between two looks at the context.
const chunk = 128 << 10

// maxFAT32 is the largest file that FAT32 takes, in bytes.
const maxFAT32 = 1<<32 - 1

// Get returns a file from an offset to its end, see [Store]. It takes every name that List shows.
func (f *Folder) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	file, size, err := f.Open(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	if offset < 0 || offset > size {
		file.Close()
		return nil, 0, fmt.Errorf("read %s in folder %s: it has %d bytes, none at %d", name, f.path, size, offset)
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		file.Close()
		return nil, 0, f.wrap("read "+name+" in", err)
	}
	return &folderReader{ctx, f, name, file}, size, nil
}

// folderReader stops when the context ends and explains a medium that goes wrong.
type folderReader struct {
	ctx    context.Context // of the Get: a Read has none of its own
	folder *Folder
	name   string
	file   *os.File
}

func (r *folderReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.file.Read(p)
	if err != nil && err != io.EOF {
		err = r.folder.wrap("read "+r.name+" in", err)
	}
	return n, err
}

func (r *folderReader) Close() error { return r.file.Close() }

// Put stores a file, see [Store]: under a temporary name first, which an error takes away again. It does not go on where
// an earlier Put broke off: what is copied to a stick is copied again in a moment.
func (f *Folder) Put(ctx context.Context, name string, r io.ReaderAt, size int64, progress func(done int64)) error {
	w, err := f.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Discard()
	if size > maxFAT32 {
		if err := w.checkFits(size); err != nil {
			return err
		}
	}
	if err := copyBytes(ctx, w, io.NewSectionReader(r, 0, size), 0, size, progress); err != nil {
		if w.err != nil {
			return w.err
		}
		return fmt.Errorf("write %s to folder %s: %w", name, f.path, err)
	}
	return w.Commit()
}

// checkFits asks the file system whether it takes a file of this size, before hours are spent on 4 GiB of it. It is for sizes
// above FAT32's only: FAT itself would write zeros up to a size that it does take.
func (w *File) checkFits(size int64) error {
	file, ok := w.f.(*os.File)
	if !ok {
		return nil
	}
	err := file.Truncate(size)
	if e := explain(err); errors.Is(e, ErrTooLarge) || errors.Is(e, ErrFull) {
		return w.folder.wrap("write "+w.name+" to", err)
	}
	if err := file.Truncate(0); err != nil {
		return w.folder.wrap("write "+w.name+" to", err)
	}
	return nil
}

// copyBytes copies the bytes of a file from done to size. A reader that has more or fewer is an error.
func copyBytes(ctx context.Context, w io.Writer, r io.Reader, done, size int64, progress func(done int64)) error {
	buf := make([]byte, chunk)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if done+int64(n) > size {
				return fmt.Errorf("more than the %d bytes it was said to have", size)
			}
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			done += int64(n)
			if progress != nil {
				progress(done)
			}
		}
		switch {
		case err == io.EOF && done < size:
			return fmt.Errorf("it ended after %d of %d bytes: %w", done, size, io.ErrUnexpectedEOF)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// Remove takes a file away, see [Store]. It takes every name that List shows, and leaves what List does not show. After a
// power failure the file may be back.
func (f *Folder) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := CheckStored(name); err != nil {
		return err
	}
	info, err := f.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return f.wrap("remove "+name+" from", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("remove %s from folder %s: it is not a regular file", name, f.path)
	}
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f.wrap("remove "+name+" from", err)
	}
	return nil
}

// String returns "folder" and the path.
func (f *Folder) String() string { return "folder " + f.path }
