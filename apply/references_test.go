package apply_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/internal/sqldb"
)

// A foreign key compares as its column does: a row that refers in another case keeps its parent all the same.
func TestDeletionSparesWhatIsReferredToInAnotherForm(t *testing.T) {
	ddl := []string{
		"CREATE TABLE role (role VARCHAR(20) PRIMARY KEY)",
		"CREATE TABLE uses (id INT AUTO_INCREMENT PRIMARY KEY, role VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (role) REFERENCES role (role))",
	}
	for _, reference := range []string{"nurse", "Nurse "} {
		t.Run(reference, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "clinic", "none", ddl...)
			hub.Exec("INSERT INTO role VALUES ('Nurse')")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.Exchange(hub, clinic)
			clinic.Exec("INSERT INTO uses (role, uuid) VALUES ('" + reference + "', 'u-1')")
			hub.Exec("DELETE FROM role")
			hub.Send(clinic)
			if n := clinic.One("SELECT COUNT(*) FROM role JOIN uses ON uses.role = role.role"); n != "1" {
				t.Fatalf("%s rows refer to their parent, want 1: it was deleted under one", n)
			}
		})
	}
}

// A table that stays where it is may still be referred to: its rows are found by their keys.
func TestReferenceToATableThatStays(t *testing.T) {
	profile := "never = [\"ward\"]\n"
	hub, clinic := sites.New(t, "hub", profile, wards...), sites.New(t, "clinic", profile, wards...)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('maternity', 'w-1'), ('surgery', 'w-2')",
		"INSERT INTO bed (ward_id, uuid) VALUES (1, 'b-1')", "INSERT INTO theatre VALUES (2, 7)", "INSERT INTO tag VALUES (2, 'quiet', 'x')")
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('other', 'w-0'), ('surgery', 'w-2'), ('maternity', 'w-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	if r := hub.Send(clinic); len(r) != 1 || r[0].Inserted != 3 {
		t.Errorf("%+v", r)
	}
	for _, table := range []string{"bed", "theatre", "tag"} {
		q := "SELECT ward.uuid FROM " + table + " JOIN ward USING (ward_id)"
		if a, b := hub.One(q), clinic.One(q); a != b {
			t.Errorf("%s: the ward is %s, want %s", table, b, a)
		}
	}
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('new', 'w-3')", "INSERT INTO bed (ward_id, uuid) VALUES (3, 'b-3')")
	if _, err := clinic.ImportErr(hub.Export(clinic)[0]); err == nil || !strings.Contains(err.Error(), "refers to a row of ward") {
		t.Errorf("a bed in a ward that is not here: %v", err)
	}
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('new', 'w-3')")
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
}

// A table may have the key of another whose rows go by name, and be referred to itself.
func TestSharedKeyThatIsAName(t *testing.T) {
	ddl := []string{
		"CREATE TABLE role (role VARCHAR(20) PRIMARY KEY, d VARCHAR(20) NULL)",
		"CREATE TABLE role_more (role VARCHAR(20) PRIMARY KEY, x VARCHAR(20) NULL, FOREIGN KEY (role) REFERENCES role (role))",
		"CREATE TABLE uses (id INT AUTO_INCREMENT PRIMARY KEY, role VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (role) REFERENCES role_more (role))",
	}
	hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "clinic", "none", ddl...)
	hub.Exec("INSERT INTO role VALUES ('nurse', 'x'), ('clerk', 'y')", "INSERT INTO role_more VALUES ('nurse', 'more')")
	clinic.Exec("INSERT INTO role VALUES ('Nurse', 'here')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	if n := clinic.One("SELECT x FROM role_more JOIN role USING (role)"); n != "more" {
		t.Errorf("role_more has %s", n)
	}
	hub.Exec("INSERT INTO uses (role, uuid) VALUES ('nurse', 'u-1')", "UPDATE role_more SET x = 'changed'")
	clinic.Exec("INSERT INTO role_more VALUES ('clerk', 'too')", "INSERT INTO uses (role, uuid) VALUES ('clerk', 'u-2')")
	sites.ExchangeTwice(hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		if got := s.One("SELECT GROUP_CONCAT(uuid, ' ', LOWER(uses.role), ' ', x ORDER BY uuid) FROM uses JOIN role_more USING (role)"); got != "u-1 nurse changed,u-2 clerk too" {
			t.Errorf("%s has %s", s.Name, got)
		}
	}
	hub.Exec("DELETE FROM uses WHERE uuid = 'u-1'", "DELETE FROM role_more WHERE role = 'nurse'")
	clinic.Exec("INSERT INTO uses (role, uuid) VALUES ('nurse', 'u-3')")
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		if n := s.One("SELECT COUNT(*) FROM uses JOIN role_more USING (role)"); n != "3" { // what is referred to stays, and what refers to it with it
			t.Errorf("%s has %s uses, want 3", s.Name, n)
		}
	}
}

