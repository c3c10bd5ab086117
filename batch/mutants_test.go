package batch

import (
	"errors"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each bound of a batch as a whole in turn: some test must fail.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the package once for each bound")
	}
	for _, m := range []mutation.Mutant{
		{Rule: "length of a key", File: "budget.go", Old: "if size > MaxKey {", New: "if false {"},
		{Rule: "depth of keys", File: "budget.go", Old: "if depth >= MaxKeyDepth {", New: "if false {"},
		{Rule: "a key is deeper than its parts", File: "budget.go", Old: "depth: depth + 1}", New: "depth: 1}"},
		{Rule: "parts are escaped", File: "budget.go", Old: "n, e = n+e, 2*e", New: "n, e = n, e"},
		{Rule: "a part that refers to a key has its length", File: "budget.go", Old: "n, e, depth = int(k.size), int(k.escapes), max(depth, k.depth)", New: "depth = max(depth, k.depth)"},
		{Rule: "NULL is not escaped", File: "budget.go", Old: "len(parts) > 1 && !null", New: "(len(parts) > 1 || null && false)"},
		{Rule: "bytes of the dictionary", File: "budget.go", Old: "if s.dictBytes+s.freshBytes > MaxDictBytes {", New: "if false {"},
		{Rule: "the dictionary keeps what it counted", File: "check.go", Old: "s.dictBytes += s.freshBytes", New: ""},
		{Rule: "columns of all tables", File: "check.go", Old: "if all > MaxAllColumns {", New: "if false {"},
		{Rule: "names of columns", File: "check.go", Old: "names > MaxColumnNames {", New: "false {"},
		{Rule: "what is held", File: "check.go", Old: "if s.dictBytes+v.sum+cellCost*cells > MaxHeld {", New: "if false {"},
		{Rule: "items", File: "budget.go", Old: "{itemQuota, s.items}, {key", New: "{key"},
		{Rule: "keys", File: "budget.go", Old: "{keyQuota, s.keys}, {row", New: "{row"},
		{Rule: "rows", File: "budget.go", Old: "{rowQuota, s.rows + s.deletions + s.records}, {cell", New: "{cell"},
		{Rule: "values", File: "budget.go", Old: "{cellQuota, s.cells}, {value", New: "{value"},
		{Rule: "bytes of values", File: "budget.go", Old: ", {valueQuota, s.valueBytes}}", New: "}"},
		{Rule: "bytes of the stream", File: "budget.go", Old: "over != nil {", New: "false {"},
		{Rule: "a reset forgets no quota", File: "check.go", Old: "s.dict, s.dictBytes = s.dict[:0], 0", New: "s.dict, s.dictBytes, s.keys = s.dict[:0], 0, 0"},
		{Rule: "the reader looks at the quotas", File: "reader.go", Old: "\t\tr.accept(r.checkQuotas(r.size))\n", New: ""},
	} {
		t.Run(m.Rule, func(t *testing.T) {
			_, failed, err := m.Run(t.TempDir(), "^Test(KeyBounds|Held|Measure|Quotas|Counts|CountsAreHeldToQuotas)$")
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
