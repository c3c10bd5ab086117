package rules

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
)

const (
	peer  merge.Peer = 7
	third merge.Peer = 8
)

func since() Since {
	return Since{Peer: peer, Name: "kisumu", First: 10, Time: 1000, Resent: func(e uint64) bool { return e == 15 }}
}

func version(time int64, author string, epoch uint64, from merge.Peer) merge.Version {
	return merge.Version{Stamp: merge.Stamp{Time: time, Author: author}, Epoch: epoch, From: from}
}

func TestTheirs(t *testing.T) {
	for _, c := range []struct {
		what string
		v    merge.Version
		want bool
	}{
		{"in the first epoch", version(1, "kisumu", 10, peer), true},
		{"in the one before", version(5000, "kisumu", 9, peer), false},
		{"passed on by it", version(1, "a ward of kisumu", 11, peer), true},
		{"from another", version(5000, "migori", 11, third), false},
		{"passed on by another", version(5000, "kisumu", 11, third), false},
		{"made here", version(5000, "hub", 11, 0), false},
		{"counts as made here, since the peer says that it was restored", version(1, "kisumu", 11, 0), true},
		{"sent again lately, and old", version(999, "kisumu", 15, peer), false},
		{"sent again lately, and new", version(1000, "kisumu", 15, peer), true},
	} {
		if got := since().Theirs(c.v); got != c.want {
			t.Errorf("%s: %t", c.what, got)
		}
	}
}

// by is the version of the existence of a row that p added.
func by(v merge.Version, p merge.Peer) merge.Version {
	v.Added = merge.Adder{Stored: true, Peer: p}
	return v
}

func TestRow(t *testing.T) {
	theirs, before := version(5000, "kisumu", 11, peer), version(500, "kisumu", 5, peer)
	ours, thirds := version(5000, "hub", 12, 0), version(5000, "migori", 12, third)
	old := version(500, "migori", 9, third)
	existence, a, b, none := merge.Bit(merge.Existence), merge.Bit(1), merge.Bit(100), merge.Mask{}
	group := func(m merge.Mask, v merge.Version) merge.Group { return merge.Group{Mask: m, Version: v} }
	for _, c := range []struct {
		what   string
		groups []merge.Group
		fate   Fate
		mask   merge.Mask
	}{
		{"no versions", nil, Untouched, none},
		{"made here", []merge.Group{group(existence.Or(a).Or(b), ours)}, Untouched, none},
		{"added before", []merge.Group{group(existence.Or(a).Or(b), before)}, Untouched, none},
		{"added", []merge.Group{group(existence.Or(a).Or(b), theirs)}, Added, none},
		{"its own of before, stamped anew", []merge.Group{group(existence.Or(a), theirs), group(b, before)}, Changed, a},
		{"another's of before, stamped anew", []merge.Group{group(existence.Or(a), theirs), group(b, old)}, Changed, a},
		{"that, and changed here", []merge.Group{group(existence, theirs), group(a, old), group(b, ours)}, Untouched, none},
		{"its existence alone", []merge.Group{group(existence, theirs), group(a.Or(b), old)}, Untouched, none},
		{"its own that was only sent again", []merge.Group{group(existence.Or(a), theirs), group(b, version(500, "kisumu", 15, peer))}, Changed, a},
		{"added, and changed here", []merge.Group{group(existence.Or(a), theirs), group(b, ours)}, Shared, none},
		{"added, and changed by another", []merge.Group{group(existence.Or(a), theirs), group(b, thirds)}, Shared, none},
		{"changed", []merge.Group{group(existence.Or(a), ours), group(b, theirs)}, Changed, b},
		{"its own of before, changed", []merge.Group{group(existence.Or(a), before), group(b, theirs)}, Changed, b},
		{"another's, stamped anew", []merge.Group{group(existence.Or(a).Or(b), by(theirs, third))}, Changed, a.Or(b)},
		{"made here, stamped anew", []merge.Group{group(existence.Or(a), by(theirs, 0)), group(b, ours)}, Changed, a},
		{"another's, whose existence alone is stamped anew", []merge.Group{group(existence, by(theirs, third)), group(a.Or(b), thirds)}, Untouched, none},
		{"added, and stored as theirs", []merge.Group{group(existence.Or(a).Or(b), by(theirs, peer))}, Added, none},
		{"added, and stamped anew here", []merge.Group{group(existence.Or(a).Or(b), by(ours, peer))}, Shared, none},
		{"added, and stamped anew by another", []merge.Group{group(existence, by(thirds, peer)), group(a.Or(b), theirs)}, Shared, none},
		{"added before, and its existence stamped anew here", []merge.Group{group(existence, by(ours, peer)), group(a.Or(b), before)}, Untouched, none},
		{"added, and stamped anew by another that only sends it again", []merge.Group{group(existence.Or(a).Or(b), by(version(500, "migori", 15, third), peer))}, Untouched, none},
		{"made here, stamped anew by another", []merge.Group{group(existence.Or(a).Or(b), by(thirds, 0))}, Untouched, none},
		{"added and stamped anew before", []merge.Group{group(existence.Or(a).Or(b), by(version(500, "hub", 5, 0), peer))}, Untouched, none},
		{"changed twice", []merge.Group{group(existence, ours), group(a, theirs), group(b, version(6000, "kisumu", 13, peer))}, Changed, a.Or(b)},
	} {
		fate, mask := since().Row(merge.Row{Known: true, Alive: true, Groups: c.groups})
		if fate != c.fate || mask != c.mask {
			t.Errorf("%s: %d, %v", c.what, fate, mask)
		}
	}
}

