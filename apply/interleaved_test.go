package apply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

// The import that begins first has the lower epoch and commits last. An export that went by the last epoch alone would
// say that it holds what the first import brought, and nobody would ever send it.
func TestImportsInterleaveAroundAnExport(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 4, "kisumu", "migori", "busia")
	kisumu, migori, busia := c[0], c[1], c[2]
	kisumu.Exec("UPDATE person SET name = 'held' WHERE uuid = 'p-1'", "INSERT INTO obs (person_id, value, uuid) SELECT person_id, 7, 'o-kisumu' FROM person WHERE uuid = 'p-1'")
	migori.Exec("UPDATE person SET name = 'swift' WHERE uuid = 'p-2'", "INSERT INTO obs (person_id, value, uuid) SELECT person_id, 8, 'o-migori' FROM person WHERE uuid = 'p-2'")
	first, second := kisumu.Export(hub)[0], migori.Export(hub)[0]

	lock := hold(t, hub, "UPDATE person SET note = 'not to stay' WHERE uuid = 'p-1'")
	a, b, x := beside(t, hub), beside(t, hub), beside(t, hub)
	var ra, rb *apply.Report
	endA := background(func() (err error) { ra, err = a.ImportErr(first); return err })
	running(t, hub, "%FOR UPDATE%")
	var made []*sites.File
	endX := background(func() (err error) { made, err = x.ExportErr(busia); return err })
	time.Sleep(300 * time.Millisecond)
	rb, err := b.ImportErr(second)
	if err != nil {
		t.Fatalf("the second import, beside the first: %v", err)
	}
	if hub.One("SELECT COUNT(*) FROM obs WHERE uuid = 'o-migori'") != "1" || hub.One("SELECT COUNT(*) FROM obs WHERE uuid = 'o-kisumu'") != "0" {
		t.Fatal("the second import did not commit before the first: nothing is tested")
	}
	lock.do("ROLLBACK")
	if err := endA(); err != nil {
		t.Fatal(err)
	}
	if err := endX(); err != nil {
		t.Fatal(err)
	}
	if ra.Inserted != 1 || ra.Updated != 1 || rb.Inserted != 1 || rb.Updated != 1 {
		t.Errorf("imported %+v and %+v", ra, rb)
	}
	for _, f := range made {
		busia.Import(f)
	}
	settled(t, hub, kisumu, migori, busia)
	for _, want := range []string{"o-kisumu", "o-migori"} {
		if busia.One("SELECT COUNT(*) FROM obs WHERE uuid = ?", want) != "1" {
			t.Errorf("busia never got %s", want)
		}
	}
}

// An import has looked at some of its rows and not yet at others when the application edits one. The edit must count as
// made here, sealed or not, whichever of the two stamps is the later.
func TestEditDuringAnImportCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clock time.Duration
		wins  bool
	}{"the edit is later": {0, true}, "the edit is earlier": {-time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			hub, cs := peopleHub(t, 3, "clinic")
			clinic := cs[0]
			hub.Exec("UPDATE person SET note = 'hub' WHERE uuid = 'p-1'", "UPDATE obs SET value = 100 WHERE uuid = 'o-1'", "UPDATE obs SET value = 200 WHERE uuid = 'o-2'")
			f := hub.Export(clinic)[0]
			clinic.SetClock(c.clock)
			clinic.Exec("BEGIN", "UPDATE obs SET value = 11 WHERE uuid = 'o-1'")
			n := beside(t, clinic)
			end := background(func() error { _, err := n.ImportErr(f); return err })
			other := hold(t, clinic)
			running(t, clinic, "%obs%FOR UPDATE%")
			if c.clock != 0 {
				other.do(fmt.Sprintf("SET timestamp = %d", time.Now().Add(c.clock).Unix()))
			}
			other.do("UPDATE obs SET value = 22 WHERE uuid = 'o-2'", "COMMIT")
			if _, err := capture.Seal(t.Context(), clinic.J, 0); !errors.Is(err, journal.ErrBusy) {
				t.Errorf("a seal in the middle of an import: %v, want that the gate is busy", err)
			}
			clinic.Exec("COMMIT")
			if err := end(); err != nil {
				t.Fatal(err)
			}
			clinic.SetClock(0)
			settled(t, hub, clinic)
			want, lost := [2]string{"11", "22"}, [2]string{"100", "200"}
			if !c.wins {
				want, lost = lost, want
			}
			for i, o := range []string{"o-1", "o-2"} {
				if got := hub.One("SELECT value FROM obs WHERE uuid = ?", o); got != want[i] {
					t.Errorf("%s is %s, want %s", o, got, want[i])
				}
				recorded(t, clinic, "obs.value="+lost[i])
				recorded(t, hub, "obs.value="+lost[i])
			}
		})
	}
}

// An import locks the rows of its batch and those that they refer to, and no others, in tables of any size: it does not wait
// for an application that holds its neighbours.
func TestImportLocksItsRowsAlone(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 4, "clinic")
	hub.Exec("INSERT INTO memo (value, uuid) VALUES (1, 'm-1'), (2, 'm-2'), (3, 'm-3')")
	sites.Exchange(hub, c[0])
	c[0].Exec(insertPeople(100, 140)...)
	for i := range 40 {
		c[0].Exec(fmt.Sprintf("INSERT INTO memo (value, uuid) VALUES (0, 'mm-%d')", i))
	}
	c[0].Exec("UPDATE memo SET value = 33 WHERE uuid = 'm-3'", "DELETE FROM memo WHERE uuid = 'm-2'", "UPDATE patient SET code = 'x' WHERE code = 'p-4'", "DELETE FROM obs WHERE uuid = 'o-4'")
	f := c[0].Export(hub)[0]
	app := hold(t, hub)
	app.do("COMMIT", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "BEGIN") // it keeps what it changes, and no gaps
	for _, q := range []string{"person SET note = 'held'", "patient SET code = 'held'", "flag SET value = 'held'", "obs SET value = 0", "memo SET value = 0"} {
		name, _, _ := strings.Cut(q, " ")
		app.do("UPDATE " + q + " WHERE " + strings.Replace(name, "flag", "person", 1) + "_id = 1")
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if r, err := apply.Import(ctx, hub.J, bytes.NewReader(f.Data), int64(len(f.Data)), trusting()); err != nil || r.Inserted < 160 || r.Deleted != 2 {
		t.Fatalf("beside an application that holds other rows: %+v, %v", r, err)
	}
	app.do("COMMIT")
	settled(t, hub, c[0])
}
