package rules

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Theirs|Row|LaterCopy|Before|Stay)",
		mutation.Mutant{Rule: "what came earlier stays", File: "rules.go", Old: "v.Epoch >= s.First && ", New: ""},
		mutation.Mutant{Rule: "what came in the first epoch counts", File: "rules.go", Old: "v.Epoch >= s.First", New: "v.Epoch > s.First"},
		mutation.Mutant{Rule: "what was only sent again came earlier", File: "rules.go", Old: " && !(s.Resent(v.Epoch) && v.Time < s.Time)", New: ""},
		mutation.Mutant{Rule: "unless its stamp is later", File: "rules.go", Old: " && v.Time < s.Time)", New: ")"},
		mutation.Mutant{Rule: "only what came from the peer counts", File: "rules.go", Old: "(v.From == s.Peer || ", New: "(true || "},
		mutation.Mutant{Rule: "a restore hides nothing", File: "rules.go", Old: " || v.From == 0 && v.Author == s.Name", New: ""},
		mutation.Mutant{Rule: "what is made here is nobody else's", File: "rules.go", Old: "v.From == 0 && v.Author == s.Name", New: "v.From == 0"},
		mutation.Mutant{Rule: "what another passed on is not theirs", File: "rules.go", Old: "v.From == 0 && v.Author == s.Name", New: "v.Author == s.Name"},
		mutation.Mutant{Rule: "a row that others changed stays", File: "rules.go", Old: "theirs.Has(merge.Existence) && !before && others:", New: "others && false:"},
		mutation.Mutant{Rule: "a row that was here before stays", File: "rules.go", Old: "theirs.Has(merge.Existence) && !before:", New: "theirs.Has(merge.Existence):"},
		mutation.Mutant{Rule: "what others have of before says so", File: "rules.go", Old: "case g.Epoch < s.First || g.From == s.Peer:", New: "case g.From == s.Peer:"},
		mutation.Mutant{Rule: "what was only sent again says so", File: "rules.go", Old: "case g.Epoch < s.First || g.From == s.Peer:", New: "case g.Epoch < s.First:"},
		mutation.Mutant{Rule: "a row that another added stays, whoever stamped it", File: "rules.go", Old: "existence && g.Added.Stored && g.Added.Peer != s.Peer", New: "false"},
		mutation.Mutant{Rule: "a row that they added is theirs, whoever told of it", File: "rules.go", Old: "g.Added.Stored && g.Added.Peer != s.Peer", New: "g.Added.Stored"},
		mutation.Mutant{Rule: "a row that they added and another stamped is seen", File: "rules.go", Old: "case restamped && !before:", New: "case false:"},
		mutation.Mutant{Rule: "but not one that was here before", File: "rules.go", Old: "case restamped && !before:", New: "case restamped:"},
		mutation.Mutant{Rule: "if it was stamped since", File: "rules.go", Old: " && s.isSince(g.Version)", New: ""},
		mutation.Mutant{Rule: "what another added and stamped is not theirs", File: "rules.go", Old: "existence && r.WasAddedBy(s.Peer)", New: "existence"},
		mutation.Mutant{Rule: "a row's existence is no column", File: "rules.go", Old: "theirs.Columns()", New: "theirs"},
		mutation.Mutant{Rule: "what the peer sent anew is not what was there", File: "rules.go", Old: "return addedBy != s.Peer", New: "return true"},
		mutation.Mutant{Rule: "what others have sent anew is", File: "rules.go", Old: "return addedBy != s.Peer", New: "return false"},
		mutation.Mutant{Rule: "what others say was here counts for nothing", File: "rules.go", Old: "l.Here && ", New: ""},
		mutation.Mutant{Rule: "only what lost to the value that is there now", File: "rules.go", Old: " && l.Winner == now", New: ""},
		mutation.Mutant{Rule: "the peer's own was not there before", File: "rules.go", Old: "found < 0 || lost[found].Loser.Author != s.Name", New: "true"},
		mutation.Mutant{Rule: "what the peer's own had beaten was", File: "rules.go", Old: "now = lost[found].Loser\n", New: "return -1\n"},
		mutation.Mutant{Rule: "the last of them", File: "rules.go", Old: "lost[found].Loser.Before(l.Loser)", New: "false"},
		mutation.Mutant{Rule: "what is referred to stays", File: "rules.go", Old: "range next[i] {", New: "range next[i][:0] {"},
	)
}
