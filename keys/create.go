package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omsync/omsync/internal/durable"
)

// ErrExists means that a key file is there already. Keys are never
// overwritten: what was encrypted to them would be lost.
var ErrExists = errors.New("key file exists already, and keys are never overwritten")

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// Create makes the keys of node name, writes them to two new files in dir (see
// [Files]) and loads them from there. An empty kind is [Hybrid].
//
// It makes dir, and its parents, with mode 0700 where they are missing, and
// narrows an empty dir to that; a dir that holds something and that group or
// others can write to is refused with [ErrPermissions]. If either file exists,
// the error is [ErrExists] and nothing changes. Whatever the error, the files
// it made are gone again; only a crash can leave one, and [Load] then says so.
func Create(dir, name string, kind Kind) (*Identity, error) {
	return create(dir, name, kind, writeNew)
}

// create is Create with a way to have writing go wrong.
func create(dir, name string, kind Kind, write func(path string, b []byte) error) (*Identity, error) {
	if err := ValidName(name); err != nil {
		return nil, err
	}
	ageID, err := newAgeIdentity(kind)
	if err != nil {
		return nil, err
	}
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	pemText, err := signingText(signing)
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	ageText := identityText((&Identity{name: name, age: ageID, signing: signing}).Card(), ageID.secret)

	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("key folder: %w", err)
	}
	agePath, pemPath := Files(dir, name)
	for _, path := range []string{agePath, pemPath} {
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("%w: %s (hint: move it away if it was never used)", ErrExists, path)
		}
	}
	if err := write(pemPath, pemText); err != nil {
		return nil, fmt.Errorf("write signing key: %w", err)
	}
	if err := write(agePath, ageText); err != nil {
		return nil, errors.Join(fmt.Errorf("write age identity: %w", err), os.Remove(pemPath))
	}
	id, err := Load(dir, name)
	if err == nil {
		err = durable.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keys just written to %s cannot be used: %w", dir, err),
			os.Remove(agePath), os.Remove(pemPath))
	}
	return id, nil
}

func makeDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return err
		}
		return durable.SyncDir(filepath.Dir(dir))
	} else if err != nil {
		return err
	}
	if !hasModes() || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return os.Chmod(dir, dirMode)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: others can write to %s (hint: chmod 700 %s)", ErrPermissions, dir, dir)
	}
	return nil
}

// writeNew writes a file that was not there before, private and on disk, or
// leaves none.
func writeNew(path string, b []byte) error {
	err := durable.Create(path, b, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrExists, path)
	}
	return err
}
