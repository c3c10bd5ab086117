package features_test

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Writable|Hear|NothingNewerIsWritten|UpdatesAlone|Missed|MissedSchedules)$",
		mutation.Mutant{Rule: "only what the peer reads is written", File: "features.go", Old: "for _, f := range k {\n\t\tif slices.Contains(h.Reads, f.Name)", New: "for _, f := range k {\n\t\tif true"},
		mutation.Mutant{Rule: "what the peer does not read is off", File: "features.go", Old: "!slices.Contains(h.Reads, name)", New: "false"},
		mutation.Mutant{Rule: "a history that was left says nothing new", File: "features.go", Old: "case retired:\n", New: ""},
		mutation.Mutant{Rule: "a new history is believed", File: "features.go", Old: "n.History != h.History", New: "false"},
		mutation.Mutant{Rule: "an earlier epoch brings nothing back", File: "features.go", Old: "n.Epoch > h.Epoch", New: "true"},
		mutation.Mutant{Rule: "a later epoch counts whatever the clock says", File: "features.go", Old: "n.Epoch > h.Epoch ||", New: ""},
		mutation.Mutant{Rule: "an earlier time brings nothing back", File: "features.go", Old: "&& n.Time >= h.Time", New: ""},
		mutation.Mutant{Rule: "a later time counts within an epoch", File: "features.go", Old: "|| n.Epoch == h.Epoch && n.Time >= h.Time", New: ""},
		mutation.Mutant{Rule: "a late header takes away", File: "features.go", Old: "h.Reads = both(h.Reads, n.Reads)", New: ""},
		mutation.Mutant{Rule: "a late header adds nothing", File: "features.go", Old: "h.Reads = both(h.Reads, n.Reads)", New: "h.Reads = n.Reads"},
		mutation.Mutant{Rule: "after a miss short keys are not read for a while", File: "missed.go", Old: "return m.Times > 0 && ", New: "return false && "},
		mutation.Mutant{Rule: "not for ever", File: "missed.go", Old: " && now-m.At < m.wait()", New: ""},
		mutation.Mutant{Rule: "a clock that was set back ends it", File: "missed.go", Old: "now >= m.At && ", New: ""},
		mutation.Mutant{Rule: "for longer each time", File: "missed.go", Old: "wait *= missedFactor", New: ""},
		mutation.Mutant{Rule: "at most for a week", File: "missed.go", Old: "min(wait, missedMost)", New: "wait"},
		mutation.Mutant{Rule: "files that were under way count once", File: "missed.go", Old: "case m.Withdrawn(now):\n\t\treturn m\n", New: ""},
		mutation.Mutant{Rule: "it is forgotten", File: "missed.go", Old: "case now-m.At >= missedForget:", New: "case false:"},
	)
}
