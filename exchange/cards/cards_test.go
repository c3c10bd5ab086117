package cards

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/keys/rotation"
)

func identity(t *testing.T) *keys.Identity {
	t.Helper()
	id, err := keys.Create(t.TempDir(), "kisumu", keys.X25519)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func read(t *testing.T, home string, stored *keys.Identity) *Peer {
	t.Helper()
	p, err := Read(home, "kisumu", stored.Card().Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func print(id *keys.Identity) string { return id.Card().Fingerprint() }

// signer returns the card that a signature of some keys is taken by; "" if it is not.
func signer(t *testing.T, p *Peer, id *keys.Identity) string {
	t.Helper()
	sig, err := id.Sign([]byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Verify([]byte("message"), sig)
	if err != nil && !errors.Is(err, keys.ErrSignature) {
		t.Fatal(err)
	}
	return got
}

func hear(t *testing.T, p *Peer, h rotation.Header, next string) Heard {
	t.Helper()
	heard, err := p.Hear(h, next)
	if err != nil {
		t.Fatal(err)
	}
	return heard
}

// A peer's new card is named, counts beside the old one, and takes its place: also for who reads it from the disk, and after a restore of the
// database.
func TestNewCard(t *testing.T) {
	home, a, b := t.TempDir(), identity(t), identity(t)
	p := read(t, home, a)
	if signer(t, p, a) != print(a) || signer(t, p, b) != "" {
		t.Fatal("at first")
	}
	if got := hear(t, p, rotation.Header{Signed: print(a), Counts: rotation.All}, ""); got != (Heard{}) {
		t.Errorf("nothing was said: %+v", got)
	}
	if got := hear(t, p, rotation.Header{Signed: print(a), Counts: rotation.All}, "nonsense"); got != (Heard{}) {
		t.Errorf("nonsense was said: %+v", got)
	}
	if _, err := os.Lstat(path(home, "kisumu")); err == nil {
		t.Error("a file was written for nothing")
	}
	if got := hear(t, p, rotation.Header{Signed: print(a), Has: []string{"x"}, Counts: rotation.All}, b.Card().Keys()); got != (Heard{Named: true, Has: true}) {
		t.Errorf("named: %+v", got)
	}
	p = read(t, home, a)
	if signer(t, p, a) != print(a) || signer(t, p, b) != print(b) || p.Card().Fingerprint() != print(a) || p.Has[0] != "x" {
		t.Fatal("named")
	}
	if got := hear(t, p, rotation.Header{Signed: print(b), Counts: rotation.All}, b.Card().Keys()); got != (Heard{Replaced: true}) {
		t.Errorf("replaced: %+v", got)
	}
	for _, stored := range []*keys.Identity{a, b} {
		p = read(t, home, stored)
		if signer(t, p, a) != "" || signer(t, p, b) != print(b) || p.Card().Fingerprint() != print(b) {
			t.Errorf("replaced, with %s in the database", print(stored))
		}
	}
	// A person gave it another card.
	c := identity(t)
	if p = read(t, home, c); signer(t, p, b) != "" || signer(t, p, c) != print(c) {
		t.Error("with a new card in the database")
	}
	if err := Forget(home, "kisumu"); err != nil {
		t.Fatal(err)
	}
	if p = read(t, home, a); signer(t, p, a) != print(a) || p.Has != nil {
		t.Error("forgotten")
	}
}

// Of keys that were revoked nothing is taken, nor of those that their thief named; whatever card the signing key stands on.
func TestRevokedKeys(t *testing.T) {
	home, a, b, thief := t.TempDir(), identity(t), identity(t), identity(t)
	p := read(t, home, a)
	hear(t, p, rotation.Header{Signed: print(a), Counts: rotation.All}, thief.Card().Keys())
	if err := p.Revoke(); err != nil {
		t.Fatal(err)
	}
	if err := read(t, home, a).Revoke(); err != nil {
		t.Errorf("again: %v", err)
	}
	p = read(t, home, a)
	if !p.Revoked() || signer(t, p, a) != "" || signer(t, p, thief) != "" {
		t.Error("revoked")
	}
	if got := hear(t, p, rotation.Header{Signed: print(thief), Counts: rotation.All}, ""); got != (Heard{}) {
		t.Errorf("a file of the thief's: %+v", got)
	}
	other := a.Card()
	other.Recipient = b.Card().Recipient
	if !IsRevoked(home, other) || IsRevoked(home, b.Card()) {
		t.Error("a card with the same signing key")
	}
	if err := Forget(home, "kisumu"); err != nil {
		t.Fatal(err)
	}
	p = read(t, home, b)
	if p.Revoked() || signer(t, p, b) != print(b) {
		t.Error("a new card")
	}
	if got := hear(t, p, rotation.Header{Signed: print(b), Counts: rotation.All}, a.Card().Keys()); got != (Heard{}) {
		t.Errorf("a revoked card was named: %+v", got)
	}
	if signer(t, read(t, home, a), a) != "" {
		t.Error("the database was restored")
	}
}

func TestDamagedRecord(t *testing.T) {
	home, a := t.TempDir(), identity(t)
	if err := os.MkdirAll(filepath.Join(home, "cards"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{}", `{"omsync_cards":2}`, `{"omsync_cards":1,"present":"x"}`} {
		if err := os.WriteFile(path(home, "kisumu"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(home, "kisumu", a.Card().Marshal()); err == nil {
			t.Errorf("read: %q", text)
		}
	}
	if _, err := Read(home, "../cards/kisumu", a.Card().Marshal()); err != nil {
		t.Errorf("of a name that is a path: %v", err)
	}
}
