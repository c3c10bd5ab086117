package scopes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

var clinicTables = []string{
	`CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, v INT) ENGINE=InnoDB`,
	`CREATE TABLE patient (patient_id INT PRIMARY KEY, v INT, FOREIGN KEY (patient_id) REFERENCES person (person_id)) ENGINE=InnoDB`,
	`CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, patient_id INT NULL, v INT, FOREIGN KEY (patient_id) REFERENCES patient (patient_id)) ENGINE=InnoDB`,
	`CREATE TABLE note (note_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, visit_id INT NOT NULL, FOREIGN KEY (visit_id) REFERENCES visit (visit_id)) ENGINE=InnoDB`,
	`CREATE TABLE relation (relation_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT NOT NULL, b INT NOT NULL,
		FOREIGN KEY (a) REFERENCES person (person_id), FOREIGN KEY (b) REFERENCES person (person_id)) ENGINE=InnoDB`,
	`CREATE TABLE login (login_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, person_id INT NOT NULL, FOREIGN KEY (person_id) REFERENCES person (person_id)) ENGINE=InnoDB`,
}

const clinicProfile = "[owner]\ntable = \"patient\"\n[owner.by]\nrelation = [\"a\", \"b\"]\nlogin = []\n"

// hub is a node with three patients (persons p1 to p3), of whom its child has p1 in its scope since epoch since, and a person p4.
type hub struct {
	*sites.Site
	t     *testing.T
	child merge.Peer
	since scope.Sight
}

func newHub(t *testing.T, scoped bool) *hub {
	h := &hub{Site: sites.New(t, "hub", clinicProfile, clinicTables...), t: t}
	child := sites.New(t, "kisumu", clinicProfile, clinicTables...)
	h.Exec("INSERT INTO person (person_id, uuid) VALUES (1, 'p1'), (2, 'p2'), (3, 'p3'), (4, 'p4')", "INSERT INTO patient (patient_id) VALUES (1), (2), (3)",
		"INSERT INTO visit (visit_id, uuid, patient_id) VALUES (11, 'v1', 1), (12, 'v2', 2)", "INSERT INTO note (note_id, uuid, visit_id) VALUES (21, 'n1', 11), (22, 'n2', 12)",
		"INSERT INTO relation (relation_id, uuid, a, b) VALUES (31, 'r1', 1, 2), (32, 'r2', 1, 4)")
	h.Init()
	child.Init()
	h.Connect(child)
	h.child = h.Peer(child).ID
	if scoped {
		h.change(func(s *scopes.Store, node scope.Node) {
			node.Begin(h.child, nil)
			node.Admit(h.child, "p1", 0)
			h.since = scope.Sight(s.Epoch())
		})
	}
	return h
}

