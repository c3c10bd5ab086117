package keys

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"filippo.io/age"
)

// ErrSignature means that a signature was not made, over these bytes, by the
// key it was checked with.
var ErrSignature = errors.New("signature does not match: the file was changed on its way, or another node made it")

// Kind is the kind of an age identity.
type Kind string

const (
	// Hybrid is age's post-quantum kind (ML-KEM-768 with X25519), and what ""
	// stands for. Its recipients have 1,959 characters, and a file encrypted to
	// one is some 1,500 bytes longer than with X25519.
	Hybrid Kind = "hybrid"
	// X25519 is the kind for links where each byte costs.
	X25519 Kind = "x25519"
)

// Identity is the private half of a node. [Create] and [Load] make it; it is
// safe for use by several goroutines at once.
type Identity struct {
	name    string
	age     ageIdentity
	signing ed25519.PrivateKey
	former  []Former // the latest first
}

// ageIdentity is what the two native kinds of age have in common here.
type ageIdentity struct {
	age.Identity
	secret    string // AGE-SECRET-KEY-…
	recipient string // age1…
}

// Card returns the public half, to be given to others.
func (id *Identity) Card() Card {
	return Card{
		Name:      id.name,
		Recipient: id.age.recipient,
		Verify:    id.signing.Public().(ed25519.PublicKey),
	}
}

// Format keeps private keys out of logs, whatever the verb.
func (id Identity) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "identity of %s", id.name)
}

// Sign signs msg with the node's Ed25519 key (RFC 8032, pure Ed25519): 64
// bytes, the same each time. A caller that signs more than one kind of message
// begins each with a string of its own, so that none passes for another.
func (id *Identity) Sign(msg []byte) ([]byte, error) {
	if len(id.signing) != ed25519.PrivateKeySize {
		return nil, errors.New("sign: this identity has no keys; load them first")
	}
	return ed25519.Sign(id.signing, msg), nil
}

// VerifySignature checks that the card's owner signed msg. The error is
// [ErrSignature], whatever is wrong.
func (c Card) VerifySignature(msg, sig []byte) error {
	// ed25519.Verify panics on keys of another length.
	if len(c.Verify) != ed25519.PublicKeySize || !ed25519.Verify(c.Verify, msg, sig) {
		return ErrSignature
	}
	return nil
}

func newAgeIdentity(kind Kind) (ageIdentity, error) {
	switch kind {
	case Hybrid, "":
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			return ageIdentity{}, fmt.Errorf("make age identity: %w", err)
		}
		return wrapAge(id)
	case X25519:
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return ageIdentity{}, fmt.Errorf("make age identity: %w", err)
		}
		return wrapAge(id)
	}
	return ageIdentity{}, fmt.Errorf("unknown kind of key %q: use %s or %s", kind, Hybrid, X25519)
}

func wrapAge(id age.Identity) (ageIdentity, error) {
	switch id := id.(type) {
	case *age.HybridIdentity:
		return ageIdentity{id, id.String(), id.Recipient().String()}, nil
	case *age.X25519Identity:
		return ageIdentity{id, id.String(), id.Recipient().String()}, nil
	}
	return ageIdentity{}, errors.New("this kind of age identity cannot be a node's: use hybrid or x25519")
}
