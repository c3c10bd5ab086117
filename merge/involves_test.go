package merge_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
	"pgregory.net/rapid"
)

// TestInvolves holds rows against all pairs of peers: to those that a row does not involve it goes alike.
func TestInvolves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := genRow(t, "row")
		for i, g := range row.Groups {
			if rapid.Bool().Draw(t, "stored") {
				row.Groups[i].Added = merge.Adder{Stored: true, Peer: merge.Peer(rapid.IntRange(0, 5).Draw(t, "adder"))}
			}
			row.Groups[i].From = merge.Peer(rapid.IntRange(0, 5).Draw(t, "from of "+g.Author))
		}
		row.Dead.From = merge.Peer(rapid.IntRange(0, 5).Draw(t, "deleted from"))
		involved := row.Involves()
		if slices.Contains(involved, 0) {
			t.Fatalf("nobody is involved in %+v", row)
		}
		var first *merge.Peer
		for p := merge.Peer(1); p <= 6; p++ {
			if slices.Contains(involved, p) {
				continue
			}
			if first == nil {
				first = &p
				continue
			}
			groups, dead := row.Outgoing(p)
			as, asDead := row.Outgoing(*first)
			if !reflect.DeepEqual(groups, as) || dead != asDead {
				t.Fatalf("%+v goes to %d as %+v %+v, and to %d as %+v %+v", row, p, groups, dead, *first, as, asDead)
			}
			for base := range uint64(8) {
				if row.NewerThan(base, p) != row.NewerThan(base, *first) {
					t.Fatalf("%+v is newer than %d for one of %d and %d alone", row, base, p, *first)
				}
			}
		}
	})
}
