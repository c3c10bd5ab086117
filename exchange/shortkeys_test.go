package exchange

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/features"
)

// A file that names a row short which is gone here is kept, the sender hears that, sends the row under its whole key, and nobody is left with a file. For an hour
// short keys are not read, then they are again.
func TestShortKeysAreMissed(t *testing.T) {
	const ward = "0ae56e2b-5fc1-4d1e-818a-b174aea7115b"
	hub, all := tree(t, "kisumu", "siaya")
	kisumu, siaya, folder := all["kisumu"], all["siaya"], t.TempDir()
	for _, n := range all {
		n.x.Features = features.Present()
	}
	shift := time.Duration(0)
	hub.J.Now = func() time.Time { return time.Now().Add(shift) }
	hub.write(ward, "one")
	rounds(folder, hub, kisumu, siaya)
	rounds(folder, hub, kisumu, siaya)

	step := func(note string, short, missed bool) {
		t.Helper()
		for _, n := range all {
			n.told = nil
		}
		if missed { // nobody knows that it was there
			hub.Exec("SET @omsync_quiet = 1", "DELETE FROM ward WHERE uuid = '"+ward+"'", "SET @omsync_quiet = NULL")
		}
		kisumu.write(ward, note)
		kisumu.post("hub")
		if got := slices.Contains(kisumu.needs("hub"), features.ShortKeys); got != short {
			t.Errorf("%s: it may have short keys: %v, want %v", note, got, short)
		}
		siaya.write("w-siaya", note) // others do not wait
		kisumu.sync(folder)
		siaya.sync(folder)
		hub.sync(folder)
		if got := hub.heard("gap"); got != missed {
			t.Errorf("%s: the hub told %q", note, hub.told)
		}
		if got := len(hub.inbox()); got != map[bool]int{true: 1}[missed] {
			t.Errorf("%s: %d files are kept", note, got)
		}
		if missed && hub.One("SELECT note FROM ward WHERE uuid = 'w-siaya'") != note {
			t.Errorf("%s: what siaya sent waits", note)
		}
		rounds(folder, kisumu, siaya, hub)
		same(t, all)
		if left := hub.inbox(); len(left) != 0 {
			t.Errorf("%s: %q is still kept", note, left)
		}
	}
	step("known", true, false)
	step("gone", true, true)
	if _, err := os.Stat(filepath.Join(hub.x.Home, shortKeysName)); err != nil {
		t.Error(err)
	}
	step("withdrawn", false, false)
	shift = time.Hour + time.Minute
	hub.write("w-hub", "says again what it reads")
	rounds(folder, hub, kisumu, siaya)
	step("again", true, false)
}

// What is remembered is passed over if it is damaged.
func TestReadMissed(t *testing.T) {
	home := t.TempDir()
	for what, text := range map[string]string{"damaged": "{", "later": `{"omsync_short_keys": 2, "peers": {"hub": {"times": 1, "at": 5}}}`, "nothing": `{"omsync_short_keys": 1}`} {
		if err := os.WriteFile(filepath.Join(home, shortKeysName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readMissed(home); err != nil || got == nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
}
