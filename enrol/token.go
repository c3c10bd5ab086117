package enrol

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/keys"
)

const (
	tokenPrefix  = "omsync-"
	tokenVersion = 1
	flagPin      = 1
	flagParent   = 2

	pinPrefix    = "sha256:"
	checksumSize = 4
)

var base64url = base64.RawURLEncoding.Strict()

// Token is what an invitation hands to the one who is invited. Whoever has it can join in the invited node's place:
// it is to be shown once, and not logged. The zero value is no token.
type Token struct {
	flags  byte
	secret [16]byte
	card   [16]byte // see digest
	pin    [sha256.Size]byte
}

// digest returns what a token holds of the hub's card.
func digest(c keys.Card) [16]byte {
	sum := sha256.Sum256(c.Marshal())
	return [16]byte(sum[:16])
}

func newToken(role access.Role, pin string, hub keys.Card) (Token, error) {
	t := Token{card: digest(hub)}
	switch role {
	case access.Child:
	case access.Parent:
		t.flags |= flagParent
	default:
		return Token{}, fmt.Errorf("role %q of the invited node: use %s or %s", role, access.Child, access.Parent)
	}
	if pin != "" {
		text, ok := strings.CutPrefix(pin, pinPrefix)
		b, err := base64url.DecodeString(text)
		if !ok || err != nil || len(b) != len(t.pin) || t.withPin(b).Pin() != pin {
			return Token{}, fmt.Errorf("pin %q: use %s and the 43 characters of base64url of a SHA-256", pin, pinPrefix)
		}
		t = t.withPin(b)
	}
	rand.Read(t.secret[:])
	return t, nil
}

// From reports whether the token was made with this card of a hub.
func (t Token) From(hub keys.Card) bool { return t.card == digest(hub) }

func (t Token) withPin(b []byte) Token {
	t.flags |= flagPin
	t.pin = [sha256.Size]byte(b)
	return t
}

// String returns the token as one word of 58 characters, 101 with a pin: letters, digits, - and _, safe in shells, mails and
// URLs.
func (t Token) String() string {
	b := append([]byte{tokenVersion, t.flags}, t.secret[:]...)
	b = append(b, t.card[:]...)
	if t.flags&flagPin != 0 {
		b = append(b, t.pin[:]...)
	}
	sum := sha256.Sum256(b)
	return tokenPrefix + base64url.EncodeToString(append(b, sum[:checksumSize]...))
}

// Format prints the token with %s and %v, and nothing of it with %+v, %#v and other verbs, which logs use.
func (t Token) Format(f fmt.State, verb rune) {
	if verb != 's' && verb != 'v' || f.Flag('+') || f.Flag('#') {
		io.WriteString(f, "omsync token")
		return
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), t.String())
}

// ParseToken reads what [Token.String] wrote; blanks and line ends around it do not matter. Its errors do not quote it.
func ParseToken(s string) (Token, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(s), tokenPrefix)
	if !ok {
		return Token{}, fmt.Errorf("not a token: it begins with %s, copy all of it from what omsync invite printed", tokenPrefix)
	}
	errMistyped := errors.New("the token is damaged or mistyped: copy it again from what omsync invite printed")
	if i := strings.IndexFunc(text, func(r rune) bool { return !inAlphabet(r) }); i >= 0 {
		return Token{}, fmt.Errorf("the token has something in it that is none of it, after %d characters: %w", len(tokenPrefix)+i, errMistyped)
	}
	const head = 4 // characters that hold version and flags
	if len(text) < head {
		return Token{}, errCut(len(text))
	}
	b, err := base64url.DecodeString(text[:head])
	if err != nil {
		return Token{}, errMistyped
	}
	t := Token{flags: b[1]}
	known := b[0] == tokenVersion && t.flags&^(flagPin|flagParent) == 0
	if want := len(t.String()) - len(tokenPrefix); known && len(text) < want {
		return Token{}, errCut(len(text))
	}
	b, err = base64url.DecodeString(text)
	if err != nil || len(b) < checksumSize {
		return Token{}, errMistyped
	}
	fields, checksum := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	if sum := sha256.Sum256(fields); string(sum[:checksumSize]) != string(checksum) {
		return Token{}, errMistyped
	}
	if !known {
		return Token{}, errors.New("the token is of a newer version: update omsync on this computer")
	}
	fields = fields[2:]
	fields = fields[copy(t.secret[:], fields):]
	fields = fields[copy(t.card[:], fields):]
	if t.flags&flagPin != 0 {
		copy(t.pin[:], fields)
	}
	if t.String() != tokenPrefix+text { // something was added, and the checksum made to fit
		return Token{}, errMistyped
	}
	return t, nil
}

func errCut(n int) error {
	return fmt.Errorf("the token is cut short, after %d characters: copy all of it from what omsync invite printed", len(tokenPrefix)+n)
}

func inAlphabet(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

// Pin returns what the hub's TLS certificate is recognized by, as it was handed to [Invitations.Create]: "sha256:" and
// base64url, or "" if the token has none.
func (t Token) Pin() string {
	if t.flags&flagPin == 0 {
		return ""
	}
	return pinPrefix + base64url.EncodeToString(t.pin[:])
}

// Role returns what the joining node will be to the hub.
func (t Token) Role() access.Role {
	if t.flags&flagParent != 0 {
		return access.Parent
	}
	return access.Child
}

// idSize is the bytes of an invitation's id, which is written in hexadecimal.
const idSize = 8

// id returns the invitation's name, which tells nothing of the secret.
func (t Token) id() string {
	return hex.EncodeToString(mac(t.secret[:], "omsync join id 1\n")[:idSize])
}

// key returns what authenticates requests and replies.
func (t Token) key() []byte {
	return mac(t.secret[:], "omsync join key 1\n")
}

// mac returns the HMAC-SHA256 of a message.
func mac[T string | []byte](key []byte, message T) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
