package access_test

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(AllCombinations|WhatIsSentIsTaken|Writes|Policy|Directions|States|Deletions)",
		mutation.Mutant{Rule: "what only flows down is not sent up", File: "send.go", Old: "&& !(r.up && r.table.Direction == Down)", New: ""},
		mutation.Mutant{Rule: "what flows neither way is not sent", File: "send.go", Old: "return r.table.Direction != None &&", New: "return"},
		mutation.Mutant{Rule: "a row of no direction is not sent", File: "send.go", Old: "case r.table.Direction == None:", New: "case false:"},
		mutation.Mutant{Rule: "the parent's own rows are not sent up", File: "send.go", Old: "r.table.Direction == Add && !row.CameFrom(r.peer)", New: "r.table.Direction == Add"},
		mutation.Mutant{Rule: "rows that give rights never return up", File: "send.go", Old: "(r.table.Direction == Down || r.table.Direction == Add) && !r.table.staysPut()", New: "(r.table.Direction == Down || r.table.Direction == Add)"},
		mutation.Mutant{Rule: "rows that give rights stay put", File: "access.go", Old: "return t.Rights || t.Code", New: "return t.Code"},
		mutation.Mutant{Rule: "code stays put", File: "access.go", Old: "return t.Rights || t.Code", New: "return t.Rights"},
		mutation.Mutant{Rule: "code goes down only, whatever a profile says", File: "access.go", Old: "if t.Code && (t.Direction == Both || t.Direction == Add) {", New: "if false {"},
		mutation.Mutant{Rule: "a child adds no code", File: "access.go", Old: "(t.Direction == Both || t.Direction == Add)", New: "t.Direction == Both"},
		mutation.Mutant{Rule: "code that goes neither way stays so", File: "access.go", Old: "t.Code && (t.Direction == Both || t.Direction == Add)", New: "t.Code"},
		mutation.Mutant{Rule: "columns are kept from the parent", File: "send.go", Old: "if r.up {\n\t\treturn r.table.ExcludedUp", New: "if false {\n\t\treturn r.table.ExcludedUp"},
		mutation.Mutant{Rule: "a record goes no further than its table", File: "send.go", Old: "return r.Sends() || deletion", New: "return true || deletion"},
		mutation.Mutant{Rule: "a record of rights does not go up", File: "send.go", Old: "deletion && r.table.Direction == Down && !r.table.staysPut()", New: "deletion && r.table.Direction == Down"},
		mutation.Mutant{Rule: "a child's edit of what flows down was never sent", File: "send.go", Old: "case r.table.Direction == Down || r.table.Direction == Add && row.Alive", New: "case r.table.Direction == Add && row.Alive"},
		mutation.Mutant{Rule: "the parent's own row was never sent to it", File: "send.go", Old: "r.table.Direction == Add && row.Alive && row.CameFrom(r.peer):", New: "false:"},
		mutation.Mutant{Rule: "a child changes nothing of what only flows down", File: "take.go", Old: "(r.up || r.table.Direction != Down)", New: "true"},
		mutation.Mutant{Rule: "nothing is taken of what flows neither way", File: "take.go", Old: "return r.table.Direction != None &&", New: "return"},
		mutation.Mutant{Rule: "a child brings back no rights", File: "take.go", Old: "(r.table.Direction == Down || r.table.Direction == Add) && !r.table.staysPut()", New: "(r.table.Direction == Down || r.table.Direction == Add)"},
		mutation.Mutant{Rule: "what flows down and is deleted may return", File: "take.go", Old: "(r.table.Direction == Down || r.table.Direction == Add) && !r.table.staysPut()", New: "r.table.Direction == Add && !r.table.staysPut()"},
		mutation.Mutant{Rule: "what others added and is deleted may return", File: "take.go", Old: "(r.table.Direction == Down || r.table.Direction == Add) && !r.table.staysPut()", New: "r.table.Direction == Down && !r.table.staysPut()"},
		mutation.Mutant{Rule: "what a child may send does not return otherwise", File: "take.go", Old: "(r.table.Direction == Down || r.table.Direction == Add) && !r.table.staysPut()", New: "!r.table.staysPut()"},
		mutation.Mutant{Rule: "what the parent sends says all by itself", File: "take.go", Old: "return !r.up && (r.table", New: "return (r.table"},
		mutation.Mutant{Rule: "a child's own row returns as the child sends it", File: "take.go", Old: "(r.table.Direction == Down || added.By != r.peer)", New: "true"},
		mutation.Mutant{Rule: "a child changes only what it added", File: "take.go", Old: "return row.CameFrom(r.peer)", New: "return true"},
		mutation.Mutant{Rule: "a child brings back only what it added", File: "take.go", Old: "return !added.Known || added.By == r.peer", New: "return true"},
		mutation.Mutant{Rule: "a child's own row may come back", File: "take.go", Old: "return !added.Known || added.By == r.peer", New: "return !added.Known"},
		mutation.Mutant{Rule: "where nobody knows whose a deleted row was it counts as new", File: "take.go", Old: "return !added.Known || added.By == r.peer", New: "return added.Known && added.By == r.peer"},
		mutation.Mutant{Rule: "a child's excluded columns are not taken", File: "take.go", Old: "\treturn r.table.ExcludedUp", New: "\treturn 0"},
		mutation.Mutant{Rule: "a child records nothing of what only flows down", File: "take.go", Old: "return r.Takes() || deletion && ", New: "return r.Takes() || "},
		mutation.Mutant{Rule: "columns that come with a new row alone stay", File: "take.go", Old: "return ^r.table.InsertOnly", New: "return ^merge.Mask(0)"},
		mutation.Mutant{Rule: "a refused deletion is remembered for the row to return", File: "take.go", Old: "return r.up && !r.SendsAllRows()", New: "return r.up"},
		mutation.Mutant{Rule: "with a suspended peer nothing is exchanged", File: "access.go", Old: "return s == Active", New: "return s != Removed"},
		mutation.Mutant{Rule: "what goes further is sent again", File: "access.go", Old: "return now != d && d != Both && now != None", New: "return d == None && now != None"},
		mutation.Mutant{Rule: "what flows down goes by the parent", File: "take.go", Old: "if r.table.Direction == Down {", New: "if false {"},
		mutation.Mutant{Rule: "parents are not held", File: "deletions.go", Old: "if r.up {", New: "if false {"},
		mutation.Mutant{Rule: "what was deleted before makes it more than few", File: "deletions.go", Old: "\t\tsum += n\n", New: "\t\tsum += n * 0\n"},
		mutation.Mutant{Rule: "some deletions are free", File: "deletions.go", Old: "n > FreeDeletions && ", New: ""},
		mutation.Mutant{Rule: "no more than that", File: "deletions.go", Old: "n > FreeDeletions &&", New: "n > FreeDeletions+1 &&"},
		mutation.Mutant{Rule: "a share of a large table is free", File: "deletions.go", Old: " && n > of/DeletionShare", New: ""},
		mutation.Mutant{Rule: "no more than that share", File: "deletions.go", Old: "n > of/DeletionShare", New: "n > of/DeletionShare+1"},
		mutation.Mutant{Rule: "slices of a day count together", File: "deletions.go", Old: "tooMany(sum+d.Now, all)", New: "tooMany(d.Now, all)"},
		mutation.Mutant{Rule: "the share is of the table as it was", File: "deletions.go", Old: "\t\tall += n", New: "\t\tall += n * 0"},
		mutation.Mutant{Rule: "what a person agreed to counts no more", File: "deletions.go", Old: "sum = 0", New: "sum += 0"},
	)
}
