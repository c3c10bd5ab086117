package batch

import (
	"fmt"
	"strconv"
	"strings"
)

// What a text of Header.Requests says of a history that it names: see Header.Histories.
const (
	Learned = "learned" // one of Header.Earlier of which the sender has only a peer's word that it was its own
	Copies  = "copies"  // the receiver's, which rivals another of the receiver's: the sender takes neither
	GivenUp = "givenup" // of a copy of the receiver that is not the receiver, as a person said
)

// MaxHistories is how many histories of each kind a header names. Texts beyond are passed over.
const MaxHistories = 256

// HistoryText returns a text for Header.Requests.
func HistoryText(word string, history uint64) string { return fmt.Sprintf("%s:%016x", word, history) }

// Histories returns the histories of which a header says the word, at most MaxHistories.
func (h *Header) Histories(word string) (out []uint64) {
	for _, s := range h.Requests {
		text, ok := strings.CutPrefix(s, word+":")
		if !ok || isTableRequest(s) || len(out) == MaxHistories {
			continue
		}
		if n, err := strconv.ParseUint(text, 16, 64); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	return out
}
