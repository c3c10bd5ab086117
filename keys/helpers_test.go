package keys

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"
)

func newIdentity(t testing.TB, name string, kind Kind) (*Identity, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	id, err := Create(dir, name, kind)
	if err != nil {
		t.Fatal(err)
	}
	return id, dir
}

type fataler interface{ Fatal(args ...any) }

func encrypt(t fataler, c Card, plain []byte) []byte {
	var out bytes.Buffer
	w, err := c.Encrypt(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func decrypt(id *Identity, sealed io.Reader) ([]byte, error) {
	r, err := id.Decrypt(sealed)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
