package doctor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/node/doctor"
)

// To see whether triggers work, doctor writes to the application's tables: nothing of it stays, not even a number that the server counts, and no
// other row is touched. It finds triggers that are there and note nothing.
func TestTriggersAtWork(t *testing.T) {
	s := sites.New(t, "hub", "none",
		"CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50), changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=InnoDB",
		"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, site_id INT NOT NULL, note TEXT, FOREIGN KEY (site_id) REFERENCES site (id) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB",
		"CREATE TABLE tag (uuid CHAR(38) PRIMARY KEY, n INT) ENGINE=InnoDB",
		"CREATE TABLE busy (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, n INT) ENGINE=InnoDB",
		"CREATE TABLE noted (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE alert (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, n INT) ENGINE=InnoDB",
		"CREATE TRIGGER alert_bi BEFORE INSERT ON alert FOR EACH ROW INSERT INTO noted VALUES ()")
	s.Exec("INSERT INTO site (uuid, name, changed) VALUES ('s1', 'one', '2020-01-01'), ('s2', NULL, '2020-01-01')",
		"INSERT INTO visit (uuid, site_id, note) VALUES ('v1', 1, 'a'), ('v2', 2, NULL), ('v3', 1, NULL)",
		"INSERT INTO tag VALUES ('t', NULL)", "INSERT INTO busy VALUES (1, 'b', 1)", "INSERT INTO alert (uuid, n) VALUES ('a', 1)")
	s.Init()
	state := func() string {
		out := fmt.Sprint(s.Query("SELECT * FROM site"), s.Query("SELECT * FROM visit"), s.Query("SELECT * FROM tag"), s.Query("SELECT * FROM busy"), s.Query("SELECT COUNT(*) FROM noted"), s.Query("SELECT COUNT(*) FROM omsync_capture"), s.Query("SELECT COUNT(*) FROM omsync_removed"))
		for _, table := range []string{"site", "visit", "alert", "noted"} {
			create := s.Query("SHOW CREATE TABLE " + table)[0][1]
			out += create[strings.Index(create, ") ENGINE"):] // what it counts up to
		}
		return out
	}
	before := state()
	// Somebody is at work on a row: it is left alone.
	s.Exec("BEGIN", "UPDATE busy SET n = 2")
	f := examine(t, s)["triggers at work"]
	s.Exec("ROLLBACK")
	if f.Level != doctor.OK || !strings.Contains(f.What, "4 tables") {
		t.Errorf("%+v", f)
	}
	if after := state(); after != before {
		t.Errorf("something is left:\n%s\n%s", before, after)
	}
	if f := examine(t, s)["triggers at work"]; f.Level != doctor.OK || !strings.Contains(f.What, "5 tables") {
		t.Errorf("%+v", f)
	}
	// Triggers of the same names that note nothing.
	for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
		name := s.One("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'visit' AND event_manipulation = '" + event + "' AND action_timing = 'AFTER'")
		s.Exec("DROP TRIGGER "+name, "CREATE TRIGGER "+name+" AFTER "+event+" ON visit FOR EACH ROW SET @omsync_quiet = @omsync_quiet")
		if f := examine(t, s)["triggers at work"]; f.Level != doctor.Fail || !strings.Contains(f.What, "visit: the trigger for "+event+" notes nothing") || !strings.Contains(f.Do, "omsync init") {
			t.Errorf("%s: %+v", event, f)
		}
		s.Follow() // as omsync init does
		if f := examine(t, s)["triggers at work"]; f.Level != doctor.OK {
			t.Errorf("%s: mended: %+v", event, f)
		}
	}
	// What the triggers write to is gone: the application fails, and so does the check.
	s.Exec("RENAME TABLE omsync_removed TO away")
	s.Exec("RENAME TABLE omsync_capture TO away2")
	if f := examine(t, s)["triggers at work"]; f.Level != doctor.Fail {
		t.Errorf("%+v", f)
	}
	s.Exec("RENAME TABLE away TO omsync_removed", "RENAME TABLE away2 TO omsync_capture")
}

// On every table of OpenMRS with a primary key and a row in it the triggers can be tried, and nothing of that stays.
func TestTriggersAtWorkOnOpenMRS(t *testing.T) {
	s := sites.New(t, "hub", "openmrs", openmrs.Schema("2.6")...)
	if _, err := openmrs.Load(t.Context(), s.DB, openmrs.Options{Seed: 1, Site: "hub", Patients: 5, Metadata: true}); err != nil {
		t.Fatal(err)
	}
	s.Init()
	before := s.Dump()
	f := examine(t, s)["triggers at work"]
	filled := 0
	for _, table := range s.J.Replicated() {
		if len(table.PrimaryKey) > 0 {
			filled += len(s.Query("SELECT 1 FROM `" + table.Name + "` LIMIT 1"))
		}
	}
	if f.Level != doctor.OK || filled < 20 || !strings.Contains(f.What, fmt.Sprintf("to %d tables", filled)) {
		t.Errorf("%d tables have rows: %+v", filled, f)
	}
	sites.Differ(t, "before", before, "after", s.Dump())
	if n := s.One("SELECT COUNT(*) FROM omsync_capture"); n != "0" {
		t.Errorf("%s changes are left", n)
	}
}
