package apply_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/schema"
)

// schemasWithoutNote is the schemas of a hub and a clinic of which one lacks a column.
func schemasWithoutNote(late string) map[string][]string {
	ddl := map[string][]string{"hub": slices.Clone(peopleSchema), "clinic": slices.Clone(peopleSchema)}
	ddl[late][0] = strings.Replace(ddl[late][0], " note VARCHAR(200),", "", 1)
	return ddl
}

// One side lacks a column for some time, and gets it with an upgrade that fills in a default and some values of its own.
func TestColumnThatComesLater(t *testing.T) {
	t.Parallel()
	for _, late := range []string{"clinic", "hub"} {
		t.Run(late+" lacks it", func(t *testing.T) {
			ddl := schemasWithoutNote(late)
			hub := sites.New(t, "hub", "none", ddl["hub"]...)
			hub.Exec(insertPeople(1, 12)...)
			if late == "clinic" {
				hub.Exec("UPDATE person SET note = 'of old' WHERE person_id <= 2")
			}
			hub.Init()
			clinic := sites.New(t, "clinic", "none", ddl["clinic"]...)
			clinic.SetOffset(1000)
			clinic.Init()
			hub.Connect(clinic)
			sites.Exchange(hub, clinic)
			has, lacks := hub, clinic
			if late == "hub" {
				has, lacks = clinic, hub
			}
			has.Exec("UPDATE person SET note = 'written' WHERE uuid IN ('p-3', 'p-4')", "UPDATE person SET note = NULL, name = 'both' WHERE uuid = 'p-5'")
			lacks.Exec("UPDATE person SET name = 'meanwhile' WHERE uuid IN ('p-3', 'p-6')")
			sites.Exchange(hub, clinic)

			lacks.Exec("ALTER TABLE person ADD COLUMN note VARCHAR(200) NULL DEFAULT 'to be filled in'",
				"UPDATE person SET note = 'by script' WHERE uuid IN ('p-1', 'p-4', 'p-7')", // the old triggers do not know the column
				"UPDATE person SET name = 'more' WHERE uuid = 'p-8'")
			lacks.Follow()
			lacks.Exec("UPDATE person SET note = 'edited' WHERE uuid = 'p-9'", "INSERT INTO person (name, uuid) VALUES ('new', 'p-13')")
			sites.ExchangeTwice(hub, clinic)
			// Values that nobody wrote stay where they are: the default here, NULL there.
			quiet := map[string]string{"p-2": "of old", "p-3": "written", "p-4": "written", "p-5": "NULL", "p-9": "edited", "p-13": "to be filled in"}
			if late == "hub" {
				delete(quiet, "p-2")
				delete(quiet, "p-5")
				quiet["p-7"] = "by script" // nobody else has a say
			} else {
				quiet["p-1"] = "of old"
			}
			for _, s := range []*sites.Site{hub, clinic} {
				for uuid, want := range quiet {
					if got := s.One("SELECT note FROM person WHERE uuid = ?", uuid); got != want {
						t.Errorf("%s of %s: note %q, want %q", uuid, s.Name, got, want)
					}
				}
				if got := s.One("SELECT name FROM person WHERE uuid = 'p-3'"); got != "meanwhile" {
					t.Errorf("%s: name %q", s.Name, got)
				}
				if got := s.One("SELECT note FROM person WHERE uuid = 'p-7'"); got == "to be filled in" {
					t.Errorf("%s: the default came over p-7", s.Name)
				}
			}
			if got := has.One("SELECT COUNT(*) FROM person WHERE note = 'to be filled in'"); got != "1" {
				t.Errorf("the default reached %s rows where the column was before, want that of the new row alone", got)
			}
			sites.Same(t, hub, clinic, "person.note")
			sites.Quiet(t, hub, clinic)
			journalFits(t, hub, clinic)
		})
	}
}

// A run that read the journal before an import gave a table its default version leaves that in place when the table changes.
func TestReconcileKeepsTheDefaultVersionOfAnImport(t *testing.T) {
	ddl := "CREATE TABLE o (id INT AUTO_INCREMENT PRIMARY KEY, v INT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Exec("INSERT INTO o (v, uuid) VALUES (1, 'o-1'), (1, 'o-2')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	other := beside(t, clinic)
	hub.Send(clinic)
	was := clinic.Query("SELECT default_mask, default_time, default_author, default_epoch, default_origin FROM omsync_table")
	if was[0][0] == "" || was[0][0] == "NULL" {
		t.Fatalf("the table has no default version: %v", was)
	}
	clinic.Exec("ALTER TABLE o ADD w INT NULL")
	catalogue, err := schema.Read(t.Context(), other.J.DB, other.Database, other.Profile)
	if err != nil {
		t.Fatal(err)
	}
	other.J.Catalogue = catalogue
	if _, err := capture.Reconcile(t.Context(), other.J, sites.Wait); err != nil {
		t.Fatal(err)
	}
	if is := clinic.Query("SELECT default_mask, default_time, default_author, default_epoch, default_origin FROM omsync_table"); !reflect.DeepEqual(is, was) {
		t.Errorf("the default version is %v, was %v", is, was)
	}
	clinic.Follow()
	hub.Exec("UPDATE o SET v = 5 WHERE uuid = 'o-2'")
	sites.ExchangeTwice(hub, clinic)
	sites.Same(t, hub, clinic, "o.w")
}

