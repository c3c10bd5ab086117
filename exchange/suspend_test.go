package exchange

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/dbtest"
)

// setState changes a peer's state.
func (n *node) setState(peer string, state access.State) {
	n.t.Helper()
	dbtest.Exec(n.t, n.DB, "UPDATE omsync_peer SET state = '"+string(state)+"' WHERE name = '"+peer+"'")
}

// suspended imports the inbox and sees that files of the peer are refused, without an attempt that counts, and stay.
func (n *node) suspended(peer string, files ...string) {
	n.t.Helper()
	if _, err := n.importAll(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	if !slices.ContainsFunc(n.told, func(s string) bool { return strings.Contains(s, "it is from "+peer+", which is suspended") }) {
		n.t.Errorf("told %q", n.told)
	}
	held, err := ListHeld(n.t.Context(), n.x.Home, time.Now())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, file := range files {
		if i := slices.IndexFunc(held, func(h Held) bool { return h.Name == file }); i < 0 || held[i].Failed > 0 {
			n.t.Errorf("%s: %+v", file, held)
		}
	}
}

// Suspending a peer stops its files that wait in the inbox, that are aside and that are in the outbox for it, also in the middle of a
// run; resuming it goes on with nothing lost.
func TestSuspendedPeer(t *testing.T) {
	hub, all := tree(t, "kisumu", "migori")
	kisumu, migori := all["kisumu"], all["migori"]
	meet(hub, kisumu, migori)

	// In the inbox.
	kisumu.write("k1", "waits")
	migori.write("m1", "honest")
	file := hub.receive(kisumu)[0]
	hub.receive(migori)
	hub.setState("kisumu", access.Suspended)
	hub.suspended("kisumu", file)
	hub.count(1, "while its file waits in the inbox")

	// In the outbox, and on a link.
	stick := t.TempDir()
	hub.write("h1", "for all")
	hub.sync(stick)
	if got := batches(t, stick); slices.ContainsFunc(got, func(name string) bool { return strings.Contains(name, "-to-kisumu-") }) || len(got) != 1 {
		t.Errorf("on the stick: %q", got)
	}
	kisumu.sync(stick)
	hub.sync(stick)
	hub.count(2, "while its files come by stick")

	// Aside.
	if err := setAside(hub.x.Home, file); err != nil {
		t.Fatal(err)
	}
	migori.write("m2", "honest")
	hub.deliver(migori)
	if got := batches(t, filepath.Join(hub.x.Home, "aside")); !slices.Contains(got, file) {
		t.Errorf("aside: %q", got)
	}
	if _, err := Retry(t.Context(), hub.x.Home, []string{file}); err != nil {
		t.Fatal(err)
	}
	hub.suspended("kisumu", file)
	hub.count(3, "while its file is aside")

	// Resumed, it goes on.
	hub.setState("kisumu", access.Active)
	for range 3 {
		hub.sync(stick)
		kisumu.sync(stick)
		migori.sync(stick)
	}
	hub.count(4, "resumed")
	same(t, all)
}

// It is suspended when an import has looked at its files already.
func TestSuspendedInTheMiddle(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	kisumu.write("k1", "waits")
	file := hub.receive(kisumu)[0]
	var got error
	_, err := hub.x.ImportInbox(t.Context(), nil, func() error { hub.setState("kisumu", access.Suspended); return nil },
		func(r *Result) error { got = r.Err; return nil })
	var sender *SenderError
	if err != nil || !errors.As(got, &sender) || sender.State != access.Suspended {
		t.Fatalf("%v, %v", err, got)
	}
	hub.suspended("kisumu", file)
	hub.count(0, "suspended in the middle")
	hub.setState("kisumu", access.Active)
	hub.deliver(kisumu)
	hub.count(1, "resumed")
}
