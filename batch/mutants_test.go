package batch

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each bound of a batch as a whole in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(KeyBounds|Held|Measure|Quotas|Counts|CountsAreHeldToQuotas|Padding)$",
		mutation.Mutant{Rule: "length of a key", File: "budget.go", Old: "if size > MaxKey {", New: "if false {"},
		mutation.Mutant{Rule: "depth of keys", File: "budget.go", Old: "if depth >= MaxKeyDepth {", New: "if false {"},
		mutation.Mutant{Rule: "a key is deeper than its parts", File: "budget.go", Old: "depth: depth + 1}", New: "depth: 1}"},
		mutation.Mutant{Rule: "parts are escaped", File: "budget.go", Old: "n, e = n+e, 2*e", New: "n, e = n, e"},
		mutation.Mutant{Rule: "a part that refers to a key has its length", File: "budget.go", Old: "n, e, depth = int(k.size), int(k.escapes), max(depth, k.depth)", New: "depth = max(depth, k.depth)"},
		mutation.Mutant{Rule: "NULL is not escaped", File: "budget.go", Old: "len(parts) > 1 && !null", New: "(len(parts) > 1 || null && false)"},
		mutation.Mutant{Rule: "bytes of the dictionary", File: "budget.go", Old: "if s.dictBytes+s.freshBytes > MaxDictBytes {", New: "if false {"},
		mutation.Mutant{Rule: "the dictionary keeps what it counted", File: "check.go", Old: "s.dictBytes += s.freshBytes", New: ""},
		mutation.Mutant{Rule: "columns of all tables", File: "check.go", Old: "if all > MaxAllColumns {", New: "if false {"},
		mutation.Mutant{Rule: "names of columns", File: "check.go", Old: "names > MaxColumnNames {", New: "false {"},
		mutation.Mutant{Rule: "what is held", File: "check.go", Old: "if s.dictBytes+v.sum+cellCost*cells > MaxHeld {", New: "if false {"},
		mutation.Mutant{Rule: "items", File: "budget.go", Old: "{itemQuota, s.items}, {key", New: "{key"},
		mutation.Mutant{Rule: "keys", File: "budget.go", Old: "{keyQuota, s.keys}, {row", New: "{row"},
		mutation.Mutant{Rule: "rows", File: "budget.go", Old: "{rowQuota, s.rows + s.deletions + s.records}, {cell", New: "{cell"},
		mutation.Mutant{Rule: "values", File: "budget.go", Old: "{cellQuota, s.cells}, {value", New: "{value"},
		mutation.Mutant{Rule: "bytes of values", File: "budget.go", Old: ", {valueQuota, s.valueBytes}}", New: "}"},
		mutation.Mutant{Rule: "bytes of the stream", File: "budget.go", Old: "over != nil {", New: "false {"},
		mutation.Mutant{Rule: "a reset forgets no quota", File: "check.go", Old: "s.dict, s.dictBytes = s.dict[:0], 0", New: "s.dict, s.dictBytes, s.keys = s.dict[:0], 0, 0"},
		mutation.Mutant{Rule: "a file that is too short for what it has is made longer", File: "writer.go", Old: "errors.Join(w.checkOfShort(), w.pad())", New: "w.checkOfShort()"},
		mutation.Mutant{Rule: "a file within the bounds is not made longer", File: "pad.go", Old: "if c.n > c.base {", New: "if c.n > 0 {"},
		mutation.Mutant{Rule: "the reader looks at the quotas", File: "reader.go", Old: "\t\tr.accept(r.checkQuotas(r.size))\n", New: ""},
	)
}
