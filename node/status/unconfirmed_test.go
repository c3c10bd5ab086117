package status_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
)

// What each of many peers lacks is what is counted for it alone, and the oldest of it, however much there is.
func TestUnconfirmedOf(t *testing.T) {
	ctx := t.Context()
	n := nodetest.New(t, filepath.Join(t.TempDir(), "hub"), "hub")
	for i := range 7 {
		name := fmt.Sprintf("site-%d", i)
		k, err := keys.Create(t.TempDir(), name, keys.X25519)
		nodetest.Check(t, err)
		nodetest.Check(t, n.AddPeer(ctx, k.Card(), access.Child))
	}
	table := n.Journal.Tables["site"].ID
	const epochs = 40
	for e := 1; e <= epochs; e++ {
		dbtest.Exec(t, n.DB, fmt.Sprintf("REPLACE INTO omsync_epoch (id, token, created_at) VALUES (%d, %[1]d, %[1]d000000)", e))
	}
	random := rand.New(rand.NewPCG(7, 11))
	for round := range 12 {
		peers, err := journal.Peers(ctx, n.DB)
		nodetest.Check(t, err)
		dbtest.Exec(t, n.DB, "DELETE FROM omsync_version", "DELETE FROM omsync_tombstone")
		var versions, tombstones []string
		for range random.IntN(60) {
			versions = append(versions, fmt.Sprintf("(%d, %d, '', %d, 1, 1, %d, %d)", table, 1+random.IntN(20), 1+random.Uint64N(1<<40), 1+random.IntN(epochs), random.IntN(9)))
		}
		for i := range random.IntN(10) {
			tombstones = append(tombstones, fmt.Sprintf("(%d, 'k%d', 1, 1, %d, %d)", table, i, 1+random.IntN(epochs), random.IntN(9)))
		}
		if len(versions) > 0 {
			dbtest.Exec(t, n.DB, "INSERT INTO omsync_version (table_id, local_id, local_key, column_mask, time, author, epoch, origin) VALUES "+strings.Join(versions, ","))
		}
		if len(tombstones) > 0 {
			dbtest.Exec(t, n.DB, "INSERT INTO omsync_tombstone (table_id, row_key, time, author, epoch, origin) VALUES "+strings.Join(tombstones, ","))
		}
		if round == 3 { // more than is read at once, of which most peers have all
			const digits = "(SELECT 0 i UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"
			dbtest.Exec(t, n.DB, fmt.Sprintf("INSERT INTO omsync_version (table_id, local_id, local_key, column_mask, time, author, epoch, origin) SELECT %d, 1000 + a.i + 10*b.i + 100*c.i + 1000*d.i + 10000*e.i, '', 1, 1, 1, 3, 1 "+
				"FROM %[2]s a, %[2]s b, %[2]s c, %[2]s d, (SELECT 0 i UNION SELECT 1 UNION SELECT 2) e", table, digits))
		}
		for _, p := range peers {
			p.Link.Acked.Epoch = random.Uint64N(epochs + 1)
			if random.IntN(5) == 0 {
				p.Owed = map[string]journal.Owed{"site": {Epoch: p.Link.Acked.Epoch + 1}}
			}
		}
		got, err := n.Journal.UnconfirmedOf(ctx, n.DB, peers)
		nodetest.Check(t, err)
		for i, p := range peers {
			rows, err := n.Journal.CountWaiting(ctx, n.DB, p)
			nodetest.Check(t, err)
			alone, err := n.Journal.UnconfirmedOf(ctx, n.DB, []*journal.Peer{p})
			nodetest.Check(t, err)
			if got[i].Rows != rows || got[i] != alone[0] {
				t.Errorf("round %d, %s at %d: %+v, alone %+v, counted %d", round, p.Name, p.Link.Acked.Epoch, got[i], alone[0], rows)
			}
			if want := oldest(t, n.DB, p); len(p.Owed) == 0 && !got[i].Since.Equal(want) {
				t.Errorf("round %d, %s at %d: since %v, want %v", round, p.Name, p.Link.Acked.Epoch, got[i].Since, want)
			}
		}
	}
}

// oldest is when the epoch was made of the oldest version or deletion that a peer lacks.
func oldest(t *testing.T, db *sql.DB, p *journal.Peer) time.Time {
	t.Helper()
	var epoch int64
	nodetest.Check(t, db.QueryRow("SELECT IFNULL(MIN(epoch), 0) FROM (SELECT epoch, origin FROM omsync_version UNION ALL SELECT epoch, origin FROM omsync_tombstone) x WHERE epoch > ? AND origin <> ?", p.Link.Acked.Epoch, p.ID).Scan(&epoch))
	if epoch == 0 {
		return time.Time{}
	}
	return time.Unix(epoch, 0)
}
