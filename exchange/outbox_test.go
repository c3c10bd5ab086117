package exchange

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/transport"
)

func TestOutboxGathersWhatIsSmall(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	hub.write("w1", "one")
	if made := hub.post("kisumu"); len(made) != 1 || made[0].Rows != 1 {
		t.Fatalf("first: %+v", made)
	}
	if made := hub.post("kisumu"); len(made) != 0 || len(hub.waiting("kisumu")) != 1 {
		t.Errorf("nothing new: %+v, %q", made, hub.waiting("kisumu"))
	}
	// A full load is not made twice; what comes later builds on it, in one file however often it is posted.
	for i := range 3 {
		hub.write("w2", fmt.Sprint(i))
		hub.post("kisumu")
	}
	if got := hub.waiting("kisumu"); len(got) != 2 {
		t.Errorf("waiting: %q, want the full load and one more", got)
	}
	kisumu.deliver(hub)
	hub.deliver(kisumu)
	hub.post("kisumu")
	if got := hub.waiting("kisumu"); len(got) > 1 {
		t.Errorf("after the acknowledgement: %q", got)
	}
	kisumu.deliver(hub)
	same(t, all)
}

func TestOutboxLeavesWhatIsLarge(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	kisumu.deliver(hub)
	hub.deliver(kisumu)
	hub.write("w1", bulk(2*gatherLimit))
	hub.post("kisumu")
	large := hub.waiting("kisumu")
	for i := range maxWaiting + 3 {
		hub.write("w2", fmt.Sprint(i))
		hub.post("kisumu")
		if i == 3 {
			if got := hub.waiting("kisumu"); len(got) < 4 || !slices.Contains(got, large[len(large)-1]) {
				t.Errorf("waiting %q: the large file should be left alone", got)
			}
		}
	}
	if got := hub.waiting("kisumu"); len(got) > 5 {
		t.Errorf("%d files wait: they should have been gathered", len(got))
	}
	kisumu.deliver(hub)
	same(t, all)
}

// A batch that went another way is not what the next one in the outbox builds on.
func TestOutboxDoesNotBuildOnWhatIsElsewhere(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	kisumu.deliver(hub)
	hub.deliver(kisumu)
	hub.write("w1", bulk(2*gatherLimit)) // too large to be gathered with what follows
	hub.post("kisumu")
	hub.write("w2", "two")
	stick, err := transport.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stick.Close()
	if made, err := hub.x.Export(t.Context(), hub.peer("kisumu"), stick, ExportOptions{SinceSent: true}); err != nil || len(made) != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	hub.write("w3", "three")
	hub.post("kisumu")
	kisumu.deliver(hub)
	for _, told := range kisumu.told {
		if strings.HasPrefix(told, "gap") {
			t.Errorf("told %q", kisumu.told)
		}
	}
	same(t, all)
}

// What is refused whole stays until the same and more is refused too, or applied: one file of a sender at a time waits.
func TestRefusedFilesDoNotPileUp(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	hub.x.Strict = true
	kisumu.deliver(hub)
	hub.deliver(kisumu)
	dbtest.Exec(t, hub.DB, "CREATE UNIQUE INDEX once ON ward (note(10))")
	hub.write("h1", "taken")
	for i := range 4 {
		kisumu.write("k1", "taken")
		kisumu.write("k2", fmt.Sprint(i))
		hub.deliver(kisumu)
		if told := strings.Join(hub.told, ";"); !strings.Contains(told, "error") {
			t.Fatalf("told %q", told)
		}
		if got := batches(t, filepath.Join(hub.x.Home, "inbox")); len(got) > 2 {
			t.Errorf("waiting at the hub: %q", got)
		}
	}
	hub.write("h1", "free again")
	kisumu.write("k2", "last")
	hub.deliver(kisumu)
	kisumu.deliver(hub)
	same(t, all)
	if got := batches(t, filepath.Join(hub.x.Home, "inbox")); len(got) != 0 {
		t.Errorf("waiting at the hub in the end: %q", got)
	}
}

func TestDiscardMail(t *testing.T) {
	hub, all := tree(t, "kisumu", "migori")
	hub.write("w1", "one")
	inbox, err := Inbox(hub.x.Home)
	if err != nil {
		t.Fatal(err)
	}
	inbox.Close()
	for _, name := range []string{"kisumu", "migori"} {
		hub.post(name)
		all[name].post("hub")
		for _, file := range all[name].waiting("hub") {
			copyFile(t, filepath.Join(all[name].x.Home, "outbox", "hub", file), filepath.Join(hub.x.Home, "inbox", file))
		}
	}
	if err := DiscardMail(t.Context(), hub.x.Home, "kisumu"); err != nil {
		t.Fatal(err)
	}
	if len(hub.waiting("kisumu")) != 0 || len(hub.waiting("migori")) != 1 {
		t.Errorf("outbox: %q, %q", hub.waiting("kisumu"), hub.waiting("migori"))
	}
	if got := batches(t, filepath.Join(hub.x.Home, "inbox")); len(got) != 1 || !MadeBy(got[0], "migori", "hub") {
		t.Errorf("inbox: %q", got)
	}
}
