package journal_test

import (
	"os"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// The numbers of links grow whatever the clock does, and whoever was removed.
func TestNextLink(t *testing.T) {
	s := sites.New(t, "hub", "none", "CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB")
	s.Init()
	ctx, db := t.Context(), s.J.DB
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	var last uint64
	for i, at := range []time.Time{now, now.Add(-24 * time.Hour), now.Add(-24 * time.Hour), now.Add(time.Hour)} {
		n, err := journal.NextLink(ctx, db, at)
		if err != nil {
			t.Fatal(err)
		}
		if n <= last || n < uint64(at.UnixMicro()) {
			t.Errorf("link %d: number %d after %d", i, n, last)
		}
		last = n
		p := &journal.Peer{Name: "kisumu", Role: "child", Card: []byte("card"), Link: merge.Link{Number: n}}
		if err := journal.AddPeer(ctx, db, p); err != nil {
			t.Fatal(err)
		}
		p.State = "removed"
		if err := journal.SavePeer(ctx, db, p); err != nil {
			t.Fatal(err)
		}
	}
	if last != uint64(now.Add(time.Hour).UnixMicro()) {
		t.Errorf("the clock is ahead again, and the number is %d", last)
	}
}
