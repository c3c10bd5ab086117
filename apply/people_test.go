package apply_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

// peopleSchema is a little of each kind: a table that refers to itself, one that shares its parent's key, one with a
// composite key, one with two references.
var peopleSchema = []string{
	"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, note VARCHAR(200), friend INT, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (friend) REFERENCES person (person_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE patient (patient_id INT PRIMARY KEY, code VARCHAR(20), FOREIGN KEY (patient_id) REFERENCES person (person_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE flag (person_id INT NOT NULL, name VARCHAR(20) NOT NULL, value VARCHAR(20), PRIMARY KEY (person_id, name), FOREIGN KEY (person_id) REFERENCES person (person_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE obs (obs_id INT AUTO_INCREMENT PRIMARY KEY, person_id INT NOT NULL, value INT, grp INT, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (person_id) REFERENCES person (person_id), FOREIGN KEY (grp) REFERENCES obs (obs_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE memo (memo_id INT AUTO_INCREMENT PRIMARY KEY, value INT, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB DEFAULT CHARSET=utf8", // nothing refers to it: writers do not meet
}

// peopleHub makes a hub that holds people p-1 to p-n, each with a patient, a flag and an observation o-1 to o-n, and children
// that have got all of it. Each has integers of its own.
func peopleHub(t *testing.T, n int, children ...string) (hub *sites.Site, rest []*sites.Site) {
	t.Helper()
	hub = sites.New(t, "hub", "none", peopleSchema...)
	hub.Exec(insertPeople(1, n)...)
	hub.Init()
	for i, name := range children {
		s := sites.New(t, name, "none", peopleSchema...)
		s.SetOffset(int64(1000 * (i + 1)))
		s.Init()
		hub.Connect(s)
		rest = append(rest, s)
	}
	if len(rest) > 0 {
		sites.Exchange(append([]*sites.Site{hub}, rest...)...)
	}
	return hub, rest
}

// insertPeople inserts people from a to b in statements of some hundred rows.
func insertPeople(a, b int) (out []string) {
	for ; a <= b; a += 500 {
		var people, uuids []string
		for i := a; i <= min(b, a+499); i++ {
			people = append(people, fmt.Sprintf("('name %d', 'p-%[1]d')", i))
			uuids = append(uuids, fmt.Sprintf("'p-%d'", i))
		}
		in := "FROM person WHERE uuid IN (" + strings.Join(uuids, ",") + ")"
		out = append(out, "INSERT INTO person (name, uuid) VALUES "+strings.Join(people, ","),
			"INSERT INTO patient SELECT person_id, uuid "+in,
			"INSERT INTO flag SELECT person_id, 'lang', 'sw' "+in,
			"INSERT INTO obs (person_id, value, uuid) SELECT person_id, person_id, REPLACE(uuid, 'p-', 'o-') "+in)
	}
	return out
}

// beside is the same site as another process would open it.
func beside(t testing.TB, s *sites.Site) *sites.Site {
	t.Helper()
	c := *s
	var err error
	if c.J, err = journal.Load(t.Context(), s.J.DB, s.J.Catalogue, s.J.Profile); err != nil {
		t.Fatal(err)
	}
	c.J.Now = s.J.Now
	return &c
}

// holder is an application's transaction that stays open.
type holder struct {
	t *testing.T
	c interface {
		dbtest.Execer
		Close() error
	}
}

// hold begins a transaction on a connection of its own, and executes statements in it.
func hold(t *testing.T, s *sites.Site, statements ...string) *holder {
	t.Helper()
	c, err := s.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{t, c}
	t.Cleanup(func() {
		c.ExecContext(context.Background(), "ROLLBACK")
		c.Close()
	})
	h.do("BEGIN")
	h.do(statements...)
	return h
}

func (h *holder) do(statements ...string) {
	h.t.Helper()
	dbtest.Exec(h.t, h.c, statements...)
}

// running waits until a statement with such a text has been running in the site's database for a moment: it is held up.
func running(t *testing.T, s *sites.Site, like string) {
	t.Helper()
	seen := 0
	for range 2000 {
		n := s.One("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND command <> 'Sleep' AND id <> CONNECTION_ID() AND info LIKE ?", like)
		if n == "0" {
			seen = 0
		} else if seen++; seen == 10 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no statement like %s is held up", like)
}

// background runs a function; the answer waits for its error.
func background(f func() error) func() error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return func() error {
		select {
		case err := <-done:
			return err
		case <-time.After(40 * time.Second):
			return fmt.Errorf("it does not end")
		}
	}
}

