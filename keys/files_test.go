package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestCreateThenLoad(t *testing.T) {
	for _, kind := range []Kind{"", Hybrid, X25519} {
		id, dir := newIdentity(t, "kisumu", kind)
		again, err := Load(dir, "kisumu")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(id.Card().Marshal(), again.Card().Marshal()) {
			t.Errorf("%q: loaded with another card", kind)
		}
		card, err := ParseCard(id.Card().Marshal())
		if err != nil {
			t.Fatal(err)
		}
		if hybrid := strings.HasPrefix(card.Recipient, "age1pq1"); hybrid != (kind != X25519) {
			t.Errorf("%q: recipient %.10s…", kind, card.Recipient)
		}
		sig, err := again.Sign([]byte("m"))
		if err != nil || card.VerifySignature([]byte("m"), sig) != nil {
			t.Errorf("%q: loaded key signs wrongly (%v)", kind, err)
		}
		got, err := decrypt(again, bytes.NewReader(encrypt(t, card, []byte("m"))))
		if err != nil || string(got) != "m" {
			t.Errorf("%q: loaded key decrypts to %q (%v)", kind, got, err)
		}
	}
}

func TestTwoNodesInOneFolder(t *testing.T) {
	hub, dir := newIdentity(t, "hub", X25519)
	kisumu, err := Create(dir, "kisumu", X25519)
	if err != nil {
		t.Fatal(err)
	}
	if hub.Card().Fingerprint() == kisumu.Card().Fingerprint() {
		t.Error("both nodes have one key")
	}
}

func TestFilesArePrivate(t *testing.T) {
	if !hasModes() {
		t.Skip("no permission bits here")
	}
	_, dir := newIdentity(t, "hub", Hybrid)
	agePath, pemPath := Files(dir, "hub")
	for path, want := range map[string]fs.FileMode{dir: 0o700, agePath: 0o600, pemPath: 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), want)
		}
	}
	for _, path := range []string{agePath, pemPath} {
		for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601} {
			chmod(t, path, mode)
			if _, err := Load(dir, "hub"); !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("mode %04o: error %v", mode, err)
			}
		}
		chmod(t, path, 0o400)
		if _, err := Load(dir, "hub"); err != nil {
			t.Errorf("mode 0400: %v", err)
		}
	}
}

func TestCreateAndFolderModes(t *testing.T) {
	if !hasModes() {
		t.Skip("no permission bits here")
	}
	for _, c := range []struct {
		name        string
		full        bool
		mode, after fs.FileMode
		err         error
	}{
		{"empty, open", false, 0o777, 0o700, nil},
		{"empty, readable", false, 0o755, 0o700, nil},
		{"in use, readable", true, 0o755, 0o755, nil},
		{"in use, group may write", true, 0o770, 0o770, ErrPermissions},
		{"in use, all may write", true, 0o777, 0o777, ErrPermissions},
	} {
		dir := t.TempDir()
		if c.full {
			writeFile(t, filepath.Join(dir, "config"), nil)
		}
		chmod(t, dir, c.mode)
		if _, err := Create(dir, "hub", X25519); !errors.Is(err, c.err) {
			t.Errorf("%s: error %v", c.name, err)
		}
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != c.after {
			t.Errorf("%s: mode %04o afterwards", c.name, info.Mode().Perm())
		}
	}
}

func TestCreateOverwritesNothing(t *testing.T) {
	for _, which := range []string{"identity", "signing", "both", "dangling link"} {
		dir := t.TempDir()
		agePath, pemPath := Files(dir, "hub")
		before := make(map[string]bool)
		if which == "identity" || which == "both" {
			writeFile(t, agePath, []byte("mine"))
			before[agePath] = true
		}
		if which == "signing" || which == "both" {
			writeFile(t, pemPath, []byte("mine"))
			before[pemPath] = true
		}
		if which == "dangling link" {
			if err := os.Symlink(filepath.Join(dir, "elsewhere"), agePath); err != nil {
				t.Skip(err)
			}
		}
		if _, err := Create(dir, "hub", X25519); !errors.Is(err, ErrExists) {
			t.Errorf("%s: error %v", which, err)
		}
		for _, path := range []string{agePath, pemPath} {
			b, err := os.ReadFile(path)
			if before[path] && string(b) != "mine" || !before[path] && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s now holds %d bytes (%v)", which, path, len(b), err)
			}
		}
	}
}

