package capture

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Of rows that had one local id in one moment, what a trigger wrote belongs to the one whose key it has; where the key is made of several
// columns, or of the local id itself, to the first.
func TestPick(t *testing.T) {
	t.Parallel()
	uuid, x := &schema.Column{Name: "uuid"}, &schema.Column{Name: "x"}
	died := func(at int64, key string) removedRow {
		r := removedRow{Deleted: journal.Deleted{DeletedAt: at}}
		if key != "" {
			r.death.DeletedKey = &key
		}
		return r
	}
	rows := []removedRow{died(1, "a"), died(2, "b")}
	for _, test := range []struct {
		what    string
		columns []*schema.Column
		rows    []removedRow
		key     string
		want    int64 // 0: none
	}{
		{"the first", []*schema.Column{uuid}, rows, "a", 1},
		{"the second", []*schema.Column{uuid}, rows, "b", 2},
		{"one that nobody had heard of", []*schema.Column{uuid}, rows, "c", 0},
		{"no row", []*schema.Column{uuid}, nil, "a", 0},
		{"a key of two columns", []*schema.Column{uuid, x}, []removedRow{died(3, "61,62")}, "a", 3},
		{"a key that is the local id", []*schema.Column{uuid}, []removedRow{died(4, "")}, "a", 4},
	} {
		got, ok := pick(&schema.Table{KeyColumns: test.columns}, test.rows, map[*schema.Column][]byte{uuid: []byte(test.key)})
		if got.DeletedAt != test.want || ok != (test.want != 0) {
			t.Errorf("%s: %d, %t", test.what, got.DeletedAt, ok)
		}
	}
}

func TestRulesOfWhatIsKeptAreNeeded(t *testing.T) {
	t.Parallel()
	mutation.Check(t, "^TestPick$",
		mutation.Mutant{Rule: "what was written of a row belongs to the one with its key", File: "removed.go", Old: "*r.death.DeletedKey == string(values[t.KeyColumns[0]])", New: "true"},
		mutation.Mutant{Rule: "a key of several columns is not one of them", File: "removed.go", Old: "len(t.KeyColumns) != 1 || ", New: ""})
}
