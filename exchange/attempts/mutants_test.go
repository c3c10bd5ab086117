package attempts

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
		{Rule: "what a person dropped is not tried", File: "rule.go", Old: "f.Dropped || ", New: ""},
		{Rule: "after a few attempts a file is set aside", File: "rule.go", Old: "|| f.Failed >= Most", New: ""},
		{Rule: "it is given a few attempts", File: "rule.go", Old: "f.Failed >= Most", New: "f.Failed > 0"},
		{Rule: "a file that failed waits", File: "rule.go", Old: "|| !now.Before(next)", New: "|| true"},
		{Rule: "it does not wait for ever", File: "rule.go", Old: "|| !now.Before(next)", New: ""},
		{Rule: "it waits longer each time", File: "rule.go", Old: "min(n, len(delays))-1", New: "min(n, 0)"},
		{Rule: "what the server lacks lengthens the wait", File: "rule.go", Old: "min(f.Shaken, Most-1), ", New: ""},
		{Rule: "by no more than a file that fails", File: "rule.go", Old: "min(f.Shaken, Most-1)", New: "f.Shaken"},
		{Rule: "a clock that was set back holds nothing up", File: "rule.go", Old: "now.Before(f.Last) || ", New: ""},
		{Rule: "senders take turns", File: "rule.go", Old: "queues[s][round]), true", New: "queues[s]...), false"},
		{Rule: "senders with trouble come last", File: "rule.go", Old: "troubled[s] == last && ", New: "!last && "},
		{Rule: "a crash counts", File: "record.go", Old: "\tf.Failed++\n\tr.Files[key], r.changed = f, true\n\treturn r.Save()", New: "\tr.Files[key], r.changed = f, true\n\treturn r.Save()"},
		{Rule: "an attempt is on the disk before it begins", File: "record.go", Old: "\treturn r.Save()\n}\n\n// Done", New: "\treturn nil\n}\n\n// Done"},
		{Rule: "what is not the file's fault does not count", File: "record.go", Old: "f, now := r.before[key], r.Files[key].Last", New: "f, now := r.Files[key], r.Files[key].Last"},
		{Rule: "another file of the name begins anew", File: "record.go", Old: "f.Size == size", New: "true"},
	} {
		t.Run(m.Rule, func(t *testing.T) {
			t.Parallel()
			_, failed, err := m.Run(t.TempDir(), "^Test(Judge|Fair|Record)")
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
