package share

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Divide|Few|Sum)$",
		mutation.Mutant{Rule: "no row of an interval involves the peer", File: "share.go", Old: "&& !involved &&", New: "&&"},
		mutation.Mutant{Rule: "an interval begins above the base", File: "share.go", Old: "case from > base &&", New: "case"},
		mutation.Mutant{Rule: "an interval does not go beyond the last epoch", File: "share.go", Old: "i.To <= upto+1 && ", New: ""},
		mutation.Mutant{Rule: "a large interval is divided", File: "share.go", Old: " && n <= l.Most:", New: ":"},
		mutation.Mutant{Rule: "a small interval is not worth it", File: "share.go", Old: "case n < l.Least:", New: "case n == 0:"},
		mutation.Mutant{Rule: "what goes alone is in no interval", File: "share.go", Old: "if e.Alone || i == len(list)", New: "if i == len(list)"},
		mutation.Mutant{Rule: "what is referred to and comes later goes ahead", File: "share.go", Old: "return place > i", New: "return false"},
		mutation.Mutant{Rule: "with what it refers to itself", File: "share.go", Old: "add(r, func(int) bool { return true })", New: "_ = r"},
		mutation.Mutant{Rule: "what the peer has need not go ahead", File: "share.go", Old: "w.entries[i].Born <= base ||", New: ""},
		mutation.Mutant{Rule: "what goes ahead is not in the rest", File: "share.go", Old: " && !ahead[e.Row] {", New: " {"},
		mutation.Mutant{Rule: "the rest is what the peer lacks", File: "share.go", Old: "e.Epoch > base && w.place", New: "w.place"},
		mutation.Mutant{Rule: "a sum tells epochs", File: "share.go", Old: "b = binary.BigEndian.AppendUint64(b, e.Epoch)", New: ""},
		mutation.Mutant{Rule: "a sum tells rows", File: "share.go", Old: "b = binary.BigEndian.AppendUint64(b, uint64(e.ID))", New: ""},
	)
}
