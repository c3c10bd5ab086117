package apply_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/sites"
)

const decade = 10 * 365 * 24 * time.Hour

// A clock that is ten years slow decides nothing about an edit that was made on what the hub had sent.
func TestSlowClockEditsWhatItGot(t *testing.T) {
	t.Parallel()
	hub, _ := peopleHub(t, 2)
	hub.Exec("UPDATE person SET name = 'Anna' WHERE uuid = 'p-1'", "UPDATE flag SET value = 'en' WHERE person_id = 1")
	hub.Seal()
	clinic := sites.New(t, "clinic", "none", peopleSchema...)
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.SetClock(-decade)
	clinic.Exec("UPDATE person SET name = 'Anne' WHERE uuid = 'p-1'", "UPDATE flag SET value = 'luo' WHERE value = 'en'", "DELETE FROM flag WHERE value = 'sw'", "UPDATE obs SET value = 5 WHERE uuid = 'o-2'")
	settled(t, hub, clinic)
	if got := hub.One("SELECT name FROM person WHERE uuid = 'p-1'"); got != "Anne" {
		t.Errorf("the hub has %s", got)
	}
	if got := hub.Query("SELECT value FROM flag"); len(got) != 1 || got[0][0] != "luo" {
		t.Errorf("the hub has %v", got)
	}
	if hub.One("SELECT COUNT(*) FROM omsync_conflict") != "0" {
		t.Errorf("conflicts, where nothing was edited twice: %q", hub.Conflicts())
	}
	// And twice in one seal, and again after the hub's own later edit.
	hub.Exec("UPDATE person SET name = 'Annie' WHERE uuid = 'p-1'")
	sites.Exchange(hub, clinic)
	clinic.Exec("UPDATE person SET name = 'A' WHERE uuid = 'p-1'", "UPDATE person SET name = 'B' WHERE uuid = 'p-1'")
	settled(t, hub, clinic)
	if got := hub.One("SELECT name FROM person WHERE uuid = 'p-1'"); got != "B" {
		t.Errorf("the hub has %s", got)
	}
}

// The integer of a deleted newest row is given out again, as MySQL 5.6 does after a restart.
func TestIntegerGivenOutAgain(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 3, "clinic", "other")
	clinic, other := c[0], c[1]
	again := func(s *sites.Site, old, young string, between func()) {
		id := s.One("SELECT obs_id FROM obs WHERE uuid = ?", old)
		s.Exec("DELETE FROM obs WHERE uuid = '" + old + "'")
		between()
		s.Exec("ALTER TABLE obs AUTO_INCREMENT = 1")
		if young == "" {
			return
		}
		s.Exec("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 44, '" + young + "' FROM person WHERE uuid = 'p-2'")
		if got := s.One("SELECT obs_id FROM obs WHERE uuid = ?", young); got != id {
			t.Fatalf("the new row has the integer %s, not %s: nothing is tested", got, id)
		}
	}
	check := func(old, young string) {
		t.Helper()
		for _, s := range []*sites.Site{hub, clinic, other} {
			if s.One("SELECT COUNT(*) FROM obs WHERE uuid = ?", old) != "0" || s.One("SELECT COUNT(*) FROM obs WHERE uuid = ? AND value = 44", young) != "1" {
				t.Errorf("%s has %v", s.Name, s.Query("SELECT uuid, value FROM obs"))
			}
		}
	}
	// o-3 came with the first load and has no versions of its own, the others have.
	for i, old := range []string{"o-3", "o-young-0", "o-young-1"} {
		young, between := fmt.Sprintf("o-young-%d", i), func() {}
		if i == 1 {
			between = hub.Seal
		}
		hub.Exec("UPDATE obs SET value = 33 WHERE uuid = '" + old + "'")
		stale := hub.Export(clinic)[0] // on its way for long
		again(hub, old, young, between)
		for _, f := range hub.Export(clinic) {
			clinic.Import(f)
		}
		if r := clinic.Import(stale); r.Outcome != apply.Covered {
			t.Errorf("the stale file: %s", r.Outcome)
		}
		settled(t, hub, clinic, other)
		check(old, young)
	}
	// The next row under the integer comes by an import, before the deletion is sealed.
	other.Exec("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 44, 'o-other' FROM person WHERE uuid = 'p-1'")
	f := other.Export(hub)[0]
	again(hub, "o-young-2", "", func() {})
	hub.Import(f)
	settled(t, hub, clinic, other)
	check("o-young-2", "o-other")

	// A peer that has not heard of the deletion yet edits the old row: it stays deleted if the edit is older.
	other.SetClock(-decade)
	other.Exec("UPDATE obs SET value = 55 WHERE uuid = 'o-2'")
	f = other.Export(hub)[0]
	hub.Exec("DELETE FROM obs WHERE uuid = 'o-2'")
	hub.Import(f)
	settled(t, hub, clinic, other)
	if hub.One("SELECT COUNT(*) FROM obs WHERE uuid = 'o-2'") != "0" {
		t.Error("an old edit brought the row back")
	}
	recorded(t, clinic, "obs.value=55")
}

