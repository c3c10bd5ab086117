package apply_test

import (
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

const wardsDown = "[direction]\ndown = [\"ward\"]\n"

// What flows down only is the parent's: its next change wins over what a child did to the column, though the child's epoch was
// acknowledged since and the parent's clock is slow.
func TestParentsNextChangeWinsOfWhatFlowsDown(t *testing.T) {
	hub, clinic := sites.New(t, "hub", wardsDown, wards...), sites.New(t, "clinic", wardsDown, wards...)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('maternity', 'w-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.Exec("UPDATE ward SET name = 'own name', size = 7", "INSERT INTO ward (name, uuid) VALUES ('own', 'w-2')")
	clinic.Seal()
	clinic.Exec("INSERT INTO bed (ward_id, uuid) SELECT ward_id, 'b-1' FROM ward WHERE uuid = 'w-1'")
	sites.Exchange(hub, clinic)
	if n := hub.One("SELECT CONCAT(name, COUNT(*)) FROM ward GROUP BY name"); n != "maternity1" {
		t.Fatalf("the hub has %s: the clinic's edits went up", n)
	}
	hub.SetClock(-time.Hour)
	hub.Exec("UPDATE ward SET name = 'surgery'")
	sites.Exchange(hub, clinic)
	if got := clinic.Query("SELECT name, size FROM ward WHERE uuid = 'w-1'")[0]; got[0] != "surgery" || got[1] != "7" {
		t.Errorf("the clinic has %v, want the hub's name and its own size", got)
	}
	sites.Quiet(t, hub, clinic)
}

// A row that the application deletes and makes again is above the deletion of a peer that came in between.
func TestRowReturnsOverADeletionThatCameMeanwhile(t *testing.T) {
	hub, clinic, _ := wardPair(t)
	sites.Exchange(hub, clinic)
	clinic.Exec("DELETE FROM ward WHERE uuid = 'w-1'")
	hub.SetClock(time.Hour)
	hub.Exec("DELETE FROM ward WHERE uuid = 'w-1'")
	for _, f := range hub.Export(clinic) {
		clinic.Import(f)
	}
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('again', 'w-1')")
	sites.Exchange(hub, clinic)
	sites.Quiet(t, hub, clinic)
	sites.Same(t, hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		if n := s.One("SELECT COUNT(*) FROM ward WHERE name = 'again'"); n != "1" {
			t.Errorf("%s has %s of the row that came back", s.Name, n)
		}
		if n := s.One("SELECT COUNT(*) FROM omsync_tombstone WHERE refused = 0 AND row_key = 'w-1'"); n != "0" {
			t.Errorf("at %s the row is deleted and there", s.Name)
		}
	}
}
