package apply_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sites"
)

var routed = []string{
	`CREATE TABLE patient (patient_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40), place VARCHAR(40), note VARCHAR(40), uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB`,
	`CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, patient_id INT NOT NULL, text VARCHAR(40), uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (patient_id) REFERENCES patient (patient_id)) ENGINE=InnoDB`,
}

func goes(tables string, d access.Direction) access.Said {
	return access.Said{Tables: tables, Direction: d}
}

// routedSites are a hub and two clinics that read rules, connected and empty.
func routedSites(t *testing.T) (hub, k, m *sites.Site) {
	t.Helper()
	hub, k, m = sites.New(t, "hub", "none", routed...), sites.New(t, "kisumu", "none", routed...), sites.New(t, "migori", "none", routed...)
	for _, s := range []*sites.Site{hub, k, m} {
		s.Features, s.Waits = features.Present(), true
		s.Init()
	}
	hub.Connect(k)
	hub.Connect(m)
	sites.Exchange(hub, k, m)
	return hub, k, m
}

func names(s *sites.Site) string {
	var out []string
	for _, r := range s.Query("SELECT CONCAT(uuid, '=', IFNULL(name, '-')) FROM patient ORDER BY uuid") {
		out = append(out, r[0])
	}
	return strings.Join(out, " ")
}

func patientsAre(t *testing.T, want string, at ...*sites.Site) {
	t.Helper()
	for _, s := range at {
		if got := names(s); got != want {
			t.Errorf("%s holds %s, want %s", s.Name, got, want)
		}
	}
}

// What goes further than before is sent again, edits from before too, and no newer value is lost. What goes less far stops at once.
func TestWiderAndNarrower(t *testing.T) {
	t.Parallel()
	hub, k, m := routedSites(t)
	hub.Set(nil, goes("*", access.Down))
	sites.Exchange(hub, k, m)
	hub.Exec("INSERT INTO patient (name, uuid) VALUES ('hub', 'p-1')")
	sites.Exchange(hub, k, m)
	k.Exec("UPDATE patient SET name = 'kisumu' WHERE uuid = 'p-1'", "UPDATE patient SET note = 'old' WHERE uuid = 'p-1'", "INSERT INTO patient (name, uuid) VALUES ('own', 'p-2')")
	sites.Exchange(hub, k, m)
	patientsAre(t, "p-1=hub", hub, m)
	hub.Exec("UPDATE patient SET note = 'new' WHERE uuid = 'p-1'") // later than the clinic's, and of a column that wins there
	sites.Exchange(hub, k, m)

	hub.Set(nil, goes("*", access.Both))
	sites.Exchange(hub, k, m)
	sites.Quiet(t, hub, k, m)
	patientsAre(t, "p-1=kisumu p-2=own", hub, k, m)
	for _, s := range []*sites.Site{hub, k, m} {
		if n := s.One("SELECT note FROM patient WHERE uuid = 'p-1'"); n != "new" {
			t.Errorf("%s has the note %s", s.Name, n)
		}
	}

	hub.Set(k, goes("patient", access.None), goes("visit", access.None))
	k.Exec("UPDATE patient SET name = 'after' WHERE uuid = 'p-2'") // it has not heard yet
	hub.Exec("INSERT INTO patient (name, uuid) VALUES ('late', 'p-3')")
	sites.Exchange(hub, k, m)
	patientsAre(t, "p-1=kisumu p-2=own p-3=late", hub, m)
	patientsAre(t, "p-1=kisumu p-2=after", k)
	hub.Set(k)
	sites.Exchange(hub, k, m)
	sites.Quiet(t, hub, k, m)
	patientsAre(t, "p-1=kisumu p-2=after p-3=late", hub, k, m)
}

// A clinic lets less go, and is taken more of by nobody's word but its parent's.
func TestClinicIsStricter(t *testing.T) {
	t.Parallel()
	hub, k, m := routedSites(t)
	hub.Set(k, goes("patient", access.Down))
	sites.Exchange(hub, k, m)
	k.Set(hub, goes("patient", access.Both))
	k.Exec("INSERT INTO patient (name, uuid) VALUES ('own', 'p-k')")
	hub.Exec("INSERT INTO patient (name, uuid) VALUES ('hub', 'p-h')")
	sites.Exchange(hub, k, m)
	patientsAre(t, "p-h=hub", hub, m)
	k.Set(hub, goes("patient", access.None))
	hub.Exec("UPDATE patient SET name = 'changed'")
	sites.Exchange(hub, k, m)
	patientsAre(t, "p-h=hub p-k=own", k)
	k.Set(hub)
	sites.Exchange(hub, k, m)
	patientsAre(t, "p-h=changed p-k=own", k)
}

