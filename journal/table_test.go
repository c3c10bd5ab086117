package journal

import (
	"fmt"
	"testing"

	"github.com/omsync/omsync/merge"
)

func TestTables(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	w := &Table{Name: "ward", Fresh: true}
	if !w.Assign("name", "varchar(50)") || w.Assign("name", "varchar(60)") {
		t.Error("which column is new?")
	}
	check(t, SaveColumns(ctx, db, w))
	w.Fresh = false
	w.Assign("note", "text")
	w.Flow = Flow{"down", []string{"note"}, []string{"secret"}, []string{"Boss"}, []string{"ward_id"}}
	w.Default = merge.Group{Mask: merge.Everything(), Version: stamped(7, "siaya", 8, 9)}
	check(t, SaveTable(ctx, db, w))
	check(t, SaveDefault(ctx, db, w, a))
	same(t, "the table", must(LoadTables(ctx, db, a))(t), map[string]*Table{"ward": w})
	if !w.Grown() || w.Bit("name") != 1 || w.Bit("note") != 2 || w.Bit("other") != 0 {
		t.Errorf("%+v", w)
	}
	w.Default = merge.Group{}
	check(t, SaveDefault(ctx, db, w, a))
	same(t, "without a default", must(LoadTables(ctx, db, a))(t)["ward"].Default, merge.Group{})
	for i := range merge.MaxBit + 5 {
		w.Assign(fmt.Sprint("c", i), "int")
	}
	if w.Bit("c59") != 62 || w.Bit("c60") != 63 || w.Bit("c69") != 72 || w.Bit("c1915") != merge.MaxBit || w.Bit("c1922") != merge.MaxBit {
		t.Errorf("the last columns have the bits %d %d %d, %d %d", w.Bit("c59"), w.Bit("c60"), w.Bit("c69"), w.Bit("c1915"), w.Bit("c1922"))
	}
}
