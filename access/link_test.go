package access_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

var directions = []access.Direction{access.Both, access.Down, access.Add, access.None, access.Up, access.Own}

// Of two directions the meet lets no more go than either, and is the widest such.
func TestMeet(t *testing.T) {
	for _, a := range directions {
		for _, b := range directions {
			m := access.Meet(a, b)
			if a.WidensTo(m) || b.WidensTo(m) || m != access.Meet(b, a) || a == b && m != a {
				t.Errorf("%s and %s meet in %s", a, b, m)
			}
			for _, d := range directions {
				if d != m && !a.WidensTo(d) && !b.WidensTo(d) && m.WidensTo(d) && !d.WidensTo(m) {
					t.Errorf("%s and %s meet in %s, though %s is wider", a, b, m, d)
				}
			}
		}
	}
}

func said(tables string, d access.Direction) access.Said {
	return access.Said{Tables: tables, Direction: d}
}

func TestWay(t *testing.T) {
	told := map[string]access.Way{"obs": {Direction: access.Up}, "users": {Direction: access.Own}}
	for _, x := range []struct {
		name    string
		link    access.Link
		table   string
		profile access.Direction
		named   bool
		want    string
	}{
		{"nothing said", access.Link{Role: access.Child}, "obs", access.Both, false, "both profile"},
		{"for all", access.Link{Role: access.Child, ForAll: []access.Said{said("o*", access.Up)}}, "Obs", access.Both, false, "up set for all children"},
		{"for one", access.Link{Role: access.Child, ForAll: []access.Said{said("obs", access.Up)}, ForPeer: []access.Said{said("*", access.Down)}}, "obs", access.Both, false, "down set for this peer"},
		{"the name before a pattern", access.Link{Role: access.Child, ForAll: []access.Said{said("obs", access.Up), said("o*", access.Down), said("*", access.None)}}, "obs", access.Both, false, "up set for all children"},
		{"an exception", access.Link{Role: access.Child, ForAll: []access.Said{said("*", access.None), said("o*", access.Down)}}, "obs", access.Both, false, "down set for all children"},
		{"a preset for all", access.Link{Role: access.Child, AllPreset: access.Collect}, "obs", access.Both, false, "up preset for all children"},
		{"after a preset", access.Link{Role: access.Child, AllPreset: access.Collect, ForAll: []access.Said{said("obs", access.None)}}, "obs", access.Both, false, "none set for all children"},
		{"a preset for one", access.Link{Role: access.Child, AllPreset: access.Collect, ForAll: []access.Said{said("obs", access.None)}, Preset: access.Share}, "obs", access.Both, false, "both preset for this peer"},
		{"told", access.Link{Role: access.Parent, Told: told}, "obs", access.Both, false, "up the parent's rules"},
		{"told nothing of it", access.Link{Role: access.Parent, Told: told}, "visit", access.Both, false, "both profile"},
		{"told more than the profile", access.Link{Role: access.Parent, Told: told}, "obs", access.None, false, "up the parent's rules"},
		{"stricter by a file", access.Link{Role: access.Parent, Told: told}, "obs", access.None, true, "none stricter here than the parent's rules"},
		{"no wider by a file", access.Link{Role: access.Parent, Told: told}, "obs", access.Both, true, "up the parent's rules"},
		{"stricter by word", access.Link{Role: access.Parent, Told: told, ForPeer: []access.Said{said("users", access.Down)}}, "users", access.Add, false, "none stricter here than the parent's rules"},
		{"no wider by word", access.Link{Role: access.Parent, Told: told, ForPeer: []access.Said{said("*", access.Both)}}, "users", access.Add, false, "own the parent's rules"},
		{"stricter than the profile", access.Link{Role: access.Parent, ForPeer: []access.Said{said("obs", access.Up)}}, "obs", access.Both, false, "up set for this peer"},
		{"no wider than the profile", access.Link{Role: access.Parent, ForPeer: []access.Said{said("obs", access.Both)}}, "obs", access.Down, false, "down profile"},
	} {
		w, source := x.link.Way(x.table, access.Way{Direction: x.profile}, x.named, false)
		if got := fmt.Sprint(w.Direction, " ", source); got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
	}
}

