package verify_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/verify"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// pair is a hub and a clinic on OpenMRS, with integers of their own, that hold the same.
func pair(t testing.TB, patients int) (hub, clinic *sites.Site) {
	t.Helper()
	tables := openmrs.Schema("2.6")
	var own []string
	for _, q := range tables {
		own = append(own, strings.Replace(q, "ENGINE=InnoDB", "ENGINE=InnoDB AUTO_INCREMENT=20", 1))
	}
	hub, clinic = sites.New(t, "hub", "openmrs", tables...), sites.New(t, "clinic", "openmrs", own...)
	if _, err := openmrs.Load(context.Background(), hub.DB, openmrs.Options{Seed: 1, Site: "hub", Patients: patients, Metadata: true}); err != nil {
		t.Fatal(err)
	}
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	return hub, clinic
}

// behind executes statements at a site behind omsync's back: no trigger notes anything.
func behind(s *sites.Site, statements ...string) {
	s.Exec("SET @omsync_quiet = 1, foreign_key_checks = 0")
	s.Exec(statements...)
	s.Exec("SET @omsync_quiet = NULL, foreign_key_checks = 1")
}

// differences lists what a comparison found, each as TABLE KIND STATE.
func differences(c *export.Compared) (out []string) {
	for _, d := range c.Differences {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", d.Table.Name, d.Kind, d.Key, d.State)))
	}
	return out
}

// mend compares a site with another's digest, and mends what differs.
func mend(t *testing.T, at, from *sites.Site, keep bool) []verify.Step {
	t.Helper()
	c := at.Compare(from.Digest(at, export.DigestOptions{Finds: 1000}))
	if !c.Exact {
		t.Fatalf("at %s: about %d rows differ", at.Name, c.Estimate)
	}
	return mendWith(t, at, from, c, keep)
}

// mendWith mends what a comparison found.
func mendWith(t *testing.T, at, from *sites.Site, c *export.Compared, keep bool) []verify.Step {
	t.Helper()
	steps := verify.Plan(at.J, at.Peer(from), c, keep)
	o := verify.Options{Wait: sites.Wait, Seal: func(ctx context.Context) error {
		_, err := capture.Seal(ctx, at.J, sites.Wait)
		return err
	}}
	if err := verify.Mend(t.Context(), at.J, steps, o); err != nil {
		t.Fatal(err)
	}
	return steps
}

// clean fails if two sites do not hold the same, by digests and by comparing all values but those of some tables.
func clean(t *testing.T, hub, clinic *sites.Site, except ...string) {
	t.Helper()
	for _, ends := range [][2]*sites.Site{{hub, clinic}, {clinic, hub}} {
		c := ends[1].Compare(ends[0].Digest(ends[1], export.DigestOptions{Finds: 1000}))
		if !c.Exact || len(c.Differences) > 0 {
			t.Errorf("at %s: about %d rows differ\n%s", ends[1].Name, c.Estimate, strings.Join(differences(c), "\n"))
		}
	}
	sites.Same(t, hub, clinic, except...)
}

