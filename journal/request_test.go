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
	w.Default = merge.Group{Mask: merge.Bits(1), Version: stamped(7, "siaya", 2, 3)}
	g := []merge.Group{{Mask: merge.Bits(1), Version: stamped(1, "hub", 3, 2)}}
	check(t, PutVersions(ctx, db, w.ID, nil, []Entry{{Row{Int: 1}, g}}, a))
	check(t, PutVersions(ctx, db, w.ID+1, nil, []Entry{{Row{Int: 1}, g}}, a))
	check(t, PutTombstones(ctx, db, w.ID, []Tombstone{{"a", stamped(1, "hub", 3, 2)}}, a))
	check(t, Resend(ctx, db, w, 9, a))
	same(t, "versions", must(AllVersions(ctx, db, w.ID, a))(t), map[Row][]merge.Group{{Int: 1}: {{Mask: merge.Bits(1), Version: stamped(1, "hub", 9, 2)}}})
	same(t, "of another table", must(AllVersions(ctx, db, w.ID+1, a))(t), map[Row][]merge.Group{{Int: 1}: g})
	same(t, "deletions", must(Tombstones(ctx, db, w.ID, []string{"a"}, a))(t), map[string]merge.Version{"a": stamped(1, "hub", 9, 2)})
	same(t, "the default", must(LoadTables(ctx, db, a))(t)["ward"].Default, merge.Group{Mask: merge.Bits(1), Version: stamped(7, "siaya", 9, 3)})
}

func TestAsk(t *testing.T) {
	for _, name := range []string{"person", "odd#name"} {
		for _, lost := range []bool{false, true} {
			if a, ok := ParseResendRequest(ResendRequest{name, 12, lost}.String()); !ok || a != (ResendRequest{name, 12, lost}) {
				t.Errorf("%+v, %v", a, ok)
			}
		}
	}
	for _, s := range []string{"", "person", "#3", "person#", "person#x", "person#0", "person#0#lost", "person#lost", "#lost"} {
		if a, ok := ParseResendRequest(s); ok {
			t.Errorf("%q passed as %+v", s, a)
		}
	}
}

// A request for a table that is lost goes beside one that every program reads, and is read before it. What is owed for it is so until it
// was applied, also if the peer asks again for another reason.
func TestAskForALostTable(t *testing.T) {
	p := &Peer{Requested: map[string]uint64{"bed": 4, "ward": 7}, Lost: map[string]uint64{"bed": 3, "ward": 7}}
	texts := p.ResendRequests()
	same(t, "requests", texts, []string{"bed#4", "ward#7", "ward#7#lost"})
	same(t, "read", ParseResendRequests(append(texts, "reads:x", "ward#9")), []ResendRequest{{"ward", 7, true}, {"bed", 4, false}, {"ward", 7, false}, {"ward", 9, false}})
	always := func(int64) bool { return true }
	p.Ask("ward", true)
	p.Owe(p.AskedFor(always), 5, 1)
	same(t, "owed", p.Owed["ward"], Owed{Epoch: 5, At: 1, Lost: true})
	p.Ask("ward", false)
	p.Owe(p.AskedFor(always), 6, 2)
	same(t, "owed still", p.Owed["ward"], Owed{Epoch: 6, At: 2, Lost: true})
	p.Link.Acked.Epoch = 6
	p.Ask("ward", false)
	same(t, "asked anew", p.Owed["ward"], Owed{Epoch: 6, At: 2, Again: true})
}