// Columns and rows that stay do so in each way that was said, at whichever end they are changed; and they come when that is taken back.
func TestPartsStay(t *testing.T) {
	t.Parallel()
	hub, k, m := routedSites(t)
	staying := []access.Said{{Tables: "patient", Column: "note", Direction: access.Up}, {Tables: "patient", Column: "place", Pattern: "secret*", Direction: access.None},
		{Tables: "patient", Column: "place", Direction: access.None}}
	hub.Set(k, staying...)
	hub.Exec("INSERT INTO patient (name, note, place, uuid) VALUES ('a', 'from the hub', 'ward', 'p-1'), ('b', 'x', 'Secret ward', 'p-2')")
	sites.Exchange(hub, k, m)
	patientsAre(t, "p-1=a", k)
	k.Exec("UPDATE patient SET name = 'k', note = 'from kisumu', place = 'kisumu'", "INSERT INTO patient (name, place, uuid) VALUES ('c', 'secret', 'p-3')")
	sites.Exchange(hub, k, m)
	patientsAre(t, "p-1=k p-2=b", hub, m)
	if got := fmt.Sprint(hub.Query("SELECT note, place FROM patient WHERE uuid = 'p-1'")); got != "[[from kisumu ward]]" {
		t.Errorf("the hub has %s", got)
	}
	hub.Exec("UPDATE patient SET note = 'again', name = 'h' WHERE uuid = 'p-1'")
	sites.Exchange(hub, k, m)
	if got := fmt.Sprint(k.Query("SELECT name, note, place FROM patient WHERE uuid = 'p-1'")); got != "[[h from kisumu kisumu]]" {
		t.Errorf("the clinic has %s", got)
	}
	hub.Set(k)
	sites.Exchange(hub, k, m)
	sites.Quiet(t, hub, k, m)
	sites.Same(t, hub, k)
	patientsAre(t, "p-1=h p-2=b p-3=c", hub, k, m)
}

// A clinic that only sends is restored: what it had sent since the backup comes back, its deletions too, and nothing of others. What it does
// meanwhile stays, and what is lost by that is a conflict.
func TestRestoredClinicGetsItsOwn(t *testing.T) {
	t.Parallel()
	hub, k, m := routedSites(t)
	hub.Set(nil, goes("*", access.Up))
	sites.Exchange(hub, k, m)
	k.Exec("INSERT INTO patient (name, note, uuid) VALUES ('one', 'before', 'p-1'), ('two', 'before', 'p-2'), ('dead', '', 'p-3')")
	sites.Exchange(hub, k, m)
	restore := backup(t, k)
	k.Exec("UPDATE patient SET name = 'lost' WHERE uuid = 'p-1'", "UPDATE patient SET note = 'lost too' WHERE uuid = 'p-2'", "DELETE FROM patient WHERE uuid = 'p-3'",
		"INSERT INTO patient (name, uuid) VALUES ('new', 'p-4')", "INSERT INTO visit (patient_id, text, uuid) SELECT patient_id, 'visit', 'v-4' FROM patient WHERE uuid = 'p-4'")
	m.Exec("INSERT INTO patient (name, uuid) VALUES ('of migori', 'p-m')")
	sites.Exchange(hub, k, m)
	hub.Exec("UPDATE patient SET note = 'of the hub'", "INSERT INTO patient (name, uuid) VALUES ('of the hub', 'p-h')")
	restore()
	k.SetClock(time.Hour)
	k.Exec("UPDATE patient SET name = 'after' WHERE uuid = 'p-1'")
	healed(t, hub, k, m)
	patientsAre(t, "p-1=after p-2=two p-4=new", k)
	if n := k.One("SELECT COUNT(*) FROM visit"); n != "1" {
		t.Errorf("kisumu has %s visits", n)
	}
	if n := k.One("SELECT note FROM patient WHERE uuid = 'p-1'"); n != "before" {
		t.Errorf("the hub's note is at kisumu: %s", n)
	}
	patientsAre(t, "p-1=after p-2=two p-4=new p-h=of the hub p-m=of migori", hub)
	patientsAre(t, "p-m=of migori", m)
	sites.Quiet(t, hub, k, m)
}

