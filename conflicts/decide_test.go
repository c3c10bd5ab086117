package conflicts_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/undo"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const (
	ward = `CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50), size INT, changed_by TEXT) ENGINE=InnoDB`
	bed  = `CREATE TABLE bed (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ward_id INT NOT NULL, note TEXT, FOREIGN KEY (ward_id) REFERENCES ward (id)) ENGINE=InnoDB`

	bookkeeping = "[bookkeeping]\n\"*\" = [\"changed_by\"]\n"
)

// network is a hub with two clinics, and two wards that all have.
type network struct {
	t                   *testing.T
	hub, kisumu, migori *sites.Site
}

func newNetwork(t *testing.T, profile string) *network {
	t.Helper()
	n := &network{t, sites.New(t, "hub", profile, ward, bed), sites.New(t, "kisumu", profile, ward, bed), sites.New(t, "migori", profile, ward, bed)}
	for _, s := range n.all() {
		s.Init()
	}
	n.hub.Connect(n.kisumu)
	n.hub.Connect(n.migori)
	n.hub.Exec("INSERT INTO ward (uuid, name, size, changed_by) VALUES ('a', 'before', 1, 'x'), ('b', 'before', 1, 'x')")
	sites.ExchangeTwice(n.all()...)
	return n
}

func (n *network) all() []*sites.Site { return []*sites.Site{n.hub, n.kisumu, n.migori} }

// same exchanges until all is quiet, and compares the sites.
func (n *network) same() {
	n.t.Helper()
	sites.ExchangeTwice(n.all()...)
	sites.Same(n.t, n.hub, n.kisumu)
	sites.Same(n.t, n.hub, n.migori)
	sites.Quiet(n.t, n.all()...)
}

// decide decides about the only open conflict of a site, or about the one with a number.
func decide(s *sites.Site, t *testing.T, id uint64, how merge.How, more ...func(*conflicts.Decision)) error {
	t.Helper()
	s.Follow()
	d := conflicts.Decision{ID: id, How: how}
	for _, f := range more {
		f(&d)
	}
	o := undo.EditOptions{Wait: sites.Wait, Seal: func(ctx context.Context) error { _, err := capture.Seal(ctx, s.J, sites.Wait); return err }}
	_, err := conflicts.Decide(t.Context(), s.J, o, d)
	return err
}

// mustDecide is decide for what has to go well.
func mustDecide(s *sites.Site, t *testing.T, id uint64, how merge.How, more ...func(*conflicts.Decision)) {
	t.Helper()
	if err := decide(s, t, id, how, more...); err != nil {
		t.Fatalf("at %s: %v", s.Name, err)
	}
}

// open lists the conflicts that are open at a site, the newest first.
func open(s *sites.Site, t *testing.T) []*conflicts.Entry {
	t.Helper()
	l, err := conflicts.List(t.Context(), s.J.DB, s.J, conflicts.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return l.Conflicts
}

// only returns the number of the only conflict that is open at a site.
func only(s *sites.Site, t *testing.T) uint64 {
	t.Helper()
	all := open(s, t)
	if len(all) != 1 {
		t.Fatalf("%d conflicts are open at %s, not 1", len(all), s.Name)
	}
	return all[0].ID()
}

// nothingOpen sees that a site has no open conflict.
func nothingOpen(t *testing.T, all ...*sites.Site) {
	t.Helper()
	for _, s := range all {
		for _, e := range open(s, t) {
			t.Errorf("open at %s: %+v", s.Name, e.Conflict)
		}
	}
}

// refused sees that an error says something.
func refused(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, which should say %q", err, says)
	}
}

// differ has kisumu and the hub change one ward apart, the hub later, and lets all meet.
func (n *network) differ() {
	n.kisumu.Exec("UPDATE ward SET name = 'of kisumu', size = 2, changed_by = 'k' WHERE uuid = 'a'")
	n.hub.Exec("UPDATE ward SET name = 'of the hub', size = 3, changed_by = 'h' WHERE uuid = 'a'")
	n.same()
}

const wardA = "SELECT CONCAT_WS(' ', name, size, changed_by) FROM ward WHERE uuid = 'a'"

// What is decided at one site is so at all, and so is what is taken back; bookkeeping goes with what matters.
func TestDecide(t *testing.T) {
	n := newNetwork(t, bookkeeping)
	n.differ()
	id := only(n.migori, t)
	if e := open(n.migori, t)[0]; len(e.Records) != 3 || len(e.Folded()) != 1 || e.Link != "hub" {
		t.Errorf("at migori: %+v over %s", e.Records, e.Link)
	}
	mustDecide(n.migori, t, id, merge.TookLost, func(d *conflicts.Decision) { d.Column = "name" })
	n.same()
	for _, s := range n.all() {
		if got := s.One(wardA); got != "of kisumu 3 h" {
			t.Errorf("%s: %s", s.Name, got)
		}
		only(s, t)
	}
	mustDecide(n.kisumu, t, only(n.kisumu, t), merge.TookLost)
	n.same()
	if got := n.hub.One(wardA); got != "of kisumu 2 k" {
		t.Errorf("hub: %s", got)
	}
	nothingOpen(t, n.all()...)
	mustDecide(n.hub, t, 1, merge.Open)
	n.same()
	if got := n.migori.One(wardA); got != "of the hub 3 h" {
		t.Errorf("taken back: %s", got)
	}
	for _, s := range n.all() {
		mustDecide(s, t, only(s, t), merge.Dismissed)
		n.same()
		nothingOpen(t, n.all()...)
		mustDecide(n.migori, t, 1, merge.Open)
		n.same()
	}
	refused(t, decide(n.migori, t, 1, merge.Open), "nothing to take back")
	if err := decide(n.hub, t, 99, merge.TookLost); !errors.Is(err, journal.ErrNoConflict) {
		t.Errorf("a number that is not there: %v", err)
	}
}

