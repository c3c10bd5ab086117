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
func TestLoadInPartsWithEditsBetween(t *testing.T) {
	t.Parallel()
	const n = 2100 // two blocks of people
	hub := sites.New(t, "hub", "none", peopleSchema...)
	hub.Exec(insertPeople(1, n)...)
	hub.Exec("UPDATE person SET friend = 2100 WHERE person_id < 4", "UPDATE person SET note = 'of old'")
	hub.Init()
	mid, leaf := sites.New(t, "mid", "none", peopleSchema...), sites.New(t, "leaf", "none", peopleSchema...)
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

// A row waits, its sender edits it, and a load comes that has the edit in a later part. The row is settled between the parts as it waited, and
// edited by one who had not seen the sender's edit, so what lost is on record.
func TestRowThatWaitedFromBeforeALoad(t *testing.T) {
	t.Parallel()
	zone := "CREATE TABLE zone (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE, note VARCHAR(20), obs_id INT, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (obs_id) REFERENCES obs (obs_id))"
	hub, clinic := sites.New(t, "hub", "none", append(peopleSchema, zone)...), sites.New(t, "clinic", "none", append(peopleSchema, zone)...)
	hub.Exec(insertPeople(1, 500)...)
	hub.Init()
	clinic.SetOffset(10000)
	clinic.Init()
	waits(hub, clinic)
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO zone (code, uuid) VALUES ('a', 'here')")
	hub.Exec("INSERT INTO zone (code, uuid) VALUES ('a', 'waits')")
	hub.Send(clinic)
	hub.Exec("UPDATE zone SET note = 'of the hub' WHERE uuid = 'waits'")
	load := hub.Export(clinic, sites.Full, sites.Parts(1))
	clinic.Import(load[0])
	if got := clinic.One("SELECT COUNT(*) FROM omsync_waiting"); got != "1" || len(load) < 2 {
		t.Fatalf("%s rows wait between the parts", got)
	}
	clinic.Exec("UPDATE zone SET code = 'b' WHERE uuid = 'here'")
	if err := clinic.Retry(); err != nil {
		t.Fatal(err)
	}
	clinic.Exec("UPDATE zone SET note = 'of the clinic' WHERE uuid = 'waits'")
	clinic.Send(hub)
	clinic.Import(hub.Export(clinic, sites.Full)[0]) // the other parts are lost
	settled(t, hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		if got := s.One("SELECT note FROM zone WHERE uuid = 'waits'"); got != "of the clinic" {
			t.Errorf("the note at %s: %q", s.Name, got)
		}
		if got := s.Conflicts(); len(got) != 1 || !strings.Contains(got[0], "zone.note=of the hub") {
			t.Errorf("recorded at %s: %v", s.Name, got)
		}
	}
}
