package apply_test

import (
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

// addedSites are a hub and two clinics, of which the first has added a ward that all have.
func addedSites(t *testing.T) (hub, clinic, other *sites.Site) {
	t.Helper()
	hub, clinic, other = sites.New(t, "hub", wardsAdd, wards...), sites.New(t, "clinic", wardsAdd, wards...), sites.New(t, "other", wardsAdd, wards...)
	for _, s := range []*sites.Site{hub, clinic, other} {
		s.Init()
	}
	hub.Connect(clinic)
	hub.Connect(other)
	sites.ExchangeTwice(hub, clinic, other)
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('clinic', 'w-1')")
	sites.ExchangeTwice(hub, clinic, other)
	return hub, clinic, other
}

// missTriggers has a site stamp all its wards anew, as it cannot know what it missed.
func missTriggers(s *sites.Site) {
	for _, r := range s.Query("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'ward'") {
		s.Exec("DROP TRIGGER " + r[0])
	}
	s.Follow()
}

// The clinic that added a row may go on changing and deleting it, and nobody else may, whatever happened to the row's versions.
func TestWhoAddedARowStays(t *testing.T) {
	for name, happen := range map[string]func(hub, clinic, other *sites.Site){
		"nothing": func(hub, clinic, other *sites.Site) {},
		"the hub edits the row": func(hub, clinic, other *sites.Site) {
			hub.Exec("UPDATE ward SET size = 5")
		},
		"the hub missed changes": func(hub, clinic, other *sites.Site) {
			missTriggers(hub)
		},
		"the hub keeps the row over its deletion": func(hub, clinic, other *sites.Site) {
			hub.Exec("INSERT INTO bed (ward_id, uuid) SELECT ward_id, 'b-1' FROM ward")
			clinic.SetClock(time.Hour)
			clinic.Exec("DELETE FROM ward")
			clinic.Send(hub)
		},
		"the hub deletes the row, and inserts it again": func(hub, clinic, other *sites.Site) {
			hub.Exec("DELETE FROM ward")
			sites.ExchangeTwice(hub, clinic, other)
			hub.Exec("INSERT INTO ward (name, uuid) VALUES ('back', 'w-1')")
		},
		"the hub replaces the row": func(hub, clinic, other *sites.Site) {
			hub.Exec("REPLACE INTO ward (ward_id, name, uuid) SELECT ward_id + 50, 'replaced', 'w-1' FROM (SELECT ward_id FROM ward) w")
		},
		"another clinic refers to the row that the hub deleted": func(hub, clinic, other *sites.Site) {
			hub.Exec("DELETE FROM ward")
			other.Exec("INSERT INTO bed (ward_id, uuid) SELECT ward_id, 'b-2' FROM ward")
			other.Send(hub)
		},
	} {
		t.Run(name, func(t *testing.T) {
			hub, clinic, other := addedSites(t)
			all := []*sites.Site{hub, clinic, other}
			happen(hub, clinic, other)
			sites.ExchangeTwice(all...)
			if n := hub.One("SELECT COUNT(*) FROM ward"); n != "1" {
				t.Fatalf("the hub has %s wards: the case is not the one to be tested", n)
			}
			sites.Same(t, hub, clinic)
			clinic.SetClock(2 * time.Hour)
			clinic.Exec("UPDATE ward SET name = 'by clinic'")
			for _, r := range clinic.Send(hub) {
				if r.Refused > 0 {
					t.Errorf("the hub refuses what the clinic does to its own row: %+v", r.Tables)
				}
			}
			other.SetClock(3 * time.Hour)
			other.Exec("UPDATE ward SET name = 'by other'")
			sites.ExchangeTwice(all...)
			for _, s := range []*sites.Site{hub, clinic} {
				if got := s.One("SELECT name FROM ward"); got != "by clinic" {
					t.Errorf("%s has %s, want what the clinic wrote", s.Name, got)
				}
			}
			clinic.SetClock(4 * time.Hour)
			clinic.Exec("DELETE FROM bed", "DELETE FROM ward")
			hub.Exec("DELETE FROM bed")
			sites.ExchangeTwice(all...)
			if n := hub.One("SELECT COUNT(*) FROM ward"); n != "0" {
				t.Errorf("the hub keeps %s wards that the clinic deleted", n)
			}
			sites.Quiet(t, all...)
		})
	}
}
