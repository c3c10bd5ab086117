package journal

import (
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/merge"
)

func TestChanges(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	dbtest.Exec(t, db, "INSERT INTO omsync_capture VALUES (3, 5, 1, -7, NULL, NULL, 0, '1970-01-01 00:00:00.000009'), (4, 6, 3, NULL, 'k', 'u', 0, '1970-01-01 00:00:01'), (9, 5, 2, 8, NULL, NULL, 18446744073709551614, '1970-01-01 00:00:02'), "+
		"(10, 7, 2, 8, NULL, NULL, 6, '1970-01-01 00:00:02'), (11, 7, 4, 8, NULL, NULL, 9223372036854775809, '1970-01-01 00:00:02'), (12, 7, 2, 8, NULL, NULL, 9223372036854775808, '1970-01-01 00:00:02')")
	u := "u"
	want := []Change{
		{ID: 3, Table: 5, Op: OpInsert, Row: Row{Int: -7}, At: 9},
		{ID: 4, Table: 6, Op: OpDelete, Row: Row{Key: "k"}, DeletedKey: &u, At: 1_000_000},
		{ID: 9, Table: 5, Op: OpUpdate, Row: Row{Int: 8}, Mask: merge.Everything().Columns(), At: 2_000_000},
		{ID: 10, Table: 7, Op: OpUpdate, Row: Row{Int: 8}, Mask: merge.Bits(6), At: 2_000_000},
		{ID: 11, Table: 7, Op: OpUpdate, Row: Row{Int: 8}, Mask: merge.Bit(63), At: 2_000_000},
		{ID: 12, Table: 7, Op: OpUpdate, Row: Row{Int: 8}, Mask: merge.Everything().Without(merge.Bits(1<<63 - 1)), At: 2_000_000}, // of a trigger of before
	}
	same(t, "all", must(Changes(ctx, db, 10))(t), want)
	same(t, "the first", must(Changes(ctx, db, 2))(t), want[:2])
	same(t, "of a table", must(TableChanges(ctx, db, 5))(t), []Change{want[0], want[2]})
	check(t, DropChanges(ctx, db, []uint64{3, 9}))
	if n := must(CountChanges(ctx, db))(t); n != 4 {
		t.Errorf("%d are left", n)
	}
	if err := DropChanges(ctx, db, []uint64{3, 4}); err == nil {
		t.Error("a change that is not there was dropped")
	}
}
