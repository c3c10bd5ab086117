package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// What a parent says anew of a row that is its alone is here as it is there, whatever was done to it here and whatever the stamps say. The
// stamps are only asked where both had the version from the parent.
func TestParentInsists(t *testing.T) {
	column := merge.Bit(1)
	none := merge.Mask{}
	var again uint64 = 7 // the parent's epoch that only sends again
	type outcome struct {
		write merge.Mask
		epoch uint64
		from  merge.Peer
		time  int64
	}
	for _, c := range []struct {
		name    string
		local   merge.Version
		sent    merge.Sent
		equal   bool
		further uint64
		want    outcome
	}{
		{"a later edit made here", version(50, "c", 3, 0), sentVersion(10, "h", 6), false, 0, outcome{column, 9, 1, 51}},
		{"an earlier edit made here", version(5, "c", 3, 0), sentVersion(10, "h", 6), false, 0, outcome{column, 9, 1, 10}},
		{"what is no news", version(50, "c", 3, 0), sentVersion(10, "h", 4), false, 0, outcome{none, 3, 0, 50}},
		{"what was only sent again", version(50, "c", 3, 0), sentVersion(10, "h", again), false, 0, outcome{none, 3, 0, 50}},
		{"what came from the parent later", version(50, "h", 3, 1), sentVersion(10, "h", 6), false, 0, outcome{none, 3, 1, 50}},
		{"what the parent insisted on before", version(50, "c", 3, 1), sentVersion(10, "h", 6), false, 0, outcome{column, 9, 1, 51}},
		{"what it insisted on in an earlier load", version(50, "c", 3, 1), sentVersion(10, "h", 6), false, 4, outcome{column, 9, 1, 51}},
		{"what it insisted on in a load that reaches further", version(50, "c", 5, 1), sentVersion(10, "h", 6), false, 4, outcome{none, 5, 1, 50}},
		{"the same that it insisted on before", version(50, "c", 3, 1), sentVersion(10, "h", 6), true, 0, outcome{none, 9, 1, 50}},
		{"the same as an edit made here", version(50, "c", 3, 0), sentVersion(10, "h", 6), true, 0, outcome{none, 3, 0, 50}},
	} {
		im := merge.Import{Self: "c", Peer: 1, Epoch: 9, Applied: 5, Valid: true, FromParent: true, Further: c.further, PeerResent: func(e uint64) bool { return e == again }}
		in := merge.Incoming{Alive: true, NeverSent: merge.Everything(), Groups: []merge.SentGroup{{Mask: column, Sent: c.sent}}}
		compare := merge.Compare{}
		if c.equal {
			compare.Equal = column
		}
		out := im.Settle(live(merge.Group{Mask: column, Version: c.local}), in, merge.Policies{}, compare, false)
		v, _ := versionOf(out.Row, 1)
		if got := (outcome{out.Write, v.Epoch, v.From, v.Time}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A parent that deletes a row of its own, or has one that was deleted here, is followed whatever the stamps say.
func TestParentInsistsOnWhatIsAndIsNot(t *testing.T) {
	im := merge.Import{Self: "c", Peer: 1, Epoch: 9, Applied: 5, Valid: true, FromParent: true, PeerResent: func(e uint64) bool { return e == 7 }}
	all := merge.Everything()
	for _, c := range []struct {
		name     string
		row      merge.Row
		epoch    uint64
		outlives bool
	}{
		{"the parent's row, stamped later here", live(merge.Group{Mask: merge.Bits(3), Version: by(version(50, "c", 3, 0), 1)}), 6, false},
		{"the parent's row, as it came", live(merge.Group{Mask: merge.Bits(3), Version: version(50, "h", 3, 1)}), 6, true},
		{"a row of this node's", live(merge.Group{Mask: merge.Bits(3), Version: version(50, "c", 3, 0)}), 6, true},
	} {
		if got := im.Outlives(c.row, merge.Incoming{Dead: sentVersion(10, "h", c.epoch), NeverSent: all}); got != c.outlives {
			t.Errorf("%s outlives its deletion: %t", c.name, got)
		}
	}
	dead := merge.Row{Known: true, Dead: version(50, "c", 3, 0)}
	for epoch, want := range map[uint64]merge.Action{6: merge.Insert, 4: merge.Keep, 7: merge.Keep} {
		out := im.Settle(dead, merge.Incoming{Alive: true, NeverSent: all, Groups: []merge.SentGroup{{Mask: merge.Bits(3), Sent: sentVersion(10, "h", epoch)}}}, merge.Policies{}, merge.Compare{}, false)
		if out.Action != want {
			t.Errorf("the parent's row of its epoch %d, deleted here: action %d, want %d", epoch, out.Action, want)
		}
		if v, _ := versionOf(out.Row, 1); want == merge.Insert && (v.Time != 51 || v.From != 1) {
			t.Errorf("it came back as %+v", v)
		}
	}
}

// Who added a row is what is known here, but for what a sender says that is believed.
func TestWhoseIsSaid(t *testing.T) {
	known := func(p merge.Peer) merge.Row {
		return live(merge.Group{Mask: merge.Bits(3), Version: by(version(5, "x", 3, 2), p)})
	}
	deleted := func(a merge.Adder) merge.Row {
		r := merge.Row{Known: true, Dead: version(5, "x", 3, 2)}
		r.Dead.Added = a
		return r
	}
	for _, c := range []struct {
		name  string
		row   merge.Row
		whose merge.Whose
		want  merge.Peer
	}{
		{"a new row", merge.Row{}, merge.Unsaid, 1},
		{"a new row of the sender's", merge.Row{}, merge.Theirs, 1},
		{"a new row that was made here", merge.Row{}, merge.Ours, 0},
		{"another's", known(3), merge.Unsaid, 3},
		{"another's, that the sender says is its own", known(3), merge.Theirs, 1},
		{"another's, that the sender has from here", known(3), merge.Ours, 3},
		{"the sender's, that it says it has from here", known(1), merge.Ours, 0},
		{"one made here", known(0), merge.Unsaid, 0},
		{"one made here, that the sender says is its own", known(0), merge.Theirs, 1},
		{"one that comes back", deleted(merge.Adder{}), merge.Unsaid, 1},
		{"one that another added and that comes back", deleted(merge.Adder{Stored: true, Peer: 3}), merge.Unsaid, 3},
		{"one that was made here and comes back", deleted(merge.Adder{Stored: true}), merge.Unsaid, 0},
	} {
		im := merge.Import{Self: "c", Peer: 1, Epoch: 9, Applied: 5, Valid: true}
		in := merge.Incoming{Alive: true, Whose: c.whose, Groups: []merge.SentGroup{{Mask: merge.Bits(3), Sent: sentVersion(10, "x", 6)}}}
		out := im.Settle(c.row, in, merge.Policies{}, merge.Compare{}, false)
		if got := out.Row.AddedBy(); !out.Row.Alive || got != c.want {
			t.Errorf("%s: added by %d, want %d", c.name, got, c.want)
		}
	}
}
