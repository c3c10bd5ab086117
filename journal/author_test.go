package journal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sqldb"
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

// What is rolled back leaves no name and no number: otherwise files that fail would use up all numbers.
func TestAuthorsOfWhatFailed(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	before := must(LoadAuthors(ctx, db))(t)
	for range 3 {
		tx := must(db.BeginTx(ctx, nil))(t)
		check(t, a.Add(ctx, tx, []string{"forged-1", "forged-2"}))
		check(t, tx.Rollback())
		a = must(LoadAuthors(ctx, db))(t)
	}
	same(t, "after what failed", a, before)
	check(t, a.Add(ctx, db, []string{"vihiga"}))
	if n := len(must(LoadAuthors(ctx, db))(t).ids); n != len(before.ids)+1 {
		t.Errorf("%d names, want one more than %d", n, len(before.ids))
	}
}

// Two that meet the same new author give it one number, and another node's number is not taken.
func TestAuthorsMeanwhile(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	b := must(LoadAuthors(ctx, db))(t)
	check(t, a.Add(ctx, db, []string{"kisumu", "busia"}))
	check(t, b.Add(ctx, db, []string{"busia", "siaya", "kisumu"}))
	if a.ID("busia") != b.ID("busia") || b.ID("siaya") == a.ID("kisumu") || b.ID("siaya") == 0 {
		t.Errorf("%+v, %+v", a, b)
	}
}

// Of 65,535 numbers all can be given out, and then it is said.
func TestAuthorsAreUsedUp(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	var statement []byte
	for id := 2; id < maxAuthors; id++ {
		if statement == nil {
			statement = []byte("INSERT IGNORE INTO omsync_node (id, name) VALUES ")
		} else {
			statement = append(statement, ',')
		}
		statement = fmt.Appendf(statement, "(%d, 'n-%[1]d')", id)
	}
	check(t, sqldb.Exec(ctx, db, string(statement)))
	a := must(LoadAuthors(ctx, db))(t)
	check(t, a.Add(ctx, db, []string{"the-last"}))
	if a.ID("the-last") != maxAuthors {
		t.Errorf("the last number is %d", a.ID("the-last"))
	}
	if err := a.Add(ctx, db, []string{"one-more"}); err == nil || !strings.Contains(err.Error(), "all 65535 numbers are used") {
		t.Errorf("one more: %v", err)
	}
}
