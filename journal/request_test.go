package journal

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

func TestResend(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	w := &Table{Name: "ward", Fresh: true}
	check(t, SaveColumns(ctx, db, w))
	w.Default = merge.Group{Mask: 1, Version: stamped(7, "siaya", 2, 3)}
	g := []merge.Group{{Mask: 1, Version: stamped(1, "hub", 3, 2)}}
	check(t, PutVersions(ctx, db, w.ID, nil, []Entry{{Row{Int: 1}, g}}, a))
	check(t, PutVersions(ctx, db, w.ID+1, nil, []Entry{{Row{Int: 1}, g}}, a))
	check(t, PutTombstones(ctx, db, w.ID, []Tombstone{{"a", stamped(1, "hub", 3, 2)}}, a))
	check(t, Resend(ctx, db, w, 9, a))
	same(t, "versions", must(AllVersions(ctx, db, w.ID, a))(t), map[Row][]merge.Group{{Int: 1}: {{Mask: 1, Version: stamped(1, "hub", 9, 2)}}})
	same(t, "of another table", must(AllVersions(ctx, db, w.ID+1, a))(t), map[Row][]merge.Group{{Int: 1}: g})
	same(t, "deletions", must(Tombstones(ctx, db, w.ID, []string{"a"}, a))(t), map[string]merge.Version{"a": stamped(1, "hub", 9, 2)})
	same(t, "the default", must(LoadTables(ctx, db, a))(t)["ward"].Default, merge.Group{Mask: 1, Version: stamped(7, "siaya", 9, 3)})
}

func TestAsk(t *testing.T) {
	for _, name := range []string{"person", "odd#name"} {
		if a, ok := ParseResendRequest(ResendRequest{name, 12}.String()); !ok || a != (ResendRequest{name, 12}) {
			t.Errorf("%+v, %v", a, ok)
		}
	}
	for _, s := range []string{"", "person", "#3", "person#", "person#x", "person#0"} {
		if a, ok := ParseResendRequest(s); ok {
			t.Errorf("%q passed as %+v", s, a)
		}
	}
}
