package batch

import (
	"fmt"
	"strconv"
	"strings"
)

// What texts of Header.Requests begin with that are about the keys of the two nodes.
const (
	cardPrefix    = "card:"
	newCardPrefix = "new-card:"
)

// Bounds of what a header says of cards. Texts beyond are passed over.
const (
	MaxCards    = 2  // of the receiver's cards that the sender says it has
	maxNewTexts = 64 // texts that a new card is cut into
	newCardText = 230
	fingerprint = 41 // characters of a fingerprint: seven groups of five digits, with dashes between
)

// HasCard returns a text for Header.Requests: that the sender takes files by the receiver's card of this fingerprint.
func HasCard(fingerprint string) string { return cardPrefix + fingerprint }

// Cards returns the fingerprints of the receiver's cards that the sender has: the one that it encrypts to, and if there is one, that which is to
// come in its place.
func (h *Header) Cards() (out []string) {
	for _, s := range h.Requests {
		text, ok := strings.CutPrefix(s, cardPrefix)
		if ok && len(out) < MaxCards && len(text) == fingerprint && strings.Trim(text, "0123456789-") == "" {
			out = append(out, text)
		}
	}
	return out
}

// NewCard returns the texts for Header.Requests that name the keys of a card which is to come in the place of the one whose key signs the file. keys
// is one line of text; what it says is package keys' business.
func NewCard(keys string) (out []string) {
	for i := 0; len(keys) > 0; i++ {
		n := min(newCardText, len(keys))
		out = append(out, fmt.Sprintf("%s%d:%s", newCardPrefix, i, keys[:n]))
		keys = keys[n:]
	}
	return out
}

// NewCard returns the keys of the card that is to come in the place of the sender's; "" if the header names none, or not as [NewCard] writes it.
func (h *Header) NewCard() string {
	var keys strings.Builder
	n := 0
	for _, s := range h.Requests {
		text, ok := strings.CutPrefix(s, newCardPrefix)
		if !ok || isTableRequest(s) {
			continue
		}
		number, part, _ := strings.Cut(text, ":")
		if number != strconv.Itoa(n) || n == maxNewTexts {
			return ""
		}
		keys.WriteString(part)
		n++
	}
	return keys.String()
}
