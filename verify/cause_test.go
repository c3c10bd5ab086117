package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/verify"
)

// Each kind of what is done behind omsync's back is told as far as a node can tell it.
func TestCauses(t *testing.T) {
	hub, clinic := smallSite(t, "hub", 1), smallSite(t, "clinic", 100_000)
	hub.Connect(clinic)
	hub.SetClock(-time.Hour) // what is changed now was known before tables were made anew
	hub.Exec("INSERT INTO kind (uuid, name) VALUES ('k1', 'a'), ('k2', 'b')", "INSERT INTO staff (uuid, name) VALUES ('f1', 'a')",
		"INSERT INTO person (uuid, name) VALUES ('p1', 'a'), ('p2', 'b'), ('p3', 'c')", "INSERT INTO patient VALUES (1, 'a'), (2, 'b')",
		"INSERT INTO visit (uuid, person_id, kind_id, note) VALUES ('v1', 1, 1, 'a'), ('v2', 2, 2, 'b'), ('v3', 3, 2, 'c'), ('v4', 3, 2, 'd')", "INSERT INTO tag VALUES (1, 'x', 'a'), (2, 'y', 'b')")
	hub.Seal()
	hub.SetClock(0)
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("DELETE FROM visit WHERE uuid = 'v4'")
	sites.ExchangeTwice(hub, clinic)
	now := time.Now()
	off := []verify.Off{{Tables: []string{"person"}, From: now.Add(-48 * time.Hour), To: now.Add(-24 * time.Hour)}, {Tables: []string{"other"}, From: now, To: now}}
	// told returns the causes that a site gives, by row.
	told := func(at, from *sites.Site) map[string]string {
		t.Helper()
		c := at.Compare(from.Digest(at, export.DigestOptions{Finds: 100}))
		causes, err := verify.NewCauses(t.Context(), at.J, at.DB, at.Peer(from), c, off)
		if err != nil || !c.Exact {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, d := range c.Differences {
			row := d.Table.Name
			if d.Key != "" {
				row += " " + journal.PrintableKey(d.Table, d.Key)
			}
			out[row] = causes.Of(d)
		}
		return out
	}
	behind(clinic, "TRUNCATE TABLE tag", "UPDATE person SET name = 'other' WHERE uuid = 'p2'", "DELETE FROM kind WHERE uuid = 'k1'", "INSERT INTO staff (uuid, name) VALUES ('f2', 'added')", "UPDATE patient SET note = 'other' WHERE note = 'b'")
	clinic.Exec("UPDATE kind SET name = 'ours' WHERE uuid = 'k2'") // seen, and the hub's to change
	behind(hub, "ALTER TABLE visit ENGINE=InnoDB", "UPDATE visit SET note = 'old' WHERE uuid = 'v3'", "INSERT INTO staff (uuid, name) VALUES ('f3', 'added')",
		"INSERT INTO visit (uuid, person_id, kind_id) SELECT 'v4', p.id, k.id FROM person p, kind k WHERE p.uuid = 'p2' AND k.uuid = 'k2'")
	hub.Exec("INSERT INTO visit (uuid, person_id, kind_id) VALUES ('v5', 1, 1)") // its kind is gone at the clinic, where it waits
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("UPDATE person SET name = 'new' WHERE uuid = 'p3'")
	check := func(at *sites.Site, got, want map[string]string) {
		t.Helper()
		for row, cause := range got {
			if w, ok := want[row]; !ok || !strings.HasPrefix(cause, w) {
				t.Errorf("at %s: %s: %s", at.Name, row, cause)
			}
			delete(want, row)
		}
		for row := range want {
			t.Errorf("at %s: nothing is said of %s", at.Name, row)
		}
	}
	changed := "it was changed here or there without omsync having seen that: with its triggers off, or by loading a backup of the table"
	check(clinic, told(clinic, hub), map[string]string{
		"tag":        "no row of the table is left here: it was emptied by TRUNCATE",
		"person p2":  changed + "; here its triggers were off some time between " + now.Add(-48*time.Hour).Format("2006-01-02 15:04") + " and " + now.Add(-24*time.Hour).Format("2006-01-02 15:04"),
		"kind":       "it was deleted here, or added there, without omsync having seen that",
		"kind k2":    "it was changed here, and only the parent's changes count",
		"staff f2":   "it was deleted there, or added here, without omsync having seen that",
		"patient p2": changed,
		"visit v3":   changed,
		"staff":      "it was deleted here, or added there, without omsync having seen that",
		"visit v4":   "it was deleted here, and is there again without omsync having seen that",
		"visit v5":   "it came, and cannot be applied yet: see omsync quarantine list",
		"person p3":  "a change of it is under way",
		"visit v1":   "its kind_id refers to no row of kind here: it was written, or that row was deleted, with foreign keys off",
	})
	got := told(hub, clinic)
	if !strings.Contains(got["visit v3"], "; here the table was made anew on ") {
		t.Errorf("at hub: %s", got["visit v3"])
	}
	check(hub, got, map[string]string{
		"tag v1/*": "no row of the table is left there: it was emptied by TRUNCATE", "tag v2/*": "no row of the table is left there: it was emptied by TRUNCATE",
		"person p2": changed, "kind k1": "it was deleted there, or added here, without omsync having seen that", "kind k2": changed, "staff": "it was deleted here, or added there",
		"patient p2": changed, "visit v3": changed, "visit v1": changed,
		"visit v4": "it was added here without omsync having seen that", "staff f3": "it was added here without omsync having seen that", "visit v5": "it came, and cannot be applied yet",
	})
}
