package undo_test

import (
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

const ward = `CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name TEXT) ENGINE=InnoDB`

// newWards is a hub and two clinics with one table, and two wards of the hub's and one of the honest clinic's.
func newWards(t *testing.T) *network {
	t.Helper()
	n := &network{t, sites.New(t, "hub", "none", ward), sites.New(t, "thief", "none", ward), sites.New(t, "honest", "none", ward)}
	for _, s := range n.all() {
		s.Init()
	}
	n.hub.Connect(n.thief)
	n.hub.Connect(n.honest)
	n.hub.Exec("INSERT INTO ward (uuid, name) VALUES ('a', 'hubs'), ('b', 'hubs')")
	n.honest.Exec("INSERT INTO ward (uuid, name) VALUES ('c', 'honest')")
	sites.ExchangeTwice(n.all()...)
	return n
}

// Rows of others that the thief sends as its own, with the values that they have, are not deleted.
func TestUndoOthersRowsStampedAnew(t *testing.T) {
	n := newWards(t)
	before, since := n.hub.Dump(), time.Now()
	n.thief.Exec("DELETE FROM ward", "INSERT INTO ward (uuid, name) VALUES ('a', 'hubs'), ('b', 'hubs'), ('c', 'honest'), ('new', 'thiefs')")
	n.thief.Send(n.hub)
	expect(t, n.undo(since, false), map[string][6]int64{"ward": {1, 0, 0, 3, 0, 0}})
	sites.Differ(t, "before", before, "hub", n.hub.Dump())
	sites.ExchangeTwice(n.all()...)
	sites.Same(t, n.hub, n.thief)
	sites.Same(t, n.hub, n.honest)
	sites.Quiet(t, n.all()...)
}

// Rows of others that the thief deletes and sends anew are as they were when it deleted them first, whatever it did with them since.
func TestUndoOthersRowsSentAnew(t *testing.T) {
	n := newWards(t)
	before, since := n.hub.Dump(), time.Now()
	for _, q := range []string{"DELETE FROM ward", "INSERT INTO ward (uuid, name) VALUES ('a', 'thiefs'), ('b', 'hubs'), ('c', 'thiefs')", "DELETE FROM ward WHERE uuid <> 'a'"} {
		n.thief.Exec(q)
		for _, f := range n.thief.Export(n.hub) {
			n.hub.Import(f, accept)
		}
	}
	expect(t, n.undo(since, false), map[string][6]int64{"ward": {0, 0, 1, 0, 2, 0}})
	sites.Differ(t, "before", before, "hub", n.hub.Dump())
	sites.ExchangeTwice(n.all()...)
	sites.Same(t, n.hub, n.thief)
	sites.Same(t, n.hub, n.honest)
}
