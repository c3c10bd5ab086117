package journal_test

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/oldprogram"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
)

// installation is a database and a home folder, and the program that works with them.
type installation struct {
	t       *testing.T
	name    string
	program string
	home    string
	dsn     string
	db      *sql.DB // as the application
}

// schemaOfPrograms has a table of each kind that the journal tells apart: with an integer key, and without.
func schemaOfPrograms() []string {
	return []string{
		"CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50), note TEXT) ENGINE=InnoDB",
		"CREATE TABLE bed (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ward_id INT NOT NULL, note TEXT, FOREIGN KEY (ward_id) REFERENCES ward (id) ON DELETE CASCADE) ENGINE=InnoDB",
		"CREATE TABLE ward_tag (ward_id INT NOT NULL, tag VARCHAR(20) NOT NULL, weight INT, PRIMARY KEY (ward_id, tag), FOREIGN KEY (ward_id) REFERENCES ward (id)) ENGINE=InnoDB",
	}
}

// install makes a database a node, by the program.
func install(t *testing.T, name, program string) *installation {
	t.Helper()
	server := dbtest.Server(t)
	database, dsn := server.Database(t, schemaOfPrograms()...)
	n := &installation{t: t, name: name, program: program, home: filepath.Join(t.TempDir(), name), dsn: dsn, db: server.Open(t, database)}
	n.db.SetMaxOpenConns(1) // the offset of its keys is the session's
	n.exec(fmt.Sprintf("SET auto_increment_increment = 2, auto_increment_offset = %d", 1+len(name)%2))
	n.run("init", "--node", name, "--dsn", dsn, "--profile", "none")
	return n
}

func (n *installation) exec(statements ...string) {
	n.t.Helper()
	dbtest.Exec(n.t, n.db, statements...)
}

// run runs a command; conflicts are no failure.
func (n *installation) run(args ...string) oldprogram.Result {
	n.t.Helper()
	return oldprogram.Must(n.t, n.program, n.home, args, 0, 3)
}

// befriend makes the two peers of each other, hub the parent.
func befriend(hub, clinic *installation) {
	hub.t.Helper()
	for _, x := range []struct {
		at, of *installation
		as     string
	}{{hub, clinic, "child"}, {clinic, hub, "parent"}} {
		card := filepath.Join(x.at.t.TempDir(), "card")
		if err := os.WriteFile(card, []byte(x.of.run("card").Stdout), 0o600); err != nil {
			x.at.t.Fatal(err)
		}
		x.at.run("peer", "add", card, "--as", x.as, "--yes")
	}
}

