package apply_test

import (
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/apply/reserve"
	"github.com/omsync/omsync/internal/sites"
)

// While a row of one import is held up by the application, an import with other rows ends, and one that changes a row of the first waits for it.
func TestImportAtOnceWithOneThatIsHeld(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 6, "busia", "kisumu", "migori")
	c[0].Exec("UPDATE person SET name = 'busia' WHERE uuid IN ('p-1', 'p-2')")
	c[1].Exec("UPDATE person SET name = 'kisumu' WHERE uuid = 'p-2'")
	c[2].Exec("UPDATE person SET name = 'migori' WHERE uuid = 'p-3'", "INSERT INTO obs (person_id, value, uuid) SELECT person_id, 7, 'o-migori' FROM person WHERE uuid = 'p-4'")
	var files []*sites.File
	for _, s := range c {
		files = append(files, s.Export(hub)...)
	}
	var imports reserve.Imports
	start := func(i int) func() error {
		n := beside(t, hub)
		return background(func() error {
			_, err := n.ImportErr(files[i], func(o *apply.Options) { o.Others = &imports })
			return err
		})
	}
	lock := hold(t, hub, "UPDATE person SET note = 'not to stay' WHERE uuid = 'p-1'")
	first := start(0)
	running(t, hub, "%FOR UPDATE%")
	if err := start(2)(); err != nil {
		t.Fatalf("an import with other rows: %v", err)
	}
	if hub.One("SELECT COUNT(*) FROM obs WHERE uuid = 'o-migori'") != "1" {
		t.Error("it brought nothing")
	}
	second := start(1)
	time.Sleep(200 * time.Millisecond)
	if got := hub.One("SELECT name FROM person WHERE uuid = 'p-2'"); got != "name 2" {
		t.Errorf("while the first is under way, p-2 is %s", got)
	}
	lock.do("ROLLBACK")
	for _, end := range []func() error{first, second} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, append([]*sites.Site{hub}, c...)...)
	recorded(t, hub, "person.name=busia")
}

// Two clinics give one name, which only one row may have, at the same time: one row is here, the other waits, and comes once the first has
// given the name up.
func TestImportAtOnceWithOneName(t *testing.T) {
	t.Parallel()
	ward := "CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) UNIQUE, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB DEFAULT CHARSET=utf8"
	hub := sites.New(t, "hub", "none", ward)
	hub.Waits = true
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('old', 'w-old')")
	hub.Init()
	var files []*sites.File
	var clinics []*sites.Site
	for _, name := range []string{"busia", "kisumu"} {
		s := sites.New(t, name, "none", ward)
		s.Init()
		hub.Connect(s)
		sites.Exchange(hub, s)
		s.Exec("INSERT INTO ward (name, uuid) VALUES ('maternity', 'w-" + name + "')")
		files, clinics = append(files, s.Export(hub)...), append(clinics, s)
	}
	reports, errs := importAtOnce(t, hub, files, nil)
	for i, err := range errs {
		if err != nil || reports[i].Outcome != apply.Applied {
			t.Fatalf("%v, %+v", err, reports[i])
		}
	}
	here, waits := hub.One("SELECT uuid FROM ward WHERE name = 'maternity'"), hub.One("SELECT row_key FROM omsync_waiting")
	if both := []string{here, waits}; !slices.Contains(both, "w-busia") || !slices.Contains(both, "w-kisumu") {
		t.Fatalf("%s is here, and %s waits", here, waits)
	}
	owner := clinics[0]
	if here == "w-kisumu" {
		owner = clinics[1]
	}
	owner.Exec("UPDATE ward SET name = 'maternity of " + owner.Name + "' WHERE uuid = '" + here + "'")
	for _, f := range owner.Export(hub) {
		hub.Import(f)
	}
	if got := hub.One("SELECT COUNT(*) FROM ward WHERE name LIKE 'maternity%'"); got != "2" {
		t.Errorf("%s wards of that name", got)
	}
}