// What is said of columns and rows counts together, for all and for one.
func TestWayOfParts(t *testing.T) {
	all := []access.Said{{Tables: "obs", Column: "Note", Direction: access.Up}, {Tables: "o*", Column: "site", Pattern: "x*", Direction: access.None}}
	one := []access.Said{{Tables: "*", Column: "comment", Direction: access.None}, {Tables: "obs", Column: "secret", Direction: access.Down}, {Tables: "obs", Column: "all", Direction: access.Both}}
	w, _ := access.Link{Role: access.Child, ForAll: all, ForPeer: one}.Way("obs", access.Way{Direction: access.Both}, false, false)
	want := access.Way{Direction: access.Both, NotUp: []string{"comment", "secret"}, NotDown: []string{"note", "comment"}, Rows: []access.Rows{{Column: "site", Pattern: "x*"}}}
	if !w.Equal(want) {
		t.Errorf("got %+v", w)
	}
	bit := 0
	table := access.Table{ExcludedUp: merge.Bit(5)}.On(w, func(columns []string) merge.Mask { bit += len(columns); return merge.Bit(bit) })
	if table.Direction != access.Both || table.ExcludedUp != merge.Bits(1<<5|1<<2) || table.ExcludedDown != merge.Bit(4) {
		t.Errorf("got %+v", table)
	}
}

// Whatever a clinic says, no more goes than by its parent's word.
func TestStricter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(directions)
		column := rapid.SampledFrom([]string{"", "a", "b"})
		told := access.Way{Direction: d.Draw(t, "told"), Staff: rapid.Bool().Draw(t, "staff")}
		for range rapid.IntRange(0, 2).Draw(t, "left out") {
			told.NotUp, told.NotDown = append(told.NotUp, column.Draw(t, "column")), append(told.NotDown, column.Draw(t, "column"))
			told.Rows = append(told.Rows, access.Rows{Column: column.Draw(t, "column"), Pattern: "x"})
		}
		l := access.Link{Role: access.Parent, Told: map[string]access.Way{"obs": told}}
		for range rapid.IntRange(0, 4).Draw(t, "said") {
			s := access.Said{Tables: rapid.SampledFrom([]string{"obs", "o*", "*", "visit"}).Draw(t, "tables"), Column: column.Draw(t, "column"), Direction: d.Draw(t, "direction")}
			if s.Column != "" && rapid.Bool().Draw(t, "rows") {
				s.Pattern = "x"
			}
			l.ForPeer = append(l.ForPeer, s)
		}
		w, _ := l.Way("obs", access.Way{Direction: d.Draw(t, "profile"), Staff: true}, rapid.Bool().Draw(t, "named"), true)
		if wider := told.WidensTo(w); wider.Down || wider.Up {
			t.Fatalf("%+v became %+v", told, w)
		}
	})
}

func TestWayWidens(t *testing.T) {
	both := access.Way{Direction: access.Both}
	for _, x := range []struct {
		was, now access.Way
		want     access.Widening
	}{
		{both, both, access.Widening{}},
		{access.Way{Direction: access.Up}, both, access.Widening{Down: true}},
		{access.Way{Direction: access.Own}, access.Way{Direction: access.Add}, access.Widening{Down: true}},
		{access.Way{Direction: access.Down}, both, access.Widening{Up: true}},
		{access.Way{Direction: access.None}, access.Way{Direction: access.Up, Staff: true}, access.Widening{Down: true, Up: true}},
		{access.Way{Direction: access.Both, NotUp: []string{"a"}}, both, access.Widening{Up: true}},
		{access.Way{Direction: access.Both, NotDown: []string{"a"}}, both, access.Widening{Down: true}},
		{access.Way{Direction: access.Both, Rows: []access.Rows{{Column: "a", Pattern: "x"}}}, both, access.Widening{Down: true, Up: true}},
		{both, access.Way{Direction: access.Both, NotUp: []string{"a"}}, access.Widening{}},
	} {
		if got := x.was.WidensTo(x.now); got != x.want || x.now.NarrowsTo(x.was) != x.want {
			t.Errorf("from %+v to %+v: %+v", x.was, x.now, got)
		}
	}
}

