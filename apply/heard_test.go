package apply_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

const year = 365 * 24 * time.Hour

// reportOf is what a site knows of a peer by its headers.
func reportOf(t *testing.T, s, peer *sites.Site) journal.Report {
	t.Helper()
	r, err := journal.ReportOf(t.Context(), s.J.DB, s.Peer(peer).ID)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// off reports whether a clock is known to be off by about so much.
func off(r journal.Report, by time.Duration) bool {
	return (time.Duration(r.Clock.By)*time.Microsecond - by).Abs() < time.Hour
}

// A clinic's clock jumps by years, back and forth, while both sites work and exchange: nothing is lost, what somebody changed knowing the
// other's value stays, and the hub knows by how much the clock is off, until it is right again.
func TestClockJumpsByYears(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	sites.Use(t, hub, clinic)
	inserted := 2
	for i, shift := range []time.Duration{-20 * year, 5 * year, -30 * year, 9 * year, -2 * time.Hour, 0} {
		clinic.SetClock(shift)
		clinic.Exec(fmt.Sprintf("INSERT INTO ward (name, uuid) VALUES ('c %d', 'c-%d')", i, i), fmt.Sprintf("UPDATE ward SET name = 'clinic %d' WHERE uuid = 'w-1'", i))
		hub.Exec(fmt.Sprintf("INSERT INTO ward (name, uuid) VALUES ('h %d', 'h-%d')", i, i), fmt.Sprintf("UPDATE ward SET size = %d WHERE uuid = 'w-1'", i))
		inserted += 2
		sites.ExchangeTwice(hub, clinic)
		if got := hub.One("SELECT CONCAT(name, ' ', size) FROM ward WHERE uuid = 'w-1'"); got != fmt.Sprintf("clinic %d %d", i, i) {
			t.Errorf("the clock is off by %v: the row is %s", shift, got)
		}
		hub.Exec(fmt.Sprintf("UPDATE ward SET name = 'hub %d' WHERE uuid = 'w-1'", i)) // above a stamp that may be of the future
		sites.ExchangeTwice(hub, clinic)
		if got := clinic.One("SELECT name FROM ward WHERE uuid = 'w-1'"); got != fmt.Sprintf("hub %d", i) {
			t.Errorf("the clock is off by %v: the hub's edit became %s", shift, got)
		}
		if r := reportOf(t, hub, clinic); !off(r, shift) || (shift == 0) != (r.Clock.By == 0) {
			t.Errorf("the clock is off by %v, and the hub says by %v", shift, time.Duration(r.Clock.By)*time.Microsecond)
		}
		if r := reportOf(t, clinic, hub); !off(r, -shift) {
			t.Errorf("the clock is off by %v, and the clinic says that the hub's is by %v", shift, time.Duration(r.Clock.By)*time.Microsecond)
		}
	}
	allSettled(t, hub, clinic)
	if n := hub.One("SELECT COUNT(*) FROM ward"); n != fmt.Sprint(inserted) {
		t.Errorf("%s wards of %d", n, inserted)
	}
	for _, s := range []*sites.Site{hub, clinic} {
		if n := s.One("SELECT COUNT(*) FROM omsync_conflict"); n != "0" {
			t.Errorf("%s conflicts at %s", n, s.Name)
		}
	}
}

// Beyond the horizon a clinic's rows wait at the hub, the clinic hears how many and why, and a hub that lets them in has them all.
func TestClockJumpsBeyondTheHorizon(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	sites.Use(t, hub, clinic)
	hub.Options = func(o *apply.Options) { o.Horizon = year } // no session of MySQL has a time after 2038
	clinic.SetClock(2 * year)
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('future', 'c-1'), ('future too', 'c-2')")
	clinic.Send(hub)
	clinic.SetClock(0)
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('now', 'c-3')")
	sites.ExchangeTwice(hub, clinic)
	if got := waitingRows(hub); got != "stamp  c-1, stamp  c-2" {
		t.Fatalf("waiting: %s", got)
	}
	if got := hub.One("SELECT name FROM ward WHERE uuid = 'c-3'"); got != "now" {
		t.Errorf("what was made with the right clock: %q", got)
	}
	if got := fmt.Sprint(reportOf(t, clinic, hub).Waits); got != "[{stamp 2}]" {
		t.Errorf("the clinic hears %s", got)
	}
	dropAll(t, hub)
	hub.Exec("UPDATE ward SET size = 9 WHERE uuid = 'c-3'")
	hub.Send(clinic)
	if got := fmt.Sprint(reportOf(t, clinic, hub).Waits); got != "[{dropped 2}]" {
		t.Errorf("after they were dropped the clinic hears %s", got)
	}
	undropAll(t, hub)
	if _, err := apply.Retry(t.Context(), hub.J, "clinic", journal.WaitingFilter{}, apply.Options{Wait: sites.Wait, Horizon: 3 * year}); err != nil {
		t.Fatal(err)
	}
	hub.Exec("UPDATE ward SET size = 8 WHERE uuid = 'c-3'")
	allSettled(t, hub, clinic)
	if got := reportOf(t, clinic, hub).Waits; got != nil {
		t.Errorf("nothing waits any more, and the clinic hears %v", got)
	}
}

// A file that comes late says nothing of the clock nor of what waits, and a dry run notes nothing.
func TestLateFileReportsNothing(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	sites.ExchangeTwice(hub, clinic)
	clinic.SetClock(2 * year)
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('one', 'c-1')")
	late := clinic.Export(hub)[0]
	clinic.SetClock(0)
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('two', 'c-2')")
	next := clinic.Export(hub)[0]
	hub.Import(next, func(o *apply.Options) { o.DryRun = true })
	if r := reportOf(t, hub, clinic); r.ReadAt != 0 {
		t.Errorf("a dry run noted %+v", r)
	}
	hub.Import(next)
	hub.Import(late)
	if r := reportOf(t, hub, clinic); r.Clock.By != 0 {
		t.Errorf("a file that was late: %+v", r)
	}
}
