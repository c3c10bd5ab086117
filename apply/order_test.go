package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sites"
)

func TestBatchesOutOfOrder(t *testing.T) {
	hub, clinic, first := wardPair(t)
	sinceSent := func(o *export.Options) { o.SinceSent = true }
	hub.Exec("UPDATE ward SET size = 7 WHERE uuid = 'w-1'")
	second := hub.Export(clinic, sinceSent)[0]
	hub.Exec("UPDATE ward SET size = 9 WHERE uuid = 'w-1'")
	third := hub.Export(clinic, sinceSent)[0]
	if second.Made.Base != first.Made.Upto || third.Made.Base != second.Made.Upto {
		t.Fatalf("they do not build on each other: %+v %+v %+v", first.Made, second.Made, third.Made)
	}
	steps := []struct {
		f    *sites.File
		want string
		why  string
	}{
		{third, apply.Gap, "a gap"}, {second, apply.Gap, "a smaller gap"}, {first, apply.Applied, "what was missing"}, {third, apply.Gap, "still a gap"},
		{first, apply.Covered, "a repeated one"}, {second, apply.Applied, "the next"}, {first, apply.Covered, "an old one"},
		{third, apply.Applied, "the last"}, {third, apply.Covered, "the last again"}, {second, apply.Covered, "an older one"},
	}
	for _, s := range steps {
		before := checksum(clinic, "omsync_peer")
		r := clinic.Import(s.f)
		if r.Outcome != s.want {
			t.Fatalf("%s: %+v, want %s", s.why, r, s.want)
		}
		if s.want == apply.Gap && !strings.Contains(r.Why, fmt.Sprint("epoch ", s.f.Made.Base)) {
			t.Errorf("%s: %q does not name the missing epoch", s.why, r.Why)
		}
		if changed := checksum(clinic, "omsync_peer") != before; changed != (s.want == apply.Applied) {
			t.Errorf("%s: the database has changed: %v", s.why, changed)
		}
	}
	sites.Exchange(hub, clinic)
	sites.Same(t, hub, clinic)
	sites.Quiet(t, hub, clinic)
}

// A lost file costs nothing: what the clinic says of the gap makes the hub send all of it again.
func TestLostBatch(t *testing.T) {
	hub, clinic, _ := wardPair(t)
	hub.Exec("UPDATE ward SET size = 7 WHERE uuid = 'w-1'")
	for _, f := range hub.Export(clinic, func(o *export.Options) { o.SinceSent = true }) {
		if r := clinic.Import(f); r.Outcome != apply.Gap {
			t.Fatalf("%+v", r)
		}
	}
	sites.Exchange(hub, clinic)
	sites.Same(t, hub, clinic)
	sites.Quiet(t, hub, clinic)
}
