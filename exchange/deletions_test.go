package exchange

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/internal/dbtest"
)

// fill gives a node so many rows, whose uuids begin with a prefix.
func (n *node) fill(prefix string, rows int) {
	n.t.Helper()
	var values []string
	for i := range rows {
		values = append(values, fmt.Sprintf("('%s%d', 'x')", prefix, i))
	}
	dbtest.Exec(n.t, n.DB, "INSERT INTO ward (uuid, note) VALUES "+strings.Join(values, ","))
}

// asking returns the files that wait for a person at the node.
func (n *node) asking() (out []Held) {
	n.t.Helper()
	held, err := ListHeld(n.t.Context(), n.x.Home, time.Now())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, h := range held {
		if h.Deletions != nil {
			out = append(out, h)
		}
	}
	return out
}

// meet has all clinics exchange with the hub until they know the same.
func meet(hub *node, clinics ...*node) {
	for range 3 {
		for _, c := range clinics {
			hub.deliver(c)
			c.deliver(hub)
		}
	}
}

// Whoever has a clinic's computer deletes 300 of another clinic's rows. His file waits, and his later ones, however often they are
// tried; the other clinic's exchange goes on. A person lets them through.
func TestDeletionsWaitForAPerson(t *testing.T) {
	hub, all := tree(t, "kisumu", "migori")
	kisumu, migori := all["kisumu"], all["migori"]
	hub.fill("h", 100)
	migori.fill("m", 300)
	meet(hub, kisumu, migori)
	dbtest.Exec(t, kisumu.DB, "DELETE FROM ward WHERE uuid LIKE 'm%'")
	kisumu.write("k0", "added")
	hub.deliver(kisumu)
	want := func(d attempts.Deletions) bool {
		return d.Table == "ward" && d.Rows == 300 && d.Of >= 400 && d.Since == 0
	}
	for run := range 10 {
		migori.write(fmt.Sprintf("new%d", run), "honest")
		hub.deliver(migori)
		hub.count(401+run, "at the hub") // nothing of the file, and all that the other clinic sends
		if run == 5 {
			kisumu.write("k1", "added later")
			hub.deliver(kisumu)
		}
		hub.elapse(24 * time.Hour)
		asking := hub.asking()
		if len(asking) == 0 || asking[0].Failed != 0 || asking[0].Aside || asking[0].Sender != "kisumu" || !want(asking[0].Deletions[0]) {
			t.Fatalf("run %d: %+v; told %q", run, asking, hub.told)
		}
	}
	// It hears of the hub all the same, and what it acknowledges counts.
	kisumu.deliver(hub)
	kisumu.count(100+2+10, "at the clinic that waits")
	if names, err := Retry(t.Context(), hub.x.Home, nil); err != nil || len(names) == 0 {
		t.Errorf("retry: %v, %v", names, err)
	}
	if _, err := hub.importAll(t.Context()); err != nil || len(hub.asking()) == 0 {
		t.Errorf("tried again it waits for nobody: %v, %q", err, hub.told)
	}
	hub.x.Accept = "migori"
	if _, err := hub.importAll(t.Context()); err != nil || len(hub.asking()) == 0 {
		t.Errorf("another peer is accepted, and it waits for nobody: %v, %q", err, hub.told)
	}
	hub.x.Accept = "kisumu"
	if _, err := hub.importAll(t.Context()); err != nil || len(hub.asking()) != 0 {
		t.Errorf("accepted: %v, %q, %+v", err, hub.told, hub.asking())
	}
	hub.x.Accept = ""
	meet(hub, kisumu, migori)
	hub.count(100+2+10, "at the end")
	same(t, all)
}

