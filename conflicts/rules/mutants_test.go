package rules

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Group|State|Choose|DecideRules|IsKept|ReverseRules)$",
		mutation.Mutant{Rule: "what lost with another stamp is another conflict", File: "rules.go", Old: "name{r.Table, r.Key, r.Loser, 0}", New: "name{r.Table, r.Key, merge.Stamp{}, 0}"},
		mutation.Mutant{Rule: "of another row too", File: "rules.go", Old: "name{r.Table, r.Key, r.Loser, 0}", New: "name{r.Table, \"\", r.Loser, 0}"},
		mutation.Mutant{Rule: "of another table too", File: "rules.go", Old: "name{r.Table, r.Key, r.Loser, 0}", New: "name{\"\", r.Key, r.Loser, 0}"},
		mutation.Mutant{Rule: "two values of one column are two conflicts", File: "rules.go", Old: "n.nth = seen[col]", New: "n.nth = 0"},
		mutation.Mutant{Rule: "bookkeeping comes last", File: "rules.go", Old: "order(a.Bookkeeping)-order(b.Bookkeeping)", New: "0"},
		mutation.Mutant{Rule: "a conflict has its lowest number", File: "rules.go", Old: "id = min(id, r.ID)", New: "id = max(id, r.ID)"},
		mutation.Mutant{Rule: "what a decision replaced is no conflict", File: "rules.go", Old: "return Replacement", New: "return Matters"},
		mutation.Mutant{Rule: "what is from before is apart", File: "rules.go", Old: "case c.Loser.Time == 0:", New: "case false:"},
		mutation.Mutant{Rule: "bookkeeping alone needs nobody", File: "rules.go", Old: "return OnlyBookkeeping", New: "return Matters"},
		mutation.Mutant{Rule: "bookkeeping keeps nothing open", File: "rules.go", Old: "matters := c.matters()\n", New: "matters := c.Records\n"},
		mutation.Mutant{Rule: "an old conflict is not open", File: "rules.go", Old: "r.Came >= since", New: "true"},
		mutation.Mutant{Rule: "what somebody has decided is not open", File: "rules.go", Old: " && !c.Settled() &&", New: " &&"},
		mutation.Mutant{Rule: "bookkeeping goes with the last that matters", File: "rules.go", Old: "len(out) > 0 && !left", New: "len(out) > 0 && (true || !left)"},
		mutation.Mutant{Rule: "and not by itself", File: "rules.go", Old: "len(out) > 0 && !left", New: "!left"},
		mutation.Mutant{Rule: "what is decided is not decided again", File: "rules.go", Old: "r.Column == column) && r.Resolution.Settles() == decided }", New: "r.Column == column) }"},
		mutation.Mutant{Rule: "what was kept is confirmed", File: "rules.go", Old: "if s.Alive && r.Column != \"\" && s.Column {", New: "if false {"},
		mutation.Mutant{Rule: "a deletion can be taken", File: "rules.go", Old: "return Delete, NoReason", New: "return Nothing, NoReason"},
		mutation.Mutant{Rule: "a row that nobody knows whole stays away", File: "rules.go", Old: "return Refuse, Gone", New: "return BringBack, NoReason"},
		mutation.Mutant{Rule: "a row that is kept comes back", File: "rules.go", Old: "return BringBack, NoReason", New: "return Nothing, NoReason"},
		mutation.Mutant{Rule: "a column that is gone takes nothing", File: "rules.go", Old: "case !s.Column:\n\t\treturn Refuse, NotThere\n\tcase s.Equal:", New: "case s.Equal:"},
		mutation.Mutant{Rule: "what is there already is confirmed", File: "rules.go", Old: "case s.Equal:\n", New: "case false:\n"},
		mutation.Mutant{Rule: "a later change is not overwritten", File: "rules.go", Old: "case !r.IsKept(s.Stamp) && !s.AnyValue:", New: "case false:"},
		mutation.Mutant{Rule: "what a policy kept was kept", File: "rules.go", Old: "now.Time == r.Loser.Time+1", New: "false"},
		mutation.Mutant{Rule: "what won by its own stamp has no other", File: "rules.go", Old: "r.Winner.Time <= r.Loser.Time && ", New: ""},
		mutation.Mutant{Rule: "unless whoever decides knows of it", File: "rules.go", Old: " && !s.AnyValue:", New: ":"},
		mutation.Mutant{Rule: "only what was taken is put back", File: "rules.go", Old: "case r.Resolution.How != merge.TookLost || !s.Alive", New: "case !s.Alive"},
		mutation.Mutant{Rule: "of a row that is here", File: "rules.go", Old: "r.Resolution.How != merge.TookLost || !s.Alive ||", New: "r.Resolution.How != merge.TookLost ||"},
		mutation.Mutant{Rule: "where it is known", File: "rules.go", Old: "case !known:", New: "case false:"},
		mutation.Mutant{Rule: "a change since the decision stays", File: "rules.go", Old: "case !s.Equal:", New: "case false:"},
		mutation.Mutant{Rule: "a row that was changed since it came back stays", File: "rules.go", Old: "len(row.Groups) == 1 && ", New: ""},
		mutation.Mutant{Rule: "by another node too", File: "rules.go", Old: " && row.Groups[0].Author == by.Author", New: ""},
	)
}
