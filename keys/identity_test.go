package keys

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestSignIsRFC8032 is test 1 of RFC 8032, section 7.1.
func TestSignIsRFC8032(t *testing.T) {
	seed, _ := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	const want = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
	id := &Identity{name: "hub", signing: ed25519.NewKeyFromSeed(seed)}
	sig, err := id.Sign(nil)
	if err != nil || hex.EncodeToString(sig) != want {
		t.Fatalf("signature %x, error %v", sig, err)
	}
}

func TestVerifySignature(t *testing.T) {
	id, _ := newIdentity(t, "hub", X25519)
	other, _ := newIdentity(t, "hub", X25519)
	rapid.Check(t, func(t *rapid.T) {
		msg := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "msg")
		sig, err := id.Sign(msg)
		if err != nil || len(sig) != ed25519.SignatureSize {
			t.Fatalf("%d bytes, error %v", len(sig), err)
		}
		if err := id.Card().VerifySignature(msg, sig); err != nil {
			t.Fatal(err)
		}
		badMsg, badSig := bytes.Clone(msg), bytes.Clone(sig)
		badMsg[rapid.IntRange(0, len(msg)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		badSig[rapid.IntRange(0, len(sig)-1).Draw(t, "sig at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "sig bit")
		for what, err := range map[string]error{
			"changed message":   id.Card().VerifySignature(badMsg, sig),
			"changed signature": id.Card().VerifySignature(msg, badSig),
			"short signature":   id.Card().VerifySignature(msg, sig[:63]),
			"no signature":      id.Card().VerifySignature(msg, nil),
			"other node":        other.Card().VerifySignature(msg, sig),
			"card without key":  Card{}.VerifySignature(msg, sig),
		} {
			if !errors.Is(err, ErrSignature) {
				t.Fatalf("%s: %v", what, err)
			}
		}
	})
}

func TestIdentityWithoutKeys(t *testing.T) {
	var id Identity
	if _, err := id.Sign(nil); err == nil {
		t.Error("signed without a key")
	}
	if _, err := id.Decrypt(strings.NewReader("")); err == nil {
		t.Error("decrypted without a key")
	}
}

// TestIdentityPrintsNoKeys prints one every way and looks for the private keys.
func TestIdentityPrintsNoKeys(t *testing.T) {
	id, _ := newIdentity(t, "hub", X25519)
	seed := id.signing.Seed()
	secrets := []string{
		id.age.secret[20:],
		string(seed),
		fmt.Sprintf("%x", seed), fmt.Sprintf("%X", seed),
		strings.Trim(fmt.Sprint(seed), "[]"), strings.Trim(fmt.Sprintf("%o", seed), "[]"),
		strings.Trim(fmt.Sprintf("%#v", []byte(seed)), "[]byte{}"),
	}
	holder := struct{ ID *Identity }{id}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%T"} {
		for _, v := range []any{id, *id, holder, []*Identity{id}, []Identity{*id}} {
			out := fmt.Sprintf(verb, v)
			if i := slices.IndexFunc(secrets, func(s string) bool { return strings.Contains(out, s) }); i >= 0 {
				t.Errorf("%s of %T shows secret %d", verb, v, i)
			}
		}
	}
	if got := fmt.Sprint(id); got != "identity of hub" {
		t.Errorf("printed as %q", got)
	}
}