// A key that changes is one row gone and another come, under one integer, wherever seals and imports fall between, and
// however slow the clock.
func TestKeyChangedToAnotherAndBack(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 20, "clinic")
	clinic := c[0]
	o := 0
	for _, between := range []string{"nothing", "seal", "exchange"} {
		for _, then := range []string{"nothing", "seal", "import"} {
			clocks := map[string]time.Duration{}
			for _, clock := range []time.Duration{0, -decade} {
				o++
				clocks[fmt.Sprintf("o-%d", o)] = clock
			}
			change := func(from, to string) {
				for u, clock := range clocks {
					clinic.SetClock(clock)
					clinic.Exec(fmt.Sprintf("UPDATE obs SET uuid = '%s%s' WHERE uuid = '%s%s'", u, to, u, from))
				}
				clinic.SetClock(0)
			}
			edit := func(at string) *sites.File {
				for u := range clocks {
					hub.Exec("UPDATE obs SET value = 700 WHERE uuid = '" + u + at + "'")
				}
				return hub.Export(clinic)[0]
			}
			var f *sites.File
			if between != "exchange" {
				f = edit("")
			}
			change("", "-x")
			switch between {
			case "seal":
				clinic.Seal()
			case "exchange":
				sites.Exchange(hub, clinic)
				f = edit("-x")
			}
			change("-x", "")
			switch then {
			case "seal":
				clinic.Seal()
			case "import":
				clinic.Import(f)
			}
			settled(t, hub, clinic)
			for u := range clocks {
				if hub.One("SELECT COUNT(*) FROM obs WHERE uuid = ?", u) != "1" {
					t.Errorf("%s between, %s after: %s is gone", between, then, u)
				}
			}
			if t.Failed() {
				t.Fatalf("%s between, %s after", between, then)
			}
		}
	}
	// The hub's edit of the row under its new key arrives before the seal has seen the key, on a clinic with a slow clock:
	// what the application wrote there is above what it was written on.
	clinic.Exec("UPDATE obs SET uuid = 'o-z' WHERE uuid = 'o-20'")
	sites.Exchange(hub, clinic)
	hub.Exec("UPDATE obs SET grp = (SELECT * FROM (SELECT obs_id FROM obs WHERE uuid = 'o-19') x) WHERE uuid = 'o-z'")
	f := hub.Export(clinic)[0]
	clinic.SetClock(-decade)
	clinic.Exec("UPDATE obs SET uuid = 'o-y' WHERE uuid = 'o-z'", "UPDATE obs SET uuid = 'o-z' WHERE uuid = 'o-y'", "UPDATE obs SET value = 1234 WHERE uuid = 'o-z'")
	clinic.Import(f)
	clinic.SetClock(0)
	settled(t, hub, clinic)
	if got := hub.One("SELECT value FROM obs WHERE uuid = 'o-z'"); got != "1234" {
		t.Errorf("the hub has %s, not what the clinic wrote on what it had", got)
	}
}