// TestWriteNewIsExclusive is what holds when two processes pass Create's look
// at the folder at once.
func TestWriteNewIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := writeNew(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path, []byte("second")); !errors.Is(err, ErrExists) {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(path); string(b) != "first" {
		t.Errorf("now holds %q (%v)", b, err)
	}
}

func TestCreateRace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := Create(dir, "hub", X25519)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, ErrExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d made the keys", won.Load())
	}
	if _, err := Load(dir, "hub"); err != nil {
		t.Error(err)
	}
}

// TestCreateLeavesNoHalfPair has the nth write go wrong.
func TestCreateLeavesNoHalfPair(t *testing.T) {
	full := errors.New("no space left")
	for n := 1; n <= 2; n++ {
		for _, how := range []string{"error", "lies"} {
			dir := t.TempDir()
			writes := 0
			_, err := create(dir, "hub", X25519, func(path string, b []byte) error {
				if writes++; writes != n {
					return writeNew(path, b)
				}
				if how == "lies" {
					return writeNew(path, b[:len(b)/2])
				}
				return full
			})
			if err == nil || how == "error" && !errors.Is(err, full) {
				t.Errorf("write %d %s: error %v", n, how, err)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) > 0 {
				t.Errorf("write %d %s: left %v (%v)", n, how, left, err)
			}
		}
	}
}

// TestLoadAfterCrash has what a crash between or within the two writes leaves.
func TestLoadAfterCrash(t *testing.T) {
	for _, c := range []struct {
		name        string
		age, pem    float64 // part of the file that is there, -1 for no file
		say, remove string
	}{
		{"no identity", -1, 1, "is missing", ".signing.pem"},
		{"no signing key", 1, -1, "is missing", ".identity.age.txt"},
		{"torn signing key", -1, 0.5, "is missing", ".signing.pem"},
		{"empty identity", 0, 1, "does not hold one age identity", "both key files"},
		{"torn identity", 0.5, 1, "does not hold one age identity", "both key files"},
		{"empty signing key", 1, 0, "PKCS #8", "both key files"},
		{"torn signing key beside an identity", 1, 0.5, "PKCS #8", "both key files"},
	} {
		_, dir := newIdentity(t, "hub", X25519)
		agePath, pemPath := Files(dir, "hub")
		tear(t, agePath, c.age)
		tear(t, pemPath, c.pem)
		_, err := Load(dir, "hub")
		if err == nil || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), "restore it from a backup") ||
			!strings.Contains(err.Error(), "remove ") || !strings.Contains(err.Error(), c.remove) {
			t.Errorf("%s: error %v", c.name, err)
		}
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: passes for a node without keys", c.name)
		}
		if _, err := Create(dir, "hub", X25519); !errors.Is(err, ErrExists) {
			t.Errorf("%s: created over it: %v", c.name, err)
		}
	}
	if _, err := Load(t.TempDir(), "hub"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no files: error %v", err)
	}
}

