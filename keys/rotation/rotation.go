// Package rotation decides which keys count between two nodes while one of them changes from old keys to new ones. It is pure: cards are named
// by their fingerprints.
//
// A node that has new keys goes on signing for a peer with the keys that the peer knows, and names the next card in the headers of what it
// signs. The peer's headers say which cards of the node's it has: from then on the node signs with the new key. Once the peer has taken in all of a
// file that the new key signed, the old key counts for nothing there: whatever the node had signed with it is applied already.
//
// It promises: only the key of the card that is present names another; a card in whose place another has come never comes back, and nothing
// that its key signs is taken; nor is anything of a card that was revoked. Whatever is lost, late, repeated or restored, two nodes of which
// each still has a key that the other takes end with the newest.
package rotation

import (
	"slices"
	"time"
)

// MaxFormer is how many cards are remembered in whose place others came.
const MaxFormer = 64

// Keep is how long a node keeps keys, for reading, in whose place others came, and that no peer uses.
const Keep = 180 * 24 * time.Hour

// Peer is what a node knows of the cards of a peer, and of what the peer has of its own.
type Peer struct {
	Present string   // its card: what is encrypted for it is encrypted to this
	Next    string   // the card that is to come in its place, once its key has signed something; "": none
	Former  []string // cards that it had before, the latest last
	Has     []string // the reader's cards that the peer takes files by, as its newest header said: the present one, then the next if there is one
	// Of that header: the peer's history and epoch, and when it was made, in microseconds since 1970 UTC.
	History, Epoch uint64
	Time           int64
}

// Counts is how much of a header counts, as the rules of the link found.
type Counts uint8

const (
	Nothing Counts = iota // it is of a history that no longer counts, or of a stranger
	Said                  // what it says; not all that its file holds is applied
	All                   // all that its file holds is applied
)

// Header is what the header of a file says of keys.
type Header struct {
	Signed         string   // the sender's card whose key signed it
	Has            []string // see Peer
	Next           string   // a card that is to come in the place of the one that signed; ""
	History, Epoch uint64
	Time           int64
	Counts         Counts
}

// Takes reports whether what the key of a card signed is taken. With the present card, the one that its key has named is revoked too.
func (p Peer) Takes(card string, revoked func(card string) bool) bool {
	return card != "" && (card == p.Present || card == p.Next) && !revoked(card) && !revoked(p.Present)
}

// Hear returns what is known after one more file of the peer, whose signature was checked.
func (p Peer) Hear(h Header, revoked func(card string) bool) Peer {
	if h.Counts == Nothing || !p.Takes(h.Signed, revoked) {
		return p
	}
	if h.Signed == p.Next && h.Counts == All {
		p = p.replace()
	}
	if h.History == p.History && (h.Epoch < p.Epoch || h.Epoch == p.Epoch && h.Time < p.Time) { // it comes late
		return p
	}
	p.History, p.Epoch, p.Time = h.History, h.Epoch, h.Time
	if len(h.Has) > 0 {
		p.Has = h.Has
	} else if len(p.Has) > 1 { // its program knows of no next card any more
		p.Has = p.Has[:1]
	}
	if h.Next != "" && h.Signed == p.Present && h.Next != p.Present && !slices.Contains(p.Former, h.Next) && !revoked(h.Next) {
		p.Next = h.Next
	}
	return p
}

// replace puts the next card in the place of the present one.
func (p Peer) replace() Peer { return p.Give(p.Next) }

// Give returns what is known once a card is the present one: the peer's next, or one that a person vouches for.
func (p Peer) Give(card string) Peer {
	former := append(slices.Clone(p.Former), p.Present)
	p.Present, p.Next, p.Former = card, "", former[max(0, len(former)-MaxFormer):]
	return p
}

// Meet returns what is known of a peer whose card is the stored one in the database: either may have been restored from a backup since.
func (p Peer) Meet(stored string) Peer {
	switch {
	case stored == p.Present || slices.Contains(p.Former, stored): // with a former one, the database was restored
		return p
	case stored == p.Next:
		return p.replace()
	}
	return Peer{Present: stored}
}

// Key is one of a node's own keys.
type Key struct {
	Card  string
	Since int64 // when it came in the place of the one before, in microseconds since 1970 UTC; 0: it is the first that is known
}

// Choice says how to sign for a peer: keys as their places among the node's own.
type Choice struct {
	Sign int
	Name int // the header names this one's card; -1: none
}

// Choose returns how a node signs for a peer. own: its keys, the newest first. has: see Peer; none: the peer has not said, or knows of no
// such thing. added: when the peer was added, in microseconds since 1970 UTC.
//
// A peer learns one card after the other: if a newer one were named before the last has come in its place, files that the last has signed
// could be refused, and two nodes that do so at once would not hear of each other any more.
func Choose(own []Key, has []string, added int64) Choice {
	for i, k := range own {
		switch {
		case len(has) > 0 && slices.Contains(has, k.Card):
			if k.Card == has[0] {
				return Choice{i, i - 1}
			}
			return Choice{i, -1}
		case len(has) == 0 && k.Since <= added:
			return Choice{i, -1}
		}
	}
	if len(has) > 0 { // this node was restored, or its keys were lost
		return Choice{0, -1}
	}
	return Choice{len(own) - 1, -1}
}

// Spare returns which of a node's own keys need not be kept. used reports whether a peer may sign or encrypt by a card.
func Spare(own []Key, used func(card string) bool, now time.Time) []Key {
	var out []Key
	for i := 1; i < len(own); i++ {
		if replaced := time.UnixMicro(own[i-1].Since); !used(own[i].Card) && now.Sub(replaced) >= Keep {
			out = append(out, own[i])
		}
	}
	return out
}
