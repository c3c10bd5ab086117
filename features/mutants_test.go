package features_test

import (
	"errors"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the package once for each rule")
	}
	for _, m := range []mutation.Mutant{
		{Rule: "only what the peer reads is written", File: "features.go", Old: "for _, f := range k {\n\t\tif slices.Contains(h.Reads, f.Name)", New: "for _, f := range k {\n\t\tif true"},
		{Rule: "what the peer does not read is off", File: "features.go", Old: "!slices.Contains(h.Reads, name)", New: "false"},
		{Rule: "a history that was left says nothing new", File: "features.go", Old: "case retired:\n", New: ""},
		{Rule: "a new history is believed", File: "features.go", Old: "n.History != h.History", New: "false"},
		{Rule: "an earlier epoch brings nothing back", File: "features.go", Old: "n.Epoch > h.Epoch", New: "true"},
		{Rule: "a later epoch counts whatever the clock says", File: "features.go", Old: "n.Epoch > h.Epoch ||", New: ""},
		{Rule: "an earlier time brings nothing back", File: "features.go", Old: "&& n.Time >= h.Time", New: ""},
		{Rule: "a later time counts within an epoch", File: "features.go", Old: "|| n.Epoch == h.Epoch && n.Time >= h.Time", New: ""},
		{Rule: "a late header takes away", File: "features.go", Old: "h.Reads = both(h.Reads, n.Reads)", New: ""},
		{Rule: "a late header adds nothing", File: "features.go", Old: "h.Reads = both(h.Reads, n.Reads)", New: "h.Reads = n.Reads"},
	} {
		t.Run(m.Rule, func(t *testing.T) {
			t.Parallel()
			_, failed, err := m.Run(t.TempDir(), "^Test(Writable|Hear|NothingNewerIsWritten|UpdatesAlone)$")
			switch {
			case errors.Is(err, mutation.ErrNoGo):
				t.Skip(err)
			case err != nil:
				t.Fatal(err)
			case !failed:
				t.Error("no test notices")
			}
		})
	}
}
