package journal_test

import (
	"reflect"
	"testing"

	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// What a peer said that it reads is kept with it, and there is nothing of it until it has said something.
func TestHeardIsKept(t *testing.T) {
	s := sites.New(t, "hub", "none", "CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB")
	s.Init()
	ctx, db := t.Context(), s.J.DB
	p := &journal.Peer{Name: "kisumu", Role: "child", Card: []byte("card"), Link: merge.Link{Number: 1}}
	if err := journal.AddPeer(ctx, db, p); err != nil {
		t.Fatal(err)
	}
	p.Requested = map[string]uint64{"ward": 7}
	for _, want := range []features.Heard{{}, {Reads: []string{"a", "b"}, History: 1<<64 - 1, Epoch: 1<<64 - 2, Time: 1 << 60}, {History: 5, Epoch: 6, Time: 7}, {}} {
		p.Heard = want
		if err := journal.SavePeer(ctx, db, p); err != nil {
			t.Fatal(err)
		}
		got, err := journal.PeerByName(ctx, db, "kisumu", false)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Heard, want) || got.Requested["ward"] != 7 {
			t.Errorf("saved %+v, read %+v and %v", want, got.Heard, got.Requested)
		}
	}
}
