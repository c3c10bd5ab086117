package journal

import (
	"fmt"
	"math"
	"testing"

	"github.com/omsync/omsync/access"
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
	for _, name := range []string{"person", "odd#name", "odd#column:name"} {
		for _, r := range []ResendRequest{{name, 12, false, ""}, {name, 12, true, ""}, {name, 12, false, "born"}, {name, 12, false, "a#3%né#lost"}} {
			if a, ok := ParseResendRequest(r.String()); !ok || a != r {
				t.Errorf("%+v of %s, %v", a, r, ok)
			}
		}
	}
	for _, s := range []string{"", "person", "#3", "person#", "person#x", "person#0", "person#0#lost", "person#lost", "#lost", "person#column:born", "person#3#column:", "person#3#column:%", "person#0#column:born"} {
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
	read, _ := ParseResendRequests(append(texts, "reads:x", "ward#9"))
	same(t, "read", read, []ResendRequest{{"ward", 7, true, ""}, {"bed", 4, false, ""}, {"ward", 7, false, ""}, {"ward", 9, false, ""}})
	always := func(int64) bool { return true }
	p.Ask("ward", true, merge.Mask{})
	p.Owe(p.AskedFor(always), 5, 1)
	same(t, "owed", p.Owed["ward"], Owed{Epoch: 5, At: 1, Lost: true})
	p.Ask("ward", false, merge.Mask{})
	p.Owe(p.AskedFor(always), 6, 2)
	same(t, "owed still", p.Owed["ward"], Owed{Epoch: 6, At: 2, Lost: true})
	p.Link.Acked.Epoch = 6
	p.Ask("ward", false, merge.Mask{})
	same(t, "asked anew", p.Owed["ward"], Owed{Epoch: 6, At: 2, Again: true})
}

// Who asks for a table for columns that it did not have says which, until it is heard; who is asked knows that the peer has seen nothing of them
// until the peer has applied the table.
func TestAskForColumns(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	check(t, AddPeer(ctx, db, &Peer{Name: "hub", Role: access.Parent, Card: []byte("card")}))
	check(t, RequestResend(ctx, db, []string{"bed", "ward"}, nil, map[string][]string{"bed": {"size", "colour"}}, 4))
	check(t, RequestResend(ctx, db, []string{"bed"}, nil, map[string][]string{"bed": {"price", "size"}}, 6))
	p := must(PeerByName(ctx, db, "hub", false))(t)
	texts := p.ResendRequests()
	same(t, "requests", texts, []string{"bed#6", "ward#4", "bed#6#column:colour", "bed#6#column:price", "bed#6#column:size"})
	bed := &Table{Name: "bed", Columns: []Column{{Name: "size", Bit: 2}, {Name: "price", Bit: 3}, {Name: "shape", Bit: 4}}}
	same(t, "new here", p.Lacks(bed), merge.Lacks{Here: merge.Bits(12), Asked: 6})
	read, columns := ParseResendRequests(texts)
	same(t, "read", read, []ResendRequest{{"bed", 6, false, ""}, {"ward", 4, false, ""}})
	same(t, "columns", columns, map[ResendRequest][]string{{Table: "bed", Epoch: 6}: {"colour", "price", "size"}})
	p.Gained["ward"] = make([]string, 2*maxColumns)
	for i := range p.Gained["ward"] {
		p.Gained["ward"][i] = fmt.Sprintf("c%d", i)
	}
	same(t, "with very many columns", len(p.ResendRequests()), 2+maxColumns)
	p.Link.Acked.Epoch = 6
	same(t, "new here, in a file from before it was heard", p.Lacks(bed), merge.Lacks{Here: merge.Bits(12), Asked: 6})
	p.Request([]string{"bed"}, 9)
	same(t, "a request for another reason", p.Lacks(bed), merge.Lacks{Asked: 9})

	always := func(int64) bool { return true }
	asked := &Peer{}
	asked.Ask("bed", false, merge.Bits(4))
	same(t, "answered later", asked.Lacks(bed), merge.Lacks{Gained: merge.Bits(4), Until: math.MaxUint64})
	asked.Owe(asked.AskedFor(always), 5, 1)
	asked.Ask("bed", false, merge.Bits(8))
	asked.Owe(asked.AskedFor(always), 7, 1)
	same(t, "asked twice", asked.Lacks(bed), merge.Lacks{Gained: merge.Bits(12), Until: 7})
	asked.Link.Acked.Epoch = 7
	asked.Owe([]string{"bed"}, 8, 1)
	same(t, "owed for another reason, once it has all", asked.Lacks(bed), merge.Lacks{Until: 8})
}