// What refers to a row whose key changes holds the integer that it held, and means another row: so do rows that have no key
// but the other's.
func TestKeyChangedUnderWhatRefersToIt(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 6, "clinic", "other")
	clinic, other := c[0], c[1]
	clinic.Exec("UPDATE person SET friend = (SELECT * FROM (SELECT person_id FROM person WHERE uuid = 'p-1') x) WHERE uuid = 'p-6'")
	clinic.SetClock(-decade)
	clinic.Exec("UPDATE person SET uuid = 'p-x' WHERE uuid = 'p-1'", "UPDATE person SET uuid = 'p-y' WHERE uuid = 'p-2'", "UPDATE person SET uuid = 'p-2' WHERE uuid = 'p-y'",
		"INSERT INTO obs (person_id, value, uuid) SELECT person_id, 8, 'o-8' FROM person WHERE uuid = 'p-x'",
		"UPDATE patient SET code = 'of p-x' WHERE code = 'p-1'", "INSERT INTO flag SELECT person_id, 'more', 'x' FROM person WHERE uuid = 'p-x'")
	clinic.SetClock(0)
	hub.Exec("UPDATE obs SET value = 66 WHERE uuid IN ('o-1', 'o-2')") // of the same row, another column
	settled(t, hub, clinic, other)
	d := other.Dump()
	for key, want := range map[string]string{"obs o-1 person_id": "p-x", "obs o-1 value": "66", "obs o-8 person_id": "p-x", "person p-6 friend": "p-x",
		"patient p-x code": "of p-x", "flag p-x/lang value": "sw", "flag p-x/more value": "x", "obs o-2 person_id": "p-2", "patient p-2 code": "p-2"} {
		w := strings.Split(key, " ")
		if got := d[w[0]][w[1]][w[2]]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if d["person"]["p-1"] != nil || d["patient"]["p-1"] != nil {
		t.Error("p-1 is still there")
	}
	if hub.One("SELECT COUNT(*) FROM omsync_conflict") != "0" {
		t.Errorf("conflicts: %q", hub.Conflicts())
	}
	// Both sides at once: the hub adds something to the person whose key the clinic changes. It stays with the one it meant.
	hub.Exec("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 9, 'o-9' FROM person WHERE uuid = 'p-3'")
	clinic.Exec("UPDATE person SET uuid = 'p-z' WHERE uuid = 'p-3'")
	clinic.Send(hub)
	settled(t, hub, clinic, other)
	if got := other.Dump()["obs"]["o-9"]["person_id"]; got != "p-3" {
		t.Errorf("o-9 is of %q", got)
	}
}

