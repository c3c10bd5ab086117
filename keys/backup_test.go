package keys

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A passphrase opens what was encrypted with it, and says so of what was not.
func TestPassphrase(t *testing.T) {
	var sealed bytes.Buffer
	w, err := encryptWith("five words that nobody chooses", 8, &sealed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "the home folder"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	open := func(passphrase string, b []byte) (string, error) {
		r, err := decryptWith(passphrase, 8, bytes.NewReader(b))
		if err != nil {
			return "", err
		}
		plain, err := io.ReadAll(r)
		return string(plain), err
	}
	if got, err := open("five words that nobody chooses", sealed.Bytes()); got != "the home folder" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := open("four words that nobody chooses", sealed.Bytes()); !errors.Is(err, ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
	if _, err := open("five words that nobody chooses", sealed.Bytes()[:sealed.Len()-1]); !errors.Is(err, ErrDamaged) {
		t.Errorf("cut short: %v", err)
	}
	if _, err := EncryptWith("too short", io.Discard); err == nil {
		t.Error("a passphrase that can be guessed is taken")
	}
	// What would take more time and memory than a file of our own is refused before it does.
	var slow bytes.Buffer
	if w, err = encryptWith("five words that nobody chooses", 9, &slow); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if _, err := open("five words that nobody chooses", slow.Bytes()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a file that is dear to open: %v", err)
	}
}

// The node whose card a file was encrypted to opens it by its identity file, which nobody else may read.
func TestDecryptBy(t *testing.T) {
	dir := t.TempDir()
	id, err := Create(dir, "hub", X25519)
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := id.Card().Encrypt(&sealed)
	if err == nil {
		_, err = io.WriteString(w, "the home folder")
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	path, _ := Files(dir, "hub")
	r, err := DecryptBy(path, bytes.NewReader(sealed.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(r); string(plain) != "the home folder" || err != nil {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := Create(dir, "other", X25519); err != nil {
		t.Fatal(err)
	}
	other, _ := Files(dir, "other")
	if _, err := DecryptBy(other, bytes.NewReader(sealed.Bytes())); !errors.Is(err, ErrOtherIdentity) {
		t.Errorf("another's identity: %v", err)
	}
	if _, err := DecryptBy(filepath.Join(dir, "none"), bytes.NewReader(nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no identity: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := DecryptBy(path, bytes.NewReader(sealed.Bytes())); hasModes() && !errors.Is(err, ErrPermissions) {
		t.Errorf("an identity that others can read: %v", err)
	}
}
