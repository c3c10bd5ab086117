package upload

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/omsync/omsync/internal/durable"
)

// Part is what has come of a file, open to be read and written.
type Part interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
	Stat() (fs.FileInfo, error)
}

// Store is the folder. All its methods may be called at the same time; who writes to a part, or publishes it, has its [Lock].
type Store struct {
	// OpenPart opens the part of an upload, which it makes if there is none. Tests put a disk that is full in its place.
	OpenPart func(u Upload) (Part, error)
	// Room returns how many bytes may still be written to the disk, less than 0 where its reserve is used up; told: the disk tells.
	Room func() (left int64, told bool)

	root *os.Root
	path string

	beginning sync.Mutex // held while one begins, or two might take the same room

	mu    sync.Mutex
	locks map[string]*lock // by node and ID: who is at it
	swept time.Time
}

// Open opens a folder, which it makes if only the last part of its path is missing. room: see [Store].
func Open(path string, room func() (left int64, told bool)) (*Store, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make folder for uploads: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open folder for uploads: %w", err)
	}
	s := &Store{Room: room, root: root, path: path, locks: map[string]*lock{}}
	s.OpenPart = func(u Upload) (Part, error) {
		return root.OpenFile(partName(u.Node, u.ID()), os.O_RDWR|os.O_CREATE, 0o666)
	}
	return s, nil
}

// Begin notes an upload. mayHave is asked, while no other begins, how many bytes the node may have. [ErrQuota]: that is not enough.
// [ErrFull] and [ErrShare]: the disk has not enough, with what was announced before, for all or for one node.
func (s *Store) Begin(u Upload, mayHave func() (Quota, error)) error {
	s.beginning.Lock()
	defer s.beginning.Unlock()
	q, err := mayHave()
	if err != nil {
		return err
	}
	if err := s.makeRoom(u, q); err != nil {
		return err
	}
	return s.save(infoName(u.Node, u.ID()), u)
}

// Load returns an upload that has begun. fs.ErrNotExist: there is none.
func (s *Store) Load(node, id string) (Upload, error) {
	var u Upload
	raw, err := s.root.ReadFile(infoName(node, id))
	if err != nil {
		return u, err
	}
	if err := json.Unmarshal(raw, &u); err != nil || u.Node != node || u.ID() != id {
		return u, fs.ErrNotExist // damaged: it can begin again
	}
	return u, nil
}

// save writes a small file whole or not at all.
func (s *Store) save(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := s.root.MkdirAll(filepath.ToSlash(filepath.Dir(name)), 0o700); err != nil {
		return err
	}
	temp := name + ".new-" + rand.Text()
	f, err := s.root.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if e := durable.Synced(f.Sync()); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = s.root.Rename(temp, name)
	}
	if err != nil {
		s.root.Remove(temp)
	}
	return err
}

// Size returns how many bytes of an upload have come.
func (s *Store) Size(node, id string) int64 {
	info, err := s.root.Stat(partName(node, id))
	if err != nil {
		return 0
	}
	return info.Size()
}

// SyncedSize puts what has come of an upload on the disk, and returns how many bytes that are.
func (s *Store) SyncedSize(u Upload) (int64, error) {
	f, err := s.OpenPart(u)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := durable.Synced(f.Sync()); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Truncate takes back what has come of an upload after a number of bytes.
func (s *Store) Truncate(u Upload, size int64) error {
	f, err := s.root.OpenFile(partName(u.Node, u.ID()), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// Move gives the part of an upload another path, in place of a file that had it: at once, on one file system only.
func (s *Store) Move(u Upload, path string) error {
	return os.Rename(filepath.Join(s.path, filepath.FromSlash(partName(u.Node, u.ID()))), path)
}

// Read opens the part of an upload to be copied.
func (s *Store) Read(u Upload) (io.ReadCloser, error) { return s.root.Open(partName(u.Node, u.ID())) }

// Drop gives an upload up, with what has come of it.
func (s *Store) Drop(node, id string) {
	s.root.Remove(partName(node, id))
	s.root.Remove(infoName(node, id))
}
