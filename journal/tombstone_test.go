package journal

import (
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/merge"
)

func TestTombstones(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	long, other := strings.Repeat("k", 701), strings.Repeat("k", 700)+"l"
	if must(AnyTombstones(ctx, db, 5))(t) {
		t.Error("there are deletions in nothing")
	}
	dead := []Tombstone{{"w-1", stamped(10, "hub", 3, 0)}, {long, stamped(11, "kisumu", 4, 2)}, {other, stamped(12, "kisumu", 5, 2)}}
	check(t, PutTombstones(ctx, db, 5, dead, a))
	check(t, PutRefusedDeletions(ctx, db, 5, []Tombstone{{"w-2", stamped(13, "siaya", 6, 3)}}, a))
	same(t, "of keys", must(Tombstones(ctx, db, 5, []string{"w-1", long, "w-2", "w-3"}, a))(t), map[string]merge.Version{"w-1": dead[0].Version, long: dead[1].Version})
	got := must(NewerTombstones(ctx, db, 5, 3, 0xffff, a))(t)
	slices.SortFunc(got, func(a, b Tombstone) int { return strings.Compare(a.Key, b.Key) })
	same(t, "newer", got, dead[1:])
	same(t, "newer for its sender", must(NewerTombstones(ctx, db, 5, 0, 2, a))(t), dead[:1])
	same(t, "refused", must(RefusedDeletions(ctx, db, 5, 5))(t), []string{"w-2"})
	same(t, "refused since", must(RefusedDeletions(ctx, db, 5, 6))(t), nil)
	check(t, PutTombstones(ctx, db, 5, []Tombstone{{"w-1", stamped(20, "siaya", 7, 3)}, {"w-2", stamped(21, "siaya", 7, 3)}}, a))
	same(t, "replaced", must(Tombstones(ctx, db, 5, []string{"w-1", "w-2"}, a))(t), map[string]merge.Version{"w-1": stamped(20, "siaya", 7, 3), "w-2": stamped(21, "siaya", 7, 3)})
	check(t, DropTombstones(ctx, db, 5, []string{"w-1", "w-2", long}))
	same(t, "left", must(NewerTombstones(ctx, db, 5, 0, 0xffff, a))(t), dead[2:])
	if !must(AnyTombstones(ctx, db, 5))(t) || must(AnyTombstones(ctx, db, 6))(t) {
		t.Error("which table has deletions?")
	}
}
