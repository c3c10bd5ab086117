package apply_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sites"
)

// Uuids of kinds of keys: random ones, one in capitals, one that ends in a run.
const (
	uuidA   = "0ae56e2b-5fc1-4d1e-818a-b174aea7115b"
	uuidB   = "75c3a9d0-64b1-4d4b-9c4f-1f3a4a6f7e21"
	uuidBig = "E25BD889-683E-41D2-AD3D-D4FDA20C5E34"
	uuidRun = "1065AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// shortWards is a hub and a clinic that have wards, and beds in them, in columns of a character set.
func shortWards(t *testing.T, charset string) (hub, clinic *sites.Site) {
	t.Helper()
	hub, clinic = two(t, "none",
		"CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB "+charset,
		"CREATE TABLE bed (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ward_id INT, note VARCHAR(50), FOREIGN KEY (ward_id) REFERENCES ward (id)) ENGINE=InnoDB "+charset)
	hub.Waits, clinic.Waits = true, true
	for _, u := range []string{uuidA, uuidB, uuidBig, uuidRun} {
		hub.Exec(fmt.Sprintf("INSERT INTO ward (uuid, name) VALUES ('%s', 'x')", u))
	}
	sites.Exchange(hub, clinic)
	return hub, clinic
}

// beds adds a bed for each ward.
func beds(s *sites.Site, id string) {
	s.Exec(fmt.Sprintf("INSERT INTO bed (uuid, ward_id) SELECT CONCAT('b-%s-', LEFT(uuid, 4)), id FROM ward", id))
}

// shortIn returns the beginnings of keys that a file has.
func shortIn(t *testing.T, files []*sites.File) (out []string) {
	t.Helper()
	for _, f := range files {
		r, err := batch.Open(bytes.NewReader(f.Data), int64(len(f.Data)), func(*batch.Header, []byte, []byte) error { return nil }, func(r io.Reader) (io.Reader, error) { return r, nil })
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for {
			item, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if short, ok := item.(*batch.ShortKeysItem); ok {
				for _, p := range short.Prefixes {
					out = append(out, string(p))
				}
			}
		}
	}
	return out
}

const allBeds = "SELECT b.uuid, w.uuid, b.note FROM bed b LEFT JOIN ward w ON w.id = b.ward_id ORDER BY b.uuid"

// arrives imports the one file and compares.
func arrives(t *testing.T, from, to *sites.Site, short int) {
	t.Helper()
	files := from.Export(to)
	if got := shortIn(t, files); len(got) != short {
		t.Errorf("%s names %q short, want %d", from.Name, got, short)
	}
	for _, f := range files {
		if r := to.Import(f); r.Outcome != apply.Applied {
			t.Fatalf("%s: %s", r.Outcome, r.Why)
		}
	}
	sites.Same(t, from, to)
}

// misses imports the one file, which is not applied, and the one that comes after the sender heard so, which is.
func misses(t *testing.T, from, to *sites.Site) {
	t.Helper()
	files := from.Export(to)
	if len(files) != 1 || len(shortIn(t, files)) == 0 {
		t.Fatalf("%d files, and short is %q", len(files), shortIn(t, files))
	}
	before := to.Query(allBeds)
	for range 2 {
		r := to.Import(files[0])
		if r.Outcome != apply.Gap || !r.Missed || !strings.Contains(r.Why, "ward") {
			t.Fatalf("%s, %v: %s", r.Outcome, r.Missed, r.Why)
		}
	}
	if got := to.Query(allBeds); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("rows of it are there: %v", got)
	}
	if to.Send(from) == nil {
		t.Fatal("the sender hears nothing of it")
	}
	again := from.Export(to)
	if got := shortIn(t, again); got != nil {
		t.Errorf("again it names %q short", got)
	}
	for _, f := range again {
		if r := to.Import(f); r.Outcome != apply.Applied {
			t.Errorf("%s: %s", r.Outcome, r.Why)
		}
	}
	if r := to.Import(files[0]); r.Outcome != apply.Covered {
		t.Errorf("the first file then: %s: %s", r.Outcome, r.Why)
	}
}

