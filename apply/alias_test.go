package apply_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sites"
)

// kinds is a small data model in which two sites make things of their own: kinds by a name, places by a kind and a name, visits to places, and
// what is kept of a visit by a kind.
var kinds = []string{
	"CREATE TABLE kind (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, about VARCHAR(50), uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB",
	"CREATE TABLE place (id INT AUTO_INCREMENT PRIMARY KEY, kind_id INT, name VARCHAR(50), parent INT, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (kind_id) REFERENCES kind (id), FOREIGN KEY (parent) REFERENCES place (id)) ENGINE=InnoDB",
	"CREATE TABLE tag (place_id INT, kind_id INT, PRIMARY KEY (place_id, kind_id), FOREIGN KEY (place_id) REFERENCES place (id), FOREIGN KEY (kind_id) REFERENCES kind (id)) ENGINE=InnoDB",
	"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, kind_id INT NOT NULL, place_id INT, note VARCHAR(50), uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (kind_id) REFERENCES kind (id), FOREIGN KEY (place_id) REFERENCES place (id)) ENGINE=InnoDB",
}

const kindsProfile = `
[natural.kind]
name = { columns = ["name"], certain = true }
[natural.place]
"kind and name" = { columns = ["kind_id", "name"], certain = true }
`

// Queries that say of each row all that counts.
const (
	allKinds  = "SELECT uuid, name, about FROM kind"
	allPlaces = "SELECT p.uuid, k.uuid, p.name, q.uuid FROM place p LEFT JOIN kind k ON k.id = p.kind_id LEFT JOIN place q ON q.id = p.parent"
	allTags   = "SELECT p.uuid, k.uuid FROM tag t JOIN place p ON p.id = t.place_id JOIN kind k ON k.id = t.kind_id"
	allVisits = "SELECT v.uuid, k.uuid, p.uuid, v.note FROM visit v JOIN kind k ON k.id = v.kind_id LEFT JOIN place p ON p.id = v.place_id"
)

func sameKinds(t *testing.T, a, b *sites.Site) {
	t.Helper()
	for _, q := range []string{allKinds, allPlaces, allTags, allVisits} {
		sites.SameUnder(t, a, b, q)
	}
}

