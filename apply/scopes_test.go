package apply_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// scoped is a hub, perhaps a node in the middle, and clinics that may have some patients each.
type scoped struct {
	t     *testing.T
	hub   *sites.Site
	all   []*sites.Site
	files []*sites.File // that were sent
	reads func(*sites.File)
}

// careProfile is of a small clinic's tables, named as OpenMRS names them.
const careProfile = `[owner]
table = "patient"
[owner.by]
users = []
`

func careTables(first string) []string {
	table := func(name, columns string) string {
		return "CREATE TABLE " + name + " (" + columns + ") ENGINE=InnoDB AUTO_INCREMENT=" + first
	}
	key := func(id string) string { return id + " INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE" }
	person := func(column string) string {
		return ", " + column + " INT, FOREIGN KEY (" + column + ") REFERENCES person (person_id)"
	}
	return []string{
		table("person", key("person_id")+", gender VARCHAR(50), city VARCHAR(50)"),
		table("patient", "patient_id INT PRIMARY KEY, status VARCHAR(50), FOREIGN KEY (patient_id) REFERENCES person (person_id)"),
		table("users", key("user_id")+", username VARCHAR(50)"+person("person_id")),
		table("concept", key("concept_id")+", name VARCHAR(50)"),
		table("person_name", key("person_name_id")+", given_name VARCHAR(50)"+person("person_id")),
		table("encounter", key("encounter_id")+", form VARCHAR(50), patient_id INT NOT NULL, FOREIGN KEY (patient_id) REFERENCES patient (patient_id)"),
		table("obs", key("obs_id")+", value_text VARCHAR(50), encounter_id INT, FOREIGN KEY (encounter_id) REFERENCES encounter (encounter_id)"+person("person_id")),
		table("encounter_note", key("note_id")+", text VARCHAR(50), encounter_id INT NOT NULL, FOREIGN KEY (encounter_id) REFERENCES encounter (encounter_id)"),
		table("relationship", key("relationship_id")+", kind VARCHAR(50)"+person("person_a")+person("person_b")),
	}
}

// scopedSite is a node on some tables.
func scopedSite(t *testing.T, name, profile string, ddl []string) *sites.Site {
	t.Helper()
	s := sites.New(t, name, profile, ddl...)
	s.Features, s.Waits, s.Listens = features.Present(), true, true
	return s
}

// newScoped makes a hub with some patients, h1 and so on, and clinics below it.
func newScoped(t *testing.T, patients int, clinics ...string) *scoped {
	t.Helper()
	n := &scoped{t: t, hub: scopedSite(t, "hub", careProfile, careTables("1"))}
	n.hub.Listens = false
	n.hub.Exec("INSERT INTO concept (uuid, name) VALUES ('c1', 'weight'), ('c2', 'height')",
		"INSERT INTO person (uuid, gender) VALUES ('boss', 'F')", "INSERT INTO person_name (uuid, given_name, person_id) SELECT 'boss-name', 'Beth', person_id FROM person",
		"INSERT INTO users (uuid, username, person_id) SELECT 'u1', 'boss', person_id FROM person")
	n.hub.Init()
	for i := range patients {
		register(n.hub, fmt.Sprintf("h%d", i+1))
	}
	n.all = append(n.all, n.hub)
	for _, name := range clinics {
		n.below(n.hub, name)
	}
	return n
}

// register adds a patient with an encounter.
func register(s *sites.Site, uuid string) {
	do(s, "INSERT INTO person (uuid, gender) VALUES ('"+uuid+"', 'F')", "INSERT INTO patient (patient_id) VALUES ([person "+uuid+"])",
		"INSERT INTO person_name (uuid, given_name, person_id) VALUES ('"+uuid+"-name', 'Achieng', [person "+uuid+"])")
	visit(s, uuid+"-visit", uuid)
}

// visit adds an encounter with an observation and a note.
func visit(s *sites.Site, uuid, patient string) {
	do(s, "INSERT INTO encounter (uuid, patient_id) VALUES ('"+uuid+"', [person "+patient+"])",
		"INSERT INTO obs (uuid, value_text, person_id, encounter_id) VALUES ('"+uuid+"-obs', '61', [person "+patient+"], [encounter "+uuid+"])",
		"INSERT INTO encounter_note (uuid, text, encounter_id) VALUES ('"+uuid+"-note', 'well', [encounter "+uuid+"])")
}

// below adds a node below another.
func (n *scoped) below(parent *sites.Site, name string) *sites.Site {
	s := scopedSite(n.t, name, careProfile, careTables(fmt.Sprint(1000*(2*len(n.all)-1))))
	s.Init()
	parent.Connect(s)
	n.all = append(n.all, s)
	return s
}

func (n *scoped) site(name string) *sites.Site {
	return n.all[slices.IndexFunc(n.all, func(s *sites.Site) bool { return s.Name == name })]
}

// decideScope has somebody change scopes at a node, in a transaction of its own.
func decideScope(t *testing.T, s *sites.Site, f func(scope.Node)) {
	t.Helper()
	decideOn(t, s, func(store *scopes.Store) { f(store.Node()) })
}

