package journal

import (
	"testing"
)

func TestAuthors(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	check(t, a.Add(ctx, db, []string{"kisumu", "busia", "hub"}))
	if a.ID("busia") <= 3 || a.Name(a.ID("busia")) != "busia" || a.ID("kisumu") != 2 {
		t.Errorf("%+v", a)
	}
	if a.ID("nobody") != 0 || a.Name(999) != "" {
		t.Error("unknown ones have numbers or names")
	}
	b := must(LoadAuthors(ctx, db))(t)
	same(t, "read again", b, a)
}
