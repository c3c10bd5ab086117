package apply_test

import (
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// A clinic behind a clinic knows its own parent's keys alone.
func TestAliasesOfThreeLevels(t *testing.T) {
	hub, clinic := apart(t)
	post := sites.New(t, "post", kindsProfile, kinds...)
	post.Waits, post.Listens = true, true
	post.SetOffset(1000)
	post.Exec("INSERT INTO kind (name, uuid) VALUES ('Emergency', 'p-k2'), ('Only there', 'p-k3')", "INSERT INTO place (kind_id, name, uuid) VALUES (1000, 'Tent', 'p-p2')",
		"INSERT INTO visit (kind_id, place_id, note, uuid) VALUES (1000, 1000, 'p', 'p-v1'), (1001, NULL, 'q', 'p-v2')")
	post.Init()
	clinic.Connect(post)
	sites.ExchangeTwice(hub, clinic, post)
	sites.Quiet(t, hub, clinic, post)
	sameKinds(t, clinic, hub)
	sameKinds(t, post, clinic)
	for _, s := range []*sites.Site{hub, clinic, post} {
		if got := s.One("SELECT COUNT(*) FROM kind"); got != "4" {
			t.Errorf("%s has %s kinds", s.Name, got)
		}
	}
	post.Exec("UPDATE kind SET about = 'by the post' WHERE uuid = 'p-k2'", "DELETE FROM visit WHERE uuid = 'p-v2'", "DELETE FROM kind WHERE uuid = 'p-k3'")
	hub.Exec("INSERT INTO kind (name, uuid) VALUES ('New', 'h-k8')")
	sites.ExchangeTwice(hub, clinic, post)
	sameKinds(t, clinic, hub)
	sameKinds(t, post, clinic)
}

// A clinic that is put under another parent goes on calling things as it did.
func TestAliasesUnderAnotherParent(t *testing.T) {
	hub, clinic := apart(t)
	district := sites.New(t, "district", kindsProfile, kinds...)
	district.Waits, district.Listens = true, true
	district.Init()
	hub.Connect(district)
	sites.ExchangeTwice(hub, clinic, district)
	hub.Exec("UPDATE kind SET name = 'Planned' WHERE uuid = 'h-k1'")
	sites.ExchangeTwice(hub, clinic, district)
	hub.Disconnect(clinic)
	district.Connect(clinic)
	district.Exec("UPDATE kind SET about = 'of the district' WHERE uuid = 'h-k1'")
	clinic.Exec("INSERT INTO visit (kind_id, note, uuid) VALUES (101, 'new', 'c-v9')")
	sites.ExchangeTwice(hub, clinic, district)
	sites.Quiet(t, hub, clinic, district)
	sameKinds(t, clinic, district)
	sameKinds(t, district, hub)
	if got := clinic.One("SELECT CONCAT(name, about) FROM kind WHERE uuid = 'c-k1'"); got != "Plannedof the district" {
		t.Errorf("the clinic's kind is %s", got)
	}
	if got := hub.One("SELECT COUNT(*) FROM kind"); got != "4" {
		t.Errorf("the hub has %s kinds", got)
	}
}

// A clinic comes back to a parent that has one of its rows under the clinic's key, and beside it the row that was taken for it elsewhere: there
// they are two, and so they are two at the clinic.
func TestAliasesUnderAParentWithBothKeys(t *testing.T) {
	for _, c := range []struct{ hub, clinic string }{{"h-k1", "c-k1"}, {"a-k1", "c-k1"}, {"x-k1", "c-k1"}} { // in either order
		hub, clinic, district := sites.New(t, "hub", kindsProfile, kinds...), sites.New(t, "clinic", kindsProfile, kinds...), sites.New(t, "district", kindsProfile, kinds...)
		clinic.Exec("INSERT INTO kind (name, uuid) VALUES ('Scheduled', '"+c.clinic+"')", "INSERT INTO visit (kind_id, note, uuid) VALUES (1, 'a', 'c-v1')")
		hub.Exec("INSERT INTO kind (name, uuid) VALUES ('Scheduled', '"+c.hub+"')", "INSERT INTO visit (kind_id, note, uuid) VALUES (1, 'b', 'h-v1')")
		for _, s := range []*sites.Site{hub, clinic, district} {
			s.Waits, s.Listens = true, true
			s.Init()
		}
		district.Connect(clinic)
		sites.Exchange(district, clinic)
		district.Disconnect(clinic)
		district.Exec("UPDATE kind SET name = 'Of old'")
		hub.Connect(clinic)
		sites.Exchange(hub, clinic)
		if got := clinic.Aliases(hub); len(got) != 1 {
			t.Fatalf("aliases %q", got)
		}
		hub.Disconnect(clinic)
		hub.Connect(district)
		sites.Exchange(hub, district)
		district.Connect(clinic)
		sites.ExchangeTwice(hub, district, clinic)
		sites.Quiet(t, hub, district, clinic)
		sameKinds(t, clinic, district)
		for _, s := range []*sites.Site{hub, district, clinic} {
			if got := s.One("SELECT GROUP_CONCAT(name ORDER BY name) FROM kind"); got != "Of old,Scheduled" {
				t.Errorf("%s has the kinds %s", s.Name, got)
			}
		}
	}
}