// trusting are the options of an import that takes the file as it is.
func trusting() apply.Options {
	return apply.Options{
		Wait:    sites.Wait,
		Verify:  func(*batch.Header, []byte, []byte) error { return nil },
		Decrypt: func(r io.Reader) (io.Reader, error) { return r, nil },
	}
}

// state is a digest of everything in the database, by table. Names of authors are left out: they are numbered outside of
// imports.
func state(t *testing.T, s *sites.Site) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range s.Query("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()") {
		where := ""
		if r[0] == "omsync_node" {
			where = " WHERE id = 1"
		}
		var lines []string
		for _, row := range s.Query("SELECT * FROM `" + r[0] + "`" + where) {
			lines = append(lines, fmt.Sprintf("%q", row))
		}
		slices.Sort(lines)
		out[r[0]] = fmt.Sprintf("%d rows, %x", len(lines), sha256.Sum256([]byte(strings.Join(lines, "\n"))))
	}
	return out
}

// unchanged compares two digests.
func unchanged(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	for table := range before {
		if before[table] != after[table] {
			t.Errorf("%s: %s was %s and is %s", what, table, before[table], after[table])
		}
	}
}

// journalFits looks for what must never be in a journal: an entry of a row that is not there, a deletion of one that is, a
// row with two versions of one column, an epoch that is not in the list. Unsealed changes must have been sealed before.
func journalFits(t *testing.T, all ...*sites.Site) {
	t.Helper()
	for _, s := range all {
		s.Seal()
		for _, name := range []string{"person", "patient", "obs"} {
			key, join := "t.uuid", ""
			id := name + "_id"
			if name == "patient" {
				key, join = "p.uuid", "JOIN person p ON p.person_id = t.patient_id"
			}
			for what, q := range map[string]string{
				"entries without a row":       "SELECT COUNT(*) FROM omsync_version v JOIN omsync_table m ON m.id = v.table_id AND m.name = '" + name + "' LEFT JOIN " + name + " t ON t." + id + " = v.local_id WHERE t." + id + " IS NULL",
				"deletions of rows that live": "SELECT COUNT(*) FROM omsync_tombstone d JOIN omsync_table m ON m.id = d.table_id AND m.name = '" + name + "' JOIN " + name + " t " + join + " ON " + key + " = CAST(d.row_key AS CHAR)",
			} {
				if name == "patient" && strings.HasPrefix(what, "deletions") {
					q = "SELECT COUNT(*) FROM omsync_tombstone d JOIN omsync_table m ON m.id = d.table_id AND m.name = 'patient' JOIN person p ON p.uuid = CAST(d.row_key AS CHAR) JOIN patient t ON t.patient_id = p.person_id"
				}
				if n := s.One(q); n != "0" {
					t.Errorf("at %s, %s: %s %s", s.Name, name, n, what)
				}
			}
		}
		for what, q := range map[string]string{
			"rows with two versions of one column": "SELECT COUNT(*) FROM omsync_version a JOIN omsync_version b ON a.table_id = b.table_id AND a.local_id = b.local_id AND a.local_key = b.local_key AND a.column_mask < b.column_mask AND a.column_mask & b.column_mask <> 0",
			"versions of unknown epochs":           "SELECT COUNT(*) FROM omsync_version v LEFT JOIN omsync_epoch e ON e.id = v.epoch WHERE e.id IS NULL",
			"deletions of unknown epochs":          "SELECT COUNT(*) FROM omsync_tombstone v LEFT JOIN omsync_epoch e ON e.id = v.epoch WHERE e.id IS NULL",
			"changes left":                         "SELECT COUNT(*) FROM omsync_capture",
		} {
			if n := s.One(q); n != "0" {
				t.Errorf("at %s: %s %s", s.Name, n, what)
			}
		}
	}
}

// settled exchanges until all is quiet, and compares every site with the first.
func settled(t *testing.T, all ...*sites.Site) {
	t.Helper()
	sites.ExchangeTwice(all...)
	for _, s := range all[1:] {
		sites.Same(t, all[0], s)
	}
	sites.Quiet(t, all...)
	journalFits(t, all...)
}

// has fails the test unless the site has recorded such a conflict: "table.column=value" or "table deleted".
func recorded(t *testing.T, s *sites.Site, want string) {
	t.Helper()
	if all := s.Conflicts(); !slices.Contains(all, want) {
		t.Errorf("%s has not recorded %s, but %q", s.Name, want, all)
	}
}
