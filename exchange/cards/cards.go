// Package cards remembers, in the home folder, which cards count with each peer while one of the two changes its keys, and which cards were revoked.
// Package keys/rotation has the rules.
//
// It is in the home folder and not in the database, so that a database which is restored takes no former or revoked key for a good one.
package cards

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/nodename"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/keys/rotation"
)

// version is the one of the record that this program writes.
const version = 1

// maxRecord bounds what is read of a record, in bytes.
const maxRecord = 64 << 10

// record is the file of a peer.
type record struct {
	Version int      `json:"omsync_cards"`
	Present string   `json:"present"`          // see keys.Card.Keys
	Next    string   `json:"next,omitempty"`   // the same
	Former  []string `json:"former,omitempty"` // fingerprint, blank, signing key in base64
	Has     []string `json:"has,omitempty"`
	History uint64   `json:"history"`
	Epoch   uint64   `json:"epoch"`
	Time    int64    `json:"time"`
}

// ErrFormer means that a file was signed with keys in whose place others have come. What it holds is applied, or comes again.
var ErrFormer = errors.New("it was signed with keys in whose place others have come since")

// Peer is what is known of a peer's cards.
type Peer struct {
	rotation.Peer
	home, name string
	cards      map[string]keys.Card // by fingerprint: those of Peer.Present and Peer.Next; of Peer.Former without what is encrypted to
}

func path(home, peer string) string { return filepath.Join(home, "cards", peer+".json") }

// Read returns what is known of the cards of a peer. stored is its card in the database.
func Read(home, peer string, stored []byte) (*Peer, error) {
	card, err := parse(peer, stored)
	if err != nil {
		return nil, err
	}
	return readOf(home, peer, card)
}

func parse(peer string, stored []byte) (keys.Card, error) {
	card, err := keys.ParseCard(stored)
	if err != nil {
		return keys.Card{}, fmt.Errorf("card of %s: %w", peer, err)
	}
	return card, nil
}

func readOf(home, peer string, card keys.Card) (*Peer, error) {
	r, err := readRecord(home, peer)
	if err != nil {
		return nil, err
	}
	p := &Peer{home: home, name: peer, cards: map[string]keys.Card{card.Fingerprint(): card}}
	prints := [2]string{}
	for i, text := range []string{r.Present, r.Next} {
		if text == "" {
			continue
		}
		c, err := keys.ParseKeys(card.Name, text)
		if err != nil {
			return nil, damaged(path(home, peer), err)
		}
		prints[i] = c.Fingerprint()
		p.cards[prints[i]] = c
	}
	var former []string
	for _, text := range r.Former {
		print, verify, _ := strings.Cut(text, " ")
		key, err := base64.StdEncoding.DecodeString(verify)
		if err != nil {
			return nil, damaged(path(home, peer), err)
		}
		former = append(former, print)
		if _, ok := p.cards[print]; !ok {
			p.cards[print] = keys.Card{Name: card.Name, Verify: key}
		}
	}
	p.Peer = rotation.Peer{Present: prints[0], Next: prints[1], Former: former, Has: r.Has, History: r.History, Epoch: r.Epoch, Time: r.Time}.Meet(card.Fingerprint())
	return p, nil
}

func damaged(path string, err error) error {
	return fmt.Errorf("%s is damaged: restore it from a backup of the home folder, or move it away: %w", path, err)
}

func readRecord(home, peer string) (record, error) {
	if nodename.Check(peer) != nil { // somebody wrote it into the database: it may be a path
		return record{}, nil
	}
	b, err := os.ReadFile(path(home, peer))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	} else if err != nil {
		return record{}, fmt.Errorf("read which cards of %s count: %w", peer, err)
	}
	var r record
	switch err := json.Unmarshal(b, &r); {
	case err != nil:
		return r, damaged(path(home, peer), err)
	case len(b) > maxRecord || r.Version < version:
		return r, damaged(path(home, peer), errors.New("it is not as omsync writes it"))
	case r.Version > version:
		return r, fmt.Errorf("%s is of a newer omsync: install that", path(home, peer))
	}
	return r, nil
}

// Card returns the card that is encrypted to.
func (p *Peer) Card() keys.Card { return p.cards[p.Present] }

// NextCard returns the card that is to come in its place, if there is one.
func (p *Peer) NextCard() (c keys.Card, ok bool) {
	c, ok = p.cards[p.Next]
	return c, ok
}

// Revoked reports whether the card that is encrypted to was revoked.
func (p *Peer) Revoked() bool { return IsRevoked(p.home, p.Card()) }

