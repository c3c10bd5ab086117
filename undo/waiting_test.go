package undo_test

import (
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

// Rows of the thief that wait are dropped; those that waited before stay.
func TestUndoForgetsRowsThatWait(t *testing.T) {
	n := &network{t, sites.New(t, "hub", "none", ward, bed), sites.New(t, "thief", "none", ward, bed), nil}
	n.hub.Waits = true
	n.hub.Exec("INSERT INTO ward (uuid, name) VALUES ('a', 'hubs')")
	n.hub.Init()
	n.thief.Init()
	n.hub.Connect(n.thief)
	sites.ExchangeTwice(n.hub, n.thief)
	n.hub.Exec("DELETE FROM ward")
	n.thief.Exec("INSERT INTO bed (uuid, ward_id) VALUES ('before', 1)")
	n.thief.Send(n.hub)
	since := time.Now()
	n.thief.Exec("INSERT INTO bed (uuid, ward_id) VALUES ('since', 1)")
	n.thief.Send(n.hub)
	waiting := func(want string) {
		t.Helper()
		if got := n.hub.One("SELECT GROUP_CONCAT(row_key ORDER BY row_key) FROM omsync_waiting WHERE dropped_at = 0"); got != want {
			t.Fatalf("%s wait, not %s", got, want)
		}
	}
	waiting("before,since")
	if got := n.undo(since, true)["bed"].Forgotten; got != 1 {
		t.Errorf("a dry run forgets %d", got)
	}
	waiting("before,since")
	if got := n.undo(since, false)["bed"].Forgotten; got != 1 {
		t.Errorf("%d are forgotten", got)
	}
	waiting("before")
}
