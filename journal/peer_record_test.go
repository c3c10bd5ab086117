package journal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/merge"
)

func TestPeers(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	p := &Peer{Name: "kisumu", Role: "child", Card: []byte("card"), Link: merge.Link{Number: 8}}
	check(t, AddPeer(ctx, db, p))
	same(t, "added", must(PeerByName(ctx, db, "kisumu", false))(t), p)
	p.Link = merge.Link{Number: 8, PeerNumber: 9, Retired: map[uint64]bool{4: true}, Acked: merge.Position{Epoch: 5, Token: 6}, ExportEnds: []merge.Position{{Epoch: 7, Token: 1 << 63}}}
	p.Requested, p.Answered = map[string]uint64{"ward": 6, "bed": 5}, map[string]uint64{"users": 2}
	p.SentAt, p.AppliedAt = time.UnixMicro(1779494400000001), time.UnixMicro(3)
	check(t, SavePeer(ctx, db, p))
	same(t, "saved", must(Peers(ctx, db))(t), []*Peer{p})
	same(t, "requests", p.ResendRequests(), []string{"ward#6"})
	check(t, RequestResend(ctx, db, []string{"bed"}, nil, map[string][]string{"bed": {"size", "colour"}}, 10))
	got := must(PeerByName(ctx, db, "kisumu", true))(t)
	same(t, "requested", got.Requested, map[string]uint64{"ward": 6, "bed": 10})
	p.State = "removed"
	check(t, SavePeer(ctx, db, p))
	if got := must(PeerByName(ctx, db, "kisumu", false))(t); got != nil {
		t.Errorf("a removed peer: %+v", got)
	}
	next := &Peer{Name: "kisumu", Role: "child", Card: []byte("card"), Link: merge.Link{Number: 9}}
	check(t, AddPeer(ctx, db, next))
	if next.ID == p.ID {
		t.Error("a number was used again")
	}
	for column, damaged := range map[string]string{"link": `{"version":1,"number":12,"later":1}`, "requests": "[]", "heard": ""} {
		dbtest.Exec(t, db, "CREATE TABLE kept AS SELECT id, "+column+" v FROM omsync_peer", fmt.Sprintf("UPDATE omsync_peer SET %s = '%s'", column, damaged))
		for _, want := range []string{"the peer kisumu: ", "omsync peer remove kisumu", "restore the database"} {
			if _, err := Peers(ctx, db); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("damaged %s: %v lacks %q", column, err, want)
			}
		}
		dbtest.Exec(t, db, fmt.Sprintf("UPDATE omsync_peer x JOIN kept k ON k.id = x.id SET x.%s = k.v", column), "DROP TABLE kept")
	}
	dbtest.Exec(t, db, "UPDATE omsync_peer SET link = '{\"version\":9}'")
	if _, err := Peers(ctx, db); err == nil || !strings.Contains(err.Error(), "install the newer omsync") {
		t.Errorf("a link of a later version: %v", err)
	}
	// What the message says helps.
	dbtest.Exec(t, db, `UPDATE omsync_peer SET link = '{"version":1,"number":9000000000000000,"later":1}' WHERE state <> 'removed'`)
	for _, want := range []bool{true, false} {
		same(t, "removed", must(RemovePeer(ctx, db, "kisumu"))(t), want)
	}
	same(t, "the next link's number", must(NextLink(ctx, db, time.Now()))(t), 9000000000000001)
	check(t, AddPeer(ctx, db, next))
	if got := must(PeerByName(ctx, db, "kisumu", false))(t); got == nil {
		t.Error("the peer cannot be added anew")
	}
}
