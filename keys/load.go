package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// ErrPermissions means that others than the owner can get at private keys.
var ErrPermissions = errors.New("private keys are open to others")

// maxKeyFile bounds what Load reads, in bytes; the files have some 2,200 and 120.
const maxKeyFile = 16 << 10

// Load reads the keys of node name from dir. It refuses, with a word on what
// to do, files that group or others can read, write or run ([ErrPermissions];
// not looked at on Windows, where access lists say it), files with other
// content, files that do not belong together or to this name, and one file
// without the other. With neither, the error is fs.ErrNotExist. Former keys come with
// them: see [Rotate].
func Load(dir, name string) (*Identity, error) {
	if err := ValidName(name); err != nil {
		return nil, err
	}
	at := func(file string) string {
		if next := filepath.Join(dir, nextName, file); exists(next) { // a rotation is not finished: new keys are there, or in their place already
			return next
		}
		return filepath.Join(dir, file)
	}
	id, err := loadPair(name, at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a rotation may have been at work meanwhile
		id, err = loadPair(name, at)
	}
	if errors.Is(err, errNone) {
		return nil, fmt.Errorf("no keys of node %q in %s (hint: is this the right folder and name?): %w", name, dir, fs.ErrNotExist)
	} else if err != nil {
		return nil, err
	}
	id.former, err = loadFormer(dir, name, id.Card())
	return id, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// errNone means that neither key file is there.
var errNone = errors.New("no keys")

// loadPair reads the two key files of a node. at returns where a file of a name is.
func loadPair(name string, at func(file string) string) (*Identity, error) {
	agePath, pemPath := Files("", name)
	agePath, pemPath = at(agePath), at(pemPath)
	ageText, ageErr := readPrivate(agePath)
	pemText, pemErr := readPrivate(pemPath)
	noAge, noPEM := errors.Is(ageErr, fs.ErrNotExist), errors.Is(pemErr, fs.ErrNotExist)
	switch {
	case noAge && noPEM:
		return nil, errNone
	case noAge && pemErr == nil:
		return nil, halfPair(agePath, pemPath)
	case noPEM && ageErr == nil:
		return nil, halfPair(pemPath, agePath)
	}
	if err := errors.Join(ageErr, pemErr); err != nil {
		return nil, fmt.Errorf("load keys: %w", err)
	}

	ageID, said, err := parseIdentityText(ageText)
	if err != nil {
		return nil, badFile(agePath, err)
	}
	signing, err := parseSigningText(pemText)
	if err != nil {
		return nil, badFile(pemPath, err)
	}
	id := &Identity{name: name, age: ageID, signing: signing}
	card := id.Card()
	switch {
	case said.Name != name:
		return nil, badFile(agePath, fmt.Errorf("it was made for node %.40q, not %q", said.Name, name))
	case said.Recipient != card.Recipient:
		return nil, badFile(agePath, errors.New("its public key is not the one of its identity"))
	case !bytes.Equal(said.Verify, card.Verify):
		return nil, fmt.Errorf("%s and %s do not belong together: restore both from one backup", agePath, pemPath)
	}
	return id, nil
}

func halfPair(missing, present string) error {
	return fmt.Errorf("key file %s is missing, but %s is there: restore it from a backup; "+
		"if the keys were being made when the machine stopped, and nobody has their card yet, remove %s and make them again",
		missing, present, present)
}

func badFile(path string, err error) error {
	return fmt.Errorf("key file %s: %w: restore it from a backup; "+
		"if the keys were being made when the machine stopped, and nobody has their card yet, remove both key files and make them again",
		path, err)
}

func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); hasModes() && mode&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o (hint: chmod 600 %s; where that does nothing, as on FAT, keep the keys elsewhere)",
			ErrPermissions, path, mode, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%s has more than %d bytes, so it is no key file", path, maxKeyFile)
	}
	return b, nil
}

// hasModes reports whether permission bits mean anything here.
func hasModes() bool { return runtime.GOOS != "windows" }