func TestCuts(t *testing.T) {
	for _, x := range []struct {
		from, to access.Way
		want     access.Widening
	}{
		{access.Way{Direction: access.Both}, access.Way{Direction: access.Down}, access.Widening{}},
		{access.Way{Direction: access.Up}, access.Way{Direction: access.None}, access.Widening{Up: true}},
		{access.Way{Direction: access.Down}, access.Way{Direction: access.Up}, access.Widening{Down: true}},
		{access.Way{Direction: access.Own}, access.Way{Direction: access.Up, Staff: true}, access.Widening{}},
		{access.Way{Direction: access.Both}, access.Way{Direction: access.None, Staff: true}, access.Widening{Down: true, Up: true}},
	} {
		if got := x.from.Cuts(x.to); got != x.want {
			t.Errorf("%+v refers to %+v: %+v", x.from, x.to, got)
		}
	}
}

func TestPresets(t *testing.T) {
	want := map[access.Preset][2]string{ // of what belongs to patients, and of what does not: both, down, add, none, up, own
		access.NoPreset: {"both down add none up own ", "both down add none up own "},
		access.Share:    {"both down add none up own ", "both down add none up own "},
		access.Collect:  {"up none up none up up ", "up down own none up own "},
		access.Mirror:   {"down down down none none none ", "down down down none none none "},
	}
	for p, w := range want {
		for i, owned := range []bool{true, false} {
			got := ""
			for _, d := range directions {
				got += p.Direction(d, owned).String() + " "
			}
			if got != w[i] {
				t.Errorf("%q, owned %t: %s", p, owned, got)
			}
		}
	}
}

func TestSilent(t *testing.T) {
	if !(access.Link{}).Silent() || (access.Link{AllPreset: access.Share}).Silent() || (access.Link{Told: map[string]access.Way{}}).Silent() || (access.Link{ForPeer: []access.Said{{}}}).Silent() {
		t.Error("silent is wrong")
	}
}

func TestSaidAbout(t *testing.T) {
	a := access.Said{Tables: "Obs", Column: "note", Pattern: "x", Direction: access.Up}
	if !a.About(access.Said{Tables: "obs", Column: "NOTE", Pattern: "X"}) || a.About(access.Said{Tables: "obs", Column: "note"}) || a.About(access.Said{Tables: "obs", Pattern: "x"}) || a.About(access.Said{Tables: "o*", Column: "note", Pattern: "x"}) {
		t.Error("about is wrong")
	}
}

// What goes back is told to be the peer's, and its values stay news.
func TestTheirs(t *testing.T) {
	r := access.On(access.Table{Direction: access.Up}, peer, access.Child).Between(ends)
	v := merge.Sent{Stamp: merge.Stamp{Time: 4, Author: "x"}, Epoch: 6}
	got := r.Theirs([]merge.SentGroup{{Mask: merge.Bits(7), Sent: v}, {Mask: merge.Bit(3), Sent: v}})
	want := []merge.SentGroup{{Mask: merge.Bit(merge.Existence), Sent: merge.Sent{Stamp: v.Stamp}}, {Mask: merge.Bits(6), Sent: v}, {Mask: merge.Bit(3), Sent: v}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v", got)
	}
}

