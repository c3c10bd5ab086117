package undo_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/undo"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// network is a hub with a small clinic's data and two clinics below it, one of which has a thief.
type network struct {
	t                  *testing.T
	hub, thief, honest *sites.Site
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	tables := openmrs.Schema("2.6")
	n := &network{t, sites.New(t, "hub", "openmrs", tables...), sites.New(t, "thief", "openmrs", tables...), sites.New(t, "honest", "openmrs", tables...)}
	if _, err := openmrs.Load(t.Context(), n.hub.DB, openmrs.Options{Seed: 1, Site: "hub", Patients: 12, Metadata: true}); err != nil {
		t.Fatal(err)
	}
	for _, s := range n.all() {
		s.Init()
	}
	n.hub.Connect(n.thief)
	n.hub.Connect(n.honest)
	sites.ExchangeTwice(n.all()...)
	return n
}

// accept lets an import delete as much as it wants.
func accept(o *apply.Options) { o.AcceptDeletions = true }

func (n *network) all() []*sites.Site { return []*sites.Site{n.hub, n.thief, n.honest} }

// undo takes back what came from the thief since a time, at the hub, in some tables or all.
func (n *network) undo(since time.Time, dryRun bool, tables ...string) map[string]undo.TableReport {
	n.t.Helper()
	r, err := undo.Undo(n.t.Context(), n.hub.J, undo.Options{Peer: n.hub.Peer(n.thief), Since: since, DryRun: dryRun, Tables: tables, Wait: sites.Wait,
		Seal: func(ctx context.Context) error { _, err := capture.Seal(ctx, n.hub.J, sites.Wait); return err }})
	if err != nil {
		n.t.Fatal(err)
	}
	out := map[string]undo.TableReport{}
	for _, t := range r.Tables {
		out[t.Table] = t
	}
	return out
}

// expect compares counts by table: deleted, kept, put back, unknown, inserted, missing.
func expect(t *testing.T, got map[string]undo.TableReport, want map[string][6]int64) {
	t.Helper()
	for name, r := range got {
		if n := [6]int64{r.Deleted, r.Kept, r.PutBack, r.Unknown, r.Inserted, r.Missing}; n != want[name] {
			t.Errorf("%s: %v, not %v: %+v", name, n, want[name], r.Rows)
		}
	}
	for name, n := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s: nothing, not %v", name, n)
		}
	}
}

const admin = "82f18b44-6814-11e8-923f-e9a88dcb533f"

// reference is "[table uuid]" or "[table column=value]" in a statement: the row's integer at that site.
var reference = regexp.MustCompile(`\[(\w+) (?:(\w+)=)?([^\]]+)\]`)

// do executes statements at a site, with its own integers in the place of references.
func do(s *sites.Site, statements ...string) {
	for _, q := range statements {
		s.Exec(reference.ReplaceAllStringFunc(q, func(r string) string {
			m := reference.FindStringSubmatch(r)
			table, column, value := m[1], m[2], m[3]
			if column == "" {
				column = "uuid"
			}
			return s.One(fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", s.J.Catalogue.Table(table).PrimaryKey[0].Name, table, column), value)
		}))
	}
}

const made = ", creator = [users " + admin + "], date_created = '2024-05-06 07:08:09'"

// patient registers somebody with an encounter.
func patient(s *sites.Site, uuid string) {
	do(s, "INSERT INTO person SET gender = 'F', birthdate = '1990-01-31', uuid = '"+uuid+"'"+made,
		"INSERT INTO patient SET patient_id = [person "+uuid+"]"+made,
		"INSERT INTO person_name SET uuid = '"+uuid+"-name', person_id = [person "+uuid+"], given_name = 'Achieng', family_name = 'Otieno', preferred = 1"+made,
		"INSERT INTO person_address SET uuid = '"+uuid+"-address', person_id = [person "+uuid+"], city_village = 'Ahero'"+made)
	encounter(s, uuid+"-visit", uuid)
}

func encounter(s *sites.Site, uuid, patient string) {
	do(s, "INSERT INTO encounter SET uuid = '"+uuid+"', patient_id = [person "+patient+"], encounter_type = [encounter_type name=Adult visit], encounter_datetime = '2024-05-06 07:08:09', location_id = [location name=Unknown Location]"+made)
}

func obs(s *sites.Site, uuid, patient, visit, rest string) {
	do(s, "INSERT INTO obs SET uuid = '"+uuid+"', person_id = [person "+patient+"], encounter_id = [encounter "+visit+"], concept_id = (SELECT MIN(concept_id) FROM concept), obs_datetime = '2024-05-06 07:08:09'"+rest+made)
}

// purge deletes a patient and all that belongs to that one.
func purge(s *sites.Site, uuid string) {
	id := "[person " + uuid + "]"
	do(s, "UPDATE obs SET obs_group_id = NULL WHERE person_id = "+id, "DELETE FROM obs WHERE person_id = "+id, "DELETE FROM encounter WHERE patient_id = "+id,
		"DELETE FROM person_address WHERE person_id = "+id, "DELETE FROM person_name WHERE person_id = "+id, "DELETE FROM patient WHERE patient_id = "+id,
		"DELETE FROM person WHERE uuid = '"+uuid+"'")
}

func city(s *sites.Site, uuid, city string) {
	do(s, "UPDATE person_address SET city_village = '"+city+"' WHERE uuid = '"+uuid+"-address'")
}

func TestUndo(t *testing.T) {
	n := newNetwork(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *network)
	}{{"harm", harm}, {"beside the application", besideTheApplication}} {
		t.Run(c.name, func(t *testing.T) {
			sites.Use(t, n.all()...)
			c.run(t, &network{t, n.hub, n.thief, n.honest})
		})
	}
	sites.Use(t, n.all()...)
}

