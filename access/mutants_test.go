package access_test

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(AllCombinations|WhatIsSentIsTaken|Writes|Secrets|Flows|Narrowed|Policy|Directions|States)",
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
		mutation.Mutant{Rule: "columns are kept from the parent", File: "send.go", Old: "case r.up:\n\t\treturn r.table.ExcludedUp", New: "case false:\n\t\treturn r.table.ExcludedUp"},
		mutation.Mutant{Rule: "nobody's secrets go down", File: "send.go", Old: "case r.table.Secrets == NoSecrets:", New: "case false:"},
		mutation.Mutant{Rule: "secrets of rows that are not released go nowhere", File: "send.go", Old: "r.table.Secrets != SomeSecrets", New: "r.table.Secrets < AllSecrets"},
		mutation.Mutant{Rule: "all secrets go down where all are released", File: "send.go", Old: "r.up || r.table.Secrets != SomeSecrets", New: "r.up || r.table.Secrets == NoSecrets"},
		mutation.Mutant{Rule: "a record goes no further than its table", File: "send.go", Old: "return r.Sends() || deletion", New: "return true || deletion"},
		mutation.Mutant{Rule: "a record of rights does not go up", File: "send.go", Old: "deletion && r.table.Direction == Down && !r.table.staysPut()", New: "deletion && r.table.Direction == Down"},
		mutation.Mutant{Rule: "a child's edit of what flows down was never sent", File: "send.go", Old: "case r.table.Direction == Down || r.table.Direction == Add && row.Alive", New: "case r.table.Direction == Add && row.Alive"},
		mutation.Mutant{Rule: "the parent's own row was never sent to it", File: "send.go", Old: "r.table.Direction == Add && row.Alive && row.CameFrom(r.peer):", New: "false:"},
		mutation.Mutant{Rule: "a child changes nothing of what only flows down", File: "take.go", Old: "(r.up || r.table.Direction != Down)", New: "true"},
		mutation.Mutant{Rule: "nothing is taken of what flows neither way", File: "take.go", Old: "return r.table.Direction != None &&", New: "return"},
		mutation.Mutant{Rule: "a child brings back no rights", File: "take.go", Old: "return r.table.Direction == Down && !r.table.staysPut()", New: "return r.table.Direction == Down"},
		mutation.Mutant{Rule: "what is deleted may return", File: "take.go", Old: "return row.Known && !row.Alive", New: "return false"},
		mutation.Mutant{Rule: "a child changes only what it added", File: "take.go", Old: "!row.Alive || row.CameFrom(r.peer)", New: "true"},
		mutation.Mutant{Rule: "a child's excluded columns are not taken", File: "take.go", Old: "\treturn r.table.ExcludedUp", New: "\treturn 0"},
		mutation.Mutant{Rule: "a child records nothing of what only flows down", File: "take.go", Old: "return r.Takes() || deletion && ", New: "return r.Takes() || "},
		mutation.Mutant{Rule: "columns that come with a new row alone stay", File: "take.go", Old: "return ^r.table.InsertOnly", New: "return ^merge.Mask(0)"},
		mutation.Mutant{Rule: "a refused deletion is remembered for the row to return", File: "take.go", Old: "return r.up && !r.SendsAllRows()", New: "return r.up"},
		mutation.Mutant{Rule: "with a suspended peer nothing is exchanged", File: "access.go", Old: "return s == Active", New: "return s != Removed"},
		mutation.Mutant{Rule: "what goes further is sent again", File: "access.go", Old: "return now != d && d != Both && now != None", New: "return d == None && now != None"},
		mutation.Mutant{Rule: "what goes up no more is told of", File: "access.go", Old: "(d == Both || d == Add) && (now == Down || now == None)", New: "d == Both && now == Down"},
		mutation.Mutant{Rule: "what flows down goes by the parent", File: "take.go", Old: "if r.table.Direction == Down {", New: "if false {"},
	)
}
