package batch

import (
	"fmt"
	"slices"
)

// MatchNeed is what the header of a file for matching says beside positions: who does not know it takes the file to be too new, and
// nobody applies it.
const MatchNeed = needsPrefix + MatchFeature + "@0.1.0"

// MatchFeature is its name there.
const MatchFeature = "match"

// ForMatching reports whether the file holds rows to compare alone: it is never applied, and moves no epoch.
func (h *Header) ForMatching() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == MatchFeature })
}

// MatchSuffix ends the name of a file for matching. Stores do not list it as a batch.
const MatchSuffix = ".omsync-match"

// MatchFileName returns the name of a file for matching. Of id, a random number, the lowest 24 bits count.
func MatchFileName(h *Header, id uint64) string {
	return fmt.Sprintf("%s-%010d-%06x%s", route(h.Sender, h.Receiver), h.Upto.Epoch, id&0xffffff, MatchSuffix)
}
