package apply_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

// Records of values that lost travel with what won, to every node, however many there are, and only once.
func TestManyConflictsReachEveryNode(t *testing.T) {
	hub, clinic, _ := wardPair(t)
	other := sites.New(t, "other", "none", wards...)
	other.SetOffset(500)
	other.Init()
	hub.Connect(other)
	const n = 250
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf("('w', 'many-%d')", i))
	}
	hub.Exec("INSERT INTO ward (name, uuid) VALUES " + strings.Join(rows, ","))
	all := []*sites.Site{hub, clinic, other}
	sites.Exchange(all...)
	clinic.Exec("UPDATE ward SET name = 'loser' WHERE uuid LIKE 'many-%'")
	other.Exec("UPDATE ward SET name = 'winner' WHERE uuid LIKE 'many-%'")
	sites.ExchangeTwice(all...)
	for _, s := range all {
		if got := s.One("SELECT COUNT(*) FROM omsync_conflict WHERE table_name = 'ward' AND column_name = 'name' AND value = 'loser' AND row_key LIKE 'many-%' AND winner_author = 'other'"); got != fmt.Sprint(n) {
			t.Errorf("%s has %s records, want %d", s.Name, got, n)
		}
		if got := s.One("SELECT COUNT(*) FROM ward WHERE name = 'winner'"); got != fmt.Sprint(n) {
			t.Errorf("%s has %s of the later values, want %d", s.Name, got, n)
		}
	}
	sites.Same(t, hub, clinic)
	sites.Same(t, hub, other)
	sites.Quiet(t, all...)
}

// What loses is written down as it comes, however much it is, and once: long values, and the rows that a deletion takes.
func TestManyLongConflicts(t *testing.T) {
	ddl := "CREATE TABLE doc (id INT AUTO_INCREMENT PRIMARY KEY, v MEDIUMTEXT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Exec("INSERT INTO doc (v, uuid) SELECT 'x', CONCAT('d-', seq) FROM (SELECT 1 seq UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8) d")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("UPDATE doc SET v = REPEAT(RIGHT(uuid, 1), 900000)")
	clinic.Seal()
	hub.SetClock(time.Hour)
	hub.Exec("UPDATE doc SET v = 'hub' WHERE id > 2", "DELETE FROM doc WHERE id <= 2")
	r := hub.Send(clinic)
	if len(r) != 1 || r[0].Conflicts != 8 || r[0].Deleted != 2 {
		t.Errorf("%+v, want 8 conflicts and 2 deletions", r)
	}
	if n := clinic.One("SELECT COUNT(DISTINCT value) FROM omsync_conflict WHERE column_name = 'v' AND value = REPEAT(RIGHT(row_key, 1), 900000)"); n != "8" {
		t.Errorf("%s values are recorded, want 8", n)
	}
	sites.ExchangeTwice(hub, clinic)
	sites.Same(t, hub, clinic)
}