// Two people decide at once at two sites, and differently: all sites end equal, and what was not taken is an open conflict.
func TestDecideAtOnce(t *testing.T) {
	n := newNetwork(t, "none")
	n.kisumu.Exec("UPDATE ward SET name = 'of kisumu' WHERE uuid = 'a'")
	n.hub.Exec("UPDATE ward SET name = 'of the hub' WHERE uuid = 'a'")
	n.same()
	mustDecide(n.migori, t, only(n.migori, t), merge.TookLost)
	mustDecide(n.kisumu, t, only(n.kisumu, t), merge.TookKept)
	n.same()
	if got := n.migori.One("SELECT name FROM ward WHERE uuid = 'a'"); got != "of the hub" {
		t.Errorf("the later decision does not stay: %s", got)
	}
	for _, s := range n.all() {
		e := open(s, t)
		if len(e) != 1 || e[0].Loser.Author != "migori" || s.One("SELECT value FROM omsync_conflict WHERE id = "+"(SELECT MAX(id) FROM (SELECT id, loser_author FROM omsync_conflict) c WHERE loser_author = 'migori')") != "of kisumu" {
			t.Errorf("%s: %d open: what migori decided is not seen", s.Name, len(e))
		}
	}
	// The same decision twice is none.
	mustDecide(n.migori, t, only(n.migori, t), merge.TookLost)
	mustDecide(n.hub, t, only(n.hub, t), merge.TookLost)
	n.same()
	nothingOpen(t, n.all()...)
}

// A row that was deleted comes back whole, at the site that keeps it, and goes again when that is taken back.
func TestDecideDeleted(t *testing.T) {
	n := newNetwork(t, "none")
	n.kisumu.Exec("UPDATE ward SET size = 7 WHERE uuid = 'a'")
	n.kisumu.Seal()
	n.hub.Exec("DELETE FROM ward WHERE uuid = 'a'") // later than all of it
	n.same()
	if got := n.kisumu.One("SELECT COUNT(*) FROM ward WHERE uuid = 'a'"); got != "0" {
		t.Fatal("the row is there")
	}
	refused(t, decide(n.migori, t, only(n.migori, t), merge.Open), "nothing to take back")
	mustDecide(n.kisumu, t, only(n.kisumu, t), merge.TookLost)
	n.same()
	for _, s := range n.all() {
		if got := s.One(wardA); got != "before 7 x" {
			t.Errorf("%s: %s", s.Name, got)
		}
	}
	nothingOpen(t, n.all()...)
	mustDecide(n.hub, t, 1, merge.Open)
	n.same()
	if got := n.kisumu.One("SELECT COUNT(*) FROM ward WHERE uuid = 'a'"); got != "0" {
		t.Error("the row is still there")
	}
	// Once more, and a bed in it: it stays.
	mustDecide(n.kisumu, t, only(n.kisumu, t), merge.TookLost)
	n.same()
	n.migori.Exec("INSERT INTO bed (uuid, ward_id) SELECT 'bed', id FROM ward WHERE uuid = 'a'")
	n.same()
	refused(t, decide(n.hub, t, 1, merge.Open), "other rows refer to it")
	n.same()
}

// A deletion that lost may be taken: the row goes, unless others refer to it, and comes back when that is taken back.
func TestDecideDeletion(t *testing.T) {
	n := newNetwork(t, "none")
	n.kisumu.Exec("DELETE FROM ward WHERE uuid = 'a'")
	n.kisumu.Seal()
	n.hub.Exec("UPDATE ward SET size = 7 WHERE uuid = 'a'", "INSERT INTO bed (uuid, ward_id) SELECT 'bed', id FROM ward WHERE uuid = 'a'")
	n.same()
	id := only(n.hub, t)
	refused(t, decide(n.hub, t, id, merge.TookLost), "other rows refer to it")
	n.hub.Exec("DELETE FROM bed")
	mustDecide(n.hub, t, id, merge.TookLost)
	n.same()
	nothingOpen(t, n.all()...)
	if got := n.migori.One("SELECT COUNT(*) FROM ward WHERE uuid = 'a'"); got != "0" {
		t.Error("the row is still there")
	}
	mustDecide(n.migori, t, id, merge.Open)
	n.same()
	if got := n.kisumu.One(wardA); got != "before 7 x" {
		t.Errorf("taken back: %s", got)
	}
}

// A peer whose program knows of no decisions gets the edit alone, and goes on.
func TestDecideWithAnOldPeer(t *testing.T) {
	n := newNetwork(t, "none")
	n.kisumu.Features = nil
	n.same()
	n.kisumu.Exec("UPDATE ward SET name = 'of kisumu' WHERE uuid = 'a'")
	n.hub.Exec("UPDATE ward SET name = 'of the hub' WHERE uuid = 'a'")
	n.same()
	mustDecide(n.hub, t, only(n.hub, t), merge.TookLost)
	n.same()
	if got := n.kisumu.One("SELECT name FROM ward WHERE uuid = 'a'"); got != "of kisumu" {
		t.Errorf("kisumu: %s", got)
	}
	if got := n.kisumu.One("SELECT COUNT(*) FROM omsync_resolution"); got != "0" {
		t.Errorf("%s decisions came to kisumu", got)
	}
	nothingOpen(t, n.hub, n.migori)
	if all := open(n.kisumu, t); len(all) != 2 || all[0].Loser.Author != "hub" || all[1].Loser.Author != "kisumu" { // it, and what the decision replaced
		t.Errorf("open at kisumu: %+v", all)
	}
}
