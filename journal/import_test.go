package journal

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
)

func TestImports(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	p := &Peer{ID: 2, Name: "kisumu"}
	end := func(epoch, own uint64) merge.AppliedBatch {
		return merge.AppliedBatch{Position: merge.Position{Epoch: epoch, Token: epoch * 10}, OwnEpoch: own}
	}
	p.Link.Imports = []merge.AppliedBatch{end(1, 4), end(2, 5), end(3, 6)}
	check(t, SaveImports(ctx, db, p, nil))
	check(t, SaveImports(ctx, db, &Peer{ID: 3, Link: merge.Link{Imports: []merge.AppliedBatch{end(9, 7)}}}, nil))
	had := slices.Clone(p.Link.Imports)
	p.Link.Imports = []merge.AppliedBatch{end(1, 4), end(3, 6), end(4, 8)}
	check(t, SaveImports(ctx, db, p, had))
	got := &Peer{ID: 2}
	check(t, LoadImports(ctx, db, got))
	same(t, "imports", got.Link.Imports, p.Link.Imports)
}
