package apply_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

// ask makes a node ask its peers for a table, as it does when its triggers had been missing.
func ask(t *testing.T, s *sites.Site, table string) {
	t.Helper()
	s.Exec(fmt.Sprintf("INSERT INTO ward (uuid, name) VALUES ('asks-%d', 'news')", time.Now().UnixNano()))
	s.Seal()
	epoch := journal.ResendRequest{Table: table}
	if _, err := fmt.Sscan(s.One("SELECT MAX(id) FROM omsync_epoch"), &epoch.Epoch); err != nil {
		t.Fatal(err)
	}
	if err := journal.RequestResend(t.Context(), s.J.DB, []string{table}, nil, nil, epoch.Epoch); err != nil {
		t.Fatal(err)
	}
}

// exported returns how many rows and deletions a node sends, and delivers them.
func exported(from, to *sites.Site) (n int64) {
	for _, f := range from.Export(to) {
		n += f.Made.Rows + f.Made.Deletions
		to.Import(f)
	}
	return n
}

// What one clinic asks for goes to that clinic alone, once, and at most so often. The others are sent what is new.
func TestAskedForAlone(t *testing.T) {
	ddl := "CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB"
	bed := "CREATE TABLE bed (name VARCHAR(50) NOT NULL PRIMARY KEY, n INT) ENGINE=InnoDB" // without an integer
	hub, asks, other := sites.New(t, "hub", "none", ddl, bed), sites.New(t, "asks", "none", ddl, bed), sites.New(t, "other", "none", ddl, bed)
	for i := range 50 {
		hub.Exec(fmt.Sprintf("INSERT INTO ward (uuid, name) VALUES ('h-%d', 'of the hub')", i), fmt.Sprintf("INSERT INTO bed VALUES ('b-%d', 1)", i))
	}
	all := []*sites.Site{hub, asks, other}
	for _, s := range all {
		s.Init()
	}
	hub.Connect(asks)
	hub.Connect(other)
	sites.Exchange(all...)
	hub.Exec("INSERT INTO ward (uuid, name) VALUES ('gone', 'x')", "UPDATE ward SET name = 'edited' WHERE uuid = 'h-7'")
	sites.Exchange(all...)
	hub.Exec("DELETE FROM ward WHERE uuid = 'gone'")
	sites.Exchange(all...)
	sites.Quiet(t, all...)

	// Triggers were missing at the clinic: a row is gone there, and one that was deleted is back.
	asks.Exec("SET @omsync_quiet = 1", "DELETE FROM ward WHERE uuid = 'h-3'", "SET @omsync_quiet = NULL")
	ask(t, asks, "ward")
	asks.Send(hub)
	before := hub.Query("SELECT COUNT(*), MAX(epoch) FROM omsync_version WHERE table_id = (SELECT id FROM omsync_table WHERE name = 'ward')")
	if got := exported(hub, other); got != 1 {
		t.Errorf("the other clinic is sent %d rows, want the one that is new", got)
	}
	if n := hub.Peer(asks); n.Owed["ward"].Epoch == 0 {
		t.Errorf("owed: %v", n.Owed)
	}
	if w, err := hub.J.CountWaiting(t.Context(), hub.J.DB, hub.Peer(asks)); err != nil || w != 51 {
		t.Errorf("%d rows wait, %v, want 50 and a deletion", w, err)
	}
	lost := hub.Export(asks) // is lost on its way
	if len(lost) != 1 || lost[0].Made.Rows != 50 || lost[0].Made.Deletions != 1 {
		t.Errorf("the clinic that asked is sent %+v, want 50 rows and a deletion", lost)
	}
	if got := exported(hub, asks); got != 51 {
		t.Errorf("once more %d", got)
	}
	if after := hub.Query("SELECT COUNT(*), MAX(epoch) FROM omsync_version WHERE table_id = (SELECT id FROM omsync_table WHERE name = 'ward')"); !slices.Equal(before[0], after[0]) {
		t.Errorf("what the hub knows changed: %v, %v", before, after)
	}
	sites.Exchange(all...)
	sites.Quiet(t, all...)
	sites.Same(t, hub, asks)
	sites.Same(t, hub, other)

	// Once more at once: later.
	ask(t, asks, "ward")
	ask(t, asks, "bed")
	asks.Send(hub)
	if got := exported(hub, asks); got != 50 {
		t.Errorf("asked again at once, and for another table: %d rows, want the 50 of that one", got)
	}
	sites.Exchange(all...)
	hub.SetClock(2 * time.Hour)
	asks.Exec("INSERT INTO bed VALUES ('news', 1)")
	asks.Send(hub)
	if got := exported(hub, asks); got != 51 {
		t.Errorf("after an hour: %d rows, want 51", got)
	}
	sites.Exchange(all...)
	sites.Quiet(t, all...)
	sites.Same(t, hub, asks)
	sites.Same(t, hub, other)
}
