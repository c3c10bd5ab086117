package capture

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// What an integer stands for elsewhere changes where its row got another key, or came, or went with nothing that named it: whether one
// seal reads all of that, or the log has more.
func TestChangedKey(t *testing.T) {
	t.Parallel()
	table := &schema.Table{Key: schema.KeyUUID, KeyColumns: []*schema.Column{{Name: "uuid", UUIDColumn: true, Charset: "utf8"}}}
	table.Root = table
	uuid := func(s string) *string { return &s }
	died := func(key *string, first bool) []journal.Death { return []journal.Death{{DeletedKey: key, First: first}} }
	for _, test := range []struct {
		what   string
		folded journal.Folded
		key    string
		exists bool
		want   bool
	}{
		{"a row came", journal.Folded{Born: true}, "", false, true},
		{"a row came after one that came and went in this log", journal.Folded{Born: true, Deaths: died(uuid("a"), false)}, "b", true, true},
		{"a row went and came again", journal.Folded{Born: true, Deaths: died(uuid("a"), true)}, "a", true, false},
		{"it came again in capitals", journal.Folded{Born: true, Deaths: died(uuid("A"), true)}, "a", true, false},
		{"it got another key", journal.Folded{Born: true, Deaths: died(uuid("a"), true)}, "b", true, true},
		{"it got its first key", journal.Folded{Born: true, Deaths: died(nil, true)}, "b", true, true},
		{"a row that nothing named went", journal.Folded{Deaths: died(nil, true)}, "", false, true},
		{"a row that had a key went", journal.Folded{Deaths: died(uuid("a"), true)}, "", false, false},
		{"a row was edited", journal.Folded{Edits: []journal.Edit{{}}}, "a", true, false},
	} {
		if got := changedKey(table, &test.folded, test.key, test.exists); got != test.want {
			t.Errorf("%s: %v", test.what, got)
		}
	}
}

// The next row of a key stands for it only where something it holds is not above what was known of the key.
func TestAbove(t *testing.T) {
	t.Parallel()
	at := func(times ...int64) (groups []merge.Group) {
		for _, n := range times {
			groups = append(groups, merge.Group{Version: merge.Version{Stamp: merge.Stamp{Time: n, Author: "a"}}})
		}
		return groups
	}
	for _, test := range []struct {
		groups []merge.Group
		want   bool
	}{{at(6, 9), true}, {at(5, 9), false}, {at(9, 4), false}} {
		if got := above(test.groups, merge.Stamp{Time: 5, Author: "a"}); got != test.want {
			t.Errorf("%v: %v", test.groups, got)
		}
	}
}

func TestKeyRulesAreNeeded(t *testing.T) {
	t.Parallel()
	mutation.Check(t, "^(TestChangedKey|TestAbove)$",
		mutation.Mutant{Rule: "what refers to a row that came means that row now", File: "keychange.go", Old: "		return f.Born\n", New: "		return false\n"},
		mutation.Mutant{Rule: "what refers to a row that nothing named, and that went, refers to nothing now", File: "keychange.go",
			Old: "return t.Key == schema.KeyUUID && was == nil", New: "return false"},
		mutation.Mutant{Rule: "what refers to a row that went waits for the peers' word", File: "keychange.go",
			Old: "return t.Key == schema.KeyUUID && was == nil", New: "return true"},
		mutation.Mutant{Rule: "a key in other letters is the same", File: "keychange.go",
			Old: "journal.Canonical(t, *was) != journal.Canonical(t, key)", New: "*was != key"},
		mutation.Mutant{Rule: "a version as late as what was known of the key is not above it", File: "table.go",
			Old: "return !s.Before(g.Stamp)", New: "return g.Stamp.Before(s)"})
}
