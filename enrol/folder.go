package enrol

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/keys"
)

const (
	fileSuffix = ".json"
	tempSuffix = ".json.new" // of hidden files: see package durable
	lockName   = "lock"

	recordVersion = 1
	maxRecord     = 16 << 10 // bytes; a record has some 400
)

// Invitations are kept in a folder, a file each. Several goroutines and processes may use one folder at once; it must be
// on a disk of this machine, since network shares may have no locks.
type Invitations struct {
	dir  string
	lock *lockedfile.Mutex // held by whoever reads or writes the files
}

// OpenInvitations opens the folder that a hub keeps its invitations in, and makes it with mode 0700, and its parents, if it
// is missing. A folder that others can get at is refused: who reads it could pass for the hub or for the invited.
func OpenInvitations(dir string) (*Invitations, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			err = durable.SyncDir(filepath.Dir(dir))
		}
		if err == nil {
			info, err = os.Stat(dir)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("folder of invitations: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("folder of invitations: %s is a file: move it away", dir)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fmt.Errorf("folder of invitations: others can get at %s, its mode is %04o (hint: chmod 700 %s)", dir, mode, dir)
	}
	return &Invitations{dir: dir, lock: lockedfile.MutexAt(filepath.Join(dir, lockName))}, nil
}

// record is a file: an invitation, and the key that its token's requests are made with.
type record struct {
	Version int `json:"omsync_invitation"`
	Invitation
	Key []byte `json:"key"`
}

func (v *Invitations) path(id string) string { return filepath.Join(v.dir, id+fileSuffix) }

// exists returns fs.ErrNotExist for whatever cannot be an id, too.
func (v *Invitations) exists(id string) error {
	if !isID(id) {
		return fmt.Errorf("there is no such invitation: %w", fs.ErrNotExist)
	}
	_, err := os.Lstat(v.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no such invitation: %w", fs.ErrNotExist)
	}
	return err
}

// read reads one record; fs.ErrNotExist if there is none.
func (v *Invitations) read(id string) (*record, error) {
	if err := v.exists(id); err != nil {
		return nil, err
	}
	info, err := os.Stat(v.path(id))
	if err != nil {
		return nil, err
	}
	if info.Size() > maxRecord || !info.Mode().IsRegular() {
		return nil, v.damaged(id)
	}
	b, err := os.ReadFile(v.path(id))
	if err != nil {
		return nil, err
	}
	r := new(record)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil || r.Version != recordVersion {
		if r.Version > recordVersion {
			return nil, fmt.Errorf("%s is of a newer version: update omsync", v.path(id))
		}
		return nil, v.damaged(id)
	}
	if r.ID != id || len(r.Key) != sha256.Size || keys.ValidName(r.Name) != nil || !r.Role.Valid() || r.Expires.IsZero() {
		return nil, v.damaged(id)
	}
	return r, nil
}

func (v *Invitations) damaged(id string) error {
	return fmt.Errorf("%s is damaged: remove it, and invite the node anew", v.path(id))
}

func (v *Invitations) readAll() ([]*record, error) {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return nil, err
	}
	var out []*record
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), fileSuffix)
		if !ok || !isID(id) {
			continue
		}
		r, err := v.read(id)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// write puts a record on the disk, whole or not at all, in place of the one of its id.
func (v *Invitations) write(r *record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return durable.Write(v.path(r.ID), append(b, '\n'), 0o600)
}

func (v *Invitations) remove(ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		if err := os.Remove(v.path(id)); err != nil {
			return err
		}
	}
	return durable.SyncDir(v.dir)
}

// clearTemps removes what killed runs left: whoever holds the lock writes alone.
func (v *Invitations) clearTemps() error {
	left, err := filepath.Glob(filepath.Join(v.dir, ".*"+tempSuffix))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
