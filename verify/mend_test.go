package verify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/verify"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// pair is a hub and a clinic on OpenMRS, with integers of their own, that hold the same.
func pair(t *testing.T, patients int) (hub, clinic *sites.Site) {
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

// clean fails if two sites do not hold the same, by digests and by comparing all values.
func clean(t *testing.T, hub, clinic *sites.Site) {
	t.Helper()
	for _, ends := range [][2]*sites.Site{{hub, clinic}, {clinic, hub}} {
		c := ends[1].Compare(ends[0].Digest(ends[1], export.DigestOptions{Finds: 1000}))
		if !c.Exact || len(c.Differences) > 0 {
			t.Errorf("at %s: about %d rows differ\n%s", ends[1].Name, c.Estimate, strings.Join(differences(c), "\n"))
		}
	}
	sites.Same(t, hub, clinic)
}

// manipulations of a database: of tables that go both ways, only down, and that children may add to.
func manipulate(r *rand.Rand, s *sites.Site, n int) {
	one := func(table, column string) string {
		return fmt.Sprintf("%[1]s = (SELECT k FROM (SELECT %[1]s k FROM %[2]s ORDER BY CRC32(CONCAT(%[1]s, '%[3]d')) LIMIT 1) x)", column, table, r.IntN(1e9))
	}
	for i := range n {
		tag := fmt.Sprintf("%s-%d-%d", s.Name, i, r.IntN(1e6))
		behind(s, []string{
			"UPDATE obs SET comments = '" + tag + "' WHERE " + one("obs", "obs_id"),
			"DELETE FROM obs WHERE " + one("obs", "obs_id"),
			"UPDATE person_name SET family_name = '" + tag + "' WHERE " + one("person_name", "person_name_id"),
			"DELETE FROM person_address WHERE " + one("person_address", "person_address_id"),
			"INSERT INTO person_name (person_id, given_name, creator, date_created, uuid) SELECT person_id, '" + tag + "', creator, date_created, '" + tag + "' FROM person LIMIT 1",
			"UPDATE concept_name SET name = '" + tag + "' WHERE " + one("concept_name", "concept_name_id"),
			"DELETE FROM concept_description WHERE " + one("concept_description", "concept_description_id"),
			"INSERT INTO concept_class (name, description, creator, date_created, uuid) VALUES ('" + tag + "', '', 1, '2020-01-01', '" + tag + "')",
			"UPDATE location SET description = '" + tag + "' WHERE " + one("location", "location_id"),
			"INSERT INTO location (name, creator, date_created, uuid) SELECT '" + tag + "', creator, date_created, '" + tag + "' FROM location LIMIT 1",
		}[i%10])
	}
}

// What was done behind omsync's back at both sites is found and mended, whichever side looks first, and what lost is recorded.
func TestMendsManipulations(t *testing.T) {
	hub, clinic := pair(t, 12)
	r := rand.New(rand.NewPCG(1, 1))
	manipulate(r, hub, 20)
	manipulate(r, clinic, 20)
	for _, s := range append(mend(t, clinic, hub, true), mend(t, hub, clinic, true)...) {
		t.Logf("%s %s %v does %d %s", s.Table.Name, s.Kind, s.Here, s.Does, s.Why)
	}
	sites.ExchangeTwice(hub, clinic)
	clean(t, hub, clinic)
	_ = merge.Claim
}
