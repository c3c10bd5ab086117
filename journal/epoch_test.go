package journal

import (
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/merge"
)

func TestEpochs(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	same(t, "the last of none", must(LastEpoch(ctx, db))(t), merge.Position{})
	first := must(NextEpoch(ctx, db, false, time.Now()))(t)
	again := must(NextEpoch(ctx, db, true, time.Now()))(t)
	if again.Epoch <= first.Epoch || again.Token == first.Token || first.Token == 0 {
		t.Errorf("%v after %v", again, first)
	}
	same(t, "the last", must(LastEpoch(ctx, db))(t), again)
	same(t, "those that send again", must(ResendEpochs(ctx, db, 0))(t), []uint64{again.Epoch})
	same(t, "those that send again after it", must(ResendEpochs(ctx, db, again.Epoch))(t), nil)
	var bad error
	_, h, err := LoadHistory(ctx, db, &bad)
	check(t, err)
	for p, want := range map[merge.Position]bool{first: true, again: true, {Epoch: first.Epoch, Token: again.Token}: false, {Epoch: 99, Token: 1}: false} {
		if h.Has(p) != want {
			t.Errorf("the history has %v: %t", p, !want)
		}
	}
	check(t, DropEpoch(ctx, db, again.Epoch))
	same(t, "the last", must(LastEpoch(ctx, db))(t), first)
	check(t, bad)
	dbtest.Exec(t, db, "DROP TABLE omsync_epoch")
	if h.Has(first); bad == nil {
		t.Error("an error was not remembered")
	}
}
