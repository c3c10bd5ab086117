package undo_test

import (
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

// missTriggers has a site stamp all its wards anew, as it cannot know what it missed.
func missTriggers(s *sites.Site) {
	for _, r := range s.Query("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'ward'") {
		s.Exec("DROP TRIGGER " + r[0])
	}
	s.Follow()
}

// A row belongs to who added it. What the thief's node stamped anew it did not add: it stays. What the thief added is not forgotten
// because the hub, or another clinic, has stamped it anew since: it is named.
func TestUndoAfterRowsWereStampedAnew(t *testing.T) {
	ddl := "CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	for _, who := range []string{"thief", "hub", "honest"} {
		t.Run(who, func(t *testing.T) {
			n := &network{t, sites.New(t, "hub", "none", ddl), sites.New(t, "thief", "none", ddl), sites.New(t, "honest", "none", ddl)}
			n.hub.Exec("INSERT INTO ward (name, uuid) VALUES ('before', 'w-0')")
			for _, s := range n.all() {
				s.Init()
			}
			n.hub.Connect(n.thief)
			n.hub.Connect(n.honest)
			sites.ExchangeTwice(n.all()...)
			n.hub.Exec("INSERT INTO ward (name, uuid) VALUES ('hub', 'w-1')")
			n.honest.Exec("INSERT INTO ward (name, uuid) VALUES ('honest', 'w-2')")
			sites.ExchangeTwice(n.all()...)
			since := time.Now()
			n.thief.Exec("INSERT INTO ward (name, uuid) VALUES ('junk', 'w-3')")
			sites.ExchangeTwice(n.all()...)
			missTriggers(map[string]*sites.Site{"hub": n.hub, "thief": n.thief, "honest": n.honest}[who])
			sites.ExchangeTwice(n.all()...)
			if r := n.undo(since, false)["ward"]; who == "thief" && r.Deleted != 1 || who != "thief" && (r.Kept != 1 || r.Deleted != 0) {
				t.Errorf("%+v", r)
			}
			if got := n.hub.One("SELECT GROUP_CONCAT(name ORDER BY uuid) FROM ward WHERE uuid <> 'w-3'"); got != "before,hub,honest" {
				t.Errorf("the hub has %s", got)
			}
		})
	}
}
