package exchange

import (
	"fmt"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/merge"
)

// stampAll gives all that the node made itself one time, as a broken clock or a thief would; its program then sends that, signed.
func (n *node) stampAll(at int64) {
	n.t.Helper()
	n.Seal()
	n.Exec(fmt.Sprintf("UPDATE omsync_version SET time = %d WHERE origin = 0 AND time > 0", at))
}

// A clinic whose stamps are not taken has its own files refused. The hub and the other clinic exchange in the same runs, and lack
// nothing of each other.
func TestStampsThatAreRefusedStopNobodyElse(t *testing.T) {
	for _, c := range []struct {
		name  string
		at    int64
		heals bool // once the hub lets it in
	}{
		{"the last that a batch can hold", batch.MaxTime, false},
		{"25 years from now", time.Now().Add(25 * merge.Year).UnixMicro(), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub, all := tree(t, "kisumu", "stolen")
			hub.x.Strict = true
			kisumu, stolen, folder := all["kisumu"], all["stolen"], t.TempDir()
			hub.write("w-1", "from the hub")
			rounds(folder, hub, kisumu, stolen)
			stolen.write("w-1", "frozen")
			stolen.write("w-2", "new")
			stolen.stampAll(c.at)
			refused := 0
			for i := range 4 {
				stolen.sync(folder)
				kisumu.write("w-3", fmt.Sprint("from kisumu ", i))
				hub.write("w-1", fmt.Sprint("from the hub ", i))
				kisumu.sync(folder)
				hub.sync(folder)
				if hub.heard("stolen sends it with the stamp") && hub.heard("ward, row w-") {
					refused++
				}
				if !hub.heard("applied kisumu") {
					t.Errorf("run %d: kisumu's file waits: %q", i, hub.told)
				}
				kisumu.sync(folder)
				sites.Same(t, hub.Site, kisumu.Site)
			}
			if refused == 0 {
				t.Errorf("the hub has not said what it refuses: %q", hub.told)
			}
			if note := hub.One("SELECT note FROM ward WHERE uuid = 'w-1'"); note != "from the hub 3" {
				t.Errorf("the hub has %q", note)
			}
			hub.x.Horizon = 30 * merge.Year
			rounds(folder, stolen, hub, kisumu, hub)
			sites.Same(t, hub.Site, kisumu.Site)
			if has := hub.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-2'") == "1"; has != c.heals {
				t.Errorf("the hub has what was stamped in the future: %v, want %v", has, c.heals)
			}
		})
	}
}
