package apply_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// waitingRows lists what waits at a site: reason, column and the row's key.
func waitingRows(s *sites.Site) string {
	var out []string
	for _, r := range s.Query("SELECT reason, column_name, row_key FROM omsync_waiting ORDER BY id") {
		out = append(out, strings.Join(r, " "))
	}
	return strings.Join(out, ", ")
}

// waits lets rows wait at sites.
func waits(all ...*sites.Site) {
	for _, s := range all {
		s.Waits = true
	}
}

// What refers to a row that was deleted here waits, with what refers to that, three levels deep; the rest of the file is applied. The
// other site's answer brings the row back, and then all of them come in.
func TestRowsWaitForARow(t *testing.T) {
	schema := []string{
		"CREATE TABLE site (site_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, site_id INT NOT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (site_id) REFERENCES site (site_id))",
		"CREATE TABLE bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT NULL, beside INT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (ward_id) REFERENCES ward (ward_id), FOREIGN KEY (beside) REFERENCES bed (bed_id))",
	}
	hub, clinic := sites.New(t, "hub", "none", schema...), sites.New(t, "clinic", "none", schema...)
	waits(hub, clinic)
	hub.Exec("INSERT INTO site (name, uuid) VALUES ('a', 's-1'), ('b', 's-2')")
	hub.Init()
	clinic.SetOffset(1000)
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	hub.Exec("DELETE FROM site WHERE uuid = 's-1'")
	clinic.Exec(
		"INSERT INTO ward (site_id, uuid) SELECT site_id, 'w-1' FROM site WHERE uuid = 's-1'",
		"INSERT INTO ward (site_id, uuid) SELECT site_id, 'w-2' FROM site WHERE uuid = 's-2'",
		"INSERT INTO bed (ward_id, uuid) SELECT ward_id, REPLACE(uuid, 'w', 'b') FROM ward",
		"INSERT INTO bed (beside, uuid) SELECT bed_id, 'b-3' FROM bed WHERE uuid = 'b-1'",
		"INSERT INTO bed (beside, uuid) SELECT bed_id, 'b-4' FROM bed WHERE uuid = 'b-3'",
		"UPDATE site SET name = 'b2' WHERE uuid = 's-2'",
	)
	r := clinic.Send(hub)[0]
	if r.Inserted != 2 || r.Updated != 1 || r.Waiting != 4 {
		t.Errorf("%+v", r)
	}
	if got, want := waitingRows(hub), "reference site_id w-1, reference ward_id b-1, reference beside b-3, reference beside b-4"; got != want {
		t.Errorf("waiting: %s, want %s", got, want)
	}
	allSettled(t, hub, clinic)
	if n := hub.One("SELECT COUNT(*) FROM bed"); n != "4" {
		t.Errorf("%s beds", n)
	}
}

// A value that the table does not take waits until the column is wider; a unique value until the other row gives it up. An edit that the
// sender makes meanwhile takes the place of what waits.
func TestRowsWaitForTheTable(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO ward (name, code, uuid) VALUES ('here', 'X', 'w-here')")
	hub.Exec("INSERT INTO ward (name, code, uuid) VALUES ('there', 'X', 'w-there'), ('other', 'Y', 'w-other')",
		"UPDATE ward SET name = 'a name of more than twelve' WHERE uuid = 'w-1'",
		"INSERT INTO bed (ward_id, uuid) SELECT ward_id, 'b-there' FROM ward WHERE uuid = 'w-there'")
	r := hub.Send(clinic)[0]
	if r.Waiting != 3 {
		t.Errorf("%+v, waiting %s", r, waitingRows(clinic))
	}
	if n := clinic.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-other'"); n != "1" {
		t.Error("the rest is not applied")
	}
	hub.Exec("UPDATE ward SET name = 'a name of even more than twelve' WHERE uuid = 'w-1'")
	hub.Send(clinic)
	clinic.Exec("UPDATE ward SET code = 'X2' WHERE uuid = 'w-here'")
	if err := clinic.Retry(); err != nil {
		t.Fatal(err)
	}
	if got, want := waitingRows(clinic), "value name w-1"; got != want {
		t.Errorf("waiting: %s, want %s", got, want)
	}
	clinic.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	clinic.Follow()
	allSettled(t, hub, clinic)
}

// allSettled exchanges until there is nothing more to say, and expects equal sites where nothing waits.
func allSettled(t *testing.T, all ...*sites.Site) {
	t.Helper()
	sites.ExchangeTwice(all...)
	for _, s := range all {
		sites.Same(t, all[0], s)
		if got := waitingRows(s); got != "" {
			t.Errorf("still waiting at %s: %s", s.Name, got)
		}
	}
	sites.Quiet(t, all...)
}
