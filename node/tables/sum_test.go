package tables

import (
	"fmt"
	"testing"
)

// What is the same on many links is said once; what differs is not lost.
func TestSum(t *testing.T) {
	s := &Set{DryRun: true}
	for i := range 500 {
		s.Changes = append(s.Changes, Change{Peer: fmt.Sprintf("site-%03d", i), Table: "visit", Before: "both", After: "down", Again: true, Sends: 9},
			Change{Peer: fmt.Sprintf("site-%03d", i), Table: "site", Before: "both", After: "down", Stays: 7})
		s.Cuts = append(s.Cuts, Cut{Peer: fmt.Sprintf("site-%03d", i), Table: "visit", Column: "site_id", To: "site", Rows: 3})
	}
	s.Changes = append(s.Changes, Change{Peer: "other", Table: "site", Before: "up", After: "down"})
	got := s.Sum()
	if len(got.Sums) != 3 || len(got.Cuts) != 1 || !got.DryRun {
		t.Fatalf("%+v", got)
	}
	for i, want := range []Sum{{Table: "site", Before: "both", Links: 500, Stays: 7}, {Table: "site", Before: "up", Links: 1}, {Table: "visit", Before: "both", Links: 500, Again: true, Sends: 9}} {
		if x := got.Sums[i]; x.Table != want.Table || x.Before != want.Before || x.Links != want.Links || x.Stays != want.Stays || x.Sends != want.Sends || x.Again != want.Again || len(x.Peers) != min(want.Links, maxNamed) {
			t.Errorf("%+v, want %+v", x, want)
		}
	}
	if none := new(Set).Sum(); none.Sums == nil || len(none.Sums) != 0 {
		t.Errorf("of nothing: %+v", none)
	}
}
