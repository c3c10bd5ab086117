package doctor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/doctor"
)

// What the account lacks is named with the statement that gives it.
func TestAccount(t *testing.T) {
	s := sites.New(t, "hub", "none", "CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB")
	s.Init()
	n := opened(t, s)
	user := "doc" + s.Database[len(s.Database)-8:]
	s.Exec("CREATE USER '"+user+"'@'localhost' IDENTIFIED BY 'x'", "GRANT SELECT, INSERT, DELETE, CREATE, DROP, LOCK TABLES, TRIGGER ON `"+s.Database+"`.* TO '"+user+"'@'localhost'",
		"GRANT SUPER ON *.* TO '"+user+"'@'localhost'")
	t.Cleanup(func() { s.Exec("DROP USER '" + user + "'@'localhost'") })
	look := func() doctor.Finding {
		t.Helper()
		db, _, err := sqldb.Open(strings.Replace(s.DSN, "root@", user+":x@", 1))
		check(t, err)
		defer db.Close()
		n.DB = db
		found, err := doctor.Examine(t.Context(), n, doctor.Options{})
		check(t, err)
		return found[0]
	}
	f := look()
	if f.Check != "account and server" || f.Level != doctor.Fail || !strings.Contains(f.What, "may not INSERT, UPDATE in the database") {
		t.Fatalf("%+v", f)
	}
	grant := regexp.MustCompile("GRANT .*").FindString(f.Do)
	s.Exec(grant)
	if f := look(); f.Level != doctor.OK {
		t.Errorf("%s does not mend it: %+v", grant, f)
	}
}

// Foreign keys that cascade round a circle over two paths are found, until one of them does no more.
func TestCascades(t *testing.T) {
	s := sites.New(t, "hub", "none", `CREATE TABLE knot (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, b INT,
		CONSTRAINT one FOREIGN KEY (a) REFERENCES knot (id) ON DELETE CASCADE, CONSTRAINT two FOREIGN KEY (b) REFERENCES knot (id) ON DELETE CASCADE) ENGINE=InnoDB`)
	s.Init()
	if f := examine(t, s)["cascades"]; f.Level != doctor.Fail || !strings.Contains(f.What, "from knot") || !strings.Contains(f.Do, "ON DELETE CASCADE") {
		t.Fatalf("%+v", f)
	}
	s.Exec("ALTER TABLE knot DROP FOREIGN KEY two")
	s.Exec("ALTER TABLE knot ADD CONSTRAINT two FOREIGN KEY (b) REFERENCES knot (id)")
	s.Reopen()
	if f := examine(t, s)["cascades"]; f.Level != doctor.OK {
		t.Errorf("mended, and still %+v", f)
	}
}

// What concerns others is found, and no more once it is mended: silence, clocks, links, rows that wait, and conflicts.
func TestOthers(t *testing.T) {
	tables := []string{"CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
		"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, site_id INT NOT NULL, FOREIGN KEY (site_id) REFERENCES site (id)) ENGINE=InnoDB"}
	hub, clinic := sites.New(t, "hub", "none", tables...), sites.New(t, "clinic", "none", tables...)
	hub.Exec("INSERT INTO site (uuid, name) VALUES ('s1', 'one'), ('s2', 'two')")
	hub.Init()
	clinic.Init()
	clinic.Waits = true
	n := opened(t, clinic)
	at := time.Now()
	look := func(name string) doctor.Finding {
		t.Helper()
		found, err := doctor.Examine(t.Context(), n, doctor.Options{Now: at})
		check(t, err)
		for _, f := range found {
			if f.Check == name {
				return f
			}
		}
		t.Fatalf("there is no check %s", name)
		return doctor.Finding{}
	}
	report := func(c merge.Skew) {
		r, err := journal.ReportOf(t.Context(), clinic.DB, clinic.Peer(hub).ID)
		check(t, err)
		r.Clock = c
		check(t, journal.SaveReport(t.Context(), clinic.DB, r))
	}
	links := func(text string) {
		check(t, os.WriteFile(filepath.Join(n.Home, "links.json"), []byte(text), 0o600))
	}
	for _, c := range []struct {
		check        string
		level        doctor.Level
		says, do     string
		break_, mend func()
	}{
		{"peers", doctor.Warn, "nothing was heard of hub yet", "omsync peer remove hub",
			func() { hub.Connect(clinic) }, func() { sites.ExchangeTwice(hub, clinic) }},
		{"peers", doctor.Warn, "nothing was heard of hub since ", "does omsync sync run there?",
			func() { at = at.Add(15 * 24 * time.Hour) }, func() { at = time.Now() }},
		{"clocks", doctor.Fail, "this computer's clock says 2001-", "timedatectl set-ntp true",
			func() { at = time.Date(2001, 1, 1, 0, 0, 0, 0, time.Local) }, func() { at = time.Now() }},
		{"clocks", doctor.Warn, "the clock of hub is 3 hours behind this computer's", "set it there, if the clock here is right",
			func() { report(merge.Skew{By: -int64(3 * time.Hour / time.Microsecond), Since: at.UnixMicro()}) }, func() { report(merge.Skew{}) }},
		{"links", doctor.Warn, "folder:/stick is down since ", "omsync sync tries it again",
			func() {
				n.Links = []config.Link{{URL: "folder:/stick"}}
				links(`{"omsync_links": 1, "links": {"folder:/stick": {"down": "` + at.Add(-4*24*time.Hour).Format(time.RFC3339) + `", "error": "no such folder"}}}`)
			},
			func() {
				links(`{"omsync_links": 1, "links": {"folder:/stick": {"up": "` + at.Format(time.RFC3339) + `"}}}`)
			}},
		{"what waits", doctor.Warn, "1 rows that came cannot be applied yet", "omsync quarantine list",
			func() {
				clinic.Exec("SET foreign_key_checks = 0, @omsync_quiet = 1", "DELETE FROM site WHERE uuid = 's2'", "SET foreign_key_checks = 1, @omsync_quiet = NULL")
				hub.Exec("INSERT INTO visit (uuid, site_id) SELECT 'v1', id FROM site WHERE uuid = 's2'")
				sites.ExchangeTwice(hub, clinic)
			},
			func() {
				hub.Exec("UPDATE site SET name = 'again' WHERE uuid = 's2'")
				sites.ExchangeTwice(hub, clinic)
			}},
		{"what waits", doctor.Warn, "1 conflicts are open", "omsync conflicts list",
			func() {
				clinic.Exec("UPDATE site SET name = 'here' WHERE uuid = 's1'")
				clinic.Seal()
				hub.Exec("UPDATE site SET name = 'there' WHERE uuid = 's1'")
				sites.ExchangeTwice(hub, clinic)
				at = time.Now()
			},
			func() { at = at.Add(n.ConflictsOpen() + 24*time.Hour) }},
	} {
		c.break_()
		if f := look(c.check); f.Level != c.level || !strings.Contains(f.What, c.says) || !strings.Contains(f.Do, c.do) {
			t.Errorf("%s: %+v", c.check, f)
		}
		c.mend()
		if f := look(c.check); f.Level != doctor.OK {
			t.Errorf("%s is mended, and still: %+v", c.check, f)
		}
	}
}
