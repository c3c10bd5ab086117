package access_test

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
		{Rule: "what only flows down is not sent up", File: "send.go", Old: "&& !(r.up && r.table.Direction == Down)", New: ""},
		{Rule: "what flows neither way is not sent", File: "send.go", Old: "return r.table.Direction != None &&", New: "return"},
		{Rule: "a row of no direction is not sent", File: "send.go", Old: "case r.table.Direction == None:", New: "case false:"},
		{Rule: "the parent's own rows are not sent up", File: "send.go", Old: "r.table.Direction == Add && !row.CameFrom(r.peer)", New: "r.table.Direction == Add"},
		{Rule: "rows that give rights never return up", File: "send.go", Old: "(r.table.Direction == Down || r.table.Direction == Add) && !r.table.Rights", New: "(r.table.Direction == Down || r.table.Direction == Add)"},
		{Rule: "columns are kept from the parent", File: "send.go", Old: "if r.up {\n\t\treturn r.table.ExcludedUp", New: "if false {\n\t\treturn r.table.ExcludedUp"},
		{Rule: "a record goes no further than its table", File: "send.go", Old: "return r.Sends() || deletion", New: "return true || deletion"},
		{Rule: "a record of rights does not go up", File: "send.go", Old: "deletion && r.table.Direction == Down && !r.table.Rights", New: "deletion && r.table.Direction == Down"},
		{Rule: "a child's edit of what flows down was never sent", File: "send.go", Old: "case r.table.Direction == Down || r.table.Direction == Add && row.Alive", New: "case r.table.Direction == Add && row.Alive"},
		{Rule: "the parent's own row was never sent to it", File: "send.go", Old: "r.table.Direction == Add && row.Alive && row.CameFrom(r.peer):", New: "false:"},
		{Rule: "a child changes nothing of what only flows down", File: "take.go", Old: "(r.up || r.table.Direction != Down)", New: "true"},
		{Rule: "nothing is taken of what flows neither way", File: "take.go", Old: "return r.table.Direction != None &&", New: "return"},
		{Rule: "a child brings back no rights", File: "take.go", Old: "return r.table.Direction == Down && !r.table.Rights", New: "return r.table.Direction == Down"},
		{Rule: "what is deleted may return", File: "take.go", Old: "return row.Known && !row.Alive", New: "return false"},
		{Rule: "a child changes only what it added", File: "take.go", Old: "!row.Alive || row.CameFrom(r.peer)", New: "true"},
		{Rule: "a child's excluded columns are not taken", File: "take.go", Old: "\treturn r.table.ExcludedUp", New: "\treturn 0"},
		{Rule: "a child records nothing of what only flows down", File: "take.go", Old: "return r.Takes() || deletion && ", New: "return r.Takes() || "},
		{Rule: "columns that come with a new row alone stay", File: "take.go", Old: "return ^r.table.InsertOnly", New: "return ^merge.Mask(0)"},
		{Rule: "a refused deletion is remembered for the row to return", File: "take.go", Old: "return r.up && !r.SendsAllRows()", New: "return r.up"},
		{Rule: "with a suspended peer nothing is exchanged", File: "access.go", Old: "return s == Active", New: "return s != Removed"},
		{Rule: "what goes further is sent again", File: "access.go", Old: "return now != d && d != Both && now != None", New: "return d == None && now != None"},
		{Rule: "what flows down goes by the parent", File: "take.go", Old: "if r.table.Direction == Down {", New: "if false {"},
	} {
		t.Run(m.Rule, func(t *testing.T) {
			t.Parallel()
			_, failed, err := m.Run(t.TempDir(), "^Test(AllCombinations|WhatIsSentIsTaken|Writes|Policy|Directions|States)")
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
