package journal

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

func TestFold(t *testing.T) {
	uuid := "u-1"
	row := Row{Int: 7}
	at := func(op int, time int64) Change {
		c := Change{ID: uint64(time), Op: op, Row: row, At: time}
		if op == OpUpdate {
			c.Mask = merge.Bits(2)
		}
		if op == OpDelete {
			c.DeletedKey = &uuid
		}
		return c
	}
	for _, c := range []struct {
		name    string
		changes []Change
		deaths  []bool // First of each
		born    bool
		edits   int
		fewer   int
	}{
		{"edits of one column become one", []Change{at(OpUpdate, 1), at(OpUpdate, 2)}, nil, false, 1, 0},
		{"an edit of a new row is part of it", []Change{at(OpInsert, 1), at(OpUpdate, 2)}, nil, true, 0, -1},
		{"deleted", []Change{at(OpUpdate, 1), at(OpDelete, 2)}, []bool{true}, false, 0, 1},
		{"deleted twice is once", []Change{at(OpDelete, 1), at(OpDelete, 2)}, []bool{true}, false, 0, 2},
		{"born and died", []Change{at(OpInsert, 1), at(OpDelete, 2)}, []bool{false}, false, 0, 0},
		{"the integer used again", []Change{at(OpDelete, 1), at(OpInsert, 2)}, []bool{true}, true, 0, 0},
		{"and again", []Change{at(OpDelete, 1), at(OpInsert, 2), at(OpDelete, 3), at(OpInsert, 4)}, []bool{true, false}, true, 0, 0},
		{"equal rows: one more, and all are gone", []Change{at(OpInsert, 1), at(OpDelete, 2), at(OpDelete, 3)}, []bool{false}, false, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Fold(c.changes)
			if len(got) != 1 {
				t.Fatalf("%d rows", len(got))
			}
			f := got[0]
			var first []bool
			for _, d := range f.Deaths {
				first = append(first, d.First)
			}
			if len(first) != len(c.deaths) || f.Born != c.born || len(f.Edits) != c.edits || f.Fewer != c.fewer {
				t.Fatalf("%+v", f)
			}
			for i := range first {
				if first[i] != c.deaths[i] {
					t.Errorf("death %d: first %v", i, first[i])
				}
			}
		})
	}
}
