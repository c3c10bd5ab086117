package journal

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/merge"
)

// Keys are found among those that wait, long ones too; of a table of which too many wait they are not read.
func TestWaitingKeys(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	long, other := strings.Repeat("k", 701), strings.Repeat("k", 700)+"l"
	row := func(peer merge.Peer, table uint16, key string) WaitingRow {
		return WaitingRow{Peer: peer, Table: table, Key: key, Waiting: merge.Waiting{Incoming: merge.Incoming{Alive: true}}, Reason: Reason{Code: WaitsForValue}}
	}
	must(PutWaiting(ctx, db, []WaitingRow{row(2, 5, "w-1"), row(2, 5, long), row(2, 6, "w-2"), row(3, 5, "w-3")}))(t)
	keys := must(ReadWaitingKeys(ctx, db, 2, 5, 2))(t)
	same(t, "among", keys.Among([]string{"w-3", other, long, "w-2", "w-1"}), []string{long, "w-1"})
	if keys := must(ReadWaitingKeys(ctx, db, 2, 5, 1))(t); keys != nil {
		t.Errorf("more than one wait, and %d keys were read", len(keys))
	}
	for most, want := range map[int]int64{1: 1, 9: 3} {
		same(t, "up to so many", must(CountWaitingUpTo(ctx, db, 2, most))(t), want)
	}
	must(0, LoseWaiting(ctx, db, 2))(t)
	same(t, "that are not lost", len(must(ReadWaitingKeys(ctx, db, 2, 5, 2))(t)), 0)
}