// change changes scopes in a transaction of its own.
func (h *hub) change(f func(*scopes.Store, scope.Node)) {
	h.t.Helper()
	tx, err := h.J.DB.BeginTx(h.t.Context(), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer tx.Rollback()
	epoch := uint64(0)
	s, err := scopes.Open(h.t.Context(), h.J, scopes.Options{Read: tx, Write: tx, Cause: scopes.Person, Person: "alice", Epoch: func() (uint64, error) {
		if epoch == 0 {
			p, err := journal.NextEpoch(h.t.Context(), tx, false, h.J.Now())
			epoch = p.Epoch
			return epoch, err
		}
		return epoch, nil
	}})
	if err != nil {
		h.t.Fatal(err)
	}
	f(s, s.Node())
	if err := s.Flush(); err != nil {
		h.t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		h.t.Fatal(err)
	}
}

// state returns what is kept: owners in the child's scope, its exceptions, public rows, and whose the dead rows were.
func (h *hub) state() string {
	h.t.Helper()
	var out []string
	for _, q := range []string{
		"SELECT CONCAT('in ', owner_key, IF(local_id IS NULL, ' lost', '')) FROM omsync_scope WHERE since > 0 ORDER BY 1",
		"SELECT CONCAT('sees ', row_key, IF(since = (SELECT MAX(id) FROM omsync_epoch), ' now', ' before')) FROM omsync_scope_row ORDER BY 1",
		"SELECT CONCAT('public ', row_key) FROM omsync_public ORDER BY 1",
		"SELECT CONCAT('buried ', b.row_key, ' of ', GROUP_CONCAT(owner_key ORDER BY n SEPARATOR '+')) FROM omsync_buried b GROUP BY b.table_id, b.row_key ORDER BY 1",
	} {
		for _, r := range h.Query(q) {
			out = append(out, r[0])
		}
	}
	return strings.Join(out, ", ")
}

func (h *hub) expect(want string, statements ...string) {
	h.t.Helper()
	h.Exec(statements...)
	h.Seal()
	if got := h.state(); got != want {
		h.t.Errorf("after %s\n got: %s\nwant: %s", strings.Join(statements, "; "), got, want)
	}
	if n := h.One("SELECT COUNT(*) FROM omsync_capture"); n != "0" {
		h.t.Errorf("%s changes are left", n)
	}
}

// A seal follows what the application moved, deleted and made again.
func TestSealFollows(t *testing.T) {
	t.Run("another's now", func(t *testing.T) {
		h := newHub(t, true)
		h.expect("in p1", "UPDATE visit SET v = 1")
		h.expect("in p1, in p2, sees v1 before", "UPDATE visit SET patient_id = 2 WHERE visit_id = 11")
	})
	t.Run("the child's now", func(t *testing.T) {
		h := newHub(t, true)
		h.expect("in p1, sees v2 now", "UPDATE visit SET patient_id = 1 WHERE visit_id = 12")
		h.change(func(s *scopes.Store, node scope.Node) {
			if !node.Sight(h.child, scope.Row{Table: "note", Key: "n2"}).In() {
				t.Error("what refers to it is not in sight")
			}
		})
	})
	t.Run("deleted", func(t *testing.T) {
		h := newHub(t, true)
		h.expect("in p1, buried n1 of p1", "DELETE FROM note WHERE note_id = 21")
		h.expect("in p1, buried n1 of p1, buried r1 of p1+p2", "DELETE FROM relation WHERE relation_id = 31")
		h.expect("in p1, buried n1 of p1, buried n2 of p2, buried r1 of p1+p2, buried v2 of p2", "SET foreign_key_checks = 0", "DELETE FROM visit WHERE visit_id = 12",
			"DELETE FROM note", "SET foreign_key_checks = 1")
	})
	t.Run("moved and deleted in one", func(t *testing.T) {
		h := newHub(t, true)
		h.expect("in p1, buried n1 of p1, buried v1 of p1", "UPDATE visit SET patient_id = 3 WHERE visit_id = 11", "DELETE FROM note WHERE note_id = 21", "DELETE FROM visit WHERE visit_id = 11")
	})
	t.Run("patient and all", func(t *testing.T) {
		h := newHub(t, true)
		h.expect("in p1 lost, buried n1 of p1, buried p1 of p1, buried r1 of p1+p2, buried v1 of p1", "SET foreign_key_checks = 0", "DELETE FROM person WHERE person_id = 1",
			"DELETE FROM patient WHERE patient_id = 1", "DELETE FROM relation", "DELETE FROM note WHERE note_id = 21", "DELETE FROM visit WHERE visit_id = 11", "SET foreign_key_checks = 1")
	})
	t.Run("back", func(t *testing.T) {
		h := newHub(t, true)
		h.expect("in p1, buried n1 of p1", "DELETE FROM note WHERE note_id = 21")
		h.expect("in p1, in p2, sees n1 before", "INSERT INTO note (note_id, uuid, visit_id) VALUES (25, 'n1', 12)")
	})
	t.Run("a patient at last", func(t *testing.T) {
		h := newHub(t, true)
		h.change(func(s *scopes.Store, node scope.Node) { node.Admit(h.child, "p4", 0) })
		h.expect("in p1, in p4 lost, sees p4 now", "INSERT INTO patient (patient_id) VALUES (4)")
	})
	t.Run("no patient any more", func(t *testing.T) {
		h := newHub(t, true)
		h.expect("in p1 lost, sees p1 before", "SET foreign_key_checks = 0", "DELETE FROM patient WHERE patient_id = 1", "SET foreign_key_checks = 1")
	})
	t.Run("staff", func(t *testing.T) {
		h := newHub(t, true)
		h.expect("in p1, public p4", "INSERT INTO login (uuid, person_id) VALUES ('l1', 4)")
		h.expect("in p1, public p3, public p4", "UPDATE login SET person_id = 3")
	})
	t.Run("without a scope", func(t *testing.T) {
		h := newHub(t, false)
		h.expect("", "UPDATE visit SET patient_id = 2 WHERE visit_id = 11", "INSERT INTO login (uuid, person_id) VALUES ('l1', 4)")
		h.expect("buried n1 of p2", "DELETE FROM note WHERE note_id = 21")
	})
	t.Run("nobody noted it", func(t *testing.T) {
		h := newHub(t, true)
		h.Exec("UPDATE visit SET patient_id = 2 WHERE visit_id = 11", "DELETE FROM note", "DELETE FROM omsync_capture WHERE operation = 5")
		h.expect("in p1")
		h.Exec("UPDATE visit SET patient_id = 1 WHERE visit_id = 11", "DELETE FROM omsync_capture WHERE operation = 5")
		h.expect("in p1, sees v1 now")
	})
}

// What was changed of scopes is in the log, with who said so.
func TestScopesAreLogged(t *testing.T) {
	h := newHub(t, true)
	h.Exec("UPDATE visit SET patient_id = 2 WHERE visit_id = 11")
	h.Seal()
	h.change(func(_ *scopes.Store, node scope.Node) { node.Leave(h.child, "p1") })
	var got []string
	for _, o := range []scope.Owner{"", "p1", "p2"} {
		events, err := scopes.LogOf(t.Context(), h.J.DB, o, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			got = append(got, fmt.Sprintf("%s %s %s %s", e.Owner, e.Event, e.Cause, e.Person))
		}
	}
	if want := []string{" began person alice", "p1 entered person alice", "p1 left person alice", "p2 entered seal "}; !slices.Equal(got, want) {
		t.Errorf("the log is %q, want %q", got, want)
	}
	before := h.One("SELECT GROUP_CONCAT(event ORDER BY id DESC) FROM omsync_scope_log")
	for keep, want := range map[uint64]string{1000: before, 4: before} {
		if err := scopes.ForgetLogged(t.Context(), h.J.DB, keep); err != nil {
			t.Fatal(err)
		}
		if got := h.One("SELECT GROUP_CONCAT(event ORDER BY id DESC) FROM omsync_scope_log"); got != want {
			t.Errorf("of %s, %d are to be kept, and %s are", before, keep, got)
		}
	}
	if err := scopes.ForgetLogged(t.Context(), h.J.DB, 2); err != nil {
		t.Fatal(err)
	}
	if got := h.One("SELECT GROUP_CONCAT(event ORDER BY id DESC) FROM omsync_scope_log"); got != "left,entered" {
		t.Errorf("of %s, two are to be kept, and %s are", before, got)
	}
}