func decideOn(t *testing.T, s *sites.Site, f func(*scopes.Store)) {
	t.Helper()
	ctx := context.Background()
	s.Seal()
	conn, err := s.J.DB.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := journal.Gate(ctx, conn, false, sites.Wait); err != nil {
		t.Fatal(err)
	}
	defer conn.ExecContext(ctx, "ROLLBACK")
	store, err := scopes.Open(ctx, s.J, scopes.Options{Read: conn, Write: conn, Cause: scopes.Person, Person: "test", Epoch: func() (uint64, error) {
		at, err := journal.NextEpoch(ctx, conn, false, s.J.Now())
		return at.Epoch, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	f(store)
	if err := store.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
}

func peerID(t *testing.T, s, peer *sites.Site) merge.Peer {
	t.Helper()
	p, err := journal.PeerByName(context.Background(), s.J.DB, peer.Name, false)
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	return p.ID
}

// own gives a child a scope with some owners in it.
func (n *scoped) own(parent, child *sites.Site, owners ...scope.Owner) {
	n.t.Helper()
	p := peerID(n.t, parent, child)
	decideOn(n.t, parent, func(store *scopes.Store) {
		node := store.Node()
		for _, key := range column(n.t, parent, "SELECT uuid FROM person WHERE person_id IN (SELECT person_id FROM users)") {
			node.Publish(scope.Row{Table: "person", Key: key})
		}
		node.Begin(p, owners)
	})
}

func (n *scoped) admit(parent, child *sites.Site, owners ...scope.Owner) {
	n.t.Helper()
	p := peerID(n.t, parent, child)
	decideScope(n.t, parent, func(node scope.Node) {
		for _, o := range owners {
			node.Admit(p, o, 0)
		}
	})
}

// exchange lets all send until nobody has anything to send, and looks into each file before it is imported.
func (n *scoped) exchange() {
	n.t.Helper()
	for range 14 {
		sent := 0
		for _, a := range n.all {
			for _, b := range n.all {
				if !n.linked(a, b) {
					continue
				}
				for _, f := range a.Export(b) {
					sent++
					n.look(f)
					if r := b.Import(f); r.Outcome != apply.Applied && r.Outcome != apply.Covered {
						n.t.Fatalf("%s from %s: %v", f.Name, a.Name, r.Outcome)
					}
				}
			}
		}
		if sent == 0 {
			return
		}
	}
	n.t.Fatal("it goes on and on")
}

func (n *scoped) linked(a, b *sites.Site) bool {
	p, err := journal.PeerByName(context.Background(), a.J.DB, b.Name, false)
	return err == nil && p != nil
}

// personTables are tables of which each row belongs to one patient, and by what: written down here, not asked of the profile.
var personTables = [][2]string{
	{"person", "person_id"}, {"person_name", "person_id"}, {"person_address", "person_id"}, {"person_attribute", "person_id"}, {"patient_identifier", "patient_id"},
	{"encounter", "patient_id"}, {"obs", "person_id"}, {"orders", "patient_id"}, {"visit", "patient_id"}, {"patient_program", "patient_id"},
}

// rowsOf lists the uuids of all rows of a site's patients, by patient; those of staff are left out, but only the person's own row.
func rowsOf(t *testing.T, s *sites.Site) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, c := range personTables {
		if s.J.Catalogue.Table(c[0]) == nil || s.J.Catalogue.Table(c[0]).Column(c[1]) == nil {
			continue
		}
		query := "SELECT p.uuid, r.uuid FROM " + c[0] + " r JOIN patient w ON w.patient_id = r." + c[1] + " JOIN person p ON p.person_id = w.patient_id"
		if c[0] == "person" {
			query += " WHERE p.person_id NOT IN (SELECT person_id FROM users WHERE person_id IS NOT NULL)"
		}
		rows, err := s.DB.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var patient, row sql.NullString
			if err := rows.Scan(&patient, &row); err != nil {
				t.Fatal(err)
			}
			out[patient.String] = append(out[patient.String], row.String)
		}
		rows.Close()
	}
	return out
}

// patients lists the uuids of a site's patients.
func patients(t *testing.T, s *sites.Site) []string {
	t.Helper()
	rows, err := s.DB.Query("SELECT p.uuid FROM patient JOIN person p ON p.person_id = patient_id ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var u string
		if err := rows.Scan(&u); err != nil {
			t.Fatal(err)
		}
		out = append(out, u)
	}
	return out
}

// whole makes sure that a site has all rows that another has of some patients, and of no others.
func (n *scoped) whole(of, at *sites.Site, want ...string) {
	n.t.Helper()
	slices.Sort(want)
	if got := patients(n.t, at); !slices.Equal(got, want) {
		n.t.Errorf("%s has patients %q, want %q", at.Name, got, want)
	}
	there, here := rowsOf(n.t, of), rowsOf(n.t, at)
	for _, p := range want {
		a, b := slices.Sorted(slices.Values(there[p])), slices.Sorted(slices.Values(here[p]))
		if !slices.Equal(a, b) {
			n.t.Errorf("%s has %d rows of %s, %s has %d", of.Name, len(a), p, at.Name, len(b))
		}
	}
}
