package merge_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
)

// hubAndClinic returns two ends that have exchanged.
func hubAndClinic(t *testing.T) (hub, clinic *side) {
	t.Helper()
	hub, clinic = pair()
	meet(t, hub, clinic)
	hub.want(t, clinic.export(merge.ExportRequest{}), merge.Apply)
	return hub, clinic
}

// remember has a side know of its histories as a home folder does.
func (s *side) remember() {
	had := maps.Clone(s.history.Remembered)
	if had == nil {
		had = map[uint64]bool{}
	}
	had[s.history.ID] = true
	s.history.Remembered = had
}

// exchange has a copy change something, send and receive, and returns what both ends said.
func exchange(hub, c *side) (atHub, atCopy merge.Verdict) {
	c.change()
	atHub = hub.receive(c.export(merge.ExportRequest{})).Verdict
	atCopy = c.receive(hub.export(merge.ExportRequest{})).Verdict
	return atHub, atCopy
}

// Two whole copies of a clinic: after a few exchanges both ends refuse, until a person says which is right. From then on that one goes on, and
// the other is refused for good.
func TestTwoCopies(t *testing.T) {
	for _, keepRival := range []bool{false, true} {
		hub, one := hubAndClinic(t)
		two := one.copy()
		rounds := 0
		for hub.link.Copies.Rival.History == 0 {
			if rounds++; rounds > 5 {
				t.Fatal("the copies are not told from restores")
			}
			exchange(hub, one)
			exchange(hub, two)
		}
		t.Logf("found in round %d", rounds)
		applied := hub.link.Applied
		for _, c := range []*side{one, two, one} {
			if atHub, atCopy := exchange(hub, c); atHub != merge.Copy || atCopy != merge.OwnCopy {
				t.Fatalf("the hub says %d, the copy %d", atHub, atCopy)
			}
		}
		if hub.link.Applied != applied {
			t.Error("something was applied")
		}
		for _, later := range []int64{0, merge.Day} {
			h := two.export(merge.ExportRequest{})
			h.At = hub.link.LastHeader.At + later
			if hub.receive(h); hub.link.HeaderDue != (later > 0) {
				t.Errorf("a copy that comes %d µs after it was told is told again: %t", later, hub.link.HeaderDue)
			}
		}

		keep := hub.link.History
		if keepRival {
			keep = hub.link.Copies.Rival.History
		}
		if hub.link.Keep(12345) || hub.link.Keep(0) {
			t.Error("what is no copy was kept")
		}
		if !hub.link.Keep(keep) || hub.link.Keep(keep) {
			t.Error("the copy was not kept, or twice")
		}
		right, wrong := one, two
		if two.history.ID == keep {
			right, wrong = two, one
		}
		if right.history.ID != keep || wrong.history.ID == keep {
			t.Fatalf("%d is kept, and there are %d and %d", keep, right.history.ID, wrong.history.ID)
		}
		for range 3 {
			if atHub, atCopy := exchange(hub, wrong); atHub != merge.Copy || atCopy != merge.OwnCopy {
				t.Fatalf("of the one given up the hub says %d, the copy %d", atHub, atCopy)
			}
			exchange(hub, right)
		}
		if atHub, atCopy := exchange(hub, right); atHub != merge.Apply || atCopy > merge.Covered {
			t.Errorf("of the one that stays the hub says %d, the copy %d", atHub, atCopy)
		}
		if hub.link.Applied.Token != right.tokens[hub.link.Applied.Epoch] {
			t.Error("the hub holds what the other made")
		}
	}
}

// Restores do not pass for copies: of the database as often as one likes, since the home folder remembers; of both, to one backup again and again.
func TestRestoreIsNoCopy(t *testing.T) {
	for _, both := range []bool{false, true} {
		hub, clinic := hubAndClinic(t)
		clinic.remember()
		old := clinic.copy()
		exchange(hub, clinic)
		var newer *side
		for i := range 6 {
			backup := old
			if !both && newer != nil && i%2 == 0 {
				backup = newer
			}
			had := clinic.history.Remembered
			clinic = backup.copy()
			if !both {
				clinic.history.Remembered = had
			}
			for range 4 {
				a, b := exchange(hub, clinic)
				if a >= merge.Stranger || b >= merge.Stranger {
					t.Fatalf("both %v, restore %d: the hub says %d, the clinic %d", both, i, a, b)
				}
				clinic.remember()
			}
			if newer == nil {
				newer = clinic.copy()
			}
		}
	}
}

// A new database with the keys of before is not the node of before, though it has read what a peer knows of that one.
func TestAnotherDatabase(t *testing.T) {
	hub, clinic := hubAndClinic(t)
	another := newSide(77, clinic.link.Number)
	another.change()
	for range 3 {
		hub.want(t, another.export(merge.ExportRequest{}), merge.Stranger)
		another.receive(hub.export(merge.ExportRequest{}))
	}
	if !slices.Contains(another.export(merge.ExportRequest{}).Learned, clinic.history.ID) {
		t.Error("it has not heard of the other's history: this shows nothing")
	}
	if atHub, atClinic := exchange(hub, clinic); atHub != merge.Apply || atClinic > merge.Covered {
		t.Errorf("of the clinic the hub says %d, the clinic %d", atHub, atClinic)
	}
}

func TestPlaceSigns(t *testing.T) {
	for signs, want := range map[merge.PlaceSigns]merge.PlaceVerdict{
		{}:                                     merge.Fits,
		{HomeMoved: true, DatabaseMoved: true}: merge.Fits, // a home folder from its backup
		{Known: true}:                          merge.AnotherDatabase,
		{Known: true, Same: true}:              merge.Fits,
		{Known: true, Same: true, DatabaseMoved: true}:                  merge.Fits,
		{Known: true, Same: true, HomeMoved: true}:                      merge.Fits,
		{Known: true, Same: true, HomeMoved: true, DatabaseMoved: true}: merge.BothMoved,
	} {
		if got := signs.Verdict(); got != want {
			t.Errorf("%+v: %d, want %d", signs, got, want)
		}
	}
}
