package exchange

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/journal"
)

// Files are imported at the same time, but those of one sender one after the other; a large one, and one that made trouble before, with no
// other under way.
func TestLanes(t *testing.T) {
	file := func(sender, name string, size int64, failed int) *Incoming {
		return &Incoming{Name: name, size: size, sender: &journal.Peer{Name: sender}, before: attempts.File{Failed: failed}}
	}
	files := []*Incoming{file("busia", "b1", 1, 0), file("kisumu", "k1", 1, 0), file("busia", "b2", togetherBytes+1, 0), file("kisumu", "k2", 1, 0), file("busia", "b3", 1, 0),
		file("migori", "m1", 1, 0), file("siaya", "s1", 1, 1), file("siaya", "s2", 1, 1)}
	for _, stopAt := range []string{"", "k2"} {
		synctest.Test(t, func(t *testing.T) {
			w := &lanes{files: slices.Clone(files), under: map[string]bool{}}
			w.changed.L = &w.mu
			var mu sync.Mutex
			under, order, most := map[string]*Incoming{}, []string{}, 0
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					for f := w.next(); f != nil; f = w.next() {
						mu.Lock()
						if under[f.sender.Name] != nil {
							t.Errorf("two files of %s at the same time", f.sender.Name)
						}
						under[f.sender.Name] = f
						for _, u := range under {
							if len(under) > 1 && u.alone() {
								t.Errorf("%s beside %d others", u.Name, len(under)-1)
							}
						}
						order, most = append(order, f.Name), max(most, len(under))
						mu.Unlock()
						time.Sleep(time.Duration(len(f.sender.Name)) * time.Second)
						mu.Lock()
						delete(under, f.sender.Name)
						mu.Unlock()
						var err error
						if f.Name == stopAt {
							err = errStop
						}
						w.done(f, err)
					}
				})
			}
			all.Wait()
			for _, of := range []string{"b", "k", "m", "s"} {
				mine := slices.DeleteFunc(slices.Clone(order), func(n string) bool { return n[:1] != of })
				if !slices.IsSorted(mine) {
					t.Errorf("%v", order)
				}
			}
			if most < 2 {
				t.Errorf("%d at the same time", most)
			}
			if stopAt == "" && (len(order) != len(files) || w.err != nil) || stopAt != "" && (len(order) == len(files) || !errors.Is(w.err, errStop)) {
				t.Errorf("%v, %v", order, w.err)
			}
		})
	}
}

var errStop = errors.New("stop")

// A hub imports what several clinics sent from its inbox, at the same time: each one's files in order, and what the run remembers of files is as ever.
func TestImportOfSeveralAtOnce(t *testing.T) {
	names := []string{"busia", "kisumu", "migori"}
	hub, all := tree(t, names...)
	for round := range 2 {
		for i, name := range names {
			c := all[name]
			c.write(fmt.Sprintf("%s-%d", name, round), "its own")
			c.write("common", fmt.Sprintf("%s %d", name, round))
			if i < 2 {
				hub.receive(c)
				c.write(fmt.Sprintf("%s-%d-later", name, round), "its own")
				c.write("common", fmt.Sprintf("%s %d, later", name, round))
			}
			hub.receive(c)
		}
		e := hub.events()
		if _, err := hub.x.ImportInbox(t.Context(), nil, e.Begin, e.Imported); err != nil {
			t.Fatal(err)
		}
		for _, told := range hub.told {
			if !strings.HasPrefix(told, "applied ") && !strings.HasPrefix(told, "covered ") {
				t.Errorf("told %q", told)
			}
		}
		hub.count(5*(1+round)+1, "after the import")
	}
	if files := batches(t, hub.x.Home+"/inbox"); len(files) > 0 {
		t.Errorf("left in the inbox: %v", files)
	}
	if r, err := attempts.Read(hub.x.Home); err != nil || len(r.Files) > 0 {
		t.Errorf("remembered: %v, %v", r.Files, err)
	}
	for range 3 {
		for _, name := range names {
			hub.deliver(all[name])
			all[name].deliver(hub)
		}
	}
	same(t, all)
}

// A journal of a lane knows all that the node's does: a restore that one of several imports at the same time notices takes none of the node's own
// histories for hearsay.
func TestJournalOfLane(t *testing.T) {
	hub, all := tree(t, "busia", "kisumu")
	before := journal.Random()
	hub.J.Had = map[uint64]bool{before: true}
	for name, c := range all {
		if name == "hub" {
			continue
		}
		c.write(name, "its own")
		p := c.peer("hub")
		if p.Link.History = before; name == "busia" { // it knows the hub as it was before the hub's database was put back
			if err := journal.SavePeer(t.Context(), c.J.DB, p); err != nil {
				t.Fatal(err)
			}
		}
		hub.receive(c)
	}
	e := hub.events()
	if _, err := hub.x.ImportInbox(t.Context(), nil, e.Begin, e.Imported); err != nil {
		t.Fatal(err)
	}
	self, err := journal.LoadNode(t.Context(), hub.J.DB)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(self.Earlier, before) || len(self.Learned) > 0 {
		t.Errorf("earlier histories %x, of which by hearsay %x; told %q", self.Earlier, self.Learned, hub.told)
	}
}