// A later file that builds on one which waits says why.
func TestWhatBuildsOnDeletionsThatWait(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	hub.fill("h", 300)
	meet(hub, kisumu)
	dbtest.Exec(t, kisumu.DB, "DELETE FROM ward")
	hub.deliver(kisumu)
	kisumu.write("k", "later")
	outbox, err := Outbox(kisumu.x.Home, "hub")
	if err != nil {
		t.Fatal(err)
	}
	defer outbox.Close()
	made, err := kisumu.x.Export(t.Context(), kisumu.peer("hub"), outbox, ExportOptions{SinceSent: true})
	if err != nil || len(made) != 1 {
		t.Fatalf("%v, %v", made, err)
	}
	file, size, err := outbox.Open(t.Context(), made[0].File)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := hub.x.AcceptFile(t.Context(), hub.peer("kisumu"), made[0].File, file, size); err != nil {
		t.Fatal(err)
	}
	why := ""
	_, err = hub.x.ImportInbox(t.Context(), nil, func() error { return nil }, func(r *Result) error {
		if r.Name == made[0].File && r.Report != nil {
			why = r.Report.Outcome + " " + r.Report.Why
		}
		return nil
	})
	if err != nil || !strings.HasPrefix(why, "gap ") || !strings.Contains(why, "it deletes 300 of 300 rows of ward") || len(hub.asking()) != 1 {
		t.Errorf("the later file: %q, %v; %d wait for a person", why, err, len(hub.asking()))
	}
	hub.x.Accept = "kisumu"
	if _, err := hub.importAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub.count(1, "once they are accepted")
}

// A child may delete 200 rows of a small table.
func TestDeletionsAtTheBound(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	hub.fill("a", 200)
	hub.fill("b", 201)
	meet(hub, kisumu)
	dbtest.Exec(t, kisumu.DB, "DELETE FROM ward WHERE uuid LIKE 'a%'")
	meet(hub, kisumu)
	hub.count(201, "at the bound")
	dbtest.Exec(t, kisumu.DB, "DELETE FROM ward WHERE uuid = 'b0'")
	meet(hub, kisumu)
	hub.count(201, "one more on the same day")
	asking := hub.asking()
	if len(asking) == 0 || asking[0].Deletions[0] != (attempts.Deletions{Table: "ward", Rows: 1, Of: 201, Since: 200}) {
		t.Errorf("waiting: %+v", asking)
	}
	// A day later it is another day.
	dbtest.Exec(t, hub.DB, fmt.Sprintf("UPDATE omsync_deleted SET deleted_at = deleted_at - %d", 25*time.Hour.Microseconds()))
	kisumu.write("k", "later")
	meet(hub, kisumu)
	hub.count(201, "a day later")
}

// Deletions in slices, each small, wait once they are too many together; so do those of a thief who deletes what his clinic added.
func TestDeletionsInSlices(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	kisumu.fill("k", 600)
	meet(hub, kisumu)
	for range 10 {
		dbtest.Exec(t, kisumu.DB, "DELETE FROM ward LIMIT 60")
		hub.deliver(kisumu)
		kisumu.deliver(hub)
	}
	hub.count(420, "after ten slices of 60")
	if asking := hub.asking(); len(asking) == 0 || asking[0].Deletions[0].Since != 180 {
		t.Errorf("waiting: %+v", asking)
	}
	hub.x.Accept = "kisumu"
	if _, err := hub.importAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub.count(0, "once a person has agreed")
}

// The parent is not held.
func TestParentDeletesAll(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	hub.fill("h", 400)
	meet(hub, kisumu)
	dbtest.Exec(t, hub.DB, "DELETE FROM ward")
	meet(hub, kisumu)
	kisumu.count(0, "at the clinic")
}

// A file that a person names waits too, and goes through if that person says so.
func TestDeletionsInANamedFile(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	hub.fill("h", 300)
	meet(hub, kisumu)
	dbtest.Exec(t, kisumu.DB, "DELETE FROM ward")
	names := hub.receive(kisumu)
	inbox, err := Inbox(hub.x.Home)
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close()
	var got *Result
	run := func() {
		files, err := FilesIn(t.Context(), inbox, func(name string) string { return name })
		if err != nil || len(files) != len(names) {
			t.Fatalf("%d files, %v", len(files), err)
		}
		err = hub.x.Import(t.Context(), files, ImportOptions{}, func() error { return nil }, func(r *Result) error { got = r; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	run()
	var many *apply.DeletionsError
	if !errors.As(got.Err, &many) || many.Tables[0] != (apply.DeletedRows{Table: "ward", Rows: 300, Of: 300}) {
		t.Errorf("got %+v", got)
	}
	hub.count(300, "before it is accepted")
	hub.x.Accept = "kisumu"
	run()
	hub.count(0, "once it is accepted")
}