// apart makes two sites that lived apart and are peers now.
func apart(t *testing.T) (hub, clinic *sites.Site) {
	t.Helper()
	hub, clinic = sites.New(t, "hub", kindsProfile, kinds...), sites.New(t, "clinic", kindsProfile, kinds...)
	for _, s := range []*sites.Site{hub, clinic} {
		s.Waits, s.Listens = true, true
	}
	clinic.SetOffset(100)
	hub.Exec("INSERT INTO kind (name, about, uuid) VALUES ('Scheduled', 'of the hub', 'h-k1'), ('Emergency', NULL, 'h-k2'), ('Only there', NULL, 'h-k3')",
		"INSERT INTO place (kind_id, name, uuid) VALUES (1, 'Ward', 'h-p1'), (2, 'Ward', 'h-p2')",
		"INSERT INTO tag VALUES (1, 2), (2, 2)",
		"INSERT INTO visit (kind_id, place_id, note, uuid) VALUES (1, 1, 'a', 'h-v1')")
	clinic.Exec("INSERT INTO kind (name, about, uuid) VALUES ('emergency ', NULL, 'c-k2'), ('SCHEDULED', 'of the clinic', 'c-k1'), ('Only here', NULL, 'c-k3')",
		"INSERT INTO place (kind_id, name, uuid) VALUES (101, 'Ward', 'c-p1'), (102, 'Tent', 'c-p2')",
		"UPDATE place SET parent = 100 WHERE id = 101",
		"INSERT INTO tag VALUES (100, 100), (100, 101)",
		"INSERT INTO visit (kind_id, place_id, note, uuid) VALUES (100, 101, 'b', 'c-v1'), (101, 100, 'c', 'c-v2')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	return hub, clinic
}

func TestSitesThatLivedApart(t *testing.T) {
	hub, clinic := apart(t)
	if f := clinic.Export(hub); len(f) != 1 || f[0].Made.Rows != 0 || f[0].Made.Upto != 0 {
		t.Fatalf("the clinic speaks first: %+v", f[0].Made)
	} else if r := hub.Import(f[0]); r.Outcome != apply.Covered {
		t.Fatalf("%+v", r)
	}
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	if got, want := clinic.Aliases(hub), []string{"kind h-k1=c-k1", "kind h-k2=c-k2", "place h-p1=c-p1"}; !slices.Equal(got, want) {
		t.Errorf("aliases %q, want %q", got, want)
	}
	sameKinds(t, clinic, hub)
	if got := hub.One("SELECT GROUP_CONCAT(name ORDER BY id) FROM kind"); got != "Scheduled,Emergency,Only there,Only here" {
		t.Errorf("the hub has the kinds %s", got)
	}
	if got := clinic.One("SELECT CONCAT(id, about, (SELECT COUNT(*) FROM omsync_conflict WHERE value = 'of the clinic')) FROM kind WHERE uuid = 'c-k1'"); got != "101of the hub1" {
		t.Errorf("the clinic's kind is %s: its integer stays, the parent's value wins, and its own is recorded", got)
	}

	hub.Exec("UPDATE kind SET name = 'Planned' WHERE uuid = 'h-k1'", "INSERT INTO kind (name, uuid) VALUES ('Scheduled', 'h-k9')", "DELETE FROM tag WHERE kind_id = 2 AND place_id = 1")
	clinic.Exec("UPDATE place SET name = 'Ward B' WHERE uuid = 'c-p1'", "INSERT INTO visit (kind_id, place_id, note, uuid) VALUES (101, 100, 'd', 'c-v3')")
	sites.ExchangeTwice(hub, clinic)
	sameKinds(t, clinic, hub)
	if got := clinic.One("SELECT GROUP_CONCAT(name ORDER BY name) FROM kind WHERE uuid IN ('c-k1', 'h-k9')"); got != "Planned,Scheduled" {
		t.Errorf("a renamed kind and the one that got its name: %s", got)
	}

	hub.Exec("DELETE FROM tag", "DELETE FROM visit WHERE uuid = 'c-v1'", "UPDATE place SET kind_id = NULL WHERE kind_id = 2", "DELETE FROM kind WHERE uuid = 'h-k2'")
	sites.ExchangeTwice(hub, clinic)
	sameKinds(t, clinic, hub)
	clinic.Exec("INSERT INTO kind (name, uuid) VALUES ('Emergency', 'c-k2')", "INSERT INTO kind (name, uuid) VALUES ('Late', 'c-k7')")
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	sameKinds(t, clinic, hub)
	if got := hub.One("SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM kind WHERE name IN ('Emergency', 'Late')"); got != "c-k7,h-k2" {
		t.Errorf("a kind that came back at the clinic is at the hub %s", got)
	}
}

// What a person decides after rows have come that wait: they are applied under the own key.
func TestDecidedAliases(t *testing.T) {
	ddl := slices.Clone(kinds)
	ddl[0] = strings.Replace(ddl[0], "name VARCHAR(50) NOT NULL", "name VARCHAR(50) NOT NULL UNIQUE", 1)
	hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "clinic", "none", ddl...) // no natural keys
	hub.Waits, clinic.Waits, clinic.Listens = true, true, true
	hub.Exec("INSERT INTO kind (name, uuid) VALUES ('Scheduled', 'H-K1'), ('Clinical', 'h-k2')", "INSERT INTO visit (kind_id, note, uuid) VALUES (1, 'a', 'h-v1')")
	clinic.Exec("INSERT INTO kind (name, uuid) VALUES ('Scheduled', 'c-k1'), ('Clinic', 'C-K2')", "INSERT INTO visit (kind_id, note, uuid) VALUES (2, 'b', 'c-v1'), (1, 'c', 'c-v2')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	clinic.Alias(hub, "kind", "h-k2", "c-k2")
	hub.Send(clinic)
	if got := clinic.One("SELECT COUNT(*) FROM omsync_waiting"); got != "2" {
		t.Fatalf("%s rows wait, not the kind whose name is taken and the visit of that kind", got)
	}
	if got := clinic.One("SELECT CONCAT(uuid, name) FROM kind WHERE id = 2"); got != "C-K2Clinical" {
		t.Errorf("the kind that a person matched is %s", got)
	}
	clinic.Alias(hub, "kind", "h-k1", "c-k1")
	if err := clinic.Retry(); err != nil {
		t.Fatal(err)
	}
	if got := clinic.One("SELECT GROUP_CONCAT(CONCAT(v.note, k.uuid) ORDER BY v.note) FROM visit v JOIN kind k ON k.id = v.kind_id"); got != "ac-k1,bC-K2,cc-k1" {
		t.Errorf("visits %s", got)
	}
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	if got := hub.One("SELECT GROUP_CONCAT(CONCAT(v.note, k.uuid) ORDER BY v.note) FROM visit v JOIN kind k ON k.id = v.kind_id"); got != "aH-K1,bh-k2,cH-K1" {
		t.Errorf("visits %s", got)
	}
	if got := hub.One("SELECT COUNT(*) FROM kind"); got != "2" {
		t.Errorf("the hub has %s kinds", got)
	}
}

// A conflict record goes under the receiver's keys, and so does what it says that was referred to.
func TestAliasesInConflictRecords(t *testing.T) {
	hub, clinic := apart(t)
	sites.Exchange(hub, clinic)
	hub.Exec("UPDATE visit SET kind_id = 2 WHERE uuid = 'c-v2'")
	clinic.Exec("UPDATE visit SET kind_id = 102 WHERE uuid = 'c-v2'", "UPDATE place SET kind_id = 100 WHERE uuid = 'c-p1'")
	hub.Exec("UPDATE place SET kind_id = 3 WHERE uuid = 'h-p1'")
	sites.ExchangeTwice(hub, clinic)
	sameKinds(t, clinic, hub)
	read := func(s *sites.Site) [][]string {
		return s.Query("SELECT CONVERT(table_name USING utf8mb4), CONVERT(row_key USING utf8mb4), CONVERT(column_name USING utf8mb4), CONVERT(value USING utf8mb4) FROM omsync_conflict WHERE column_name = 'kind_id' ORDER BY 1, 2")
	}
	atHub, atClinic := read(hub), read(clinic)
	for i, r := range atClinic {
		for k, from := range map[string]string{"c-p1": "h-p1", "c-k1": "h-k1", "c-k2": "h-k2"} {
			for c := range r {
				if r[c] == k {
					atClinic[i][c] = from
				}
			}
		}
	}
	if len(atHub) != 2 || fmt.Sprint(atHub) != fmt.Sprint(atClinic) {
		t.Errorf("the hub has the records %v, the clinic %v", atHub, atClinic)
	}
}

// Records that come in the same file as the row that is recognised have its own key here, and what is decided about them is found by the
// digests of either side.
func TestDecisionsAboutConflictsOfAliases(t *testing.T) {
	hub, clinic := apart(t)
	other := sites.New(t, "other", kindsProfile, kinds...)
	other.Waits, other.Listens = true, true
	other.Init()
	hub.Connect(other)
	for _, s := range []*sites.Site{hub, clinic, other} {
		s.Features = features.Present()
	}
	sites.Exchange(hub, other)
	hub.Exec("UPDATE kind SET about = 'hub' WHERE uuid = 'h-k1'", "UPDATE visit SET kind_id = 2 WHERE uuid = 'h-v1'")
	other.Exec("UPDATE kind SET about = 'other' WHERE uuid = 'h-k1'", "UPDATE visit SET kind_id = 3 WHERE uuid = 'h-v1'")
	sites.Exchange(hub, other)
	sites.Exchange(hub, clinic)
	count := func(s *sites.Site, where string) string {
		return s.One("SELECT COUNT(*) FROM omsync_conflict WHERE " + where)
	}
	if count(clinic, "row_key = 'h-k1'") != "0" || count(clinic, "row_key = 'c-k1' AND origin = 1") == "0" {
		t.Errorf("%v", clinic.Query("SELECT CONVERT(row_key USING utf8mb4), CONVERT(value USING utf8mb4), origin FROM omsync_conflict"))
	}
	resolve := func(s *sites.Site, where string) {
		s.Seal()
		s.Exec("INSERT INTO omsync_epoch (token, created_at) VALUES (77, 0)",
			"REPLACE INTO omsync_resolution (digest, resolution, time, author, epoch, origin) SELECT digest, 'dismissed', 1800000000000000, '"+s.Name+"', (SELECT MAX(id) FROM omsync_epoch), 0 FROM omsync_conflict WHERE "+where)
	}
	resolved := func(s *sites.Site) string {
		return s.One("SELECT GROUP_CONCAT(CONCAT(table_name, ' ', row_key) ORDER BY row_key) FROM omsync_conflict c JOIN omsync_resolution r USING (digest)")
	}
	resolve(hub, "table_name = 'kind' AND row_key = 'h-k1'")
	sites.Exchange(hub, clinic)
	if got := resolved(clinic); !strings.Contains(got, "kind c-k1") {
		t.Errorf("decided at the clinic: %s", got)
	}
	resolve(clinic, "table_name = 'visit' AND row_key = 'h-v1'")
	sites.Exchange(hub, clinic)
	if got := resolved(hub); !strings.Contains(got, "visit h-v1") {
		t.Errorf("decided at the hub: %s", got)
	}
}

// Three sites that lived apart meet and go on at random: rows made, renamed, deleted and made again at each, files late and lost. In the end each
// link's two sides hold the same, under their own keys.
func TestAliasesAtRandom(t *testing.T) {
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(uint64(seed), 5))
		hub, clinic := apart(t)
		post := sites.New(t, "post", kindsProfile, kinds...)
		post.Waits, post.Listens = true, true
		post.SetOffset(1000)
		post.Exec("INSERT INTO kind (name, uuid) VALUES ('Emergency', 'p-k2'), ('Only there', 'p-k3')", "INSERT INTO visit (kind_id, note, uuid) VALUES (1000, 'p', 'p-v1')")
		post.Init()
		clinic.Connect(post)
		all := []*sites.Site{hub, clinic, post}
		sites.Exchange(all...)
		made := 0
		work := func(s *sites.Site) {
			made++
			key := fmt.Sprintf("%.1s-%d", s.Name, made)
			kind := "(SELECT id FROM (SELECT id FROM kind ORDER BY RAND(" + fmt.Sprint(r.IntN(1000)) + ") LIMIT 1) k)"
			name := []string{"Scheduled", "Emergency", "Late", "Ward"}[r.IntN(4)]
			s.Exec([]string{
				"INSERT INTO kind (name, uuid) VALUES ('" + name + "', '" + key + "')",
				"INSERT INTO place (kind_id, name, uuid) VALUES (" + kind + ", '" + name + "', '" + key + "')",
				"INSERT INTO visit (kind_id, note, uuid) VALUES (" + kind + ", '" + key + "', '" + key + "')",
				"UPDATE kind SET name = '" + name + "' WHERE id = " + kind,
				"UPDATE kind SET about = '" + key + "' WHERE id = " + kind,
				"UPDATE place SET name = '" + key + "' ORDER BY RAND() LIMIT 1",
				"UPDATE visit SET kind_id = " + kind + " ORDER BY uuid LIMIT 1",
				"DELETE FROM visit ORDER BY uuid DESC LIMIT 1",
				"DELETE FROM kind WHERE id NOT IN (SELECT kind_id FROM place WHERE kind_id IS NOT NULL) AND id NOT IN (SELECT kind_id FROM visit) AND id NOT IN (SELECT kind_id FROM tag) LIMIT 1",
				"DELETE FROM place WHERE id NOT IN (SELECT place_id FROM visit WHERE place_id IS NOT NULL) AND id NOT IN (SELECT place_id FROM tag) AND id NOT IN (SELECT p FROM (SELECT parent p FROM place WHERE parent IS NOT NULL) x) LIMIT 1",
				"REPLACE INTO tag (place_id, kind_id) SELECT MAX(place.id), " + kind + " FROM place HAVING MAX(place.id) IS NOT NULL",
			}[r.IntN(11)])
		}
		for range 40 {
			for range 1 + r.IntN(3) {
				work(all[r.IntN(3)])
			}
			from := r.IntN(3)
			to := all[[]int{1, 2 * r.IntN(2), 1}[from]]
			for _, f := range all[from].Export(to) {
				if r.IntN(4) > 0 {
					to.Import(f)
				}
			}
		}
		sites.Exchange(all...)
		sites.Exchange(all...)
		sameKinds(t, clinic, hub)
		sameKinds(t, post, clinic)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// A clinic whose database is put back from before a row was recognised: the copy of its aliases has what the other side called it, also if
// it was renamed there since.
func TestAliasesOfARestoredClinic(t *testing.T) {
	hub, clinic := apart(t)
	sites.ExchangeTwice(hub, clinic)
	hub.Exec("UPDATE kind SET name = 'Kept', about = 'before' WHERE uuid = 'h-k2'")
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO kind (name, uuid) VALUES ('Late', 'c-k7')", "INSERT INTO visit (kind_id, note, uuid) VALUES (102, 'late', 'c-v7')")
	clinic.Seal()
	restore := backup(t, clinic)
	hub.Exec("INSERT INTO kind (name, uuid) VALUES ('Late', 'h-k7')")
	sites.Exchange(hub, clinic)
	if got := clinic.Aliases(hub); !slices.Contains(got, "kind h-k7=c-k7") {
		t.Fatalf("not recognised: %q", got)
	}
	kept, err := clinic.J.KeepAliases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hub.Exec("UPDATE kind SET name = 'Later' WHERE uuid = 'h-k7'", "UPDATE visit SET note = 'changed' WHERE uuid = 'c-v7'")
	hub.Seal()
	restore()
	if n, err := clinic.J.PutBackAliases(t.Context(), kept); n != 1 || err != nil {
		t.Fatalf("%d aliases put back, %v", n, err)
	}
	healed(t, hub, clinic)
	sites.Quiet(t, hub, clinic)
	sameKinds(t, clinic, hub)
	if got := clinic.One("SELECT name FROM kind WHERE uuid = 'c-k7'"); got != "Later" {
		t.Errorf("the kind is %s at the clinic", got)
	}
	if got := hub.One("SELECT COUNT(*) FROM kind"); got != "5" {
		t.Errorf("the hub has %s kinds", got)
	}
}

// In a table that only flows down a clinic's rows go nowhere: what its hub makes later by the same name is that row.
func TestRecognisedInATableThatFlowsDown(t *testing.T) {
	profile := kindsProfile + "\n[direction]\ndown = [\"kind\"]\n"
	hub, clinic := sites.New(t, "hub", profile, kinds...), sites.New(t, "clinic", profile, kinds...)
	hub.Exec("INSERT INTO kind (name, uuid) VALUES ('First', 'k-1')")
	clinic.Exec("INSERT INTO kind (name, uuid) VALUES ('First', 'k-1')") // one is a copy of the other
	for _, s := range []*sites.Site{hub, clinic} {
		s.Waits, s.Listens = true, true
		s.Init()
	}
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO kind (name, uuid) VALUES ('New', 'c-1')", "UPDATE kind SET name = 'Second' WHERE uuid = 'k-1'", "INSERT INTO visit (kind_id, note, uuid) SELECT id, 'v', 'v-1' FROM kind WHERE uuid = 'c-1'")
	sites.Exchange(hub, clinic)
	if got := hub.One("SELECT COUNT(*) FROM omsync_waiting"); got != "1" {
		t.Errorf("%s visits wait for a kind that the hub does not have", got)
	}
	hub.Exec("INSERT INTO kind (name, uuid) VALUES ('New', 'h-1'), ('Second', 'h-2')")
	sites.Exchange(hub, clinic)
	if got := clinic.Aliases(hub); !slices.Equal(got, []string{"kind h-1=c-1"}) {
		t.Errorf("aliases %q", got)
	}
	if got := clinic.One("SELECT COUNT(*) FROM kind"); got != "3" {
		t.Errorf("the clinic has %s kinds", got)
	}
	if got := hub.One("SELECT CONCAT(k.uuid, (SELECT COUNT(*) FROM omsync_waiting)) FROM visit v JOIN kind k ON k.id = v.kind_id"); got != "h-10" {
		t.Errorf("the visit that waited is of the kind %s", got)
	}
	sites.Quiet(t, hub, clinic)
}
