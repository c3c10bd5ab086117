package apply_test

import (
	"fmt"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// Who makes keys up learns nothing by their beginnings, and has no row taken for another: whether none is here, one that goes on in another way, or two,
// what the receiver does and says is the same. A key that is right does what a whole one does.
func TestForgedShortKeys(t *testing.T) {
	hub, clinic := shortWards(t, "CHARSET=utf8")
	hub.Exec("INSERT INTO ward (uuid) VALUES ('75c3a9d0-64b1-4d4b-9c4f-1f3a4a6f7e22')") // beside uuidB
	hub.Seal()
	clinic.Exec("INSERT INTO bed (uuid, ward_id) SELECT 'b-1', id FROM ward LIMIT 1")
	f := clinic.Export(hub)[0]
	before := fmt.Sprint(hub.Query(allBeds), hub.Query("SELECT uuid, name FROM ward ORDER BY uuid"), hub.Query("SELECT COUNT(*) FROM omsync_waiting"))
	why := ""
	for what, items := range map[string]func(w *batch.Writer) error{
		"none":                 bedIn("ward", "99e56e2b-5fc1-4d1e-818a-b174aea7115b", 5),
		"one that goes on":     bedIn("ward", uuidA[:35]+"0", 15),
		"two":                  bedIn("ward", uuidB, 15),
		"in capitals, goes on": bedIn("ward", "e25bd889-683e-41d2-ad3d-d4fda20c5e35", 4),
		"a text that goes on":  bedIn("ward", "1065aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0),
	} {
		r := hub.Import(forge(t, f, items), signed)
		if r.Outcome != apply.Gap || !r.Missed || why != "" && r.Why != why {
			t.Errorf("%s: %s, %v: %s", what, r.Outcome, r.Missed, r.Why)
		}
		why = r.Why
	}
	for _, table := range []string{"nowhere", "omsync_node", "omsync_peer"} {
		if r := hub.Import(forge(t, f, bedIn(table, uuidA, 5)), signed); !r.Missed {
			t.Errorf("of %s: %s: %s", table, r.Outcome, r.Why)
		}
	}
	if got := fmt.Sprint(hub.Query(allBeds), hub.Query("SELECT uuid, name FROM ward ORDER BY uuid"), hub.Query("SELECT COUNT(*) FROM omsync_waiting")); got != before {
		t.Error("something was written")
	}
	if r := hub.Import(forge(t, f, bedIn("ward", uuidA, 4)), signed); r.Outcome != apply.Applied {
		t.Errorf("the right one: %s: %s", r.Outcome, r.Why)
	}
	if got := fmt.Sprint(hub.Query("SELECT w.uuid FROM bed b JOIN ward w ON w.id = b.ward_id WHERE b.uuid = 'forged'")); got != "[["+uuidA+"]]" {
		t.Errorf("the bed is in %s", got)
	}
}

// bedIn has a file say of a bed that it is in the row of a table whose key begins as this one does.
func bedIn(table, key string, width int) func(w *batch.Writer) error {
	return func(w *batch.Writer) error {
		ward, err := w.Table(batch.Table{Name: table, Root: table, Key: []batch.Column{{Name: "uuid"}}})
		if err != nil {
			return err
		}
		to, err := w.ShortKeys(ward, [][]byte{[]byte(key)}, width)
		if err != nil {
			return err
		}
		bed := batch.Table{Name: "bed", Root: "bed", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "ward_id", Ref: true, Slot: 1}}}
		return wardRows(w, bed, []string{"forged"}, batch.Values{Refs: []uint32{to}})
	}
}

// Of a table of which a clinic is not sent all rows it names none short, and who does is told nothing by that: whether another row begins so,
// which it may not see.
func TestNoShortKeysWhereRowsAreHidden(t *testing.T) {
	hub, clinic := two(t, "[direction]\nup = [\"ward\", \"bed\"]\n",
		"CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
		"CREATE TABLE bed (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ward_id INT, note VARCHAR(50), FOREIGN KEY (ward_id) REFERENCES ward (id)) ENGINE=InnoDB")
	clinic.Exec("INSERT INTO ward (uuid, name) VALUES ('" + uuidA + "', 'mine')")
	sites.Exchange(hub, clinic)
	beds(clinic, "new")
	files := clinic.Export(hub)
	if short := shortIn(t, files); len(short) > 0 {
		t.Errorf("%v are named short", short)
	}
	f := files[0]
	for range 2 { // without a neighbour, and with one
		if r := hub.Import(forge(t, f, bedIn("ward", uuidA, 5)), signed); r.Outcome != apply.Gap || !r.Missed {
			t.Errorf("a row of its own, named short: %s, %v: %s", r.Outcome, r.Missed, r.Why)
		}
		hub.Exec("INSERT IGNORE INTO ward (uuid) VALUES (CONCAT(LEFT('" + uuidA + "', 35), 'e'))")
		hub.Seal()
	}
	if r := hub.Import(f, signed); r.Outcome != apply.Applied {
		t.Errorf("with whole keys: %s: %s", r.Outcome, r.Why)
	}
}