// A row that comes back from a deletion, sent by a site that lacks a column, has that column's default here under a version of its own: a site that
// never hears of the deletion would keep the value from before it.
func TestRowComesBackFromASiteThatLacksAColumn(t *testing.T) {
	const full = "CREATE TABLE item (item_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NULL, note VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, middle, leaf := sites.New(t, "hub", "none", strings.Replace(full, " note VARCHAR(20) NULL,", "", 1)), sites.New(t, "middle", "none", full), sites.New(t, "leaf", "none", full)
	waits(hub, middle, leaf)
	for i, s := range []*sites.Site{hub, middle, leaf} {
		s.SetOffset(int64(1 + 1000*i))
		s.Init()
	}
	hub.Connect(middle)
	middle.Connect(leaf)
	middle.Exec("INSERT INTO item (name, note, uuid) VALUES ('a', 'kept', 'i-1')")
	sites.Exchange(hub, middle, leaf)
	middle.Exec("DELETE FROM item")
	middle.Seal()
	hub.Exec("UPDATE item SET name = 'b'") // later than the deletion: the row comes back
	hub.Send(middle)
	allSettled(t, hub, middle, leaf)
	hub.Exec("ALTER TABLE item ADD note VARCHAR(20) NULL AFTER name")
	hub.Follow()
	allSettled(t, hub, middle, leaf)
	if got := hub.Query("SELECT name, note FROM item"); len(got) != 1 || got[0][0] != "b" {
		t.Errorf("%q", got)
	}
}

// What a site lacks it neither sees nor deletes unseen: the values of a column that it does not have are conflicts where they are, when it deletes
// their row; and so are those that it writes over before they have come to it, when it has the column. What it has seen is none, nor what it
// made itself.
func TestLostWithAColumnThatASiteLacks(t *testing.T) {
	t.Parallel()
	for _, late := range []string{"clinic", "hub"} {
		t.Run(late+" lacks it", func(t *testing.T) {
			ddl := schemasWithoutNote(late)
			hub, clinic := sites.New(t, "hub", "none", ddl["hub"]...), sites.New(t, "clinic", "none", ddl["clinic"]...)
			clinic.SetOffset(1000)
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			has, lacks := hub, clinic
			if late == "hub" {
				has, lacks = clinic, hub
			}
			for i := range 6 {
				has.Exec(fmt.Sprintf("INSERT INTO person (name, note, uuid) VALUES ('name', 'note %d', 'p-%[1]d')", i))
			}
			sites.ExchangeTwice(hub, clinic)
			lacks.Exec("DELETE FROM person WHERE uuid = 'p-0'")
			has.Exec("UPDATE person SET name = 'has' WHERE uuid = 'p-5'")
			sites.ExchangeTwice(hub, clinic)
			wantConflicts(t, has, "person.note=note 0")

			lacks.Exec("DELETE FROM person WHERE uuid = 'p-1'", "ALTER TABLE person ADD COLUMN note VARCHAR(200) AFTER name") // and nobody hears of the deletion before
			lacks.Follow()
			lacks.Exec("UPDATE person SET note = 'over 2' WHERE uuid = 'p-2'", "DELETE FROM person WHERE uuid = 'p-3'", "INSERT INTO person (name, note, uuid) VALUES ('new', 'note 6', 'p-6')")
			has.Exec("UPDATE person SET name = 'earlier' WHERE uuid = 'p-2'", "UPDATE person SET note = 'later' WHERE uuid = 'p-4'")
			early := has.Export(lacks) // nobody there has heard of the column
			lacks.Exec("UPDATE person SET note = 'over 4' WHERE uuid = 'p-4'")
			for _, f := range early {
				lacks.Import(f)
			}
			sites.ExchangeTwice(hub, clinic)
			all := []string{"person.note=later", "person.note=note 0", "person.note=note 1", "person.note=note 2", "person.note=note 3"}
			wantConflicts(t, has, all...)
			wantConflicts(t, lacks, slices.DeleteFunc(slices.Clone(all), func(c string) bool { return c == "person.note=note 0" })...) // it did not have the column then

			lacks.Exec("UPDATE person SET note = 'seen' WHERE uuid IN ('p-2', 'p-5')", "DELETE FROM person WHERE uuid IN ('p-4', 'p-6')")
			sites.ExchangeTwice(hub, clinic)
			wantConflicts(t, has, all...)
			sites.Same(t, hub, clinic)
			sites.Quiet(t, hub, clinic)
			journalFits(t, hub, clinic)
		})
	}
}

func wantConflicts(t *testing.T, s *sites.Site, want ...string) {
	t.Helper()
	if got := s.Conflicts(); !slices.Equal(got, want) {
		t.Errorf("conflicts at %s: %q, want %q", s.Name, got, want)
	}
}
