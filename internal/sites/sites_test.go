package sites_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

var ward = []string{
	"CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), uuid CHAR(36) NOT NULL UNIQUE)",
	"CREATE TABLE bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT, label VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (ward_id) REFERENCES ward(ward_id))",
}

func pair(t *testing.T) (hub, clinic *sites.Site) {
	hub, clinic = sites.New(t, "hub", "none", ward...), sites.New(t, "clinic", "none", ward...)
	clinic.SetOffset(1000)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('maternity', 'w-1')", "INSERT INTO bed (ward_id, uuid) VALUES (1, 'b-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	return hub, clinic
}

func TestSitesExchangeUntilQuiet(t *testing.T) {
	hub, clinic := pair(t)
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	sites.Same(t, hub, clinic)
	if n := clinic.One("SELECT ward_id FROM bed WHERE uuid = 'b-1'"); n == "1" {
		t.Error("the clinic's ward has the hub's integer: the offset had no effect")
	}
	d := hub.Dump()
	if d["bed"]["b-1"]["ward_id"] != "w-1" {
		t.Errorf("the bed's ward is %q, not the key of its row", d["bed"]["b-1"]["ward_id"])
	}
	if _, there := d["bed"]["b-1"]["label"]; there || d["ward"]["w-1"]["name"] != "maternity" || d.Rows() != 2 {
		t.Errorf("dumped %v", d)
	}
}

// recorder takes down failures instead of failing.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) Helper() {}

func TestSameSeesEveryKindOfDifference(t *testing.T) {
	hub, clinic := pair(t)
	sites.Exchange(hub, clinic)
	for _, c := range []struct{ do, undo, want string }{
		{"UPDATE ward SET name = 'surgery'", "UPDATE ward SET name = 'maternity'", "ward w-1, name"},
		{"UPDATE bed SET label = ''", "UPDATE bed SET label = NULL", "bed b-1, label"},
		{"UPDATE bed SET ward_id = NULL", "UPDATE bed SET ward_id = (SELECT ward_id FROM ward)", "bed b-1, ward_id"},
		{"INSERT INTO bed (uuid) VALUES ('b-2')", "DELETE FROM bed WHERE uuid = 'b-2'", "bed b-2 is at clinic alone"},
		{"SET foreign_key_checks = 0", "SET foreign_key_checks = 1", ""},
	} {
		clinic.Exec(c.do)
		r := &recorder{TB: t}
		sites.Same(r, hub, clinic)
		if c.want == "" && len(r.said) > 0 || c.want != "" && (len(r.said) != 1 || !strings.Contains(r.said[0], c.want)) {
			t.Errorf("%s: said %q, want %q", c.do, r.said, c.want)
		}
		clinic.Exec(c.undo)
	}
	clinic.Exec("UPDATE ward SET name = 'surgery'")
	r := &recorder{TB: t}
	sites.Same(r, hub, clinic, "ward.name")
	sites.Same(r, hub, clinic, "ward/w-1")
	sites.Same(r, hub, clinic, "ward")
	if len(r.said) > 0 {
		t.Errorf("excepted, and said all the same: %q", r.said)
	}
	sites.Quiet(r, hub, clinic)
	if len(r.said) == 0 {
		t.Error("an edit that was not sent is quiet")
	}
}

func TestSetClock(t *testing.T) {
	hub, _ := pair(t)
	hub.SetClock(-10 * 365 * 24 * time.Hour)
	hub.Exec("UPDATE ward SET name = 'surgery'")
	year := hub.One("SELECT YEAR(changed_at) FROM omsync_capture")
	if want := fmt.Sprint(time.Now().Add(-10 * 365 * 24 * time.Hour).UTC().Year()); year != want {
		t.Errorf("the change is of %s, not %s", year, want)
	}
	hub.SetClock(0)
	hub.Exec("UPDATE ward SET name = 'x-ray'")
	if n := hub.One("SELECT COUNT(*) FROM omsync_capture WHERE changed_at > UTC_TIMESTAMP() - INTERVAL 1 DAY"); n != "1" {
		t.Errorf("%s changes of today, want 1", n)
	}
}
