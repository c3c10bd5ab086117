package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node/config"
)

// Restored says what was put back.
type Restored struct {
	Manifest
	Put     int      // files
	Kept    []string // files that are there already, with other contents: they stay
	Outside []string // what the configuration names outside the home folder, and no backup holds
	Runs    []string // the program, and its arguments, that the configuration has run after an import
}

// Restore puts a home folder back from what [Write] wrote, decrypted. The folder may be there, and hold what it held: files that are there stay.
// fingerprint is that of the node that is expected; empty: any. Nothing is put back of a file that is damaged, that is not what it says it is,
// or where the folder holds keys that the file does not.
func Restore(r io.Reader, home, fingerprint string) (*Restored, error) {
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	parent := filepath.Dir(home)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("make the home folder: %w", err)
	}
	dir, err := os.MkdirTemp(parent, ".omsync-restore-")
	if err != nil {
		return nil, fmt.Errorf("make a folder beside the home folder: %w", err)
	}
	defer os.RemoveAll(dir)
	m, err := unpack(r, dir)
	if err != nil {
		return nil, err
	}
	if fingerprint != "" && !keys.SameFingerprint(fingerprint, m.Fingerprint) {
		return nil, failure.Coded(failure.Trust, "the backup is of %s with the fingerprint %s, and not of the one that was asked for", m.Node, m.Fingerprint)
	}
	c, err := check(dir, m)
	if err != nil {
		return nil, err
	}
	out := &Restored{Manifest: *m}
	c.Home = home
	out.Outside, out.Runs = outside(c), c.Hooks.AfterImport
	return out, out.put(dir, home)
}

// unpack writes what the backup holds into an empty folder. It reads to the end: before that nobody knows whether it is whole.
func unpack(r io.Reader, dir string) (*Manifest, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, unreadable(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	bounded := &io.LimitedReader{R: z, N: maxTotal + maxEntries*2048}
	t := tar.NewReader(bounded)
	m, err := readManifest(t)
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, unreadable(err)
		}
		if n >= maxEntries || bounded.N <= 0 {
			return nil, fmt.Errorf("the backup holds more than %d files or %d MiB: omsync makes no such file", maxEntries, maxTotal>>20)
		}
		if err := unpackEntry(root, h, t); err != nil {
			return nil, err
		}
	}
	// gzip reads to the end of r, and finds what is missing there or too much.
	if _, err := io.Copy(io.Discard, bounded); err != nil || bounded.N <= 0 {
		return nil, unreadable(err)
	}
	return m, nil
}

// unreadable is the error of a file that ends early, or is something else.
func unreadable(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, tar.ErrHeader) {
		return failure.Coded(failure.Trust, "the file is no backup of a home folder, or not a whole one")
	}
	return fmt.Errorf("read the backup: %w", err)
}

func readManifest(t *tar.Reader) (*Manifest, error) {
	h, err := t.Next()
	if err != nil || h.Name != manifestName || h.Size > 4<<20 {
		return nil, unreadable(err)
	}
	text, err := io.ReadAll(t)
	if err != nil {
		return nil, unreadable(err)
	}
	m := &Manifest{}
	switch err := json.Unmarshal(text, m); {
	case err != nil || m.Version < 1:
		return nil, unreadable(nil)
	case m.Version > version:
		return nil, failure.Coded(failure.TooNew, "the backup was made by a newer omsync: install that one")
	}
	if err := keys.ValidName(m.Node); err != nil {
		return nil, err
	}
	for _, p := range m.Peers {
		if err := keys.ValidName(p.Name); err != nil || p.Role != "parent" && p.Role != "child" {
			return nil, unreadable(nil)
		}
	}
	return m, nil
}

// unpackEntry writes a file or a folder. What is there already is an error: no backup holds anything twice.
func unpackEntry(root *os.Root, h *tar.Header, content io.Reader) error {
	info := h.FileInfo()
	name := path.Clean(h.Name)
	err := checkEntry(name, info.Mode(), h.Size)
	if err == nil && !isWhole(h) {
		err = fmt.Errorf("%s is a sparse file, or a link to another", name)
	}
	if err != nil {
		return failure.Coded(failure.Trust, "the backup is not one that omsync made: %w", err)
	}
	if h.Typeflag == tar.TypeDir {
		// Whatever mode it had: folders below a home folder are their owner's alone.
		if err := root.Mkdir(name, 0o700); err != nil {
			return fmt.Errorf("put back: %w", err)
		}
		return nil
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("put back: %w", err)
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = durable.Synced(f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("put back %s: %w", name, err)
	}
	return nil
}

// isWhole reports whether all bytes of an entry's file are in the entry: of a sparse one next to none need be, and what is written of it no
// bound of the whole would see.
func isWhole(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return false
		}
	}
	return h.Typeflag != tar.TypeGNUSparse && h.Typeflag != tar.TypeLink
}

// check sees that a folder is the node's that the manifest names.
func check(dir string, m *Manifest) (*config.Config, error) {
	c, err := config.Read(dir)
	if err != nil {
		return nil, fmt.Errorf("the configuration in the backup: %w", err)
	}
	id, err := keys.Load(dir, c.Node)
	if err != nil {
		return nil, fmt.Errorf("the keys in the backup: %w", err)
	}
	if c.Node != m.Node || id.Card().Fingerprint() != m.Fingerprint {
		return nil, failure.Coded(failure.Trust, "the backup says that it is of %s, and holds the keys of another node", m.Node)
	}
	return c, nil
}

// put moves what is not in the home folder there, once it is known that nothing is in the way.
func (out *Restored) put(dir, home string) error {
	var files, folders []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, p)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			folders = append(folders, name)
			return nil
		}
		there, equal, err := compare(p, filepath.Join(home, name))
		switch decide(filepath.ToSlash(name), true, there, equal) {
		case put:
			files = append(files, name)
		case differ:
			out.Kept = append(out.Kept, name)
		case refuse:
			err = errors.Join(err, otherKeys(home, name))
		}
		return err
	})
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(home)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		_, err := os.Lstat(filepath.Join(dir, e.Name()))
		if decide(e.Name(), err == nil, true, err == nil) == refuse {
			return otherKeys(home, e.Name())
		}
	}
	if c, err := config.Read(home); err == nil && c.Node != out.Node {
		return failure.Hinted(fmt.Errorf("the home folder %s is that of %s, and the backup is of %s", home, c.Node, out.Node), "name another folder with --home")
	}
	for _, name := range folders {
		if err := os.MkdirAll(filepath.Join(home, name), 0o700); err != nil {
			return fmt.Errorf("put back: %w", err)
		}
	}
	for _, name := range files {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(home, name)); err != nil {
			return fmt.Errorf("put back: %w", err)
		}
		out.Put++
	}
	for _, name := range folders {
		if err := durable.SyncDir(filepath.Join(home, name)); err != nil {
			return fmt.Errorf("put back: %w", err)
		}
	}
	slices.Sort(out.Kept)
	return durable.SyncDir(filepath.Dir(home))
}

func otherKeys(home, name string) error {
	return failure.Hinted(fmt.Errorf("%s holds keys that the backup does not: nothing is put back", filepath.Join(home, name)),
		"name another folder with --home, or move that file away if nobody needs it")
}

// compare reports whether a file is there, and whether it is the same.
func compare(a, b string) (there, equal bool, err error) {
	info, err := os.Stat(b)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, false, nil
	case err != nil:
		return true, false, err
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return true, false, nil
	}
	x, err := os.ReadFile(a)
	if err != nil {
		return true, false, err
	}
	y, err := os.ReadFile(b)
	return true, bytes.Equal(x, y), err
}
