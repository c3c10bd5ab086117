package apply_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

const wardsAdd = "[direction]\nadd = [\"ward\"]\n"

// A location that a metadata package brought to two sites under one uuid, with different values, is the hub's: what the clinic has of it
// is refused, it takes the hub's, and its own is recorded. It does not matter who was later, or whether it was there before omsync.
func TestOneLocationMadeAtTwoSites(t *testing.T) {
	for _, later := range []string{"hub", "clinic"} {
		for _, first := range []string{"hub", "clinic"} {
			for _, when := range []string{"before omsync", "apart"} {
				t.Run(fmt.Sprintf("%s, later at %s, first heard of from %s", when, later, first), func(t *testing.T) {
					hub, clinic := sites.New(t, "hub", wardsAdd, wards...), sites.New(t, "clinic", wardsAdd, wards...)
					clinic.SetOffset(100)
					both := []*sites.Site{hub, clinic}
					insert := func() {
						for _, s := range both {
							s.Exec("INSERT INTO ward (name, code, uuid) VALUES ('" + s.Name + "', '" + s.Name[:1] + "', 'w-1')")
						}
					}
					if when == "before omsync" {
						insert()
					}
					hub.Init()
					clinic.Init()
					hub.Connect(clinic)
					for _, s := range both {
						s.SetClock(time.Hour)
						if s.Name == later {
							s.SetClock(2 * time.Hour)
						}
					}
					if when == "apart" {
						sites.ExchangeTwice(hub, clinic)
						insert()
					}
					clinic.Exec("UPDATE ward SET name = 'own', size = 7")
					if first == "clinic" {
						clinic.Send(hub)
					} else {
						hub.Send(clinic)
					}
					sites.ExchangeTwice(hub, clinic)
					sites.Quiet(t, hub, clinic)
					sites.Same(t, hub, clinic)
					if got := strings.Join(clinic.Query("SELECT name, code, size FROM ward")[0], " "); got != "hub h NULL" {
						t.Errorf("the clinic has %s, want the hub's", got)
					}
					if n := clinic.One("SELECT COUNT(*) FROM omsync_conflict WHERE column_name = 'name' AND value = 'own'"); n != "1" {
						t.Errorf("the clinic's value is recorded %s times", n)
					}
					hub.Exec("UPDATE ward SET code = 'new'")
					sites.ExchangeTwice(hub, clinic)
					sites.Quiet(t, hub, clinic)
					sites.Same(t, hub, clinic)
				})
			}
		}
	}
}

// A clinic that deletes a row that it takes for its own, and that is the hub's, has it again.
func TestRefusedDeletionIsAnswered(t *testing.T) {
	hub, clinic := sites.New(t, "hub", wardsAdd, wards...), sites.New(t, "clinic", wardsAdd, wards...)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		s.Exec("INSERT INTO ward (name, uuid) VALUES ('" + s.Name + "', 'w-1')")
	}
	clinic.SetClock(time.Hour)
	clinic.Exec("DELETE FROM ward")
	clinic.Seal()
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	sites.Same(t, hub, clinic)
	if got := clinic.One("SELECT name FROM ward"); got != "hub" {
		t.Errorf("the clinic has %s", got)
	}
}

// A refused version concerns its sender alone: another clinic is sent nothing, and no stamp of the hub's changes.
func TestAnswerGoesToItsSenderAlone(t *testing.T) {
	hub, clinic, other := sites.New(t, "hub", wardsAdd, wards...), sites.New(t, "clinic", wardsAdd, wards...), sites.New(t, "other", wardsAdd, wards...)
	for _, s := range []*sites.Site{hub, clinic, other} {
		s.Init()
	}
	hub.Connect(clinic)
	hub.Connect(other)
	sites.ExchangeTwice(hub, clinic, other)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('hub', 'w-1')")
	hub.Send(other)
	other.Send(hub)
	stamps := hub.Query("SELECT * FROM omsync_version")
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('clinic', 'w-1')")
	if r := clinic.Send(hub); len(r) != 1 || r[0].Refused != 1 {
		t.Fatalf("%+v: the case is not the one to be tested", r)
	}
	if got := hub.Query("SELECT * FROM omsync_version"); fmt.Sprint(got) != fmt.Sprint(stamps) {
		t.Errorf("the hub's versions are %v, and were %v", got, stamps)
	}
	for _, r := range hub.Send(other) {
		if len(r.Tables) > 0 {
			t.Errorf("the other clinic is sent %+v", r)
		}
	}
	sites.ExchangeTwice(hub, clinic, other)
	sites.Quiet(t, hub, clinic, other)
	sites.Same(t, hub, clinic)
	sites.Same(t, hub, other)
}
