package doctor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/node/backup"
	"github.com/omsync/omsync/node/doctor"
)

// What is wrong with the server is mended by the statement that is printed.
func TestSettings(t *testing.T) {
	server := dbtest.Own(t)
	s := sites.NewOn(t, server, "hub", "none", "CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB")
	s.Exec("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
	s.Init()
	look := func() doctor.Finding { return examine(t, s)["server settings"] }
	if f := look(); f.Level != doctor.OK || !strings.Contains(f.What, "sql_mode") {
		t.Fatalf("%+v", f)
	}
	for _, c := range []struct {
		level    doctor.Level
		says, by string
	}{
		{doctor.Warn, "max_allowed_packet is 1048576", "SET GLOBAL max_allowed_packet = 1048576"},
		{doctor.Warn, "innodb_flush_log_at_trx_commit is 2", "SET GLOBAL innodb_flush_log_at_trx_commit = 2"},
		{doctor.Warn, "SERIALIZABLE", "SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
		{doctor.Fail, "read_only is ON", "SET GLOBAL read_only = ON"},
		{doctor.Fail, "init_connect", "SET GLOBAL init_connect = 'SET @omsync_quiet = 1'"},
	} {
		s.Exec(c.by)
		f := look()
		if f.Level != c.level || !strings.Contains(f.What, c.says) {
			t.Errorf("%s: %+v", c.by, f)
		}
		statement := regexp.MustCompile(`SET GLOBAL [^,(]*`).FindString(f.Do)
		if statement == "" {
			t.Fatalf("%s: no statement in %s", c.by, f.Do)
		}
		s.Exec(statement)
		if f := look(); f.Level != doctor.OK {
			t.Errorf("%s does not mend it: %+v", statement, f)
		}
	}
	s.Exec("CHANGE MASTER TO MASTER_HOST = 'db1.example.org', MASTER_USER = 'x', MASTER_PASSWORD = 'y'")
	if f := look(); f.Level != doctor.Warn || !strings.Contains(f.What, "a replica of db1.example.org") {
		t.Errorf("%+v", f)
	}
	s.Exec("RESET SLAVE ALL")
	if f := look(); f.Level != doctor.OK {
		t.Errorf("%+v", f)
	}
}

// What is wrong with the rows, the tables and the home folder is found, and no more once it is mended as it says.
func TestFindAndMend(t *testing.T) {
	s := sites.New(t, "hub", "none",
		"CREATE TABLE site (site_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NULL, name VARCHAR(50)) ENGINE=InnoDB",
		"CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, site_id INT NULL, old_site_id INT NULL, n INT, FOREIGN KEY (site_id) REFERENCES site (site_id)) ENGINE=InnoDB")
	for i := range 8 {
		n := string(rune('1' + i))
		s.Exec("INSERT INTO site (uuid, name) VALUES ('s-"+n+"', '"+n+"')", "INSERT INTO visit (uuid, site_id, old_site_id, n) VALUES ('v-"+n+"', "+n+", NULL, 1"+n+")")
	}
	s.Init()
	n := opened(t, s)
	at := time.Now()
	look := func(check string) doctor.Finding {
		t.Helper()
		found, err := doctor.Examine(t.Context(), n, doctor.Options{Now: at})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Check == check {
				return f
			}
		}
		t.Fatalf("there is no check %s", check)
		return doctor.Finding{}
	}
	for _, c := range []struct {
		check        string
		level        doctor.Level
		says, do     string
		break_, mend func()
	}{
		{"undeclared references", doctor.Warn, "visit.old_site_id is likely the number of a row of site", `[references.visit] old_site_id = "site"`,
			func() { s.Exec("UPDATE visit SET old_site_id = 9 - site_id") }, func() { s.Exec("UPDATE visit SET old_site_id = 100 + site_id") }},
		{"dangling references", doctor.Warn, "visit.site_id: 2 to no row of site", "SELECT * FROM `visit` WHERE `site_id` <> 0 AND `site_id` NOT IN (SELECT `site_id` FROM `site`)",
			func() {
				s.Exec("SET foreign_key_checks = 0", "UPDATE visit SET site_id = 99 WHERE visit_id < 3", "SET foreign_key_checks = 1")
			}, func() { s.Exec("UPDATE visit SET site_id = NULL WHERE site_id = 99") }},
		{"weak uuids", doctor.Warn, "visit: 1 (such as 7)", "UUID()",
			func() { s.Exec("UPDATE visit SET uuid = '7' WHERE visit_id = 1") }, func() { s.Exec("UPDATE visit SET uuid = UUID() WHERE visit_id = 1") }},
		{"rows without a key", doctor.Warn, "site: 1 row", "omsync doctor --fix uuids",
			func() { s.Exec("UPDATE site SET uuid = NULL WHERE site_id = 1") }, func() { s.Exec("UPDATE site SET uuid = UUID() WHERE site_id = 1") }},
		{"changes not sealed", doctor.Warn, "changes wait for a run of omsync", "omsync sync",
			func() { at = at.Add(5 * 24 * time.Hour) }, func() { s.Seal() }},
		{"triggers", doctor.Fail, "visit", "omsync init",
			func() {
				s.Exec("DROP TRIGGER " + s.One("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'visit' AND event_manipulation = 'INSERT'"))
			}, func() { s.Follow() }},
		{"backup of the home folder", doctor.Warn, "there is none", "omsync home backup",
			func() {}, func() { check(t, backup.SaveRecord(n.Config, at)) }},
		{"backup of the home folder", doctor.Warn, "have changed since", "omsync home backup",
			func() {
				check(t, os.WriteFile(filepath.Join(n.Home, "omsync.toml"), []byte("node = \"hub\"\n"), 0o600))
			}, func() { check(t, backup.SaveRecord(n.Config, at)) }},
		{"keys and passwords", doctor.Fail, "others can read " + n.Home + "/hub.signing.pem", "chmod go= " + n.Home + "/hub.signing.pem",
			func() { check(t, os.Chmod(n.Home+"/hub.signing.pem", 0o640)) }, func() { check(t, os.Chmod(n.Home+"/hub.signing.pem", 0o600)) }},
		{"keys and passwords", doctor.Warn, "others can look into the home folder", "chmod 700 " + n.Home,
			func() { check(t, os.Chmod(n.Home, 0o755)) }, func() { check(t, os.Chmod(n.Home, 0o700)) }},
		{"times without triggers", doctor.Warn, "of site, visit", "--triggers",
			func() {
				check(t, os.WriteFile(n.Home+"/missed.json", []byte(`[{"tables":["site","visit"],"From":"`+at.Add(-time.Hour).Format(time.RFC3339)+`","To":"`+at.Format(time.RFC3339)+`"}]`), 0o600))
			}, func() { at = at.Add(31 * 24 * time.Hour) }},
		{"peers", doctor.Warn, "there is none yet", "omsync join", func() {}, nil},
	} {
		c.break_()
		if f := look(c.check); f.Level != c.level || !strings.Contains(f.What, c.says) || !strings.Contains(f.Do, c.do) {
			t.Errorf("%s: %+v", c.check, f)
		}
		if c.mend == nil {
			continue
		}
		c.mend()
		if f := look(c.check); f.Level != doctor.OK {
			t.Errorf("%s is mended, and still: %+v", c.check, f)
		}
	}
}

// A table that is large is left to --deep, and a sample to what it is.
func TestDeep(t *testing.T) {
	s := sites.New(t, "hub", "none", "CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB", "CREATE TABLE digit (n INT) ENGINE=InnoDB")
	s.Exec("INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
	s.Exec("INSERT INTO visit (uuid) SELECT CONCAT('v-', a.n, b.n, c.n, d.n) FROM digit a, digit b, digit c, digit d ORDER BY a.n, b.n, c.n, d.n", "UPDATE visit SET uuid = '7' ORDER BY visit_id DESC LIMIT 1")
	// The uuid's index is read in its order: by it the number comes first.
	s.Exec("UPDATE visit SET uuid = CONCAT('0', uuid) WHERE uuid <> '7'")
	s.Init()
	for deep, want := range map[bool]doctor.Level{false: doctor.OK, true: doctor.Warn} {
		found, err := doctor.Examine(t.Context(), opened(t, s), doctor.Options{Deep: deep})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Check == "weak uuids" && f.Level != want {
				t.Errorf("deep %v: %+v", deep, f)
			}
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
