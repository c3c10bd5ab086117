package journal

import (
	"errors"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
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

// A node keeps the end of a profile's path that is longer than its column.
func TestLongProfile(t *testing.T) {
	_, dsn := dbtest.Server(t).Database(t)
	db := open(t, dsn)
	check(t, Create(t.Context(), db, Node{Name: "hub", Profile: "/home/" + strings.Repeat("clinic-", 30) + "/own.toml", History: 1}))
	n, err := LoadNode(t.Context(), db)
	check(t, err)
	if len(n.Profile) != 64 || !strings.HasSuffix(n.Profile, "clinic-/own.toml") {
		t.Errorf("the profile is %q", n.Profile)
	}
}
