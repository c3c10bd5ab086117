package claims

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Claims|Alone)",
		mutation.Mutant{Rule: "what one writes the other does not", File: "claims.go", Old: "is && (theirs || write)", New: "is && !theirs && write"},
		mutation.Mutant{Rule: "what one refers to the other does not write", File: "claims.go", Old: "is && (theirs || write)", New: "is && theirs"},
		mutation.Mutant{Rule: "two may refer to one row", File: "claims.go", Old: "theirs, is := other.claimed[k]; is && (theirs || write)", New: "_, is := other.claimed[k]; is"},
		mutation.Mutant{Rule: "what one referred to and then writes is claimed to be written", File: "claims.go", Old: "mine && (had || !write)", New: "mine || had && !write"},
		mutation.Mutant{Rule: "what one writes it writes to its end", File: "claims.go", Old: "mine && (had || !write)", New: "mine && had && write"},
		mutation.Mutant{Rule: "what has ended counts for those that it overlapped", File: "claims.go", Old: "\ti.beside = nil\n", New: "\ti.claimed = nil\n"},
		mutation.Mutant{Rule: "those that begin later look at those that run", File: "claims.go", Old: "other.beside[i], i.beside[other] = true, true", New: "other.beside[i] = true"},
		mutation.Mutant{Rule: "those that run look at those that begin later", File: "claims.go", Old: "other.beside[i], i.beside[other] = true, true", New: "i.beside[other] = true"},
		mutation.Mutant{Rule: "what runs alone waits for all", File: "claims.go", Old: "alone && len(s.running) > 0", New: "false"},
		mutation.Mutant{Rule: "beside what runs alone nothing begins", File: "claims.go", Old: "!alone && s.alone > 0", New: "false"},
		mutation.Mutant{Rule: "what waits no more keeps nobody out", File: "claims.go", Old: "\t\t\t\ts.alone--\n", New: ""},
		mutation.Mutant{Rule: "rows are told apart by table", File: "claims.go", Old: "return Key(maphash.String(seed, name))", New: "return Key(maphash.String(seed, name[:0]))"},
		mutation.Mutant{Rule: "and by what their keys are made of", File: "claims.go", Old: "[2]Key{k, part}", New: "[2]Key{k, 0}"},
	)
}