// A thief at one clinic adds, changes and deletes. The hub takes it back: it and the honest clinic are as before, but for what is said.
func harm(t *testing.T, n *network) {
	patient(n.honest, "own")
	obs(n.honest, "own-group", "own", "own-visit", "")
	obs(n.honest, "own-member", "own", "own-visit", ", obs_group_id = [obs own-group], value_numeric = 37.5")
	for _, name := range []string{"fought", "changed"} {
		patient(n.honest, name)
	}
	patient(n.thief, "mine") // added before he came
	sites.ExchangeTwice(n.all()...)
	before := map[string]sites.Dumped{"hub": n.hub.Dump(), "honest": n.honest.Dump()}
	since := time.Now()

	patient(n.thief, "junk")
	obs(n.thief, "junk-obs", "junk", "junk-visit", "")
	patient(n.thief, "stays")
	purge(n.thief, "own")
	purge(n.thief, "mine")
	city(n.thief, "changed", "nonsense")
	city(n.hub, "fought", "Kisumu") // and later, unseen:
	city(n.thief, "fought", "nonsense")
	n.thief.Send(n.hub)
	sites.ExchangeTwice(n.all()...)
	encounter(n.honest, "honest-visit", "stays")
	sites.ExchangeTwice(n.all()...)
	if got := n.honest.One("SELECT COUNT(*) FROM person WHERE uuid IN ('own', 'mine')"); got != "0" {
		t.Fatalf("the thief deleted nothing: %s", got)
	}

	want := map[string][6]int64{ // deleted, kept, put back, unknown, inserted, missing
		"person": {1, 1, 0, 0, 2, 0}, "patient": {1, 1, 0, 0, 2, 0}, "person_name": {2, 0, 0, 0, 2, 0},
		"person_address": {2, 0, 1, 1, 2, 0}, "encounter": {2, 0, 0, 0, 2, 0}, "obs": {1, 0, 0, 0, 2, 0},
	}
	dump := n.hub.Dump()
	expect(t, n.undo(since, true), want)
	sites.Differ(t, "hub", dump, "hub after a dry run", n.hub.Dump())
	expect(t, n.undo(since, false), want)
	expect(t, n.undo(since, false), map[string][6]int64{"person": {0, 1, 0, 0, 0, 0}, "patient": {0, 1, 0, 0, 0, 0}, "person_address": {0, 0, 0, 1, 0, 0}})

	sites.ExchangeTwice(n.hub, n.honest)
	except := []string{"person/stays", "patient/stays", "encounter/honest-visit", "person_address/changed-address", "person_address/fought-address"}
	for _, s := range []*sites.Site{n.hub, n.honest} {
		sites.Differ(t, s.Name+" before", before[s.Name], s.Name, s.Dump(), except...)
		if got := s.One("SELECT GROUP_CONCAT(city_village ORDER BY uuid) FROM person_address WHERE uuid IN ('fought-address', 'changed-address')"); got != "nonsense,Kisumu" {
			t.Errorf("at %s the addresses are %s", s.Name, got)
		}
		if got := s.One("SELECT COUNT(*) FROM obs m JOIN obs g ON g.obs_id = m.obs_group_id WHERE m.uuid = 'own-member' AND g.uuid = 'own-group'"); got != "1" {
			t.Errorf("at %s the group has lost its member", s.Name)
		}
	}
	sites.Same(t, n.hub, n.honest)
	// The clinic that the thief had takes it, too, once it has a new computer.
	sites.ExchangeTwice(n.all()...)
	sites.Same(t, n.hub, n.thief)
	sites.Quiet(t, n.all()...)
}

