package cards

import (
	"testing"

	"github.com/omsync/omsync/keys"
)

// What is kept is the card that is stored now; one that is no card is none, and what was revoked since counts.
func TestCache(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	var c Cache
	read := func(card keys.Card) *Peer {
		t.Helper()
		p, err := c.Read(home, "kisumu", card.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		if p.Card().Fingerprint() != card.Fingerprint() {
			t.Errorf("another card than the stored one")
		}
		return p
	}
	first, err := keys.Create(dir+"/1", "kisumu", keys.X25519)
	if err != nil {
		t.Fatal(err)
	}
	second, err := keys.Create(dir+"/2", "kisumu", keys.X25519)
	if err != nil {
		t.Fatal(err)
	}
	read(first.Card())
	if read(first.Card()).Revoked() {
		t.Error("revoked, and nobody did")
	}
	read(second.Card())
	if _, err := c.Read(home, "kisumu", []byte("no card")); err == nil {
		t.Error("what is no card is one")
	}
	if err := read(first.Card()).Revoke(); err != nil {
		t.Fatal(err)
	}
	if !read(first.Card()).Revoked() {
		t.Error("what was revoked counts")
	}
}
