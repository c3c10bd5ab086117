package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What was encrypted to a node's keys is read after they were rotated, until the keys are forgotten.
func TestRotate(t *testing.T) {
	dir := t.TempDir()
	old, err := Create(dir, "kisumu", X25519)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	file := encrypted(t, old.Card())
	id, err := Rotate(dir, "kisumu", Hybrid, at)
	if err != nil {
		t.Fatal(err)
	}
	if id.Kind() != Hybrid || old.Kind() != X25519 || id.Card().Fingerprint() == old.Card().Fingerprint() {
		t.Errorf("the kinds are %s and %s, the cards %s and %s", old.Kind(), id.Kind(), old.Card().Fingerprint(), id.Card().Fingerprint())
	}
	if f := id.Former(); len(f) != 1 || f[0].Card().Fingerprint() != old.Card().Fingerprint() || !f[0].Until.Equal(at) {
		t.Fatalf("former: %v", f)
	}
	if sig, err := id.Former()[0].Sign([]byte("x")); err != nil || old.Card().VerifySignature([]byte("x"), sig) != nil {
		t.Error("the former key does not sign as before")
	}
	decrypts(t, id, file)
	decrypts(t, id, encrypted(t, id.Card()))

	// The clock was set back: the order stays.
	again, err := Rotate(dir, "kisumu", id.Kind(), at.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if f := again.Former(); len(f) != 2 || f[0].Card().Fingerprint() != id.Card().Fingerprint() || f[1].Card().Fingerprint() != old.Card().Fingerprint() {
		t.Fatalf("former: %v", f)
	}
	if err := Forget(dir, again.Former()[1]); err != nil {
		t.Fatal(err)
	}
	again, err = Load(dir, "kisumu")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Decrypt(bytes.NewReader(file)); !errors.Is(err, ErrNotForUs) {
		t.Errorf("with keys that were forgotten: %v", err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 && path != dir {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A rotation that is killed leaves the old keys or the new ones, and the next one works.
func TestRotateKilled(t *testing.T) {
	steps := []string{"copied", "kept", "made", "taken", "moved kisumu.signing.pem", "moved kisumu.identity.age.txt"}
	for i, last := range steps {
		t.Run(last, func(t *testing.T) {
			dir := t.TempDir()
			old, err := Create(dir, "kisumu", X25519)
			if err != nil {
				t.Fatal(err)
			}
			file, at := encrypted(t, old.Card()), time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
			killed := errors.New("killed")
			if _, err := rotate(dir, "kisumu", X25519, at, func(step string) error {
				if step == last {
					return killed
				}
				return nil
			}); !errors.Is(err, killed) {
				t.Fatal(err)
			}
			id, err := Load(dir, "kisumu")
			if err != nil {
				t.Fatal(err)
			}
			rotated := id.Card().Fingerprint() != old.Card().Fingerprint()
			if rotated != (i >= 3) || rotated != (len(id.Former()) == 1) {
				t.Errorf("rotated: %v, former: %v", rotated, id.Former())
			}
			decrypts(t, id, file)
			before := encrypted(t, id.Card())
			again, err := Rotate(dir, "kisumu", X25519, at.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if rotated {
				want = 2
			}
			if len(again.Former()) != want || again.Former()[0].Card().Fingerprint() != id.Card().Fingerprint() {
				t.Errorf("former: %v", again.Former())
			}
			decrypts(t, again, before)
			decrypts(t, again, file)
			for _, name := range []string{nextName, nextName + ".new", FormerName + "/new"} {
				if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", name, err)
				}
			}
		})
	}
}

// Damaged former keys are said, with what to do.
func TestFormerKeysDamaged(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(dir, "kisumu", X25519); err != nil {
		t.Fatal(err)
	}
	at := time.UnixMicro(7)
	if _, err := Rotate(dir, "kisumu", X25519, at); err != nil {
		t.Fatal(err)
	}
	path, _ := Files(formerFolder(dir, at), "kisumu")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, "kisumu"); err == nil || !bytes.Contains([]byte(err.Error()), []byte("move "+filepath.Dir(path)+" away")) {
		t.Errorf("got %v", err)
	}
}

func TestCardKeys(t *testing.T) {
	for _, kind := range []Kind{X25519, Hybrid} {
		id, err := Create(t.TempDir(), "kisumu", kind)
		if err != nil {
			t.Fatal(err)
		}
		c := id.Card()
		back, err := ParseKeys("kisumu", c.Keys())
		if err != nil || back.Fingerprint() != c.Fingerprint() {
			t.Errorf("%v: %v", back, err)
		}
		for _, bad := range []string{"", c.Keys() + " ", " " + c.Keys(), c.Keys()[1:], c.Keys()[:60], "AAAA " + c.Recipient, fmt.Sprintf("%*s", MaxCard+1, c.Keys())} {
			if _, err := ParseKeys("kisumu", bad); err == nil {
				t.Errorf("taken: %.80q", bad)
			}
		}
		if _, err := ParseKeys("../x", c.Keys()); err == nil {
			t.Error("a name that is none was taken")
		}
	}
}

func encrypted(t *testing.T, c Card) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := c.Encrypt(&b)
	if err == nil {
		_, err = w.Write([]byte("rows"))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decrypts(t *testing.T, id *Identity, file []byte) {
	t.Helper()
	r, err := id.Decrypt(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "rows" {
		t.Errorf("%q, %v", b, err)
	}
}
