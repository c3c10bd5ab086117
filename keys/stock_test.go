package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// TestIdentityFileIsStock reads the identity file the way age -d -i does.
func TestIdentityFileIsStock(t *testing.T) {
	for _, kind := range []Kind{Hybrid, X25519} {
		id, dir := newIdentity(t, "hub", kind)
		agePath, _ := Files(dir, "hub")
		ids, err := age.ParseIdentities(bytes.NewReader(readFile(t, agePath)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := age.Decrypt(bytes.NewReader(encrypt(t, id.Card(), []byte("obs"))), ids...)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(r); err != nil || got.String() != "obs" {
			t.Errorf("%s: decrypted to %q (%v)", kind, got.String(), err)
		}
	}
}

// TestStockAge has the age command itself decrypt with the identity file, and
// encrypt to the card.
func TestStockAge(t *testing.T) {
	bin := buildAge(t)
	for _, kind := range []Kind{Hybrid, X25519} {
		id, dir := newIdentity(t, "hub", kind)
		agePath, _ := Files(dir, "hub")
		got := run(t, encrypt(t, id.Card(), []byte("obs")), bin, "-d", "-i", agePath)
		if string(got) != "obs" {
			t.Errorf("%s: age decrypted to %q", kind, got)
		}
		sealed := run(t, []byte("obs"), bin, "-r", id.Card().Recipient)
		if got, err := decrypt(id, bytes.NewReader(sealed)); err != nil || string(got) != "obs" {
			t.Errorf("%s: what age encrypted decrypts to %q (%v)", kind, got, err)
		}
	}
}

// buildAge builds the command of the age version in go.mod: as part of this
// module, else, where go.sum does not have what the command alone needs, as the
// module that it is. Never from the network.
func buildAge(t *testing.T) string {
	t.Helper()
	const pkg = "filippo.io/age/cmd/age"
	bin := filepath.Join(t.TempDir(), "age")
	build := func(dir, pkg string) ([]byte, error) {
		cmd := exec.Command("go", "build", "-o", bin, pkg)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=")
		return cmd.CombinedOutput()
	}
	here, err := build("", pkg)
	if err == nil {
		return bin
	}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "filippo.io/age").Output()
	if err != nil {
		t.Skipf("no source of age: %v", err)
	}
	alone, err := build(strings.TrimSpace(string(dir)), "./cmd/age")
	if err != nil {
		t.Skipf("age cannot be built offline:\n%s%s", here, alone)
	}
	return bin
}

func TestOpenSSLReadsTheSigningKey(t *testing.T) {
	bin, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip(err)
	}
	id, dir := newIdentity(t, "hub", X25519)
	_, pemPath := Files(dir, "hub")
	block, _ := pem.Decode(run(t, nil, bin, "pkey", "-in", pemPath, "-pubout"))
	if block == nil {
		t.Fatal("openssl wrote no PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !id.Card().Verify.Equal(public.(crypto.PublicKey)) {
		t.Error("openssl has another public key")
	}
}

func run(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args[0], err, stderr.String())
	}
	return out
}
