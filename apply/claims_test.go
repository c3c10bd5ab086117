package apply_test

import (
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
)

// A clinic that says of its ordinary edits that they are repairs has no records made at other clinics that count as theirs at the hub: what is the same
// at the hub is passed on as an edit.
func TestClaimOfWhatIsTheSame(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 1, "busia", "kisumu")
	bad, good := c[0], c[1]
	bad.Exec("UPDATE person SET name = 'second' WHERE uuid = 'p-1'")
	bad.Send(hub)
	bad.Exec("UPDATE person SET name = 'third' WHERE uuid = 'p-1'", "UPDATE person SET name = 'second' WHERE uuid = 'p-1'")
	bad.Seal()
	bad.Exec("UPDATE omsync_epoch SET resend = 3 ORDER BY id DESC LIMIT 1")
	bad.Send(hub)
	if n := len(hub.Conflicts()); n > 0 {
		t.Fatalf("%d conflicts at the hub: this shows nothing", n)
	}
	hub.Send(good)
	if got := good.One("SELECT name FROM person WHERE uuid = 'p-1'"); got != "second" {
		t.Errorf("it has the name %s", got)
	}
	for _, f := range good.Export(hub) {
		r, err := hub.ImportErr(f, func(o *apply.Options) { o.Quotas = access.DefaultLimits(); o.Quotas[access.Conflicts] = 0 })
		if err != nil {
			t.Errorf("the other's file: %v, %v", r, err)
		}
	}
	if n := len(good.Conflicts()); n > 0 {
		t.Errorf("recorded at the other: %q", good.Conflicts())
	}
}
