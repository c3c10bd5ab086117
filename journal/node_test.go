package journal

import (
	"errors"
	"testing"
)

func TestNode(t *testing.T) {
	db, _ := newNode(t)
	n := must(LoadNode(t.Context(), db))(t)
	same(t, "the node", *n, Node{Name: "hub", Profile: "none", History: 1<<64 - 1})
	n.History, n.Earlier = 7, []uint64{1<<64 - 1, 5}
	check(t, SaveHistory(t.Context(), db, n))
	same(t, "the node", must(LoadNode(t.Context(), db))(t), n)
	check(t, Drop(t.Context(), db))
	if _, err := LoadNode(t.Context(), db); !errors.Is(err, ErrNone) {
		t.Errorf("after Drop: %v", err)
	}
	if _, err := NodeName(t.Context(), db); !errors.Is(err, ErrNone) {
		t.Errorf("the name after Drop: %v", err)
	}
}