// Rows that the peer is known to have go under the beginnings of their keys, and are the same rows there: however their uuids are
// written, and in whatever direction.
func TestShortKeys(t *testing.T) {
	t.Parallel()
	for _, charset := range []string{"CHARSET=utf8", "CHARSET=utf8 COLLATE=utf8_bin", "CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"} {
		t.Run(charset, func(t *testing.T) {
			hub, clinic := shortWards(t, charset)
			beds(clinic, "1")
			arrives(t, clinic, hub, 4) // what came from there
			hub.Send(clinic)
			beds(hub, "2")
			arrives(t, hub, clinic, 4) // what was sent there
			clinic.Send(hub)
			hub.Exec("UPDATE ward SET name = 'y'")
			arrives(t, hub, clinic, 4) // rows themselves
			clinic.Send(hub)
			clinic.Exec("INSERT INTO ward (uuid, name) VALUES ('c5d0e5a0-6a3c-4b8e-8f5d-5ed8b7b50c11', 'z')")
			beds(clinic, "3")
			arrives(t, clinic, hub, 4) // and not what is new
			sites.Exchange(hub, clinic)
			sites.Quiet(t, hub, clinic)
		})
	}
}

// A full load, and what builds on what is not acknowledged, name nothing short.
func TestWholeKeysWhereNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	hub, clinic := shortWards(t, "CHARSET=utf8")
	beds(hub, "1")
	first := hub.Export(clinic)
	if got := shortIn(t, first); len(got) != 4 {
		t.Errorf("short is %q", got)
	}
	if got := shortIn(t, hub.Export(clinic, sites.Full)); got != nil {
		t.Errorf("in a full load %q is short", got)
	}
	hub.Exec("UPDATE ward SET name = 'y'")
	if got := shortIn(t, hub.Export(clinic, func(o *export.Options) { o.SinceSent = true })); got != nil {
		t.Errorf("in what builds on a file under way %q is short", got)
	}
}

// Another row that begins in the same way, here or there, makes a key go whole.
func TestShortKeysOfTwoRows(t *testing.T) {
	t.Parallel()
	hub, clinic := shortWards(t, "CHARSET=utf8")
	like := func(u, end string) string { return u[:len(u)-len(end)] + end }
	clinic.Exec(fmt.Sprintf("INSERT INTO ward (uuid) VALUES ('%s')", like(uuidA, "000")))
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO bed (uuid, ward_id) SELECT CONCAT('b-', LEFT(uuid, 6), id), id FROM ward")
	arrives(t, clinic, hub, 3) // known at the sender
	sites.Exchange(hub, clinic)
	for i, u := range []string{uuidB, uuidBig, uuidRun} { // known at the receiver alone
		hub.Exec(fmt.Sprintf("INSERT INTO ward (uuid) VALUES ('%s')", like(u, "B0C")))
		clinic.Exec(fmt.Sprintf("INSERT INTO bed (uuid, ward_id) SELECT 'c-%d', id FROM ward WHERE uuid = '%s'", i, u))
		misses(t, clinic, hub)
		sites.Exchange(hub, clinic)
		sites.Same(t, hub, clinic)
	}
}

// A row that is gone is never taken for another, however alike their keys are; one of which it is known that it was deleted, or that waits, is known.
func TestShortKeysOfRowsThatAreGone(t *testing.T) {
	t.Parallel()
	hub, clinic := shortWards(t, "CHARSET=utf8")
	gone := fmt.Sprintf("DELETE FROM ward WHERE uuid = '%s'", uuidA)
	hub.Exec(gone)
	hub.Seal()
	clinic.Exec(fmt.Sprintf("INSERT INTO bed (uuid, ward_id) SELECT 'd-1', id FROM ward WHERE uuid = '%s'", uuidA))
	files := clinic.Export(hub)
	if r := hub.Import(files[0]); r.Outcome != apply.Applied || len(shortIn(t, files)) != 1 {
		t.Errorf("a row that was deleted: %s: %s, short is %q", r.Outcome, r.Why, shortIn(t, files))
	}
	sites.Exchange(hub, clinic)
	sites.Same(t, hub, clinic)

	const waits = "9d7a4c1e-2f0b-4c55-8e5c-0f6b9a7d3e21"
	// Nobody knows of it any more, and another row has its beginning.
	clinic.Exec(fmt.Sprintf("INSERT INTO bed (uuid, ward_id) SELECT '%s', id FROM ward WHERE uuid = '%s'", waits, uuidB))
	hub.Exec(fmt.Sprintf("SET @omsync_quiet = 1, @b = '%s'", uuidB), "DELETE FROM ward WHERE uuid = @b", "INSERT INTO ward (uuid) VALUES (CONCAT(LEFT(@b, 33), '000'))", "SET @omsync_quiet = NULL")
	misses(t, clinic, hub)
	if got := hub.Query("SELECT COUNT(*) FROM bed WHERE uuid = '" + waits + "'"); fmt.Sprint(got) != "[[0]]" {
		t.Errorf("the bed is in some ward: %v", got)
	}
	holds(t, "SELECT COUNT(*) FROM omsync_waiting", "[[1]]", hub)
	sites.Exchange(hub, clinic)
	clinic.Exec("UPDATE bed SET note = 'z' WHERE uuid = '" + waits + "'")
	if files := clinic.Export(hub); len(shortIn(t, files)) == 0 {
		t.Error("a row that waits is not named short")
	} else if r := hub.Import(files[0]); r.Missed && r.Outcome != apply.Gap {
		t.Errorf("a row that waits: %s: %s", r.Outcome, r.Why)
	}
	sites.Exchange(hub, clinic)
	holds(t, "SELECT COUNT(*) FROM omsync_waiting", "[[1]]", hub)
}

