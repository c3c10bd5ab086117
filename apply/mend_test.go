package apply_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/merge"
)

// poison gives what is there of some wards at a site the stamp that the program took from a peer before there was a horizon.
func poison(t *testing.T, s, from *sites.Site) {
	t.Helper()
	s.Seal()
	s.Exec("INSERT IGNORE INTO omsync_node (id, name) SELECT MAX(id) + 1, 'stolen' FROM (SELECT id FROM omsync_node) n HAVING NOT EXISTS (SELECT 1 FROM (SELECT name FROM omsync_node) m WHERE m.name = 'stolen')")
	author, end := s.One("SELECT id FROM omsync_node WHERE name = 'stolen'"), "253402300799999999"
	origin := fmt.Sprint(s.Peer(from).ID)
	set := fmt.Sprintf(" SET time = %s, author = %s, origin = %s ", end, author, origin)
	ward := s.One("SELECT id FROM omsync_table WHERE name = 'ward'")
	s.Exec("UPDATE omsync_version"+set+"WHERE table_id = "+ward+" AND local_id IN (SELECT ward_id FROM ward WHERE uuid IN ('w-1', 'w-2'))",
		"UPDATE omsync_tombstone"+set+"WHERE row_key = 'w-9'",
		strings.ReplaceAll("UPDATE omsync_table SET default_time = "+end+", default_author = "+author+", default_origin = "+origin+" WHERE name = 'bed'", "  ", " "))
	if err := s.J.Reload(context.Background(), s.DB); err != nil {
		t.Fatal(err)
	}
}

func mend(t *testing.T, s *sites.Site, later time.Time, dry bool) *capture.Mended {
	t.Helper()
	m, err := capture.MendStamps(context.Background(), s.J, capture.MendOptions{LaterThan: later, DryRun: dry, Wait: sites.Wait})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A database that took stamps at the end of time is mended, parent first: nothing of it is frozen any more, here or at a clinic, and what
// waited goes on.
func TestMendStamps(t *testing.T) {
	hub, honest, stolen, _ := wardNetwork(t)
	hub.Exec("UPDATE ward SET name = 'old' WHERE uuid IN ('w-1', 'w-2')", "INSERT INTO ward (name, uuid) VALUES ('gone', 'w-9')")
	sites.Exchange(hub, honest)
	hub.Exec("DELETE FROM ward WHERE uuid = 'w-9'")
	sites.Exchange(hub, honest)
	poison(t, hub, stolen)
	poison(t, honest, hub)

	// The damage: an edit at the clinic is refused at the hub, and the hub's is lost at the clinic.
	hub.Exec("UPDATE ward SET name = 'later' WHERE uuid = 'w-2'")
	hub.Send(honest)
	honest.Exec("UPDATE ward SET size = 77 WHERE uuid = 'w-1'")
	later := time.Now().Add(merge.DefaultHorizon)

	before := checksum(hub)
	dry := mend(t, hub, later, true)
	if checksum(hub) != before {
		t.Error("a dry run has changed the database")
	}
	found := mend(t, hub, later, false)
	want := []capture.MendedTable{{Name: "bed", Default: true}, {Name: "ward", Rows: 2, Deletions: 1}}
	if fmt.Sprint(found.Tables) != fmt.Sprint(want) || fmt.Sprint(dry.Tables) != fmt.Sprint(want) {
		t.Errorf("mended %+v, would have mended %+v, want %+v", found.Tables, dry.Tables, want)
	}
	if !strings.Contains(fmt.Sprint(found.Authors), "stolen") || found.Latest.Year() != 9999 {
		t.Errorf("authors %q, latest %s", found.Authors, found.Latest)
	}
	if again := mend(t, hub, later, false); len(again.Tables) != 0 {
		t.Errorf("mended again: %+v", again.Tables)
	}
	for _, f := range honest.Export(hub) { // until the clinic is mended, what it makes on those rows waits
		if _, err := hub.ImportErr(f); err == nil || !strings.Contains(err.Error(), "later than the clock") {
			t.Errorf("a file of a clinic that is not mended: %v", err)
		}
	}
	for _, r := range hub.Send(honest) { // and its own stay as they are
		if r.Outcome == "refused" {
			t.Errorf("the hub's file: %+v", r)
		}
	}
	mend(t, honest, later, false)
	sites.Exchange(hub, honest)
	sites.Same(t, hub, honest)
	for _, s := range []*sites.Site{hub, honest} {
		if n := s.One("SELECT (SELECT COUNT(*) FROM omsync_version WHERE time > ?) + (SELECT COUNT(*) FROM omsync_tombstone WHERE time > ?) + (SELECT COUNT(*) FROM omsync_table WHERE default_time > ?)",
			later.UnixMicro(), later.UnixMicro(), later.UnixMicro()); n != "0" {
			t.Errorf("%s still has %s stamps that are too late", s.Name, n)
		}
	}
	exchangeGoesOn(t, hub, honest)
	honest.Exec("INSERT INTO ward (name, uuid) VALUES ('back', 'w-9')", "UPDATE bed SET label = 'soft'", "UPDATE ward SET name = 'thawed' WHERE uuid = 'w-2'")
	exchangeGoesOn(t, hub, honest)
	if n := hub.One("SELECT COUNT(*) FROM ward JOIN bed ON label = 'soft' WHERE name IN ('back', 'thawed')"); n != "2" {
		t.Errorf("edits after mending: %s of 2 are at the hub", n)
	}
}

// Nothing is mended by a clock that cannot be right, nor what is not in the future.
func TestMendNeedsAClock(t *testing.T) {
	hub, _, _, _ := wardNetwork(t)
	now := time.Now()
	if _, err := capture.MendStamps(context.Background(), hub.J, capture.MendOptions{LaterThan: now.Add(-time.Hour)}); err == nil || !strings.Contains(err.Error(), "is past") {
		t.Errorf("%v", err)
	}
	hub.SetClock(-time.Since(time.Unix(86400, 0)))
	if _, err := capture.MendStamps(context.Background(), hub.J, capture.MendOptions{LaterThan: now}); err == nil || !strings.Contains(err.Error(), "clock says 1970") {
		t.Errorf("%v", err)
	}
}
