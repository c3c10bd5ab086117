package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// Files returns the paths of the two key files of a node in dir.
func Files(dir, name string) (identity, signing string) {
	return filepath.Join(dir, name+".identity.age.txt"), filepath.Join(dir, name+".signing.pem")
}

const (
	nameComment      = "# node: "
	recipientComment = "# public key: " // as age-keygen has it
	verifyComment    = "# signing key: "
)

// identityText returns the age identity file of c's node. Its comments bind it to
// the name and to the other file.
func identityText(c Card, secret string) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, "# omsync identity. Private: it opens all that is sent to this node.")
	fmt.Fprintln(&b, nameComment+c.Name)
	fmt.Fprintln(&b, recipientComment+c.Recipient)
	fmt.Fprintln(&b, verifyComment+base64.StdEncoding.EncodeToString(c.Verify))
	fmt.Fprintln(&b, secret)
	return b.Bytes()
}

// parseIdentityText reads what identityText wrote: the identity, and the card
// that its comments describe. Errors never quote the text.
func parseIdentityText(text []byte) (ageIdentity, Card, error) {
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil || len(ids) != 1 {
		return ageIdentity{}, Card{}, errors.New("it does not hold one age identity")
	}
	id, err := wrapAge(ids[0])
	if err != nil {
		return ageIdentity{}, Card{}, err
	}
	var c Card
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if v, ok := strings.CutPrefix(line, nameComment); ok {
			c.Name = v
		} else if v, ok := strings.CutPrefix(line, recipientComment); ok {
			c.Recipient = v
		} else if v, ok := strings.CutPrefix(line, verifyComment); ok {
			if c.Verify, err = base64.StdEncoding.Strict().DecodeString(v); err != nil {
				return ageIdentity{}, Card{}, errors.New("its comment with the signing key is damaged")
			}
		}
	}
	return id, c, nil
}

const pemType = "PRIVATE KEY" // PKCS #8, RFC 7468 section 10

func signingText(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// parseSigningText reads a file with one Ed25519 key. Errors never quote it.
func parseSigningText(text []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("it does not hold one unencrypted PKCS #8 key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its PKCS #8 key is damaged")
	}
	signing, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("its key is not an Ed25519 key")
	}
	return signing, nil
}