// A digest that names columns which are no business of its maker's gets no table compared by them.
func TestDigestOfSecrets(t *testing.T) {
	hub, clinic := pair(t, 1)
	f := clinic.Digest(hub, export.DigestOptions{Finds: 100})
	if left := hub.Compare(f).Left; len(left) > 0 {
		t.Fatalf("of an honest one it leaves %v", left)
	}
	r, err := batch.Open(bytes.NewReader(f.Data), int64(len(f.Data)), func(*batch.Header, []byte, []byte) error { return nil }, func(r io.Reader) (io.Reader, error) { return r, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum, err := digest.New([]digest.Table{{Name: "users", Columns: []string{"username", "password"}}, {Name: "person", Columns: []string{"person_id"}}, {Name: "location", Columns: []string{"name"}}}, 100)
	if err != nil {
		t.Fatal(err)
	}
	c, err := export.CompareDigest(t.Context(), hub.J, "clinic", r.Header(), sum, t.TempDir(), export.Options{Wait: sites.Wait, Features: hub.Features})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Left) != 2 || !strings.Contains(c.Left["users"], "--without users.password") || !strings.Contains(c.Left["person"], "person.person_id") {
		t.Errorf("left: %v", c.Left)
	}
}

// manipulate changes n rows of a database behind omsync's back: of tables that go both ways, only down, and that children may add to.
func manipulate(r *rand.Rand, s *sites.Site, n int) {
	one := func(table, column, where string) string {
		ends := s.Query(fmt.Sprintf("SELECT MIN(%[1]s), MAX(%[1]s) FROM %[2]s", column, table))[0]
		from, err := strconv.Atoi(ends[0])
		to, err2 := strconv.Atoi(ends[1])
		if err != nil || err2 != nil {
			return column + " IS NULL" // nothing is left
		}
		for range 20 {
			found := s.Query(fmt.Sprintf("SELECT %[1]s FROM %[2]s t WHERE %[1]s >= %[3]d %[4]s ORDER BY %[1]s LIMIT 1", column, table, from+r.IntN(to-from+1), where))
			if len(found) > 0 {
				return column + " = " + found[0][0]
			}
		}
		return column + " IS NULL"
	}
	s.Exec("SET @omsync_quiet = 1, foreign_key_checks = 0")
	defer s.Exec("SET @omsync_quiet = NULL, foreign_key_checks = 1")
	const leaf = "AND NOT EXISTS (SELECT 1 FROM obs c WHERE c.obs_group_id = t.obs_id) AND NOT EXISTS (SELECT 1 FROM obs c WHERE c.previous_version = t.obs_id)"
	for i := range n {
		tag := fmt.Sprintf("%s-%d-%d", s.Name, i, r.IntN(1e6))
		switch i % 10 {
		case 0:
			s.Exec("UPDATE obs SET comments = '" + tag + "' WHERE " + one("obs", "obs_id", ""))
		case 1:
			s.Exec("DELETE FROM obs WHERE " + one("obs", "obs_id", leaf))
		case 2:
			s.Exec("UPDATE person_name SET family_name = '" + tag + "' WHERE " + one("person_name", "person_name_id", ""))
		case 3:
			s.Exec("DELETE FROM person_address WHERE " + one("person_address", "person_address_id", ""))
		case 4:
			s.Exec("INSERT INTO person_name (person_id, given_name, creator, date_created, uuid) SELECT person_id, '" + tag + "', creator, date_created, '" + tag + "' FROM person LIMIT 1")
		case 5:
			s.Exec("UPDATE concept_name SET name = '" + tag + "' WHERE " + one("concept_name", "concept_name_id", ""))
		case 6:
			s.Exec("DELETE FROM concept_description WHERE " + one("concept_description", "concept_description_id", ""))
		case 7:
			s.Exec("INSERT INTO concept_class (name, description, creator, date_created, uuid) VALUES ('" + tag + "', '', 1, '2020-01-01', '" + tag + "')")
		case 8:
			s.Exec("UPDATE location SET description = '" + tag + "' WHERE " + one("location", "location_id", ""))
		case 9:
			s.Exec("INSERT INTO location (name, creator, date_created, uuid) SELECT '" + tag + "', creator, date_created, '" + tag + "' FROM location LIMIT 1")
		}
	}
}

// retype changes values of each type behind omsync's back, with a reference to a row that there is not, one to another row, and NULL in place of a value
// and a value in place of NULL.
func retype(s *sites.Site) {
	last := func(table, set string, skip int) string {
		id := table + "_id"
		if table == "drug_order" {
			id = "order_id"
		}
		return fmt.Sprintf("UPDATE %s SET %s WHERE %s = (SELECT x FROM (SELECT %[3]s AS x FROM %[1]s ORDER BY 1 DESC LIMIT %[4]d, 1) y)", table, set, id, skip)
	}
	behind(s,
		last("obs", "value_numeric = IFNULL(value_numeric, 0) + 0.25", 40), last("obs", "value_datetime = '2001-02-03 04:05:06'", 41), last("obs", "value_text = 'other'", 42),
		last("obs", "obs_datetime = DATE_ADD(obs_datetime, INTERVAL 1 SECOND)", 43), last("obs", "voided = 1 - voided", 44), last("obs", "value_coded = IF(value_coded IS NULL, concept_id, NULL)", 45),
		last("obs", "concept_id = (SELECT MAX(concept_id) FROM concept)", 46), last("obs", "encounter_id = 2000000000", 47), last("obs", "comments = ''", 48),
		last("person", "birthdate = '1999-12-31'", 3), last("person", "birthtime = '23:59:58'", 4), last("person", "gender = IF(gender = 'F', 'M', 'F')", 5), last("person", "birthdate = NULL", 6),
		last("drug_order", "dose = dose + 1", 0), last("encounter", "encounter_datetime = '2001-01-01'", 2), last("patient_identifier", "identifier = CONCAT(identifier, 'X')", 2))
}

// What was done behind omsync's back at both sites is found and mended, whichever side looks first and whatever is done with rows that are
// gone at one; and each value that another took the place of is recorded, or its row kept.
func TestMendsManipulations(t *testing.T) {
	hub, clinic := pair(t, 12)
	clean(t, hub, clinic)
	runs := 1
	if n, err := strconv.Atoi(os.Getenv("OMSYNC_SCHEDULES")); err == nil {
		runs = n
	}
	for run := range runs {
		r := rand.New(rand.NewPCG(uint64(run), 1))
		manipulate(r, hub, 20)
		manipulate(r, clinic, 20)
		retype(clinic)
		before := [2]map[string]bool{written(hub), written(clinic)}
		first, second, keep := hub, clinic, run%2 == 0
		if r.IntN(2) == 0 {
			first, second = clinic, hub
		}
		mend(t, first, second, keep)
		if r.IntN(2) == 0 { // the other one looks before or after it has heard of that
			first.Send(second)
		}
		mend(t, second, first, keep)
		sites.ExchangeTwice(hub, clinic)
		clean(t, hub, clinic)
		after := [2]map[string]bool{written(hub), written(clinic)}
		for i, s := range []*sites.Site{hub, clinic} {
			for value := range before[i] {
				kept := s.One("SELECT (SELECT COUNT(*) FROM omsync_conflict WHERE value = '"+value+"') + (SELECT COUNT(*) FROM omsync_deleted WHERE LOCATE('"+value+"', content) > 0)") != "0"
				if !after[i][value] && !kept {
					t.Errorf("run %d: %s at %s is gone without a record", run, value, s.Name)
				}
			}
		}
		if t.Failed() {
			t.Fatalf("run %d: keep %v, %s first", run, keep, first.Name)
		}
	}
}

// Rows that come take the integers of others that went by TRUNCATE: their versions are their own.
func TestIntegersAgain(t *testing.T) {
	hub, clinic := sites.New(t, "hub", "none", model...), sites.New(t, "clinic", "none", model...)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	hub.Exec("INSERT INTO place (uuid, name) VALUES ('p1', 'ward')")
	sites.ExchangeTwice(hub, clinic)
	for i := range 3 { // one by one, so that each has an entry
		hub.Exec(fmt.Sprintf("INSERT INTO visit (uuid, place_id, note) VALUES ('v%d', 1, 'first')", i))
		sites.ExchangeTwice(hub, clinic)
	}
	hub.Exec("UPDATE visit SET note = 'second'")
	sites.ExchangeTwice(hub, clinic)
	behind(clinic, "TRUNCATE TABLE visit")
	hub.Exec("INSERT INTO visit (uuid, place_id, note) VALUES ('v3', 1, 'third'), ('v4', 1, 'fourth')")
	sites.ExchangeTwice(hub, clinic)
	if n := clinic.One("SELECT COUNT(*) FROM omsync_version v JOIN visit t ON t.id = v.local_id JOIN omsync_table m ON m.id = v.table_id AND m.name = 'visit'"); n != "2" {
		t.Errorf("%s entries of two rows", n)
	}
	mend(t, hub, clinic, true)
	mend(t, clinic, hub, true)
	sites.ExchangeTwice(hub, clinic)
	clean(t, hub, clinic)
}

// Rows with long values are read in pages of what can be held, each row once, whatever number of them a page was asked for.
func TestLongValues(t *testing.T) {
	table := "CREATE TABLE doc (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, body LONGTEXT) ENGINE=InnoDB"
	hub, clinic := sites.New(t, "hub", "none", table), sites.New(t, "clinic", "none", table)
	for i := range 320 {
		n := 10
		if i > 40 && i < 55 || i == 319 {
			n = 1_500_000
		}
		hub.Exec(fmt.Sprintf("INSERT INTO doc (uuid, body) VALUES ('d%03d', REPEAT('%d', %d))", i, i%10, n))
	}
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	c := clinic.Compare(hub.Digest(clinic, export.DigestOptions{Finds: 100}))
	if !c.Exact || len(c.Differences) > 0 || c.Rows != 320 || c.Tables[0].There != 320 {
		t.Fatalf("%+v", c)
	}
	behind(hub, "UPDATE doc SET body = CONCAT(body, 'x') WHERE uuid IN ('d000', 'd041', 'd042', 'd054', 'd055', 'd318', 'd319')")
	if c = clinic.Compare(hub.Digest(clinic, export.DigestOptions{Finds: 100})); !c.Exact || len(c.Differences) != 7 {
		t.Errorf("%d rows differ, exactly: %v", len(c.Differences), c.Exact)
	}
}

// written are the values that manipulations wrote and that a site has.
func written(s *sites.Site) map[string]bool {
	out := map[string]bool{}
	for _, q := range []string{"SELECT comments FROM obs", "SELECT family_name FROM person_name", "SELECT given_name FROM person_name", "SELECT name FROM concept_name", "SELECT name FROM concept_class", "SELECT description FROM location", "SELECT name FROM location"} {
		for _, r := range s.Query(q) {
			if strings.HasPrefix(r[0], "hub-") || strings.HasPrefix(r[0], "clinic-") {
				out[r[0]] = true
			}
		}
	}
	return out
}