// Between the seal and the import's own look the application deletes rows that the batch updates, of every kind of key, and
// perhaps makes them again. They do not come back, or they do and the deletion is recorded.
func TestDeletionsAfterTheSealOfAnImport(t *testing.T) {
	t.Parallel()
	tables := []struct{ name, person, update, insert, value, lost string }{
		{"obs", "(SELECT uuid FROM person p WHERE p.person_id = obs.person_id)", "value = -%d", "(person_id, value, uuid) SELECT person_id, 777, '%s' FROM person WHERE uuid = '%s'", "value = 777", "obs.value=-%d"},
		{"patient", "(SELECT uuid FROM person p WHERE p.person_id = patient_id)", "code = 'hub %d'", "(patient_id, code) SELECT person_id, 'new %s' FROM person WHERE uuid = '%s'", "code LIKE 'new %'", "patient.code=hub %d"},
		{"flag", "(SELECT uuid FROM person p WHERE p.person_id = flag.person_id)", "value = 'hub %d'", "(person_id, name, value) SELECT person_id, 'lang', 'new %s' FROM person WHERE uuid = '%s'", "value LIKE 'new %'", "flag.value=hub %d"},
	}
	hub, c := peopleHub(t, 12, "clinic", "other")
	clinic, other := c[0], c[1]
	type one struct {
		table, person int
		clock         time.Duration
		again         bool
	}
	var all []one
	for i, x := range tables {
		for _, again := range []bool{false, true} {
			part := []one{{i, len(all) + 1, 0, again}, {i, len(all) + 2, -decade, again}}
			for _, o := range part {
				hub.Exec(fmt.Sprintf("UPDATE %s SET "+x.update+" WHERE %s = 'p-%d'", x.name, o.person, x.person, o.person))
			}
			f := hub.Export(clinic)[0]
			clinic.Seal()
			for _, o := range part {
				clinic.SetClock(o.clock)
				clinic.Exec(fmt.Sprintf("DELETE FROM %s WHERE %s = 'p-%d'", x.name, x.person, o.person))
				if again {
					clinic.Exec(fmt.Sprintf("INSERT INTO "+x.name+" "+x.insert, fmt.Sprintf("o-%d", o.person), fmt.Sprintf("p-%d", o.person)))
				}
			}
			clinic.SetClock(0)
			clinic.Import(f)
			settled(t, hub, clinic, other)
			all = append(all, part...)
		}
	}
	for _, o := range all {
		x := tables[o.table]
		who := fmt.Sprintf("%s of p-%d (clock %v, again %v)", x.name, o.person, o.clock, o.again)
		here := fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s = 'p-%d'", x.name, x.person, o.person)
		n, lost := hub.One(here), fmt.Sprintf(x.lost, o.person)
		switch {
		case o.again:
			if n != "1" {
				t.Errorf("%s: neither the edit nor the new row is there", who)
			}
			if o.clock == 0 && hub.One(here+" AND "+x.value) != "1" {
				t.Errorf("%s: the new row is not as the application made it", who)
			}
		case o.clock == 0: // the deletion is the later
			if n != "0" {
				t.Errorf("%s: the deletion is undone", who)
			}
			recorded(t, hub, lost)
			recorded(t, other, lost)
		default:
			if n != "1" {
				t.Errorf("%s: an earlier deletion won", who)
			}
			if got := hub.One("SELECT COUNT(*) FROM omsync_conflict WHERE deletion = 1 AND table_name = '" + x.name + "'"); got != "1" {
				t.Errorf("%s: the hub has recorded %s deletions that lost", who, got)
			}
			recorded(t, other, x.name+" deleted")
		}
	}
}

// The application purges a person with all that belongs to it after the seal of an import that updates some of it. Either all
// of it is gone everywhere, or all that the batch has is back everywhere.
func TestPurgeAfterTheSealOfAnImport(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 4, "clinic", "other")
	clinic, other := c[0], c[1]
	for i, clock := range []time.Duration{0, -decade} {
		uuid := fmt.Sprintf("'p-%d'", i+1)
		hub.Exec("UPDATE patient SET code = 'hub' WHERE patient_id = (SELECT person_id FROM person WHERE uuid = "+uuid+")",
			"UPDATE person SET name = 'hub', note = 'hub' WHERE uuid = "+uuid)
		f := hub.Export(clinic)[0]
		clinic.Seal()
		clinic.SetClock(clock)
		who := "= (SELECT person_id FROM person WHERE uuid = " + uuid + ")"
		clinic.Exec("DELETE FROM flag WHERE person_id "+who, "DELETE FROM obs WHERE person_id "+who, "DELETE FROM patient WHERE patient_id "+who, "DELETE FROM person WHERE uuid = "+uuid)
		clinic.SetClock(0)
		clinic.Import(f)
		settled(t, hub, clinic, other)
		want := map[bool]string{true: "0", false: "1"}[clock == 0]
		for _, q := range []string{"SELECT COUNT(*) FROM person WHERE uuid = " + uuid, "SELECT COUNT(*) FROM patient WHERE patient_id " + who} {
			if got := other.One(q); got != want {
				t.Errorf("clock %v: %s: %s, want %s", clock, q, got, want)
			}
		}
		if clock == 0 {
			recorded(t, other, "patient.code=hub")
			recorded(t, other, "person.name=hub")
		} else {
			recorded(t, other, "patient deleted")
			recorded(t, other, "person deleted")
		}
	}
}
