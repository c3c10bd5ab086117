package apply_test

import (
	"fmt"
	"strings"
	"testing"

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
