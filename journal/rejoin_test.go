package journal

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// What came from a restored peer counts as made here; what came before, or from others, stays.
func TestRejoin(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	group := func(epoch uint64, from merge.Peer) []merge.Group {
		return []merge.Group{{Mask: merge.Bits(1), Version: stamped(1, "hub", epoch, from)}}
	}
	check(t, PutVersions(ctx, db, 5, nil, []Entry{{Row{Int: 1}, group(3, 2)}, {Row{Int: 2}, group(5, 2)}, {Row{Int: 3}, group(5, 3)},
		{Row{Int: 4}, append(group(3, 2), merge.Group{Mask: merge.Bits(2), Version: stamped(2, "hub", 5, 2)})}}, a))
	check(t, PutTombstones(ctx, db, 5, []Tombstone{{"a", stamped(1, "hub", 5, 2)}}, a))
	if _, _, err := PutConflicts(ctx, db, []Conflict{{Table: "ward", Epoch: 5, From: 2, Loser: merge.Stamp{Author: "hub"}, Winner: merge.Stamp{Author: "hub"}}}); err != nil {
		t.Fatal(err)
	}
	added := func(g []merge.Group) []merge.Group {
		g[0].Added = merge.Adder{Stored: true, Peer: 2}
		return g
	}
	tables := map[string]*Table{}
	for i, name := range []string{"ward", "bed"} {
		tables[name] = &Table{Name: name, Fresh: true}
		check(t, SaveColumns(ctx, db, tables[name]))
		tables[name].Default = group(uint64(4+i), 2)[0]
		check(t, SaveDefault(ctx, db, tables[name], a))
	}
	check(t, Rejoin(ctx, db, 2, 4, 9))
	same(t, "versions", must(AllVersions(ctx, db, 5, a))(t), map[Row][]merge.Group{{Int: 1}: group(3, 2), {Int: 2}: added(group(9, 0)), {Int: 3}: group(5, 3),
		{Int: 4}: append(added(group(3, 2)), merge.Group{Mask: merge.Bits(2), Version: stamped(2, "hub", 9, 0)})})
	same(t, "deletions", must(Tombstones(ctx, db, 5, []string{"a"}, a))(t), map[string]merge.Version{"a": stamped(1, "hub", 9, 0)})
	check(t, NewerConflicts(ctx, db, 0, 99, func(c Conflict) error {
		same(t, "conflict", []uint64{c.Epoch, uint64(c.From)}, []uint64{9, 0})
		return nil
	}))
	now := must(LoadTables(ctx, db, a))(t)
	same(t, "a default from before", now["ward"].Default, group(4, 2)[0])
	same(t, "a default", now["bed"].Default, added(group(9, 0))[0])
}
