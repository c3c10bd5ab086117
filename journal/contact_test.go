package journal

import (
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/merge"
)

// Who is to be asked for is found whatever its headers have made of the rest of its row.
func TestContacts(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	p := &Peer{Name: "kisumu", Role: "child", Card: []byte("card"), Link: merge.Link{Number: 8}}
	check(t, AddPeer(ctx, db, p))
	same(t, "of the peer", must(ContactByName(ctx, db, "kisumu"))(t), p.Contact())
	// MySQL 5.6 takes no more than a tenth of its redo log, 9.6 MiB.
	dbtest.Exec(t, db, "UPDATE omsync_peer SET link = REPEAT('[', 9000000), requests = 'x', heard = 'x', used = 'x', state = 'suspended'")
	want := p.Contact()
	want.State = access.Suspended
	same(t, "of one whose records are damaged", must(ContactByName(ctx, db, "kisumu"))(t), want)
	if c := must(ContactByName(ctx, db, "nobody"))(t); c != nil {
		t.Errorf("of nobody: %+v", c)
	}
	dbtest.Exec(t, db, "UPDATE omsync_peer SET state = 'removed'")
	if c := must(ContactByName(ctx, db, "kisumu"))(t); c != nil {
		t.Errorf("of one that was removed: %+v", c)
	}
}

// What stops a peer is kept with it, and changes nothing else.
func TestPeersAreStopped(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	p := &Peer{Name: "kisumu", Role: "child", Card: []byte("card"), Link: merge.Link{Number: 8}}
	check(t, AddPeer(ctx, db, p))
	p.Used.Amounts = access.Amounts{access.Authors: 3}
	p.Owed = map[string]Owed{"ward": {Epoch: 7, At: 5, Again: true}}
	check(t, SavePeer(ctx, db, p))
	over := &access.OverQuota{Peer: "kisumu", Quota: access.Authors, Used: 3, More: 2, Limit: 4}
	check(t, StopPeer(ctx, db, over))
	p.Used.Stopped = over
	same(t, "stopped", must(PeerByName(ctx, db, "kisumu", false))(t), p)
	check(t, StopPeer(ctx, db, &access.OverQuota{Peer: "nobody"}))
	p.Used = access.Used{}
	check(t, SavePeer(ctx, db, p))
	same(t, "no more", must(PeerByName(ctx, db, "kisumu", false))(t), p)
}

// A table is owed by batches that start before it was settled, and asked for again until that is due.
func TestOwed(t *testing.T) {
	p := &Peer{}
	p.Ask("ward", false, merge.Mask{})
	p.Ask("bed", false, merge.Mask{})
	always := func(int64) bool { return true }
	same(t, "asked for", p.AskedFor(always), []string{"bed", "ward"})
	same(t, "not settled", p.Owes("ward", 0), 0)
	p.Owe([]string{"ward"}, 7, 100)
	same(t, "left", p.AskedFor(always), []string{"bed"})
	for base, want := range map[uint64]uint64{0: 7, 6: 7, 7: 0, 8: 0} {
		same(t, "owed", p.Owes("ward", base), want)
	}
	p.Ask("ward", false, merge.Mask{})
	same(t, "asked for once more", p.Owes("ward", 6), 7)
	same(t, "due", p.AskedFor(func(last int64) bool { return last == 100 }), []string{"ward"})
}

// Links on which a load is under way hear of an epoch that only sends again, and no others.
func TestRecordResend(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	for name, load := range map[string]uint64{"kisumu": 7, "busia": 0} {
		p := &Peer{Name: name, Role: "child", Card: []byte("card"), Link: merge.Link{Number: 8, Receiving: merge.Receiving{ID: load, First: 2}}}
		check(t, AddPeer(ctx, db, p))
	}
	check(t, RecordResend(ctx, db, 9))
	for name, want := range map[string]uint64{"kisumu": 10, "busia": 2} {
		same(t, name, must(PeerByName(ctx, db, name, false))(t).Link.Receiving.First, want)
	}
}
