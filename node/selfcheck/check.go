package selfcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/transport"
)

// Report is what was found. What is wrong is in Wrong, in the order in which it was found; the rest is as far as it could be read.
type Report struct {
	Node        string
	Fingerprint string
	Database    string
	Format      int // of omsync's tables; 0: unknown
	Folders     []Folder
	Wrong       []error // each with what to do about it, where that is known
}

// Folder is one with files that wait.
type Folder struct {
	Path     string // below the home folder
	Readable int
	TooNew   []string // files that need a newer omsync: they are kept for it
	Others   []string // files that are no batches, or damaged: a run says what becomes of them
}

// Check reads what a node has. The error is one of the home folder, without which nothing can be said.
func Check(ctx context.Context, home string) (*Report, error) {
	n, err := node.Open(ctx, home, node.Read)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	r := &Report{Node: n.Node}
	if err := n.LoadKeys(); err != nil {
		r.Wrong = append(r.Wrong, err)
	} else {
		r.Fingerprint = n.Keys.Card().Fingerprint()
	}
	if err := r.database(ctx, n); err != nil {
		r.Wrong = append(r.Wrong, err)
	}
	if err := r.folders(ctx, home); err != nil {
		r.Wrong = append(r.Wrong, err)
	}
	return r, nil
}

// database reads how omsync's tables are.
func (r *Report) database(ctx context.Context, n *node.Node) error {
	if err := n.Connect(ctx); err != nil {
		return err
	}
	r.Database = n.Database
	name, format, err := journal.StoredFormat(ctx, n.DB)
	switch {
	case errors.Is(err, journal.ErrNone):
		return failure.Hinted(fmt.Errorf("the database %s has no omsync tables", n.Database), "omsync --home %s init makes them; or is the dsn wrong?", n.Home)
	case err != nil:
		return err
	}
	r.Format = format
	if name != n.Node {
		return failure.Hinted(fmt.Errorf("the database %s belongs to the node %s, and this is %s", n.Database, name, n.Node), "is the dsn in %s/omsync.toml right?", n.Home)
	}
	if old := (&journal.FormatError{Stored: format}); format != journal.Format && !old.Old() {
		return old
	}
	if _, _, err := n.ReadCatalogue(ctx); err != nil { // also whether the configuration fits
		return err
	}
	if format == journal.Format {
		return n.Load(ctx, node.Listener{Warn: func(string, ...any) {}, Say: func(string, ...any) {}})
	}
	return nil
}

// folders looks into the files that wait.
func (r *Report) folders(ctx context.Context, home string) error {
	paths := []string{"inbox", "aside"}
	peers, err := os.ReadDir(filepath.Join(home, "outbox"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the outbox: %w", err)
	}
	for _, p := range peers {
		if p.IsDir() {
			paths = append(paths, filepath.Join("outbox", p.Name()))
		}
	}
	for _, path := range paths {
		if err := r.folder(ctx, home, path); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) folder(ctx context.Context, home, path string) error {
	f, err := transport.OpenFolder(filepath.Join(home, path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	list, err := f.List(ctx)
	if err != nil {
		return err
	}
	found := Folder{Path: path}
	for _, e := range list {
		switch err := readable(ctx, f, e.Name); {
		case err == nil:
			found.Readable++
		case errors.Is(err, fs.ErrNotExist): // a run took it meanwhile
		case errors.Is(err, batch.ErrTooNew):
			found.TooNew = append(found.TooNew, e.Name)
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			found.Others = append(found.Others, e.Name)
		}
	}
	r.Folders = append(r.Folders, found)
	return nil
}

// readable returns nil for a batch whose header this program understands.
func readable(ctx context.Context, f *transport.Folder, name string) error {
	file, _, err := f.Open(ctx, name)
	if err != nil {
		return err
	}
	defer file.Close()
	h, err := batch.ReadHeader(file)
	if err != nil {
		return err
	}
	return batch.CheckNeeds(h, features.Present().Names())
}