// What cannot be inserted again is named, with what refers to it; rows that refer to each other can be.
func TestUndoWhatCannotBe(t *testing.T) {
	ddl := []string{`CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, code VARCHAR(9) UNIQUE) ENGINE=InnoDB`,
		`CREATE TABLE bed (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ward_id INT NOT NULL, next INT NULL, seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, FOREIGN KEY (ward_id) REFERENCES ward (id) ON DELETE CASCADE,
			FOREIGN KEY (next) REFERENCES bed (id)) ENGINE=InnoDB`}
	n := &network{t, sites.New(t, "hub", "none", ddl...), sites.New(t, "thief", "none", ddl...), nil}
	n.hub.Exec("INSERT INTO ward VALUES (1, 'w1', 'A'), (2, 'w2', 'B'), (3, 'w3', 'C')",
		"INSERT INTO bed VALUES (1, 'in-w1', 1, NULL, '2020-01-01'), (2, 'in-w2', 2, NULL, '2020-01-01'), (3, 'round', 3, NULL, '2020-01-01'), (4, 'about', 3, 3, '2020-01-01'), (5, 'after', 1, 1, '2020-01-01')",
		"UPDATE bed SET next = 4, seen = seen WHERE id = 3")
	n.hub.Init()
	n.thief.Init()
	n.hub.Connect(n.thief)
	sites.ExchangeTwice(n.hub, n.thief)
	before := n.hub.Dump()
	since := time.Now()
	n.thief.Exec("UPDATE bed SET next = NULL, seen = seen", "DELETE FROM bed", "DELETE FROM ward WHERE uuid = 'w1'")
	sites.ExchangeTwice(n.hub, n.thief)
	n.hub.Exec("INSERT INTO ward (uuid, code) VALUES ('new', 'A')", "DELETE FROM ward WHERE uuid = 'w2'")
	got := n.undo(since, false)
	expect(t, got, map[string][6]int64{"ward": {0, 0, 0, 0, 0, 1}, "bed": {0, 0, 0, 0, 2, 3}})
	for _, want := range []string{"w1 is not inserted again: another row here has the same value where only one may", "in-w1 is not inserted again: its ward_id refers to a row of ward that is not here (w1)",
		"in-w2 is not inserted again: its ward_id refers to a row of ward that is not here (w2)"} {
		if !slices.ContainsFunc(append(got["ward"].Rows, got["bed"].Rows...), func(r undo.Row) bool { return r.Left && r.Key+" "+r.What == want }) {
			t.Errorf("not said: %s; but %+v", want, got)
		}
	}
	sites.ExchangeTwice(n.hub, n.thief)
	sites.Differ(t, "before", before, "hub", n.hub.Dump(), "ward/w1", "ward/w2", "ward/new", "bed/in-w1", "bed/in-w2", "bed/after")
	if got := n.hub.One("SELECT COUNT(*) FROM bed WHERE seen = '2020-01-01' AND next IS NOT NULL"); got != "2" {
		t.Errorf("%s beds refer to each other as before", got)
	}
	sites.Same(t, n.hub, n.thief)
}

// The application changes a row that is to be taken back: what it did stays.
func besideTheApplication(t *testing.T, n *network) {
	since := time.Now()
	patient(n.thief, "more")
	patient(n.thief, "edited")
	sites.ExchangeTwice(n.all()...)
	city(n.hub, "edited", "Kisumu") // not sealed
	got := n.undo(since, false)
	expect(t, got, map[string][6]int64{"person": {1, 1, 0, 0, 0, 0}, "patient": {2, 0, 0, 0, 0, 0}, "person_name": {2, 0, 0, 0, 0, 0},
		"person_address": {1, 1, 0, 0, 0, 0}, "encounter": {2, 0, 0, 0, 0, 0}})
	var why []string
	for _, r := range append(got["person"].Rows, got["person_address"].Rows...) {
		if r.Left {
			why = append(why, r.Key+" "+r.What)
		}
	}
	slices.Sort(why)
	if s := strings.Join(why, "; "); s != "edited stays: other rows refer to it; edited-address stays: others have changed it since" {
		t.Errorf("said: %s", s)
	}
}

// A clinic's first load: its rows have no entries of their own.
func TestUndoAFirstLoad(t *testing.T) {
	const ddl = `CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name TEXT) ENGINE=InnoDB`
	n := &network{t, sites.New(t, "hub", "none", ddl), sites.New(t, "thief", "none", ddl), nil}
	n.thief.Exec("INSERT INTO ward (uuid, name) VALUES ('a', 'x'), ('b', 'y')")
	n.hub.Init()
	n.thief.Init()
	n.hub.Connect(n.thief)
	since := time.Now()
	sites.ExchangeTwice(n.hub, n.thief)
	n.hub.Exec("INSERT INTO ward (uuid, name) VALUES ('c', 'z')")
	expect(t, n.undo(since, false), map[string][6]int64{"ward": {2, 0, 0, 0, 0, 0}})
	if got := n.hub.One("SELECT GROUP_CONCAT(uuid) FROM ward"); got != "c" {
		t.Errorf("left are %s", got)
	}
	expect(t, n.undo(since, false), nil)
}
