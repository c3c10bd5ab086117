package undo_test

import (
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

const bed = `CREATE TABLE bed (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ward_id INT NOT NULL, FOREIGN KEY (ward_id) REFERENCES ward (id)) ENGINE=InnoDB`

// Tables in turn come to the same as all at once.
func TestUndoTablesInTurn(t *testing.T) {
	n := &network{t, sites.New(t, "hub", "none", ward, bed), sites.New(t, "thief", "none", ward, bed), nil}
	n.hub.Exec("INSERT INTO ward (uuid, name) VALUES ('a', 'hubs')", "INSERT INTO bed (uuid, ward_id) SELECT 'in-a', id FROM ward")
	n.hub.Init()
	n.thief.Init()
	n.hub.Connect(n.thief)
	sites.ExchangeTwice(n.hub, n.thief)
	before, since := n.hub.Dump(), time.Now()
	n.thief.Exec("DELETE FROM bed", "DELETE FROM ward", "INSERT INTO ward (uuid, name) VALUES ('new', 'thiefs')", "INSERT INTO bed (uuid, ward_id) SELECT 'in-new', id FROM ward")
	n.thief.Send(n.hub)
	expect(t, n.undo(since, true, "bed"), map[string][6]int64{"bed": {1, 0, 0, 0, 0, 1}})
	expect(t, n.undo(since, false, "ward"), map[string][6]int64{"ward": {0, 1, 0, 0, 1, 0}})
	expect(t, n.undo(since, false, "bed"), map[string][6]int64{"bed": {1, 0, 0, 0, 1, 0}})
	expect(t, n.undo(since, false, "ward", "bed"), map[string][6]int64{"ward": {1, 0, 0, 0, 0, 0}})
	sites.Differ(t, "before", before, "hub", n.hub.Dump())
	sites.ExchangeTwice(n.hub, n.thief)
	sites.Same(t, n.hub, n.thief)
}

// What undo deletes is kept whole.
func TestUndoKeepsWhatItDeletes(t *testing.T) {
	n := newWards(t)
	since := time.Now()
	n.thief.Exec("INSERT INTO ward (uuid, name) VALUES ('x', 'of that day'), ('y', NULL)")
	n.thief.Send(n.hub)
	expect(t, n.undo(since, false), map[string][6]int64{"ward": {2, 0, 0, 0, 0, 0}})
	n.hub.Seal()
	if got := n.hub.One("SELECT GROUP_CONCAT(row_key, ' ', origin, ' ', added_by, ' ', content LIKE '%of that day%' ORDER BY row_key) FROM omsync_deleted"); got != "x 0 1 1,y 0 1 0" {
		t.Errorf("kept are %s", got)
	}
}