// export writes batches into a new folder and returns their paths, in order.
func (n *installation) export(flags ...string) []string {
	n.t.Helper()
	dir := n.t.TempDir()
	n.run(append([]string{"export", "--to", dir}, flags...)...)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		n.t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func send(from, to *installation) {
	from.t.Helper()
	if files := from.export(); len(files) > 0 {
		to.run(append([]string{"import"}, files...)...)
	}
}

// rows returns what the application sees, the same at both ends.
func (n *installation) rows() string {
	n.t.Helper()
	var out bytes.Buffer
	for _, q := range []string{
		"SELECT 'ward', uuid, name, note FROM ward ORDER BY uuid",
		"SELECT 'bed', b.uuid, w.uuid, b.note FROM bed b JOIN ward w ON w.id = b.ward_id ORDER BY b.uuid",
		"SELECT 'tag', w.uuid, g.tag, g.weight FROM ward_tag g JOIN ward w ON w.id = g.ward_id ORDER BY w.uuid, g.tag",
	} {
		err := sqldb.Each(n.t.Context(), n.db, q, func(r []sql.RawBytes) error {
			_, err := fmt.Fprintf(&out, "%.60q\n", r)
			return err
		})
		if err != nil {
			n.t.Fatal(err)
		}
	}
	return out.String()
}

func (n *installation) one(query string) (s string) {
	n.t.Helper()
	if err := n.db.QueryRowContext(n.t.Context(), query).Scan(&s); err != nil {
		n.t.Fatalf("%v in %s", err, query)
	}
	return s
}

// random returns a text that does not compress.
func random(bytes int) string {
	b := make([]byte, bytes/2)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// oldPair returns a hub and a clinic as the old program leaves them after a while: rows of both, conflicts, deletions, changes that no
// seal has read, and a load in parts of which the clinic has not all. The rest of its parts are returned too.
func oldPair(t *testing.T) (hub, clinic *installation, parts []string) {
	old := oldprogram.Build(t)
	hub, clinic = install(t, "hub", old), install(t, "clinic", old)
	befriend(hub, clinic)
	for i := range 12 {
		hub.exec(fmt.Sprintf("INSERT INTO ward (uuid, name, note) VALUES ('w-%d', 'ward %[1]d', '%s')", i, random(30000)),
			fmt.Sprintf("INSERT INTO bed (uuid, ward_id, note) SELECT 'b-%d', id, '%s' FROM ward WHERE uuid = 'w-%[1]d'", i, random(30000)),
			fmt.Sprintf("INSERT INTO ward_tag SELECT id, 'tag%d', 1 FROM ward WHERE uuid = 'w-%[1]d'", i))
	}
	clinic.exec("INSERT INTO ward (uuid, name) VALUES ('c-1', 'of the clinic')", "INSERT INTO ward (uuid, name) VALUES ('c-2', 'to be deleted')")
	for range 2 {
		send(hub, clinic)
		send(clinic, hub)
	}
	hub.exec("UPDATE ward SET name = 'hub says' WHERE uuid = 'w-1'", "DELETE FROM ward WHERE uuid = 'c-2'", "UPDATE ward_tag SET weight = 2 WHERE tag = 'tag2'")
	clinic.exec("UPDATE ward SET name = 'clinic says' WHERE uuid = 'w-1'", "DELETE FROM ward_tag WHERE tag = 'tag3'", "DELETE FROM ward_tag WHERE tag = 'tag4'", "DELETE FROM ward WHERE uuid = 'w-4'", "UPDATE ward_tag SET weight = 3 WHERE tag = 'tag2'")
	send(hub, clinic)
	send(clinic, hub)
	send(hub, clinic)
	if n := hub.one("SELECT COUNT(*) FROM omsync_conflict"); n == "0" {
		t.Fatal("there are no conflicts to upgrade")
	}
	all := hub.export("--full", "--part-size", "64KiB")
	if len(all) < 4 {
		t.Fatalf("a load of %d parts", len(all))
	}
	clinic.run(append([]string{"import"}, all[:2]...)...)
	hub.exec("UPDATE ward SET name = 'not sealed' WHERE uuid = 'w-5'", "DELETE FROM ward_tag WHERE tag = 'tag6'", "INSERT INTO ward (uuid, name) VALUES ('h-new', 'new')")
	clinic.exec("UPDATE bed SET note = 'not sealed' WHERE uuid = 'b-7'", "DELETE FROM bed WHERE uuid = 'b-8'", "INSERT INTO ward_tag SELECT id, 'not sealed', 9 FROM ward WHERE uuid = 'w-9'",
		"UPDATE ward SET name = 'clinic, not sealed' WHERE uuid = 'w-5'")
	return hub, clinic, all[2:]
}

// A database that the old program made is upgraded and goes on with a peer that still runs the old one, whichever of the two it is; and
// then with one that is upgraded too.
func TestUpgradeMeetsTheOldProgram(t *testing.T) {
	for _, role := range []string{"hub", "clinic"} {
		t.Run(role, func(t *testing.T) {
			hub, clinic, parts := oldPair(t)
			present := oldprogram.Present(t)
			one, other := hub, clinic
			if role == "clinic" {
				one, other = clinic, hub
			}
			link := one.one("SELECT link FROM omsync_peer")
			one.program = present
			if r := oldprogram.Run(t, present, one.home, "status"); r.Code != 1 || !strings.Contains(r.Stderr, "omsync sync (or init, import, export, serve), which upgrades") {
				t.Errorf("status before the upgrade: %+v", r)
			}
			unsealed := one.one("SELECT COUNT(*) FROM omsync_change")
			if r := one.run("init"); !strings.Contains(r.Stderr, fmt.Sprint("upgrading the omsync tables from format 1 to ", journal.Format)) {
				t.Errorf("the first command said %+v", r)
			}
			if got := one.one("SELECT COUNT(*) FROM omsync_capture"); got != unsealed || got == "0" {
				t.Errorf("%s changes after the upgrade, %s before", got, unsealed)
			}
			checkLink(t, link, one.one("SELECT link FROM omsync_peer"))
			if r := oldprogram.Run(t, other.program, one.home, "status"); r.Code != 1 || !strings.Contains(r.Stderr, fmt.Sprintf("layout %d and this omsync knows layout 1", journal.Format)) {
				t.Errorf("the old program on upgraded tables: %+v", r)
			}
			if r := one.run("status"); strings.Contains(r.Stderr, "upgrad") {
				t.Errorf("status after the upgrade: %+v", r)
			}
			clinic.run(append([]string{"import"}, parts...)...)
			settle(t, hub, clinic)
			hub.exec("UPDATE ward SET name = 'later' WHERE uuid = 'w-2'", "DELETE FROM ward_tag WHERE tag = 'tag9'")
			clinic.exec("UPDATE ward SET name = 'later' WHERE uuid = 'w-3'", "INSERT INTO bed (uuid, ward_id) SELECT 'b-later', id FROM ward WHERE uuid = 'w-2'")
			settle(t, hub, clinic)
			other.program = present
			clinic.exec("UPDATE ward SET note = 'latest' WHERE uuid = 'w-2'")
			settle(t, hub, clinic)
			for _, want := range []string{`"w-2" "later" "latest"`, `"w-3" "later"`, `"b-later"`, `"h-new"`, `"b-7" "w-7" "not sealed"`, `"not sealed" "9"`} {
				if !strings.Contains(hub.rows(), want) {
					t.Errorf("%s is not in\n%s", want, hub.rows())
				}
			}
			for _, gone := range []string{`"c-2"`, `"tag6"`, `"tag9"`, `"b-8"`, `"w-4"`} {
				if strings.Contains(hub.rows(), gone) {
					t.Errorf("%s is still in\n%s", gone, hub.rows())
				}
			}
			if a, b := hub.one("SELECT COUNT(*) FROM omsync_conflict"), clinic.one("SELECT COUNT(*) FROM omsync_conflict"); a != b || a == "0" {
				t.Errorf("%s conflicts at the hub, %s at the clinic", a, b)
			}
		})
	}
}

// checkLink compares numbers of a link before and after by their values: each of the old record's is in the new one.
func checkLink(t *testing.T, old, now string) {
	t.Helper()
	digits := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	}
	have := digits(now)
	for _, d := range digits(old) {
		if !slices.Contains(have, d) {
			t.Errorf("%s is in the link\n%s\nand not after the upgrade in\n%s", d, old, now)
		}
	}
}

// settle exchanges until both have the same, and sees that they do.
func settle(t *testing.T, hub, clinic *installation) {
	t.Helper()
	for range 3 {
		send(hub, clinic)
		send(clinic, hub)
	}
	if a, b := hub.rows(), clinic.rows(); a != b {
		t.Fatalf("the hub has\n%s\nand the clinic\n%s", a, b)
	}
}