// A reference that must wait for its row finds it by a key that is made of other rows' keys too.
func TestLateReferenceByComposedKey(t *testing.T) {
	profile := "[key]\nbay = [\"ward_id\", \"label\"]\nbed = [\"bay_id\", \"label\"]\n"
	ddl := []string{
		"CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE)",
		"CREATE TABLE bay (bay_id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT NOT NULL, label VARCHAR(20) NOT NULL, UNIQUE (ward_id, label), FOREIGN KEY (ward_id) REFERENCES ward (ward_id))",
		"CREATE TABLE bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, bay_id INT NOT NULL, label VARCHAR(20) NOT NULL, twin_id INT NULL, UNIQUE (bay_id, label), FOREIGN KEY (bay_id) REFERENCES bay (bay_id), FOREIGN KEY (twin_id) REFERENCES bed (bed_id))",
	}
	hub, clinic := sites.New(t, "hub", profile, ddl...), sites.New(t, "clinic", profile, ddl...)
	clinic.SetOffset(100)
	hub.Exec("INSERT INTO ward (uuid) VALUES ('w-1')", "INSERT INTO bay (ward_id, label) VALUES (1, 'x'), (1, 'y')",
		"INSERT INTO bed (bay_id, label) VALUES (1, 'a'), (2, 'a')", "UPDATE bed SET twin_id = 3 - bed_id")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	q := "SELECT GROUP_CONCAT(bay.label, twins.label ORDER BY bay.label) FROM bed JOIN bed twin ON twin.bed_id = bed.twin_id JOIN bay ON bay.bay_id = bed.bay_id JOIN bay twins ON twins.bay_id = twin.bay_id"
	if got := clinic.One(q); got != "xy,yx" {
		t.Errorf("twins are %s, want xy,yx", got)
	}
	sites.Same(t, hub, clinic)
}

// REPLACE takes a row away and puts another in its place. What refers to it goes with it, on most servers: where it stays
// (MySQL 9.7), it stays at the peer too.
func TestReplaceOfAReferredRow(t *testing.T) {
	ddl := []string{"CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, n INT) ENGINE=InnoDB",
		"CREATE TABLE b (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, FOREIGN KEY (a) REFERENCES a (id) ON UPDATE CASCADE ON DELETE CASCADE) ENGINE=InnoDB"}
	hub, kisumu := sites.New(t, "hub", "none", ddl...), sites.New(t, "kisumu", "none", ddl...)
	hub.Init()
	kisumu.Init()
	hub.Connect(kisumu)
	hub.Exec("INSERT INTO a VALUES (8, 'U1', 1)", "INSERT INTO b VALUES (3, 'B1', 8)")
	sites.ExchangeTwice(hub, kisumu)
	for _, row := range []string{"(8, 'U1', 2)", "(8, 'U2', 2)"} {
		hub.Exec("REPLACE INTO a VALUES " + row)
		sites.ExchangeTwice(hub, kisumu)
		sites.Same(t, hub, kisumu)
	}
}

// A row may refer to the number that it had before: with foreign keys off, and on MySQL 9.7 with them too. That is a reference to nothing. It arrives
// as 0, keeps no row waiting, is the same at all sites after a restore, and whoever mends it mends it everywhere.
func TestReferenceToTheRowsNumberOfBefore(t *testing.T) {
	const place = "CREATE TABLE place (place_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NULL, within INT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (within) REFERENCES place (place_id)) ENGINE=InnoDB"
	for name, statement := range map[string]string{
		"replaced": "REPLACE INTO place (name, within, uuid) VALUES ('changed', 7, 'p-1')",
		"moved":    "UPDATE place SET name = 'changed', within = 7, place_id = 8 WHERE place_id = 7",
	} {
		t.Run(name, func(t *testing.T) {
			hub, kisumu := sites.New(t, "hub", "none", place), sites.New(t, "kisumu", "none", place)
			for _, s := range []*sites.Site{hub, kisumu} {
				s.Waits = true
				s.Init()
			}
			hub.Connect(kisumu)
			hub.Exec("INSERT INTO place VALUES (7, 'of before', NULL, 'p-1')")
			sites.ExchangeTwice(hub, kisumu)
			restore := backup(t, hub)
			hub.Seal()
			if err := hub.ExecErr(statement); sqldb.ErrorNumber(err) == 1452 {
				hub.Exec("SET foreign_key_checks = 0", statement, "SET foreign_key_checks = 1")
			} else if err != nil {
				t.Fatal(err)
			}
			expect := func(when string, want map[*sites.Site]string) {
				t.Helper()
				for s, w := range want {
					if got := s.One("SELECT CONCAT_WS(' ', name, IF(within = place_id, 'itself', within)) FROM place WHERE uuid = 'p-1'"); got != w {
						t.Errorf("%s, %s has %q, want %q", when, s.Name, got, w)
					}
					if n := s.One("SELECT (SELECT COUNT(*) FROM omsync_waiting) + (SELECT COUNT(*) FROM omsync_conflict)"); n != "0" {
						t.Errorf("%s, %s rows wait or are conflicts at %s", when, n, s.Name)
					}
				}
				sites.Same(t, hub, kisumu)
			}
			sites.ExchangeTwice(hub, kisumu)
			expect("as it is sent", map[*sites.Site]string{hub: "changed 7", kisumu: "changed 0"})
			restore()
			kisumu.Exec("INSERT INTO place (name, uuid) VALUES ('another', 'p-2')")
			healed(t, hub, kisumu)
			expect("after a restore", map[*sites.Site]string{hub: "changed 0", kisumu: "changed 0"})
			kisumu.Exec("UPDATE place SET within = place_id WHERE uuid = 'p-1'")
			sites.ExchangeTwice(hub, kisumu)
			expect("mended", map[*sites.Site]string{hub: "changed itself", kisumu: "changed itself"})
			sites.Quiet(t, hub, kisumu)
		})
	}
}
