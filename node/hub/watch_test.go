package hub

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
)

// TestWatch has a clinic wait: what is changed at the hub is exported to it, once, and nothing is while nothing changes.
func TestWatch(t *testing.T) {
	v := newWorking(t)
	hub, err := v.w.open(t.Context())
	nodetest.Check(t, err)
	t.Cleanup(hub.Close)
	var mu sync.Mutex
	var waiting, exported []string
	asked := 0
	v.w.exported = func(name string) {
		mu.Lock()
		defer mu.Unlock()
		exported = append(exported, name)
	}
	w := &watcher{v.w, hub, func() []string {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return slices.Clone(waiting)
	}, time.Millisecond}
	v.start()
	watched := make(chan struct{})
	go func() { defer close(watched); w.watch(t.Context()) }()
	t.Cleanup(func() { <-watched })
	set := func(names ...string) (before int) {
		mu.Lock()
		defer mu.Unlock()
		waiting = names
		return len(exported)
	}
	exports := func() (n, looks int) {
		mu.Lock()
		defer mu.Unlock()
		return len(exported), asked
	}
	files := func() int {
		out, err := exchange.Outbox(v.home, "kisumu")
		nodetest.Check(t, err)
		defer out.Close()
		list, err := out.List(t.Context())
		nodetest.Check(t, err)
		return len(list)
	}
	quiet := func(what string) {
		t.Helper()
		n, looks := exports()
		v.within(10*time.Second, "it looks", func() bool { _, now := exports(); return now > looks+5 })
		if now, _ := exports(); now != n {
			t.Errorf("%s: %d exports", what, now-n)
		}
	}
	dbtest.Exec(t, hub.DB, "INSERT INTO site (uuid, name) VALUES ('h1', 'theatre')")
	quiet("nobody waits")
	n := set("kisumu")
	v.within(20*time.Second, "mail for who waits", func() bool { now, _ := exports(); return now > n && files() > 0 })
	quiet("it was exported")
	n, _ = exports()
	dbtest.Exec(t, hub.DB, "UPDATE site SET name = 'ward 2' WHERE uuid = 'h1'")
	v.within(20*time.Second, "the change", func() bool { now, _ := exports(); return now > n })
	quiet("the change was exported")
	if now, _ := exports(); now > n+2 { // one may have begun before the change was there
		t.Errorf("%d exports of one change", now-n)
	}
	set()
	quiet("a look that began while somebody waited ends")
	dbtest.Exec(t, hub.DB, "UPDATE site SET name = 'ward 3' WHERE uuid = 'h1'")
	quiet("nobody waits any more")
}
