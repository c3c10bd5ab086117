package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/edwards25519"
)

// MaxCard is the most bytes that [ParseCard] takes.
const MaxCard = 16 << 10

const (
	cardTitle      = "omsync card 1"
	cardLine       = 64 // characters of the recipient on one line
	checksumPrefix = "checksum: "
)

// Card is what others need to know of a node: public, but worth no more than
// the way it came by. People compare its fingerprint before they trust it.
type Card struct {
	Name      string            // see ValidName
	Recipient string            // age recipient: age1pq1… (hybrid) or age1… (X25519)
	Verify    ed25519.PublicKey // 32 bytes
}

// Marshal writes the card as text, as the package comment describes it. Of a
// card that neither [ParseCard] nor [Identity.Card] made, and that breaks their
// rules, it makes a text that ParseCard refuses.
func (c Card) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, cardTitle)
	fmt.Fprintf(&b, "name: %s\n", c.Name)
	fmt.Fprintf(&b, "verify: %s\n", base64.StdEncoding.EncodeToString(c.Verify))
	for rest := c.Recipient; rest != ""; {
		n := min(cardLine, len(rest))
		fmt.Fprintf(&b, "recipient: %s\n", rest[:n])
		rest = rest[n:]
	}
	fmt.Fprintf(&b, "fingerprint: %s\n", c.Fingerprint())
	fmt.Fprintf(&b, "%s%s\n", checksumPrefix, checksum(b.Bytes()))
	return b.Bytes()
}

func checksum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// ParseCard reads a card. Apart from line ends (CR LF for LF; missing or
// additional ones at the start and end) it takes only what [Card.Marshal]
// writes, and only keys that can be used: Ed25519 keys of small order, for
// which anyone can sign, and recipients that nothing can be encrypted to are
// refused. It takes at most [MaxCard] bytes.
func ParseCard(b []byte) (Card, error) {
	if len(b) > MaxCard {
		return Card{}, fmt.Errorf("card of %d bytes: a card has at most %d, so this is another file", len(b), MaxCard)
	}
	text := plainLines(b)
	if err := checkCardText(text); err != nil {
		return Card{}, err
	}
	c, err := readFields(text)
	if err != nil {
		return Card{}, fmt.Errorf("card: %w", err)
	}
	if err := c.check(); err != nil {
		return Card{}, fmt.Errorf("card: %w", err)
	}
	// One spelling only: whatever readFields is lenient about shows here.
	if !bytes.Equal(c.Marshal(), text) {
		return Card{}, errors.New("card is not as omsync writes it: ask its owner for a new copy")
	}
	return c, nil
}

// plainLines undoes what couriers' editors do to line ends.
func plainLines(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	b = bytes.Trim(b, "\n")
	return append(bytes.Clone(b), '\n')
}

// Keys returns the card's two keys as one line of text: its name is to be known by the reader.
func (c Card) Keys() string {
	return base64.StdEncoding.EncodeToString(c.Verify) + " " + c.Recipient
}

// ParseKeys reads what [Card.Keys] wrote of the node of a name, with the checks of [ParseCard].
func ParseKeys(name, text string) (Card, error) {
	if len(text) > MaxCard {
		return Card{}, errors.New("card: its keys are too long")
	}
	verify, recipient, _ := strings.Cut(text, " ")
	key, err := base64.StdEncoding.Strict().DecodeString(verify)
	if err != nil {
		return Card{}, fmt.Errorf("card: its verify key: %w", err)
	}
	c := Card{Name: name, Verify: key, Recipient: recipient}
	if err := c.check(); err != nil {
		return Card{}, fmt.Errorf("card: %w", err)
	}
	if c.Keys() != text {
		return Card{}, errors.New("card: its keys are not as omsync writes them")
	}
	return c, nil
}

// checkCardText refuses other files than cards, and damaged cards.
func checkCardText(text []byte) error {
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		return errors.New("card begins with a byte order mark: save it as plain text (UTF-8 without BOM, or ASCII)")
	}
	title, _, _ := bytes.Cut(text, []byte("\n"))
	if string(title) != cardTitle {
		if bytes.HasPrefix(title, []byte("omsync card ")) {
			return fmt.Errorf("card of an unknown version, %.40q: update omsync", title)
		}
		return fmt.Errorf("not a card: its first line is %.40q, not %q", title, cardTitle)
	}
	at := bytes.LastIndex(text, []byte("\n"+checksumPrefix))
	if at < 0 {
		return errors.New("card is cut short: its last line, the checksum, is missing; copy it again")
	}
	body, last := text[:at+1], text[at+1:]
	if want := checksumPrefix + checksum(body) + "\n"; string(last) != want {
		return errors.New("card is damaged: its checksum does not match; copy it again, as a file")
	}
	return nil
}

// readFields collects the fields; ParseCard checks their order and spelling.
func readFields(text []byte) (Card, error) {
	var c Card
	var recipient strings.Builder
	for line := range strings.Lines(string(text)) {
		field, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			continue
		}
		switch field {
		case "name":
			c.Name = value
		case "verify":
			key, err := base64.StdEncoding.Strict().DecodeString(value)
			if err != nil {
				return Card{}, fmt.Errorf("verify line: %w", err)
			}
			c.Verify = key
		case "recipient":
			recipient.WriteString(value)
		}
	}
	c.Recipient = recipient.String()
	return c, nil
}

// check returns why the card's contents cannot be used, or nil if they can.
func (c Card) check() error {
	if err := ValidName(c.Name); err != nil {
		return err
	}
	if err := checkVerifyKey(c.Verify); err != nil {
		return err
	}
	r, err := parseRecipient(c.Recipient)
	if err != nil {
		return err
	}
	// A trial, because age notices X25519 points of small order only here.
	if _, err := r.Wrap(make([]byte, 16)); err != nil {
		return errors.New("nothing can be encrypted to its recipient: ask its owner for a new card")
	}
	return nil
}

// checkVerifyKey takes canonical encodings of points that are not of small
// order (RFC 8032, section 5.1.3; under the others, signatures can be made
// without the private key, or one key has two spellings).
func checkVerifyKey(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("verify key of %d bytes: an Ed25519 key has %d", len(key), ed25519.PublicKeySize)
	}
	p, err := new(edwards25519.Point).SetBytes(key)
	if err != nil || !bytes.Equal(p.Bytes(), key) {
		return errors.New("verify key is no Ed25519 key: ask its owner for a new card")
	}
	if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return errors.New("verify key is worthless, anyone can sign for it: do not trust this card")
	}
	return nil
}

// parseRecipient takes the two native kinds of age, in their one spelling.
func parseRecipient(s string) (age.Recipient, error) {
	var r interface {
		age.Recipient
		fmt.Stringer
	}
	var err error
	switch {
	case strings.HasPrefix(s, "age1pq1"):
		r, err = age.ParseHybridRecipient(s)
	case strings.HasPrefix(s, "age1"):
		r, err = age.ParseX25519Recipient(s)
	default:
		return nil, errors.New("recipient is of a kind that omsync does not know: it must begin with age1")
	}
	// The text of age's error holds the recipient, up to 2,000 characters.
	if err != nil || r.String() != s {
		return nil, errors.New("recipient is no age public key: ask its owner for a new card")
	}
	return r, nil
}
