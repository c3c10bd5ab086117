package keys

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGoldenIdentities loads key files that the program from before wrote, which must be readable for good. Each node's card,
// beside them, was made with them then.
func TestGoldenIdentities(t *testing.T) {
	dir := t.TempDir()
	golden := func(name string) []byte { return readFile(t, filepath.Join("testdata", "identities", name)) }
	for node, kind := range map[string]string{"hub": "age1", "kisumu": "age1pq1"} {
		for _, name := range []string{node + ".identity.age.txt", node + ".signing.pem"} {
			if err := os.WriteFile(filepath.Join(dir, name), golden(name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		id, err := Load(dir, node)
		if err != nil {
			t.Fatal(err)
		}
		card, err := ParseCard(golden(node + ".card"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(id.Card().Marshal(), card.Marshal()) || !bytes.HasPrefix([]byte(card.Recipient), []byte(kind)) {
			t.Errorf("%s has another card now", node)
		}
		// They are written as they were.
		if got := identityText(card, id.age.secret); !bytes.Equal(got, golden(node+".identity.age.txt")) {
			t.Errorf("the identity of %s is written as another text", node)
		}
		if got, err := signingText(id.signing); err != nil || !bytes.Equal(got, golden(node+".signing.pem")) {
			t.Errorf("the signing key of %s is written as another text: %v", node, err)
		}
		if got, err := decrypt(id, bytes.NewReader(encrypt(t, card, []byte("obs")))); err != nil || string(got) != "obs" {
			t.Errorf("%s decrypts to %q, %v", node, got, err)
		}
	}
}
