package transport

import (
	"context"
	"io"
)

// Store is a place with batch files. A store is shared by any number of nodes, or is a server that shows each node its own
// mail only. All methods may be called at the same time; errors name the store.
type Store interface {
	// List returns the batch files, sorted by name. Files of other kinds are not listed.
	List(ctx context.Context) ([]Entry, error)

	// Get returns a file from an offset in bytes to its end; total is the size of the whole file. The caller closes it. An
	// offset beyond the end is an error. fs.ErrNotExist: there is no such file.
	Get(ctx context.Context, name string, offset int64) (r io.ReadCloser, total int64, err error)

	// Put stores size bytes under a name, which must be one that [CheckName] takes. It returns nil once the store has the
	// file whole and safe; until then nobody sees anything of it, or sees the file that had the name before. A store that can
	// goes on where an earlier Put of the same file broke off. progress, if not nil, is told how many bytes are there.
	Put(ctx context.Context, name string, r io.ReaderAt, size int64, progress func(done int64)) error

	// Remove takes a file away. It is no error if there is none of the name.
	Remove(ctx context.Context, name string) error

	// String returns how its user knows the store, without secrets.
	String() string

	// Close lets go of it.
	Close() error
}
