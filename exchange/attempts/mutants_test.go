package attempts

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Judge|Fair|Record|Turn)",
		mutation.Mutant{Rule: "what a person dropped is not tried", File: "rule.go", Old: "case f.Dropped:", New: "case false:"},
		mutation.Mutant{Rule: "what deletes too much waits for a person", File: "rule.go", Old: "case f.Deletions != nil:", New: "case false:"},
		mutation.Mutant{Rule: "what waits for a person does not count as failed", File: "record.go", Old: "false, before.Failed,", New: "false, before.Failed+1,"},
		mutation.Mutant{Rule: "after a few attempts a file is set aside", File: "rule.go", Old: "case f.Failed >= Most:", New: "case false:"},
		mutation.Mutant{Rule: "it is given a few attempts", File: "rule.go", Old: "f.Failed >= Most", New: "f.Failed > 0"},
		mutation.Mutant{Rule: "a file that failed waits", File: "rule.go", Old: "|| !now.Before(next)", New: "|| true"},
		mutation.Mutant{Rule: "it does not wait for ever", File: "rule.go", Old: "|| !now.Before(next)", New: ""},
		mutation.Mutant{Rule: "it waits longer each time", File: "rule.go", Old: "min(n, len(delays))-1", New: "min(n, 0)"},
		mutation.Mutant{Rule: "what the server lacks lengthens the wait", File: "rule.go", Old: "min(f.Shaken, Most-1), ", New: ""},
		mutation.Mutant{Rule: "by no more than a file that fails", File: "rule.go", Old: "min(f.Shaken, Most-1)", New: "f.Shaken"},
		mutation.Mutant{Rule: "a clock that was set back holds nothing up", File: "rule.go", Old: "now.Before(f.Last) || ", New: ""},
		mutation.Mutant{Rule: "without an import rows that wait are tried", File: "rule.go", Old: "cameIn == 0 || ", New: ""},
		mutation.Mutant{Rule: "few rows that wait are tried each time", File: "rule.go", Old: "waiting <= share", New: "false"},
		mutation.Mutant{Rule: "what is owed to many adds up", File: "rule.go", Old: "return 0, max(owed, 0) + share", New: "return 0, share"},
		mutation.Mutant{Rule: "and is tried in the end", File: "rule.go", Old: " || min(max(owed, 0), TurnRows)+share >= TurnRows", New: ""},
		mutation.Mutant{Rule: "what is owed outlasts the run", File: "record.go", Old: "r.changed = r.changed || left != r.Owed", New: ""},
		mutation.Mutant{Rule: "senders take turns", File: "rule.go", Old: "queues[s][round]), true", New: "queues[s]...), false"},
		mutation.Mutant{Rule: "senders with trouble come last", File: "rule.go", Old: "troubled[s] == last && ", New: "!last && "},
		mutation.Mutant{Rule: "a crash counts", File: "record.go", Old: "\tf.Failed++\n\tr.Files[key], r.changed = f, true\n\treturn r.Save()", New: "\tr.Files[key], r.changed = f, true\n\treturn r.Save()"},
		mutation.Mutant{Rule: "an attempt is on the disk before it begins", File: "record.go", Old: "\treturn r.Save()\n}\n\n// Done", New: "\treturn nil\n}\n\n// Done"},
		mutation.Mutant{Rule: "what is not the file's fault does not count", File: "record.go", Old: "f, now := r.before[key], r.Files[key].Last", New: "f, now := r.Files[key], r.Files[key].Last"},
		mutation.Mutant{Rule: "another file of the name begins anew", File: "record.go", Old: "f.Size == size", New: "true"},
	)
}
