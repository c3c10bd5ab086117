package enrol

import (
	"crypto/hmac"
	"errors"
	"fmt"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/keys"
)

// reply is what the hub answers.
type reply struct {
	Version int    `json:"omsync_joined"`
	Card    string `json:"card"`
	MAC     []byte `json:"mac"`
}

func (r *reply) mac(key []byte, q *request) []byte {
	return mac(key, message("omsync join reply 1\n", q.ID, r.Card, q.Card))
}

// Joining is a request that was found to be good.
type Joining struct {
	Card     keys.Card   // of the joining node
	Role     access.Role // what the node is to this one
	ID       string      // the invitation's; "" in open registration
	Repeated bool        // the same card joined with this token before: the caller may have added it as a peer then

	request *request
	key     func() []byte // a function, so that no verb of fmt prints the key
	hub     [16]byte      // the card that the node expects; zero if it takes any
}

// Reply returns the answer: bytes for the joining node, the same each time. The hub's card must be the one that the
// invitation was made with.
func (j *Joining) Reply(hub keys.Card) ([]byte, error) {
	if j.request == nil {
		return nil, errors.New("reply to a node that joins: its request was not checked")
	}
	if j.hub != ([16]byte{}) && j.hub != digest(hub) {
		return nil, errors.New("reply to a node that joins: the invitation was made with another card of this hub; make a new one (omsync invite NAME)")
	}
	r := &reply{Version: messageVersion, Card: string(hub.Marshal())}
	r.MAC = r.mac(j.key(), j.request)
	return encode(r)
}

// ReadReply checks the hub's answer to a request that this token made, and returns the hub's card: the one that the token was
// made with. Errors: [ErrBadReply], or [ErrBadRequest] if the request is not this token's.
func (t Token) ReadReply(request, reply []byte) (keys.Card, error) {
	q, _, err := readRequest(request)
	if err != nil {
		return keys.Card{}, err
	}
	if q.ID != t.id() {
		return keys.Card{}, fmt.Errorf("%w: another token made it", ErrBadRequest)
	}
	hub, err := readReply(q, t.key(), reply)
	if err != nil {
		return keys.Card{}, err
	}
	if !t.From(hub) {
		return keys.Card{}, fmt.Errorf("%w: the hub has another card than when it made the token; ask its people for a new one (omsync invite NAME)", ErrBadReply)
	}
	return hub, nil
}

// ReadOpen checks a request of open registration, a child's. It proves that the sender once had the card's signing key
// and nothing else. The error is [ErrBadRequest].
func ReadOpen(request []byte) (*Joining, error) {
	q, card, err := readRequest(request)
	if err != nil {
		return nil, err
	}
	if !q.open() {
		return nil, fmt.Errorf("%w: it has a token", ErrBadRequest)
	}
	return &Joining{Card: card, Role: access.Child, request: q, key: noKey}, nil
}

// ReadOpenReply reads the answer to an open request. It notices accidents alone: whether this is the hub's card is for
// the caller to find out, by its fingerprint. Errors: [ErrBadReply], or [ErrBadRequest] if the request is not open.
func ReadOpenReply(request, reply []byte) (keys.Card, error) {
	j, err := ReadOpen(request)
	if err != nil {
		return keys.Card{}, err
	}
	return readReply(j.request, noKey(), reply)
}

func noKey() []byte { return nil }

func readReply(q *request, key, b []byte) (keys.Card, error) {
	r := new(reply)
	if err := decode(b, r); err != nil {
		return keys.Card{}, fmt.Errorf("%w: %w", ErrBadReply, err)
	}
	if !hmac.Equal(r.mac(key, q), r.MAC) {
		return keys.Card{}, fmt.Errorf("%w: it is not from the hub that made the token, or it was changed on its way; "+
			"ask the hub's people whether the address is right", ErrBadReply)
	}
	hub, err := readCard(r.Card)
	if err != nil {
		return keys.Card{}, fmt.Errorf("%w: %w", ErrBadReply, err)
	}
	return hub, nil
}
