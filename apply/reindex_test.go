package apply_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/schema"
)

func reindexing(o *apply.Options) { o.Reindex = true }

// An import that changes what OpenMRS's search index is made of empties the index's version, here alone.
func TestReindex(t *testing.T) {
	const version = "SELECT property_value FROM global_property WHERE property = 'search.indexVersion'"
	hub, clinic := sites.New(t, "hub", "openmrs", openmrs.Schema("2.6")...), sites.New(t, "clinic", "openmrs", openmrs.Schema("2.6")...)
	if _, err := openmrs.Load(t.Context(), hub.DB, openmrs.Options{Seed: 1, Site: "hub", Patients: 3, Metadata: true}); err != nil {
		t.Fatal(err)
	}
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	send := func(from, to *sites.Site, opts ...func(*apply.Options)) (notes []string) {
		t.Helper()
		for _, f := range from.Export(to) {
			r := to.Import(f, opts...)
			if r.Outcome != apply.Applied && r.Outcome != apply.Covered {
				t.Fatalf("%s: %s", r.Outcome, r.Why)
			}
			notes = append(notes, r.Notes...)
		}
		return notes
	}
	says := func(notes []string) bool {
		return strings.Contains(strings.Join(notes, "\n"), "search.indexVersion is empty now: the application indexes anew at its next start")
	}

	// The first load, into a database that lacks the row.
	if notes := send(hub, clinic, reindexing); says(notes) {
		t.Errorf("said %q", notes)
	}
	if rows := clinic.Query(version); len(rows) > 0 {
		t.Fatalf("the hub's version reached the clinic: %q", rows)
	}

	// A row that is there, and changes that do not matter, and those that do without the option.
	clinic.Exec("INSERT INTO global_property (property, property_value, uuid) VALUES ('search.indexVersion', '7', UUID()), ('search.other', '7', UUID())")
	patient(hub, "p-1")
	send(hub, clinic)
	encounter(hub, "e-1", "p-1")
	send(hub, clinic, reindexing)
	if got := clinic.One(version); got != "7" {
		t.Fatalf("%q after changes that do not matter", got)
	}

	// Those that do: a dry run takes it back.
	clinic.Seal()
	do(hub, "UPDATE person_name SET given_name = 'Atieno' WHERE uuid = 'p-1-name'")
	if notes := send(hub, clinic, reindexing, func(o *apply.Options) { o.DryRun = true }); !says(notes) {
		t.Errorf("said %q", notes)
	}
	if got := clinic.One(version); got != "7" {
		t.Fatalf("%q after a dry run", got)
	}
	if notes := send(hub, clinic, reindexing); !says(notes) {
		t.Errorf("said %q", notes)
	}
	if got := clinic.One("SELECT GROUP_CONCAT(property, '=', property_value ORDER BY property) FROM global_property WHERE property LIKE 'search.%'"); got != "search.indexVersion=,search.other=7" {
		t.Fatal(got)
	}
	if n := clinic.One("SELECT COUNT(*) FROM omsync_capture"); n != "0" {
		t.Errorf("%s changes noted", n)
	}
	do(hub, "DELETE FROM person_name WHERE uuid = 'p-1-name'")
	if notes := send(hub, clinic, reindexing); says(notes) { // it is empty
		t.Errorf("said %q", notes)
	}

	// OpenMRS has indexed; the clinic's name counts at the hub in the same way. Nobody hears of the other's.
	clinic.Exec("UPDATE global_property SET property_value = '7' WHERE property = 'search.indexVersion'")
	put(clinic, "person_name", "p-1-new", "person_id = [person p-1], given_name = 'Achieng', family_name = 'Otieno', preferred = 1")
	if notes := send(clinic, hub, reindexing); !says(notes) {
		t.Errorf("said %q", notes)
	}
	if got := hub.One(version); got != "" {
		t.Errorf("%q at the hub", got)
	}
	do(hub, "DELETE FROM person_name WHERE uuid = 'p-1-new'")
	send(hub, clinic, reindexing)
	if got := clinic.One(version); got != "" {
		t.Errorf("%q after a deletion", got)
	}
	clinic.Exec("UPDATE global_property SET property_value = '8' WHERE property = 'search.indexVersion'")
	sites.ExchangeTwice(hub, clinic)
	for _, f := range hub.Export(clinic, sites.Full) {
		clinic.Import(f)
	}
	sites.Exchange(hub, clinic)
	sites.Quiet(t, hub, clinic)
	if a, b := hub.One(version), clinic.One(version); a != "" || b != "8" {
		t.Errorf("%q at the hub, %q at the clinic", a, b)
	}
}

// An import that cannot do it changes nothing.
func TestReindexRefused(t *testing.T) {
	_, clinic, file := wardPair(t)
	before := checksum(clinic)
	for profile, want := range map[string]string{
		"": "has no section [reindex]",
		"[reindex]\ntable = \"ward\"\ncolumn = \"name\"\nvalue = \"x\"\nblank = \"name\"\nwhen = [\"*\"]": "keep x here by [filter.ward]",
	} {
		p, err := schema.ParseProfile("site", []byte(profile), clinic.Profile)
		if err != nil {
			t.Fatal(err)
		}
		clinic.J.Profile = p
		if _, err := clinic.ImportErr(file, reindexing); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if checksum(clinic) != before {
			t.Error("something was changed")
		}
	}
	p, err := schema.ParseProfile("site", []byte("never = [\"setting\"]\n[reindex]\ntable = \"setting\"\ncolumn = \"name\"\nvalue = \"x\"\nblank = \"v\"\nwhen = [\"*\"]"), clinic.Profile)
	if err != nil {
		t.Fatal(err)
	}
	clinic.J.Profile = p
	r := clinic.Import(file, reindexing)
	if r.Outcome != apply.Applied || !strings.Contains(strings.Join(r.Notes, "\n"), "there is no setting.v to empty") {
		t.Errorf("%+v", r)
	}
}