func TestLaterCopy(t *testing.T) {
	for by, want := range map[merge.Peer]bool{0: true, third: true, peer: false} {
		if got := since().LaterCopy(by); got != want {
			t.Errorf("added by %d: %t", by, got)
		}
	}
}

func TestBefore(t *testing.T) {
	now, other := merge.Stamp{Time: 50, Author: "kisumu"}, merge.Stamp{Time: 40, Author: "kisumu"}
	lost := func(winner merge.Stamp, loser int64, here bool) Lost {
		return Lost{winner, merge.Stamp{Time: loser, Author: "hub"}, here}
	}
	own := func(winner merge.Stamp, loser int64) Lost {
		return Lost{winner, merge.Stamp{Time: loser, Author: "kisumu"}, true}
	}
	for _, c := range []struct {
		what string
		lost []Lost
		want int
	}{
		{"nothing is known", nil, -1},
		{"it lost to what is there now", []Lost{lost(now, 10, true)}, 0},
		{"it lost to something else", []Lost{lost(other, 10, true)}, -1},
		{"another node says so", []Lost{lost(now, 10, false)}, -1},
		{"the peer's own", []Lost{own(now, 40)}, -1},
		{"the peer's own, that beat another's", []Lost{own(now, 40), lost(other, 20, true)}, 1},
		{"that only another node tells of", []Lost{own(now, 40), lost(other, 20, false)}, -1},
		{"the peer's own that go round", []Lost{own(now, 40), own(other, 50)}, -1},
		{"the last of several", []Lost{lost(now, 10, true), lost(now, 30, true), lost(now, 20, true), lost(other, 45, true)}, 1},
	} {
		if got := since().Before(now, c.lost); got != c.want {
			t.Errorf("%s: %d", c.what, got)
		}
	}
}

func TestStay(t *testing.T) {
	for _, c := range []struct {
		what string
		refs [][2]int
		want []bool
	}{
		{"nothing refers to them", nil, []bool{false, false, false}},
		{"they refer to each other", [][2]int{{0, 1}, {1, 2}, {2, 0}}, []bool{false, false, false}},
		{"a row that stays refers to one", [][2]int{{-1, 1}, {0, 1}}, []bool{false, true, false}},
		{"and that to another", [][2]int{{1, 2}, {-1, 1}}, []bool{false, true, true}},
		{"round", [][2]int{{-1, 0}, {0, 1}, {1, 0}}, []bool{true, true, false}},
	} {
		if got := Stay(3, c.refs); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.what, got)
		}
		if got := NotWhole(3, c.refs); !slices.Equal(got, c.want) {
			t.Errorf("not whole, %s: %v", c.what, got)
		}
	}
}
