package rotation

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// TestMutants takes out each rule in turn: some test must fail.
func TestMutants(t *testing.T) {
	const file = "rotation.go"
	mutation.Check(t, "^Test(Hear|Takes|FormerCards|Meet|Choose|Spare|Rotations|ThiefOfFormerKeys)$",
		mutation.Mutant{Rule: "former keys sign nothing", File: file, Old: "(card == p.Present || card == p.Next)", New: "(card == p.Present || card == p.Next || slices.Contains(p.Former, card))"},
		mutation.Mutant{Rule: "the next key signs too", File: file, Old: "(card == p.Present || card == p.Next)", New: "card == p.Present"},
		mutation.Mutant{Rule: "revoked keys sign nothing", File: file, Old: "&& !revoked(card)", New: ""},
		mutation.Mutant{Rule: "nor does a card that they named", File: file, Old: "&& !revoked(p.Present)", New: ""},
		mutation.Mutant{Rule: "what no longer counts says nothing", File: file, Old: "h.Counts == Nothing ||", New: ""},
		mutation.Mutant{Rule: "who signs is asked", File: file, Old: "h.Counts == Nothing || !p.Takes(h.Signed, revoked)", New: "h.Counts == Nothing"},
		mutation.Mutant{Rule: "a card comes in the place of another once its key has signed", File: file, Old: "h.Signed == p.Next && h.Counts == All", New: "h.Next != \"\""},
		mutation.Mutant{Rule: "and not before all of that is applied", File: file, Old: "&& h.Counts == All {", New: "{"},
		mutation.Mutant{Rule: "a late header says nothing", File: file, Old: "if h.History == p.History && (", New: "if false && ("},
		mutation.Mutant{Rule: "a later time counts within an epoch", File: file, Old: "h.Epoch == p.Epoch && h.Time < p.Time", New: "h.Epoch == p.Epoch"},
		mutation.Mutant{Rule: "another history counts", File: file, Old: "if h.History == p.History && (", New: "if ("},
		mutation.Mutant{Rule: "who says nothing of cards knows of no next one", File: file, Old: "} else if len(p.Has) > 1 {", New: "} else if false {"},
		mutation.Mutant{Rule: "the present key alone names another", File: file, Old: "h.Signed == p.Present && h.Next", New: "h.Next"},
		mutation.Mutant{Rule: "a card does not follow itself", File: file, Old: "h.Next != p.Present &&", New: ""},
		mutation.Mutant{Rule: "a former card does not come back", File: file, Old: "!slices.Contains(p.Former, h.Next) &&", New: ""},
		mutation.Mutant{Rule: "a revoked card is not named", File: file, Old: "&& !revoked(h.Next)", New: ""},
		mutation.Mutant{Rule: "former cards are bounded", File: file, Old: "former[max(0, len(former)-MaxFormer):]", New: "former"},
		mutation.Mutant{Rule: "a database that was restored does not bring a former card back", File: file, Old: "|| slices.Contains(p.Former, stored)", New: ""},
		mutation.Mutant{Rule: "a home folder that was restored finds the next card in its place", File: file, Old: "case stored == p.Next:\n\t\treturn p.replace()", New: ""},
		mutation.Mutant{Rule: "the newest key that the peer has signs", File: file, Old: "len(has) > 0 && slices.Contains(has, k.Card)", New: "len(has) > 0 && has[0] == k.Card"},
		mutation.Mutant{Rule: "the newest card is named until it is known", File: file, Old: "return Choice{i, i - 1}", New: "return Choice{i, -1}"},
		mutation.Mutant{Rule: "one card is named after the other", File: file, Old: "if k.Card == has[0] {", New: "if true {"},
		mutation.Mutant{Rule: "and none is left out", File: file, Old: "return Choice{i, i - 1}", New: "return Choice{i, min(i, 1) - 1}"},
		mutation.Mutant{Rule: "who has said nothing has the card of when it was added", File: file, Old: "case len(has) == 0 && k.Since <= added:", New: "case len(has) == 0:"},
		mutation.Mutant{Rule: "keys that a peer uses are kept", File: file, Old: "!used(own[i].Card) &&", New: ""},
		mutation.Mutant{Rule: "and all for a time", File: file, Old: "&& now.Sub(replaced) >= Keep", New: "&& replaced != now"},
	)
}
