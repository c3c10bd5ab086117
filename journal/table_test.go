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
	w.Default = merge.Group{Mask: ^merge.Mask(0), Version: stamped(7, "siaya", 8, 9)}
	check(t, SaveTable(ctx, db, w))
	check(t, SaveDefault(ctx, db, w, a))
	same(t, "the table", must(LoadTables(ctx, db, a))(t), map[string]*Table{"ward": w})
	if !w.Grown() || w.Bit("name") != 2 || w.Bit("note") != 4 || w.Bit("other") != 0 {
		t.Errorf("%+v", w)
	}
	w.Default = merge.Group{}
	check(t, SaveDefault(ctx, db, w, a))
	same(t, "without a default", must(LoadTables(ctx, db, a))(t)["ward"].Default, merge.Group{})
	for i := range 70 {
		w.Assign(fmt.Sprint("c", i), "int")
	}
	if w.Bit("c59") != 1<<62 || w.Bit("c60") != 1<<63 || w.Bit("c69") != 1<<63 {
		t.Errorf("the last columns have the bits %x %x %x", w.Bit("c59"), w.Bit("c60"), w.Bit("c69"))
	}
}
