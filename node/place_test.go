package node_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/journal"
)

// Who adopts a database that was put back from a backup, and moved with the home folder, keeps what the home folder remembers of its histories; of one
// that never was the home folder's, nothing.
func TestAdoptRemembers(t *testing.T) {
	n := nodetest.New(t, t.TempDir(), "hub")
	self, err := journal.LoadNode(t.Context(), n.DB)
	nodetest.Check(t, err)
	path := filepath.Join(n.Home, "place.json")
	for _, c := range []struct{ before, want []uint64 }{{[]uint64{self.History, 77}, []uint64{self.History, 77}}, {[]uint64{77}, []uint64{self.History}}} {
		text, err := json.Marshal(map[string]any{"version": 1, "histories": c.before, "home": "/elsewhere", "database": "another"})
		nodetest.Check(t, err)
		nodetest.Check(t, os.WriteFile(path, text, 0o600))
		if n.CheckPlace(t.Context()) == nil {
			t.Fatal("it need not be adopted: this shows nothing")
		}
		nodetest.Check(t, n.Adopt(t.Context()))
		nodetest.Check(t, n.CheckPlace(t.Context()))
		text, err = os.ReadFile(path)
		nodetest.Check(t, err)
		var p struct{ Histories []uint64 }
		nodetest.Check(t, json.Unmarshal(text, &p))
		if !slices.Equal(p.Histories, c.want) {
			t.Errorf("of %d it remembers %d, want %d", c.before, p.Histories, c.want)
		}
	}
}
