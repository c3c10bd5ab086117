package apply_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/sites"
)

// A load comes in parts over days. Both sides go on working between the parts, the receiver passes on what it has to a peer
// of its own and answers the sender, and references run ahead to rows of later parts.
func TestPlaceLoadInPartsWithEditsBetween(t *testing.T) {
	t.Parallel()
	const n = 2100 // two blocks of people
	hub := sites.New(t, "hub", "none", placeSchema...)
	hub.Exec(placePeople(1, n)...)
	hub.Exec("UPDATE person SET friend = 2100 WHERE person_id < 4", "UPDATE person SET note = 'of old'")
	hub.Init()
	mid, leaf := sites.New(t, "mid", "none", placeSchema...), sites.New(t, "leaf", "none", placeSchema...)
	mid.SetOffset(10000)
	mid.Init()
	leaf.SetOffset(20000)
	leaf.Init()
	hub.Connect(mid)
	mid.Connect(leaf)

	var waiting []*sites.File // what the hub makes meanwhile builds on the whole load
	work := func(load string, i int) {
		tag := fmt.Sprintf("%s-%d", load, i)
		id := 10*i + 1
		hub.Exec(
			fmt.Sprintf("UPDATE person SET name = 'hub %s' WHERE uuid = 'p-%d'", tag, id),
			fmt.Sprintf("UPDATE person SET name = 'hub %s' WHERE uuid = 'p-%d'", tag, id+1),
			fmt.Sprintf("UPDATE obs SET value = -%d WHERE uuid = 'o-%d'", i+1, id),
			fmt.Sprintf("DELETE FROM obs WHERE uuid = 'o-%d'", id+2),
			fmt.Sprintf("DELETE FROM patient WHERE code = 'p-%d'", 2000+id),
			fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) VALUES (%d, 1, 'o-hub-%s')", 2080+i, tag))
		mid.Exec(
			fmt.Sprintf("UPDATE person SET note = 'mid %s' WHERE uuid IN ('p-%d', 'p-%d')", tag, id, id+3),
			fmt.Sprintf("UPDATE person SET name = 'mid %s' WHERE uuid = 'p-%d'", tag, id+1),
			fmt.Sprintf("UPDATE person SET friend = (SELECT * FROM (SELECT person_id FROM person WHERE uuid = 'p-9') x) WHERE uuid = 'p-%d'", 1+i%3),
			fmt.Sprintf("UPDATE obs SET value = %d WHERE uuid = 'o-%d'", 1000+i, id+4),
			fmt.Sprintf("UPDATE patient SET code = 'mid %s' WHERE code = 'p-%d'", tag, id+5),
			fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 2, 'o-mid-%s' FROM person WHERE uuid = 'p-%d'", tag, id),
			fmt.Sprintf("DELETE FROM flag WHERE person_id = (SELECT person_id FROM person WHERE uuid = 'p-%d')", id+6))
		for _, f := range mid.Export(leaf) {
			leaf.Import(f)
		}
		leaf.Exec(fmt.Sprintf("UPDATE person SET note = 'leaf %s' WHERE uuid = 'p-%d'", tag, id+7))
		for _, f := range slices.Concat(leaf.Export(mid)) {
			mid.Import(f)
		}
		for _, f := range mid.Export(hub) {
			hub.Import(f)
		}
		if i%2 == 0 && load == "second" {
			waiting = append(waiting, hub.Export(mid)...)
		}
	}
	first := hub.Export(mid, sites.Full, sites.Parts(1))
	if len(first) < 8 {
		t.Fatalf("%d parts", len(first))
	}
	for i, f := range first[:3] {
		if r := mid.Import(f); r.Outcome != apply.Applied {
			t.Fatalf("part %d: %+v", i+1, r)
		}
		work("first", i)
	}
	// The rest of it is lost, and the hub makes another.
	second := hub.Export(mid, sites.Full, sites.Parts(1))
	for i, f := range second {
		if r := mid.Import(f); r.Outcome != apply.Applied {
			t.Fatalf("part %d: %+v", i+1, r)
		}
		if r := mid.Import(f); r.Outcome != apply.Covered {
			t.Fatalf("part %d again: %+v", i+1, r)
		}
		if i == 0 {
			if r := mid.Import(first[3]); r.Outcome == apply.Applied {
				t.Fatalf("a part of the load before: %+v", r)
			}
		}
		if i < 11 {
			work("second", i+5)
		}
	}
	for _, f := range waiting {
		mid.Import(f)
	}
	settled(t, hub, mid, leaf)

	d := leaf.Dump()
	for key, want := range map[string]string{
		"person p-2 friend":       "p-9",
		"person p-4 note":         "mid first-0",
		"person p-151 note":       "mid second-15",
		"person p-151 name":       "hub second-15",
		"person p-158 note":       "leaf second-15",
		"obs o-155 value":         "1015",
		"obs o-151 value":         "-16",
		"patient p-156 code":      "mid second-15",
		"obs o-mid-first-0 value": "2",
		"obs o-hub-first-0 value": "1",
	} {
		w := strings.Split(key, " ")
		if got := d[w[0]][w[1]][w[2]]; got != want {
			t.Errorf("%s is %q at the leaf, want %q", key, got, want)
		}
	}
	for _, gone := range []string{"obs o-3", "obs o-153", "patient p-2051", "flag p-157/lang"} {
		w := strings.Split(gone, " ")
		if d[w[0]][w[1]] != nil {
			t.Errorf("%s is still there", gone)
		}
	}
	// p-2 (and its like) was edited on both sides: whoever lost is on record everywhere.
	// What was edited on what a part of the first load had brought was seen by the editor: no conflict.
	for _, s := range []*sites.Site{hub, mid, leaf} {
		all := strings.Join(s.Conflicts(), "\n")
		if n := s.One("SELECT COUNT(*) FROM omsync_conflict WHERE column_name = 'note' AND row_key REGEXP '^p-[1-4]?[0-9]$'"); n != "0" {
			t.Errorf("%s has %s conflicts with what the editor had before it", s.Name, n)
		}
		for _, tag := range []string{"first-0", "second-15"} {
			if !strings.Contains(all, "person.name=hub "+tag) && !strings.Contains(all, "person.name=mid "+tag) {
				t.Errorf("%s has no record of the name that lost in %s", s.Name, tag)
			}
		}
	}
}

// One side lacks a column for some time, and gets it with an upgrade that fills in a default and some values of its own.
func TestPlaceColumnThatComesLater(t *testing.T) {
	t.Parallel()
	bare := slices.Clone(placeSchema)
	bare[0] = strings.Replace(bare[0], " note VARCHAR(200),", "", 1)
	for _, late := range []string{"clinic", "hub"} {
		t.Run(late+" lacks it", func(t *testing.T) {
			ddl := map[string][]string{"hub": placeSchema, "clinic": placeSchema}
			ddl[late] = bare
			hub := sites.New(t, "hub", "none", ddl["hub"]...)
			hub.Exec(placePeople(1, 12)...)
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
