package exchange

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

// A name that somebody wrote into the database makes no folder outside the home folder, and stops no other peer.
func TestNamesInTheDatabaseMakeNoFolders(t *testing.T) {
	hub, all := tree(t, "kisumu", "migori")
	share := t.TempDir()
	parent := filepath.Dir(hub.x.Home)
	before, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../../escaped", "..", "../inbox", "a/b", "con", ""} {
		dbtest.Exec(t, hub.DB, "UPDATE omsync_peer SET name = '"+name+"' WHERE name NOT IN ('kisumu')")
		if f, err := Outbox(hub.x.Home, name); err == nil || !strings.Contains(err.Error(), "omsync_peer") {
			f.Close()
			t.Errorf("%q has an outbox (%v)", name, err)
		}
		hub.write("w1", "for "+name)
		hub.told = nil
		hub.sync(share)
		if told := strings.Join(hub.told, ";"); !strings.Contains(told, "cannot be a node's") {
			t.Errorf("%q: told %q", name, told)
		}
		if err := DiscardMail(t.Context(), hub.x.Home, name); err != nil {
			t.Errorf("discard the mail of %q: %v", name, err)
		}
	}
	after, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Errorf("beside the home folder there is %v, and was %v", after, before)
	}
	boxes, err := os.ReadDir(filepath.Join(hub.x.Home, "outbox"))
	if err != nil || len(boxes) != 1 || boxes[0].Name() != "kisumu" {
		t.Errorf("outboxes: %v, %v", boxes, err)
	}
	all["kisumu"].sync(share)
	delete(all, "migori")
	hub.sync(share)
	same(t, all)
}
