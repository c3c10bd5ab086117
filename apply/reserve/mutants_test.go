package reserve

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Reserve|Alone)",
		mutation.Mutant{Rule: "what one writes the other does not", File: "reserve.go", Old: "is && (theirs || write)", New: "is && !theirs && write"},
		mutation.Mutant{Rule: "what one refers to the other does not write", File: "reserve.go", Old: "is && (theirs || write)", New: "is && theirs"},
		mutation.Mutant{Rule: "two may refer to one row", File: "reserve.go", Old: "theirs, is := other.reserved[k]; is && (theirs || write)", New: "_, is := other.reserved[k]; is"},
		mutation.Mutant{Rule: "what one referred to and then writes is reserved to be written", File: "reserve.go", Old: "mine && (had || !write)", New: "mine || had && !write"},
		mutation.Mutant{Rule: "what one writes it writes to its end", File: "reserve.go", Old: "mine && (had || !write)", New: "mine && had && write"},
		mutation.Mutant{Rule: "what has ended counts for those that it overlapped", File: "reserve.go", Old: "\ti.beside = nil\n", New: "\ti.reserved = nil\n"},
		mutation.Mutant{Rule: "those that begin later look at those that run", File: "reserve.go", Old: "other.beside[i], i.beside[other] = true, true", New: "other.beside[i] = true"},
		mutation.Mutant{Rule: "those that run look at those that begin later", File: "reserve.go", Old: "other.beside[i], i.beside[other] = true, true", New: "i.beside[other] = true"},
		mutation.Mutant{Rule: "what runs alone waits for all", File: "reserve.go", Old: "alone && len(s.running) > 0", New: "false"},
		mutation.Mutant{Rule: "beside what runs alone nothing begins", File: "reserve.go", Old: "!alone && s.alone > 0", New: "false"},
		mutation.Mutant{Rule: "what waits no more keeps nobody out", File: "reserve.go", Old: "\t\t\t\ts.alone--\n", New: ""},
		mutation.Mutant{Rule: "what is reserved has a bound", File: "reserve.go", Old: "if i.of.kept == maxReserved {", New: "if false {"},
		mutation.Mutant{Rule: "what ended and still counts is part of it", File: "reserve.go", Old: "\tif i.counts == 0 {", New: "\tif true {"},
		mutation.Mutant{Rule: "until it counts for nobody", File: "reserve.go", Old: "s.kept -= len(other.reserved)", New: "s.kept -= 0"},
		mutation.Mutant{Rule: "rows are told apart by table", File: "reserve.go", Old: "return Key(maphash.String(seed, name))", New: "return Key(maphash.String(seed, name[:0]))"},
		mutation.Mutant{Rule: "and by what their keys are made of", File: "reserve.go", Old: "[2]Key{k, part}", New: "[2]Key{k, 0}"},
	)
}