func TestLoadMixedUpFiles(t *testing.T) {
	_, dir := newIdentity(t, "hub", X25519)
	_, other := newIdentity(t, "hub", X25519)
	_, kisumu := newIdentity(t, "kisumu", X25519)
	agePath, pemPath := Files(dir, "hub")
	otherAge, otherPEM := Files(other, "hub")
	kisumuAge, kisumuPEM := Files(kisumu, "kisumu")
	ageText, pemText := readFile(t, agePath), readFile(t, pemPath)
	secretLine := func(text []byte) []byte { return text[bytes.Index(text, []byte("AGE-SECRET")):] }
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	ecText := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})

	for name, c := range map[string]struct {
		age, pem []byte
		say      string // "" for none
	}{
		"as made":                   {ageText, pemText, ""},
		"CR LF":                     {crlf(ageText), crlf(pemText), ""},
		"signing key of another":    {ageText, readFile(t, otherPEM), "do not belong together"},
		"identity of another":       {readFile(t, otherAge), pemText, "do not belong together"},
		"pair of another name":      {readFile(t, kisumuAge), readFile(t, kisumuPEM), `made for node "kisumu"`},
		"secret of another":         {bytes.Replace(ageText, secretLine(ageText), secretLine(readFile(t, otherAge)), 1), pemText, "not the one of its identity"},
		"secret without comments":   {secretLine(ageText), pemText, "made for node"},
		"two secrets":               {append(bytes.Clone(ageText), secretLine(readFile(t, otherAge))...), pemText, "one age identity"},
		"damaged comment":           {bytes.Replace(ageText, []byte(verifyComment), []byte(verifyComment+"!"), 1), pemText, "comment"},
		"files swapped":             {pemText, ageText, "one age identity"},
		"not Ed25519":               {ageText, ecText, "not an Ed25519 key"},
		"more than one signing key": {ageText, append(bytes.Clone(pemText), pemText...), "one unencrypted"},
		"damaged PKCS #8":           {ageText, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der[:20]}), "damaged"},
		"encrypted PKCS #8":         {ageText, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), "unencrypted"},
		"too long":                  {append(bytes.Repeat([]byte("#\n"), maxKeyFile/2), ageText...), pemText, "16384"},
	} {
		writeFile(t, agePath, c.age)
		writeFile(t, pemPath, c.pem)
		_, err := Load(dir, "hub")
		if c.say == "" && err != nil || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%s: error %v, want %q", name, err, c.say)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	if err := os.Remove(agePath); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(agePath, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, "hub"); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("folder for a file: error %v", err)
	}
}

func TestBadArguments(t *testing.T) {
	_, dir := newIdentity(t, "hub", X25519)
	sub := filepath.Join(dir, "sub")
	for _, name := range []string{"", "../keys/hub", "HUB", "nul"} {
		if _, err := Load(dir, name); err == nil {
			t.Errorf("loaded %q", name)
		}
		if _, err := Create(sub, name, X25519); err == nil {
			t.Errorf("created %q", name)
		}
	}
	if _, err := Create(sub, "hub", "rsa"); err == nil || !strings.Contains(err.Error(), "hybrid or x25519") {
		t.Errorf("kind rsa: error %v", err)
	}
	if _, err := os.Stat(sub); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a refused call made the folder")
	}
	if _, err := Create(filepath.Join(dir, "hub.signing.pem"), "hub", X25519); err == nil {
		t.Error("created keys in a file")
	}
}

func FuzzKeyFiles(f *testing.F) {
	for _, kind := range []Kind{Hybrid, X25519} {
		_, dir := newIdentity(f, "hub", kind)
		agePath, pemPath := Files(dir, "hub")
		f.Add(readFile(f, agePath), readFile(f, pemPath))
	}
	f.Fuzz(func(t *testing.T, ageText, pemText []byte) {
		if id, said, err := parseIdentityText(ageText); err == nil {
			again, saidAgain, err := parseIdentityText(identityText(said, id.secret))
			if err != nil || again.recipient != id.recipient || saidAgain.Fingerprint() != said.Fingerprint() {
				t.Errorf("identity changed when written again (%v)", err)
			}
		}
		if key, err := parseSigningText(pemText); err == nil {
			text, err := signingText(key)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := parseSigningText(text); err != nil || !again.Equal(key) {
				t.Errorf("signing key changed when written again (%v)", err)
			}
		}
	})
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func crlf(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }

func tear(t *testing.T, path string, part float64) {
	t.Helper()
	if part < 0 {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	b := readFile(t, path)
	writeFile(t, path, b[:int(part*float64(len(b)))])
}