// A file that a clinic forges makes nothing its own, and changes no rule.
func TestForgedRules(t *testing.T) {
	t.Parallel()
	hub, k, m := routedSites(t)
	hub.Set(nil, goes("patient", access.Own), goes("visit", access.Up))
	sites.Exchange(hub, k, m)
	m.Exec("INSERT INTO patient (name, uuid) VALUES ('of migori', 'p-m')", "INSERT INTO visit (patient_id, text, uuid) SELECT patient_id, 'migori', 'v-m' FROM patient")
	hub.Exec("INSERT INTO patient (name, uuid) VALUES ('of the hub', 'p-h')")
	sites.Exchange(hub, k, m)
	patientsAre(t, "p-h=of the hub", k)
	patientsAre(t, "p-h=of the hub p-m=of migori", hub, m)

	// It sends them again as its own, later than anybody, under its own name and under others'.
	k.Exec("INSERT INTO patient (name, uuid) VALUES ('seen', 'p-m')", "INSERT INTO visit (patient_id, text, uuid) SELECT patient_id, 'kisumu', 'v-m' FROM patient WHERE uuid = 'p-m'",
		"UPDATE patient SET name = 'mine' WHERE uuid = 'p-h'", "DELETE FROM patient WHERE uuid = 'p-h'", "INSERT INTO patient (name, uuid) VALUES ('mine', 'p-h')")
	healed(t, hub, k, m)
	k.Exec("INSERT INTO visit (patient_id, text, uuid) SELECT patient_id, 'more', 'v-k' FROM patient WHERE uuid = 'p-m'")
	for _, f := range k.Export(hub) {
		forged := forge(t, f, func(w *batch.Writer) error {
			return w.Rules(&batch.RulesItem{Tables: []batch.TableRule{{Table: "patient", Direction: "both"}, {Table: "visit", Direction: "both"}}})
		})
		if r := hub.Import(forged, signed); !strings.Contains(fmt.Sprint(r.Notes), "only a parent says that") {
			t.Errorf("notes: %v", r.Notes)
		}
	}
	healed(t, hub, k, m)
	if got := names(hub); got != "p-h=of the hub p-m=of migori" {
		t.Errorf("the hub has %s", got)
	}
	if w := hub.J.Ways(hub.Peer(k)); w["patient"].Direction != access.Own || w["visit"].Direction != access.Up {
		t.Errorf("the rules became %v", w)
	}
	if n := m.One("SELECT text FROM visit"); n != "migori" {
		t.Errorf("migori's visit is %s", n)
	}
	// Nor is it sent what it claimed, when it says that it has lost everything.
	for _, f := range hub.Export(k, sites.Full) {
		if strings.Contains(string(f.Data), "of migori") {
			t.Error("kisumu is sent what is migori's")
		}
	}
}

// A middle node passes up what its own child sends, and its child gets nothing that its parent does not say.
func TestRulesOfAMiddleNode(t *testing.T) {
	t.Parallel()
	hub, k, m := routedSites(t)
	ward := sites.New(t, "ward", "none", routed...)
	ward.Features, ward.Waits = features.Present(), true
	ward.Init()
	k.Connect(ward)
	hub.Set(nil, goes("*", access.Up))
	all := []*sites.Site{hub, k, m, ward}
	sites.Exchange(all...)
	ward.Exec("INSERT INTO patient (name, uuid) VALUES ('of the ward', 'p-w')")
	k.Exec("INSERT INTO patient (name, uuid) VALUES ('of kisumu', 'p-k')")
	m.Exec("INSERT INTO patient (name, uuid) VALUES ('of migori', 'p-m')")
	sites.Exchange(all...)
	patientsAre(t, "p-k=of kisumu p-m=of migori p-w=of the ward", hub)
	patientsAre(t, "p-k=of kisumu p-w=of the ward", k, ward)
	k.Set(ward, goes("patient", access.Up))
	k.Exec("UPDATE patient SET name = 'of kisumu, later' WHERE uuid = 'p-k'")
	sites.Exchange(all...)
	patientsAre(t, "p-k=of kisumu p-w=of the ward", ward)
	sites.Quiet(t, all...)
}
