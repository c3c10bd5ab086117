package digest

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Finds|More|Hashes|Named|Refuses|Hostile|Due|IsCompared)",
		mutation.Mutant{Rule: "a cell that differs by several rows names none", File: "sketch.go", Old: "mul(k, c[1]) == c[2] && s.index(r, part) == at", New: "s.index(r, part) == at"},
		mutation.Mutant{Rule: "a row that is found leaves its other cells", File: "sketch.go", Old: "s.Add(r, sub(0, d))", New: "s.cells[at] = cell{}"},
		mutation.Mutant{Rule: "cells that are left say that not all was found", File: "sketch.go", Old: "return found, false", New: "return found, true"},
		mutation.Mutant{Rule: "a sketch has room beyond what it finds", File: "sketch.go", Old: "cellsPerPart = 48 ", New: "cellsPerPart = 24 "},
		mutation.Mutant{Rule: "a row that names no table is none", File: "sketch.go", Old: "r.Table() >= tables", New: "false"},
		mutation.Mutant{Rule: "the time is bounded", File: "sketch.go", Old: "!ok || again ||", New: "!ok || again && len(queue) < 0 ||"},
		mutation.Mutant{Rule: "NULL is not an empty text", File: "message.go", Old: "if v == nil {", New: "if len(v) == 0 {"},
		mutation.Mutant{Rule: "values are told apart by their lengths", File: "message.go", Old: "binary.AppendUvarint(append(b, 1), uint64(len(v)))", New: "append(b, 1)"},
		mutation.Mutant{Rule: "a reference is no text", File: "message.go", Old: "b = append(b, 2)", New: "b = append(b, 1, 16)"},
		mutation.Mutant{Rule: "rows of two tables with one key are two", File: "hash.go", Old: "h.begin(&h.rows, 'r', table)", New: "h.begin(&h.rows, 'r', \"\")"},
		mutation.Mutant{Rule: "the content says of which row it is", File: "message.go", Old: "binary.BigEndian.PutUint64(m[headBytes-8:headBytes], uint64(row))", New: ""},
		mutation.Mutant{Rule: "a table is equal if all its buckets are", File: "digest.go", Old: "t.Equal = t.Same == t.Buckets && t.Here == t.There", New: "t.Equal = t.Here == t.There"},
		mutation.Mutant{Rule: "a row that is there as it is here misses nowhere", File: "digest.go", Old: "case sub(0, content):", New: "case content:"},
		mutation.Mutant{Rule: "numbers are of the field", File: "digest.go", Old: "n.bad || v >= prime", New: "n.bad"},
		mutation.Mutant{Rule: "a peer is compared with a while after it was added", File: "due.go", Old: "if last.Before(added) {", New: "if false {"},
		mutation.Mutant{Rule: "a digest is not made before it is due", File: "due.go", Old: "now.Sub(last) >= every", New: "true"},
		mutation.Mutant{Rule: "a clock that was wrong ends nothing", File: "due.go", Old: "every || last.After(now)", New: "every"},
		mutation.Mutant{Rule: "no digest is made where that is off", File: "due.go", Old: "every > 0 && (now", New: "(now"},
		mutation.Mutant{Rule: "one digest a day is compared", File: "due.go", Old: "now.Sub(last) >= Again", New: "true"},
		mutation.Mutant{Rule: "whatever the clock said before", File: "due.go", Old: "Again || last.After(now)", New: "Again"},
		mutation.Mutant{Rule: "rows come in order", File: "digest.go", Old: "out[len(out)-1] >= r", New: "false"},
	)
}
