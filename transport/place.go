package transport

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/time/rate"
)

// readerInPlace is a file where it lies, to be looked at before it is copied.
type readerInPlace interface {
	io.ReaderAt
	io.Closer
}

// inPlace is a store whose files can be read where they are, as often as need be and at no other cost than reading.
type inPlace interface {
	openInPlace(ctx context.Context, name string) (r readerInPlace, size int64, err error)
}

func (f *Folder) openInPlace(ctx context.Context, name string) (readerInPlace, int64, error) {
	file, size, err := f.Open(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return &placedFile{ctx, f, name, file}, size, nil
}

// placedFile stops when the context ends and explains a medium that goes wrong.
type placedFile struct {
	ctx    context.Context // of the Fetch: a ReadAt has none of its own
	folder *Folder
	name   string
	*os.File
}

func (r *placedFile) ReadAt(p []byte, at int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.File.ReadAt(p, at)
	if err != nil && err != io.EOF {
		err = r.folder.wrap("read "+r.name+" in", err)
	}
	return n, err
}

// Wrapper is a store that is another one in other words: what can be done with the files of that one in place can be done with its own.
type Wrapper interface{ Unwrap() Store }

func (s limitedStore) Unwrap() Store { return s.Store }

// innermost returns what a store wraps in the end, and the limiter on the way, if there is one.
func innermost(s Store) (Store, *rate.Limiter) {
	var limiter *rate.Limiter
	for {
		if l, ok := s.(limitedStore); ok {
			limiter = l.l
		}
		w, ok := s.(Wrapper)
		if !ok {
			return s, limiter
		}
		s = w.Unwrap()
	}
}

// Stamp returns a text that changes when the file of the name is replaced, as far as the store can tell; "" if it cannot.
func Stamp(ctx context.Context, s Store, name string) string {
	inner, _ := innermost(s)
	f, ok := inner.(*Folder)
	if !ok || ctx.Err() != nil {
		return ""
	}
	info, err := f.root.Lstat(name)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixMicro())
}

// checkInPlace has check look at a file where it is, if the store allows that: nothing is copied that would be thrown away again. With
// errOtherSize it returns the size that the file has.
func checkInPlace(ctx context.Context, s Store, e Entry, check func(r io.ReaderAt, size int64) error) (total int64, err error) {
	inner, limiter := innermost(s)
	p, ok := inner.(inPlace)
	if !ok || check == nil {
		return e.Size, nil
	}
	file, size, err := p.openInPlace(ctx, e.Name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if size != e.Size {
		return size, errOtherSize
	}
	var r io.ReaderAt = file
	if limiter != nil {
		r = &limitedReaderAt{ctx, r, limiter}
	}
	return size, check(r, size)
}
