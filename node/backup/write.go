package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node/config"
)

const (
	manifestName = "omsync-backup.json"
	peersName    = "peers"
	cardSuffix   = ".card"
	version      = 1
)

// Manifest is what a backup says of itself.
type Manifest struct {
	Version     int       `json:"omsync_backup"`
	Node        string    `json:"node"`
	Fingerprint string    `json:"fingerprint"` // of the node's card
	Made        time.Time `json:"made"`
	Peers       []Peer    `json:"peers"` // as the database knew them
}

// Peer is a peer whose card the backup holds.
type Peer struct {
	Name string `json:"name"`
	Role string `json:"role"` // parent or child
	Card []byte `json:"-"`
}

// Written says what a backup holds and what it does not.
type Written struct {
	Files   int
	Left    []string // paths of links and the like
	Outside []string // what the configuration names outside the home folder
}

// Write writes a backup of a home folder, which holds these keys. It is not encrypted: w is what encrypts.
func Write(w io.Writer, c *config.Config, id *keys.Identity, peers []Peer, now time.Time) (*Written, error) {
	z := gzip.NewWriter(w)
	t := &writer{tar: tar.NewWriter(z), now: now}
	m := Manifest{Version: version, Node: c.Node, Fingerprint: id.Card().Fingerprint(), Made: now.UTC(), Peers: peers}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if err := t.add(manifestName, 0o600, text); err != nil {
		return nil, err
	}
	if err := t.home(c.Home); err != nil {
		return nil, err
	}
	if len(peers) > 0 {
		if err := t.folder(peersName, 0o700); err != nil {
			return nil, err
		}
	}
	for _, p := range peers {
		if err := t.add(path.Join(peersName, p.Name+cardSuffix), 0o600, p.Card); err != nil {
			return nil, err
		}
	}
	t.said.Outside = outside(c)
	return &t.said, errors.Join(t.tar.Close(), z.Close())
}

// writer writes the entries.
type writer struct {
	tar            *tar.Writer
	now            time.Time
	said           Written
	entries, total int64
}

// home writes what a home folder holds.
func (t *writer) home(home string) error {
	return filepath.WalkDir(home, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read the home folder: %w", err)
		}
		rel, err := filepath.Rel(home, p)
		name := filepath.ToSlash(rel)
		switch {
		case err != nil || name == ".":
			return err
		case left(name) && d.IsDir():
			return fs.SkipDir
		case left(name):
			return nil
		case !d.IsDir() && !d.Type().IsRegular():
			t.said.Left = append(t.said.Left, name)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("read the home folder: %w", err)
		}
		if err := checkEntry(name, info.Mode(), max(info.Size(), 0)); err != nil {
			return fmt.Errorf("%w: move it out of the home folder %s", err, home)
		}
		if d.IsDir() {
			return t.folder(name, info.Mode())
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return fmt.Errorf("read the home folder: %w", err)
		}
		return t.add(name, info.Mode(), content)
	})
}

func (t *writer) folder(name string, mode fs.FileMode) error {
	return t.header(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: int64(mode.Perm()), ModTime: t.now})
}

func (t *writer) add(name string, mode fs.FileMode, content []byte) error {
	if err := t.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: int64(len(content)), ModTime: t.now}); err != nil {
		return err
	}
	t.said.Files++
	if _, err := t.tar.Write(content); err != nil {
		return fmt.Errorf("write %s into the backup: %w", name, err)
	}
	return nil
}

// header begins an entry, within the bounds of a file that can be put back.
func (t *writer) header(h *tar.Header) error {
	t.entries, t.total = t.entries+1, t.total+h.Size
	if t.entries > maxEntries || t.total > maxTotal {
		return fmt.Errorf("the home folder holds more than %d files or %d MiB: move out what is not omsync's", maxEntries, maxTotal>>20)
	}
	if err := t.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s into the backup: %w", h.Name, err)
	}
	return nil
}

// outside names what the configuration has in other folders.
func outside(c *config.Config) (out []string) {
	for _, p := range []string{c.PasswordFile, c.ProfileFile, c.Serve.TLSCert, c.Serve.TLSKey} {
		if p == "" {
			continue
		}
		if rel, err := filepath.Rel(c.Home, c.Path(p)); err != nil || !filepath.IsLocal(rel) {
			out = append(out, p)
		}
	}
	for _, p := range c.Hooks.AfterImport[:min(1, len(c.Hooks.AfterImport))] {
		if filepath.IsAbs(p) {
			out = append(out, p)
		}
	}
	return out
}

// recordName is the file in a home folder that says when its last backup was made.
const recordName = "backup.json"

// Record is when the last backup was made, and of what.
type Record struct {
	Made   time.Time `json:"made"`
	Digest string    `json:"digest"` // see [Digest]
}

// SaveRecord notes that a backup was made of the home folder as it is.
func SaveRecord(c *config.Config, made time.Time) error {
	digest, err := Digest(c)
	if err != nil {
		return err
	}
	text, err := json.Marshal(Record{made.UTC(), digest})
	if err != nil {
		return err
	}
	if err := durable.Write(filepath.Join(c.Home, recordName), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("note that there is a backup: %w", err)
	}
	return nil
}

// ReadRecord returns the last record; nil: there is none, or nobody can read it.
func ReadRecord(home string) *Record {
	text, err := os.ReadFile(filepath.Join(home, recordName))
	r := &Record{}
	if err != nil || json.Unmarshal(text, r) != nil || r.Made.IsZero() {
		return nil
	}
	return r
}

// Digest stands for what of a home folder nobody can make again: the configuration, the keys and that of the server.
func Digest(c *config.Config) (string, error) {
	identity, signing := keys.Files(c.Home, c.Node)
	sum := sha256.New()
	for _, p := range []string{filepath.Join(c.Home, config.Name), identity, signing, filepath.Join(c.Home, "tls", "tls.key")} {
		text, err := os.ReadFile(p)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n", filepath.Base(p), len(text))
		io.Copy(sum, bytes.NewReader(text))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
