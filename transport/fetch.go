package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/omsync/omsync/internal/durable"
)

// errLocked means that somebody else has the lock of a file.
var errLocked = errors.New("another run is fetching it: wait for that one to end")

// Fetch brings the file e of a store into a folder, under its name there, which must be one that [CheckName] takes. A file
// of the name is replaced once the new one is whole, checked and synced.
//
// A Fetch that breaks off, or is killed, leaves what it has under a hidden temporary name made of the file's name and size,
// and the next Fetch of the same goes on there. The caller decides when to try again. Like other temporary files it is
// cleared away when nobody has touched it for a day and something else is written into the folder.
//
// check, if not nil, looks at the whole file before it gets its name, and is there to verify a signature. If it returns an
// error, the file is thrown away, so that the next Fetch begins anew, and the error is returned. In a folder it looks at the
// file where it is, too, before a byte is copied. A file that has another size in the store than e says, because it was
// replaced there meanwhile, is fetched in its new size.
//
// A file that the disk has no room for beside a reserve is not begun ([ErrFull]), and one that fills it all the same is thrown
// away.
//
// progress, if not nil, is told how many bytes are in the folder, those of earlier runs included. Two runs that fetch one
// file at the same time do not harm each other: the second returns an error, where the folder's file system has locks;
// where it has none, check is what keeps the file whole.
func Fetch(ctx context.Context, s Store, e Entry, into *Folder, check func(r io.ReaderAt, size int64) error,
	progress func(done int64)) error {
	if err := CheckName(e.Name); err != nil {
		return fmt.Errorf("fetch from %s: %w", s, err)
	}
	for range 3 {
		total, err := fetch(ctx, s, e, into, check, progress)
		if err == nil {
			return nil
		}
		if err != errOtherSize {
			return fmt.Errorf("fetch %s from %s: %w", e.Name, s, err)
		}
		e.Size = total
	}
	return fmt.Errorf("fetch %s from %s: the file there changes all the time", e.Name, s)
}

// errOtherSize means that the store's file has another size than was thought.
var errOtherSize = errors.New("another size")

// fetch makes one try. With errOtherSize it returns the size that the file has in the store.
func fetch(ctx context.Context, s Store, e Entry, into *Folder, check func(r io.ReaderAt, size int64) error,
	progress func(done int64)) (total int64, err error) {
	temp := partialName(e)
	if total, err := checkInPlace(ctx, s, e, check); err != nil {
		if err != errOtherSize && ctx.Err() == nil {
			into.root.Remove(temp) // of an earlier run: nobody will go on with it
		}
		return total, err
	}
	file, done, err := into.resume(temp, e)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if done < e.Size || e.Size == 0 {
		if err = into.checkRoom(e.Size - done); err == nil {
			total, err = into.receive(ctx, file, done, s, e, progress)
		}
		if err == errOtherSize || errors.Is(err, ErrFull) {
			into.root.Remove(temp)
		}
		if err != nil {
			return total, err
		}
	} else if progress != nil {
		progress(done)
	}
	if check != nil {
		if err := check(file, e.Size); err != nil {
			into.root.Remove(temp)
			return 0, err
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	err = durable.Synced(file.Sync())
	if e := file.Close(); err == nil { // before the rename: Windows renames no open files
		err = e
	}
	if err == nil {
		err = into.root.Rename(temp, e.Name)
	}
	if err == nil {
		err = into.sync()
	}
	return 0, into.wrap("write to", err)
}

// receive adds what the partial file lacks.
func (f *Folder) receive(ctx context.Context, file *os.File, done int64, s Store, e Entry,
	progress func(done int64)) (total int64, err error) {
	r, total, err := s.Get(ctx, e.Name, done)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if total != e.Size {
		return total, errOtherSize
	}
	if progress != nil {
		progress(done)
	}
	return total, copyBytes(ctx, &appender{f, file, done}, r, done, e.Size, progress)
}

// appender writes from an offset on, and explains a medium that goes wrong.
type appender struct {
	folder *Folder
	file   *os.File
	at     int64
}

func (a *appender) Write(p []byte) (int, error) {
	n, err := a.file.WriteAt(p, a.at)
	a.at += int64(n)
	return n, a.folder.wrap("write to", err)
}

// resume opens a partial file, which it makes if there is none, locks it and returns how many bytes it has.
func (f *Folder) resume(temp string, e Entry) (file *os.File, done int64, err error) {
	for range 10 {
		file, err = f.root.OpenFile(temp, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, 0, f.wrap("write to", err)
		}
		if err = lock(file); err != nil {
			file.Close()
			return nil, 0, err
		}
		info, err := file.Stat()
		if err != nil {
			file.Close()
			return nil, 0, f.wrap("write to", err)
		}
		// Whoever had the lock before may have finished, or cleared, the file that was opened.
		if now, err := f.root.Lstat(temp); err != nil || !os.SameFile(info, now) {
			file.Close()
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, 0, f.wrap("write to", err)
			}
			continue
		}
		done := info.Size()
		if done > e.Size {
			done = 0
		}
		// Sets the time, too, so that nobody takes the file for one that is left behind. Not every file system can do that.
		if err := file.Truncate(done); err != nil && done != info.Size() {
			file.Close()
			return nil, 0, f.wrap("write to", err)
		}
		f.removeStale(file)
		return file, done, nil
	}
	return nil, 0, errLocked
}