func (p *Peer) isRevoked(print string) bool {
	c, ok := p.cards[print]
	return !ok || IsRevoked(p.home, c)
}

// Verify checks that the peer signed a message, and returns the fingerprint of the card by whose key. The error is [keys.ErrSignature], whatever
// is wrong; and [ErrFormer] if that is all.
func (p *Peer) Verify(message, signature []byte) (string, error) {
	for _, print := range []string{p.Present, p.Next} {
		if p.Takes(print, p.isRevoked) && p.cards[print].VerifySignature(message, signature) == nil {
			return print, nil
		}
	}
	for _, print := range p.Former {
		if !p.isRevoked(print) && p.cards[print].VerifySignature(message, signature) == nil {
			return "", fmt.Errorf("%w: %w", keys.ErrSignature, ErrFormer)
		}
	}
	return "", keys.ErrSignature
}

// Heard is what a header changed.
type Heard struct {
	Named    bool // a card is to come in the place of the present one
	Replaced bool // it has come
	Has      bool // the peer has other cards of this node's
}

// Hear takes in what the header of a file says, whose signature was checked, and remembers it. next is what the header says of a card that is to
// come in the place of the one that signed; "": nothing. Two runs must not do that at once: the node's lock is for that.
func (p *Peer) Hear(h rotation.Header, next string) (Heard, error) {
	if next != "" {
		// What is no card counts for nothing: its sender harms itself.
		if c, err := keys.ParseKeys(p.name, next); err == nil {
			h.Next = c.Fingerprint()
			p.cards[h.Next] = c
		}
	}
	before := p.Peer
	p.Peer = before.Hear(h, p.isRevoked)
	heard := Heard{Named: p.Next != "" && p.Next != before.Next, Replaced: p.Present != before.Present, Has: !reflect.DeepEqual(p.Has, before.Has)}
	if heard == (Heard{}) {
		return heard, nil
	}
	return heard, p.save()
}

// Replace puts a card that a person vouches for in the place of the present one, whose keys were revoked.
func (p *Peer) Replace(card keys.Card) error {
	p.Peer = p.Peer.Give(card.Fingerprint())
	p.cards[p.Present] = card
	return p.save()
}

// Gave notes that the peer was given this card of this node's.
func (p *Peer) Gave(own keys.Card) error {
	p.Has = []string{own.Fingerprint()}
	return p.save()
}

func (p *Peer) save() error {
	if err := nodename.Check(p.name); err != nil {
		return fmt.Errorf("write which cards of a peer count: %w", err)
	}
	var former []string
	for _, print := range p.Former {
		former = append(former, print+" "+base64.StdEncoding.EncodeToString(p.cards[print].Verify))
	}
	r := record{Version: version, Present: p.Card().Keys(), Former: former, Has: p.Has, History: p.History, Epoch: p.Epoch, Time: p.Time}
	if c, ok := p.NextCard(); ok {
		r.Next = c.Keys()
	}
	b, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path(p.home, p.name)), 0o700)
	}
	if err == nil {
		err = durable.Write(path(p.home, p.name), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write which cards of %s count: %w", p.name, err)
	}
	return nil
}

// Forget removes what is known of the cards of a peer that was removed, or has a card that a person gave it.
func Forget(home, peer string) error {
	if nodename.Check(peer) != nil {
		return nil
	}
	if err := os.Remove(path(home, peer)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget which cards of %s count: %w", peer, err)
	}
	return nil
}

// revokedPath returns the file that says that the signing key of a card was revoked, whatever else is on the card.
func revokedPath(home string, c keys.Card) string {
	sum := sha256.Sum256(c.Verify)
	return filepath.Join(home, "revoked", hex.EncodeToString(sum[:16])+".card")
}

// IsRevoked reports whether the signing key of a card was revoked here. Where that cannot be said, it was.
func IsRevoked(home string, c keys.Card) bool {
	_, err := os.Lstat(revokedPath(home, c))
	return !errors.Is(err, fs.ErrNotExist)
}

// Revoke sees that nothing counts any more that the peer's present keys sign, or those that are to come in their place. It can be done beside any
// other run.
func (p *Peer) Revoke() error {
	for _, print := range []string{p.Present, p.Next} {
		c, ok := p.cards[print]
		if !ok {
			continue
		}
		path := revokedPath(p.home, c)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("revoke the keys of %s: %w", p.name, err)
		}
		if err := durable.Create(path, c.Marshal(), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("revoke the keys of %s: %w", p.name, err)
		}
		if err := durable.SyncDir(filepath.Dir(path)); err != nil {
			return fmt.Errorf("revoke the keys of %s: %w", p.name, err)
		}
	}
	return nil
}
