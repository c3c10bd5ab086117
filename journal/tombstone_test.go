package journal

import (
	"fmt"
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
	same(t, "refused", must(RefusedDeletions(ctx, db, []uint16{4, 5}, 5))(t), map[uint16][]string{5: {"w-2"}})
	same(t, "refused since", must(RefusedDeletions(ctx, db, []uint16{4, 5}, 6))(t), map[uint16][]string{})
	same(t, "refused elsewhere", must(RefusedDeletions(ctx, db, []uint16{4}, 5))(t), map[uint16][]string{})
	check(t, PutTombstones(ctx, db, 5, []Tombstone{{"w-1", stamped(20, "siaya", 7, 3)}, {"w-2", stamped(21, "siaya", 7, 3)}}, a))
	same(t, "replaced", must(Tombstones(ctx, db, 5, []string{"w-1", "w-2"}, a))(t), map[string]merge.Version{"w-1": stamped(20, "siaya", 7, 3), "w-2": stamped(21, "siaya", 7, 3)})
	check(t, DropTombstones(ctx, db, 5, []string{"w-1", "w-2", long}))
	same(t, "left", must(NewerTombstones(ctx, db, 5, 0, 0xffff, a))(t), dead[2:])
	if !must(AnyTombstones(ctx, db, 5))(t) || must(AnyTombstones(ctx, db, 6))(t) {
		t.Error("which table has deletions?")
	}
}

// Whose a deleted row was is kept until the row is back, and finds the deletions of an owner's rows.
func TestBuried(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	long := strings.Repeat("k", 800)
	dead := []Tombstone{{"w-1", stamped(1, "hub", 3, 0)}, {long, stamped(1, "hub", 3, 0)}, {"w-3", stamped(2, "siaya", 4, 7)}, {"w-4", stamped(2, "siaya", 4, 7)}}
	check(t, PutTombstones(ctx, db, 5, dead, a))
	many := make([]string, MaxOwners+1)
	for i := range many {
		many[i] = fmt.Sprint("p-", i)
	}
	check(t, Bury(ctx, db, 5, []Grave{{"w-1", []string{"p-1", "p-2"}}, {long, []string{"p-2"}}, {"w-3", many}, {"w-4", []string{strings.Repeat("p", MaxOwnerKey+1)}}}))
	check(t, Bury(ctx, db, 6, []Grave{{"w-1", []string{"p-9"}}}))
	all := []string{"w-1", long, "w-3", "w-4", "w-5"}
	same(t, "owners", must(Buried(ctx, db, 5, all))(t), map[string][]string{"w-1": {"p-1", "p-2"}, long: {"p-2"}})
	same(t, "deletions of an owner's rows", must(TombstonesOf(ctx, db, 5, []string{"p-1", "p-2"}, a))(t), []Tombstone{dead[0], dead[1]})
	same(t, "of nobody's", len(must(TombstonesOf(ctx, db, 5, []string{"p-9"}, a))(t)), 0)
	check(t, Bury(ctx, db, 5, []Grave{{"w-1", []string{"p-3"}}}))
	check(t, DropTombstones(ctx, db, 5, []string{long}))
	same(t, "owners after that", must(Buried(ctx, db, 5, all))(t), map[string][]string{"w-1": {"p-3"}})
	check(t, DropTombstones(ctx, db, 5, all))
	same(t, "of another table", must(Buried(ctx, db, 6, all))(t), map[string][]string{"w-1": {"p-9"}})
	same(t, "deletions", len(must(Tombstones(ctx, db, 5, all, a))(t)), 0)
}

// What a conflict record says of owners comes back, and what nobody can have written says nothing.
func TestOwnersOfRecords(t *testing.T) {
	for _, owners := range [][]string{nil, {"p-1"}, {"", "p-1", strings.Repeat("p", 300)}} {
		if got := decodeOwners([]byte(encodeOwners(owners))); !slices.Equal(got, owners) {
			t.Errorf("%q came back as %q", owners, got)
		}
	}
	for _, b := range []string{"\x00", "\x00\x03ab", "\x00\x01a\x00"} {
		if got := decodeOwners([]byte(b)); got != nil {
			t.Errorf("%q is %q", b, got)
		}
	}
}
