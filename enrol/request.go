package enrol

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/omsync/omsync/keys"
)

// MaxMessage is the most bytes that a request or a reply has.
const MaxMessage = 32 << 10

const messageVersion = 1

// request is what the joining node sends.
type request struct {
	Version   int    `json:"omsync_join"`
	ID        string `json:"invitation,omitempty"` // "": open registration
	Card      string `json:"card"`
	MAC       []byte `json:"mac,omitempty"`
	Signature []byte `json:"signature"`
}

// Request returns the bytes by which this node asks the hub that made the token to take it.
func (t Token) Request(id *keys.Identity) ([]byte, error) {
	if t == (Token{}) {
		return nil, errors.New("ask to join: there is no token")
	}
	q := &request{Version: messageVersion, ID: t.id(), Card: string(id.Card().Marshal())}
	q.MAC = q.mac(t.key(), t.card)
	return q.sign(id)
}

// OpenRequest returns the bytes by which this node asks a hub that takes anybody (open registration) to take it.
func OpenRequest(id *keys.Identity) ([]byte, error) {
	return (&request{Version: messageVersion, Card: string(id.Card().Marshal())}).sign(id)
}

func (q *request) sign(id *keys.Identity) ([]byte, error) {
	var err error
	if q.Signature, err = id.Sign(q.signed()); err != nil {
		return nil, fmt.Errorf("ask to join: %w", err)
	}
	return encode(q)
}

func (q *request) open() bool { return q.ID == "" }

func (q *request) mac(key []byte, hub [16]byte) []byte {
	return mac(key, message("omsync join 1\n", q.ID, string(hub[:]), q.Card))
}

func (q *request) signed() []byte {
	if q.open() {
		return message("omsync join open 1\n", q.Card)
	}
	return message("omsync join signature 1\n", q.ID, q.Card, string(q.MAC))
}

// message returns fields as bytes that no other fields have.
func message(kind string, fields ...string) []byte {
	b := []byte(kind)
	for _, f := range fields {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// IsOpen reports whether a request is one of open registration, which [ReadOpen] reads, and not one with a token. It checks
// nothing else.
func IsOpen(b []byte) bool {
	var q request
	return len(b) <= MaxMessage && json.Unmarshal(b, &q) == nil && q.Version != 0 && q.open()
}

// readRequest checks all that needs no invitation: its form, its card and its signature.
func readRequest(b []byte) (*request, keys.Card, error) {
	q := new(request)
	if err := decode(b, q); err != nil {
		return nil, keys.Card{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	card, err := q.check()
	if err != nil {
		return nil, keys.Card{}, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	return q, card, nil
}

func (q *request) check() (keys.Card, error) {
	if q.open() {
		if q.MAC != nil {
			return keys.Card{}, errors.New("it has a mac and no invitation")
		}
	} else if !isID(q.ID) || len(q.MAC) != sha256.Size {
		return keys.Card{}, errors.New("its invitation or its mac is not as omsync writes it")
	}
	card, err := readCard(q.Card)
	if err != nil {
		return keys.Card{}, err
	}
	return card, card.VerifySignature(q.signed(), q.Signature)
}

// readCard takes a card in the one spelling that was signed.
func readCard(text string) (keys.Card, error) {
	card, err := keys.ParseCard([]byte(text))
	if err != nil {
		return keys.Card{}, err
	}
	if string(card.Marshal()) != text {
		return keys.Card{}, errors.New("its card is not as omsync writes it")
	}
	return card, nil
}

func isID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == idSize && hex.EncodeToString(b) == s
}

// versioned is what requests and replies have in common.
type versioned interface{ version() int }

func (q *request) version() int { return q.Version }
func (r *reply) version() int   { return r.Version }

func encode(v versioned) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("%d bytes: at most %d can be sent", len(b), MaxMessage)
	}
	return b, nil
}

// decode takes only the bytes that encode writes: JSON has many spellings, and whatever the MAC does not cover shows here.
func decode(b []byte, v versioned) error {
	if len(b) > MaxMessage {
		return fmt.Errorf("%d bytes: it has at most %d", len(b), MaxMessage)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return errors.New("it is no JSON of the right form: was it cut short, or is it another service's?")
	}
	if n := v.version(); n == 0 {
		return errors.New("it is JSON of something else")
	} else if n != messageVersion {
		return fmt.Errorf("it is of version %d: update omsync on both sides", n)
	}
	again, err := encode(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return errors.New("it is not as omsync writes it: something on the way changed it")
	}
	return nil
}