// A child's deletions go back to it, and what the parent deletes of its staff.
func TestDeletionsGoBack(t *testing.T) {
	up, staff := access.On(access.Table{Direction: access.Up}, peer, access.Child).Between(ends), access.On(access.Table{Direction: access.Up, Staff: true}, peer, access.Child).Between(ends)
	version := func(from merge.Peer, author string) merge.Version {
		return merge.Version{From: from, Stamp: merge.Stamp{Author: author}, Epoch: 5}
	}
	for _, x := range []struct {
		dead           merge.Version
		lost, restored bool
		staff          bool
	}{
		{version(peer, "clinic"), true, false, false}, {version(before, "clinic"), true, false, false}, {version(third, "clinic"), false, false, false},
		{version(0, "clinic"), true, true, false}, {version(0, "self"), false, false, true}, {version(above, "top"), false, false, true},
	} {
		if up.DeletionGoesBack(x.dead, true, 9) != x.lost || up.DeletionGoesBack(x.dead, false, 4) != x.restored || up.DeletionGoesBack(x.dead, false, 5) {
			t.Errorf("%+v goes back wrongly", x.dead)
		}
		if up.StaffDeletion(x.dead) || staff.StaffDeletion(x.dead) != x.staff {
			t.Errorf("%+v goes as staff wrongly", x.dead)
		}
	}
	for author, want := range map[string]bool{"self": true, "hub": false} {
		child := access.On(access.Table{Direction: access.Up, Staff: true}, peer, access.Parent).Between(ends)
		dead := merge.Sent{Stamp: merge.Stamp{Author: author}}
		if child.TakesDeletionBack(live(0), dead) != want || !child.TakesDeletionBack(live(peer), dead) {
			t.Errorf("a deletion by %s is taken wrongly", author)
		}
	}
}

// The parent's staff are the parent's at the child; without staff nothing of the parent's is.
func TestStaffIsTaken(t *testing.T) {
	others := []merge.SentGroup{{Mask: merge.Bits(3), Sent: merge.Sent{Stamp: merge.Stamp{Time: 9, Author: "hub"}, Epoch: 9}}}
	for _, staff := range []bool{true, false} {
		r := access.On(access.Table{Direction: access.Up, Staff: staff}, peer, access.Parent).Between(ends)
		for row, want := range map[string]bool{"none": staff, "peer": staff, "own": false} {
			known := map[string]merge.Row{"none": {}, "peer": live(peer), "own": live(0)}[row]
			if got := len(r.Back(known, others)) > 0; got != want {
				t.Errorf("staff %t, row of %s: taken %t", staff, row, got)
			}
		}
	}
}

// A row that was deleted here comes back if it was added anew since, and not for what was done to it before.
func TestBackOfADeletedRow(t *testing.T) {
	r := access.On(access.Table{Direction: access.Up}, peer, access.Parent).Between(ends)
	gone := merge.Row{Known: true, Dead: merge.Version{Stamp: merge.Stamp{Time: 8}}}
	for time, want := range map[int64]int{7: 0, 9: 2} {
		groups := []merge.SentGroup{{Mask: merge.Bit(merge.Existence), Sent: merge.Sent{Stamp: merge.Stamp{Time: time, Author: "other"}}}, {Mask: merge.Bit(1), Sent: merge.Sent{Stamp: merge.Stamp{Time: 99, Author: "self"}, Epoch: 7}}}
		if got := len(r.Back(gone, groups)); got != want {
			t.Errorf("added at %d, deleted at 8: %d versions are taken, want %d", time, got, want)
		}
	}
}

// A row is known as made above by where it came from; an author's name alone says nothing.
func TestMadeAbove(t *testing.T) {
	r := access.On(access.Table{Direction: access.Own}, peer, access.Child).Between(ends)
	for _, x := range []struct {
		row  merge.Row
		want bool
	}{{live(0), true}, {live(above), true}, {live(third), false}, {live(peer), false}, {by(live(0), "other"), false}, {by(live(third), "self"), false}} {
		if r.MadeAbove(x.row) != x.want {
			t.Errorf("%+v", x.row.Groups)
		}
	}
	if (access.On(access.Table{Direction: access.Own}, peer, access.Child)).MadeAbove(by(live(0), "")) {
		t.Error("between nobody, a row is somebody's")
	}
}
