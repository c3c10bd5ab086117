package access_test

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/access"
)

// Deletions at each bound, and one above.
func TestDeletionsThatNeedAPerson(t *testing.T) {
	child, parent := access.On(access.Table{}, peer, access.Child), access.On(access.Table{}, peer, access.Parent)
	for _, c := range []struct {
		what    string
		now     int64
		earlier []int64
		left    int64
		want    bool
	}{
		{"nothing", 0, nil, 0, false},
		{"a whole small table", 200, nil, 200, false},
		{"one more than is free", 201, nil, 201, true},
		{"one in a hundred of a large table", 500, nil, 50_000, false},
		{"one more", 501, nil, 50_000, true},
		{"many of a huge table", 5000, nil, 1_000_000, false},
		{"slices", 50, []int64{50, 50, 50}, 250, false},
		{"one slice more", 51, []int64{50, 50, 50}, 250, true},
		{"slices of a large table, whose rows are counted as they were", 100, []int64{200, 200}, 49_600, false},
		{"one slice more of it", 101, []int64{200, 200}, 49_600, true},
		{"nothing new after slices", 0, []int64{100, 100, 100}, 10, false},
		{"a little after what a person agreed to", 10, []int64{3000}, 2000, false},
		{"much after it", 201, []int64{3000}, 2000, true},
		{"a little after slices and what a person agreed to", 10, []int64{100, 101}, 1000, false},
		{"what came after it counts", 100, []int64{3000, 101}, 2000, true},
		{"the two before it do not count again", 99, []int64{150, 100, 101}, 1000, false},
	} {
		d := access.Deletions{Now: c.now, Earlier: slices.Clone(c.earlier), Left: c.left}
		if got := child.NeedPerson(d); got != c.want {
			t.Errorf("%s: %t", c.what, got)
		}
		for left := range int64(2) { // what is few needs nobody, whatever the table has
			if small := (access.Deletions{Now: c.now, Earlier: c.earlier, Left: left}); d.Few() && child.NeedPerson(small) {
				t.Errorf("%s: it is few, and too many for %d rows", c.what, left)
			}
		}
		sum := c.now
		for _, n := range c.earlier {
			sum += n
		}
		if few := sum <= 200; d.Few() != few {
			t.Errorf("%s: few: %t", c.what, !few)
		}
		if parent.NeedPerson(d) {
			t.Errorf("%s: the parent is held", c.what)
		}
	}
}