// A receiver that was restored to before it had a row asks for the file again, or for all that it lost.
func TestShortKeysAfterARestore(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"hub", "clinic"} {
		t.Run(who+" had made it", func(t *testing.T) {
			hub, clinic := shortWards(t, "CHARSET=utf8")
			restore := backup(t, hub)
			maker := map[string]*sites.Site{"hub": hub, "clinic": clinic}[who]
			maker.Exec("INSERT INTO ward (uuid) VALUES ('3b1fd9a0-6a3c-4b8e-8f5d-5ed8b7b50c11')")
			sites.Exchange(hub, clinic)
			beds(clinic, "1")
			flight := clinic.Export(hub)
			if got := shortIn(t, flight); len(got) != 5 {
				t.Errorf("short is %q", got)
			}
			restore()
			for _, f := range flight {
				if r := hub.Import(f); r.Outcome == apply.Applied {
					t.Errorf("applied, though rows are lost")
				}
			}
			healed(t, hub, clinic)
			beds(clinic, "2")
			beds(hub, "3")
			healed(t, hub, clinic)
			sites.Same(t, hub, clinic)
			holds(t, "SELECT COUNT(*) FROM omsync_waiting", "[[0]]", hub, clinic)
		})
	}
}

// A row that is known to the sender under another key is found by that.
func TestShortKeysOfAliases(t *testing.T) {
	t.Parallel()
	hub, clinic := apart(t)
	for s, u := range map[*sites.Site]string{hub: uuidA, clinic: uuidB} {
		s.Exec(fmt.Sprintf("INSERT INTO kind (name, uuid) VALUES ('one', '%s')", u))
	}
	sites.Exchange(hub, clinic)
	if len(hub.Aliases(clinic))+len(clinic.Aliases(hub)) == 0 {
		t.Fatal("nothing was recognised")
	}
	for i, s := range []*sites.Site{hub, clinic, hub, clinic} {
		s.Exec(fmt.Sprintf("INSERT INTO visit (kind_id, uuid) SELECT id, CONCAT('v-%d-', id) FROM kind", i), fmt.Sprintf("UPDATE kind SET about = '%d'", i))
		for _, r := range sites.Exchange(hub, clinic) {
			if r.Missed {
				t.Errorf("missed: %s", r.Why)
			}
		}
		sameKinds(t, hub, clinic)
	}
}

// A peer with the program of before is sent whole keys.
func TestNoShortKeysToAnOlderProgram(t *testing.T) {
	t.Parallel()
	hub, clinic := shortWards(t, "CHARSET=utf8")
	clinic.Features = clinic.Features.Without("short-keys")
	clinic.Exec("INSERT INTO ward (uuid) VALUES ('3b1fd9a0-6a3c-4b8e-8f5d-5ed8b7b50c11')")
	sites.Exchange(hub, clinic)
	beds(hub, "1")
	arrives(t, hub, clinic, 0)
	clinic.Send(hub)
	beds(clinic, "2")
	arrives(t, clinic, hub, 0)
}
