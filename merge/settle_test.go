package merge_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/merge"
)

const wide = 20 // columns of the widest row that tests draw

func stamp(time int64, author string) merge.Stamp { return merge.Stamp{Time: time, Author: author} }

func version(time int64, author string, epoch uint64, from merge.Peer) merge.Version {
	return merge.Version{Stamp: stamp(time, author), Epoch: epoch, From: from}
}

func sentVersion(time int64, author string, epoch uint64) merge.Sent {
	return merge.Sent{Stamp: stamp(time, author), Epoch: epoch}
}

func live(groups ...merge.Group) merge.Row {
	return merge.Row{Known: true, Alive: true, Groups: groups}
}

// by is the version of the existence of a row that p added, and that says another.
func by(v merge.Version, p merge.Peer) merge.Version {
	v.Added = merge.Adder{Stored: true, Peer: p}
	return v
}

// existence is the mask of a row's existence.
var existence = merge.Bit(merge.Existence)

// set is what masks have together.
func set(masks ...merge.Mask) (all merge.Mask) {
	for _, m := range masks {
		all = all.Or(m)
	}
	return all
}

// bitAt is the bit of one of these columns.
func bitAt(place int) int {
	return [wide + 1]int{0, 1, 2, 3, 4, 5, 6, 7, 60, 61, 62, 63, 64, 65, 120, 121, 179, 500, 700, 1000, merge.MaxBit}[place]
}

func placeOf(bit int) int {
	for place := range wide + 1 {
		if bitAt(place) == bit {
			return place
		}
	}
	return -1
}

func genMask(t *rapid.T, name string) (m merge.Mask) {
	for place := range wide + 1 {
		if rapid.Bool().Draw(t, name) {
			m = m.Or(merge.Bit(bitAt(place)))
		}
	}
	return m
}

// moved restricts a mask to one of these columns, moved to bit 1.
func moved(m merge.Mask, place int) merge.Mask {
	if m.Has(bitAt(place)) {
		return merge.Bit(1)
	}
	return merge.Mask{}
}

// versionOf is the version of one of these; ok is false if it has none.
func versionOf(r merge.Row, bit int) (v merge.Version, ok bool) {
	for _, g := range r.Groups {
		if g.Has(bitAt(bit)) {
			if bit > 0 {
				g.Added = merge.Adder{}
			}
			return g.Version, true
		}
	}
	return merge.Version{}, false
}

var genStamp = rapid.Custom(func(t *rapid.T) merge.Stamp {
	return stamp(rapid.Int64Range(0, 4).Draw(t, "time"), rapid.SampledFrom([]string{"a", "b", "h"}).Draw(t, "author"))
})

// genGroups spreads bits over a few versions; a bit may get none.
func genGroups(t *rapid.T, name string) []merge.Group {
	n := rapid.IntRange(1, 4).Draw(t, name+" groups")
	groups := make([]merge.Group, n)
	for i := range groups {
		groups[i].Stamp = genStamp.Draw(t, name+" stamp")
		groups[i].Epoch = rapid.Uint64Range(0, 6).Draw(t, name+" epoch")
		groups[i].From = merge.Peer(rapid.IntRange(0, 2).Draw(t, name+" from"))
	}
	groups[0].Mask = existence
	for bit := 1; bit <= wide; bit++ {
		if i := rapid.IntRange(-1, n-1).Draw(t, name+" bit"); i >= 0 {
			groups[i].Mask = groups[i].Or(merge.Bit(bitAt(bit)))
		}
	}
	return merge.Normalise(groups)
}

func sendGroups(groups []merge.Group) []merge.SentGroup {
	var out []merge.SentGroup
	for _, g := range groups {
		out = append(out, merge.SentGroup{Mask: g.Mask, Sent: merge.Sent{Stamp: g.Stamp, Epoch: g.Epoch}})
	}
	return out
}

func sentOf(groups []merge.SentGroup, bit int) (merge.Sent, bool) {
	for _, g := range groups {
		if g.Has(bitAt(bit)) {
			return g.Sent, true
		}
	}
	return merge.Sent{}, false
}

func genImport(t *rapid.T) merge.Import {
	again := rapid.SampledFrom([]uint64{99, 3}).Draw(t, "again")
	resent := rapid.SampledFrom([]uint64{99, 2}).Draw(t, "resent")
	return merge.Import{
		Self: "h", Peer: 1, Epoch: 9, Applied: rapid.Uint64Range(0, 6).Draw(t, "applied"),
		Valid: rapid.Bool().Draw(t, "valid"), FirstMeeting: rapid.Bool().Draw(t, "first"), FromParent: rapid.Bool().Draw(t, "parent"),
		PeerResent: func(e uint64) bool { return e == again },
		OwnResent:  func(e uint64) bool { return e == resent },
	}
}

var genPolicies = rapid.Custom(func(t *rapid.T) (p merge.Policies) {
	for bit := 1; bit <= wide; bit++ {
		p.Set(merge.Bit(bitAt(bit)), rapid.SampledFrom([]merge.Policy{merge.Newest, merge.Parent, merge.Child}).Draw(t, "policy"))
	}
	return p
})

// one restricts groups to a bit, moved to bit 1.
func one(groups []merge.Group, bit int) []merge.Group {
	for _, g := range groups {
		if g.Has(bitAt(bit)) {
			return []merge.Group{{Mask: merge.Bit(1), Version: g.Version}}
		}
	}
	return nil
}

// A row is settled column by column, however its columns are grouped.
func TestSettleGroupsAsColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		im, policies := genImport(t), genPolicies.Draw(t, "policies")
		local, in := live(genGroups(t, "local")...), genGroups(t, "incoming")
		ack := rapid.Uint64Range(0, 6).Draw(t, "ack")
		equal := genMask(t, "equal").Columns()
		greater := genMask(t, "greater")
		whole := im.Settle(local, merge.Incoming{Alive: true, Groups: sendGroups(in), Ack: ack}, policies,
			merge.Compare{Equal: equal, Greater: greater.Has}, false)
		changed := false
		for bit := 1; bit <= wide; bit++ {
			alone := im.Settle(live(one(local.Groups, bit)...), merge.Incoming{Alive: true, Groups: sendGroups(one(in, bit)), Ack: ack}, merge.All(policies.Of(bitAt(bit))),
				merge.Compare{Equal: moved(equal, bit), Greater: func(int) bool { return greater.Has(bitAt(bit)) }}, false)
			a, aok := versionOf(alone.Row, 1)
			w, wok := versionOf(whole.Row, bit)
			if a != w || aok != wok {
				t.Fatalf("bit %d: %v alone, %v in the row", bit, a, w)
			}
			if alone.Write.Has(1) != whole.Write.Has(bitAt(bit)) {
				t.Fatalf("bit %d: written alone %v, in the row %v", bit, alone.Write, whole.Write)
			}
			var in []merge.Conflict
			for _, l := range whole.Conflicts {
				if l.Mask.Has(bitAt(bit)) {
					l.Mask = merge.Bit(1)
					in = append(in, l)
				}
			}
			if !slices.Equal(in, alone.Conflicts) {
				t.Fatalf("bit %d: lost %v alone, %v in the row", bit, alone.Conflicts, in)
			}
			changed = changed || alone.Changed
		}
		before, _ := versionOf(local, 0)
		after, _ := versionOf(whole.Row, 0)
		if whole.Changed != (changed || before != after) {
			t.Fatalf("changed: %v", whole.Changed)
		}
		if !slices.Equal(whole.Row.Groups, merge.Normalise(whole.Row.Groups)) {
			t.Fatal("groups are not in their normal form")
		}
	})
}

// Stamps only grow, nothing loses its version, and the outcome is above what went into it.
func TestSettleStampsGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		im, policies := genImport(t), genPolicies.Draw(t, "policies")
		local := live(genGroups(t, "local")...)
		in := merge.Incoming{Alive: rapid.Bool().Draw(t, "alive"), Ack: rapid.Uint64Range(0, 6).Draw(t, "ack")}
		if in.Alive {
			in.Groups = sendGroups(genGroups(t, "incoming"))
		} else {
			in.Dead = merge.Sent{Stamp: genStamp.Draw(t, "deletion"), Epoch: 5}
		}
		c := merge.Compare{Equal: genMask(t, "equal")}
		stays := rapid.Bool().Draw(t, "stays")
		out := im.Settle(local, in, policies, c, stays)
		for bit := 0; bit <= wide; bit++ {
			before, had := versionOf(local, bit)
			after, has := versionOf(out.Row, bit)
			if !out.Row.Alive {
				after, has = out.Row.Dead, true
			}
			sent, came := sentOf(in.Groups, bit)
			switch {
			case had && !has:
				t.Fatalf("bit %d lost its version", bit)
			case had && after.Before(before.Stamp):
				t.Fatalf("bit %d fell from %v to %v", bit, before, after)
			case !in.Alive && out.Row.Alive && !had && has:
				t.Fatalf("bit %d got a version from a deletion", bit)
			case !in.Alive && out.Row.Alive && had && after.Before(in.Dead.Stamp):
				t.Fatalf("bit %d stays below the deletion", bit)
			case came && (before.Time > 0 || sent.Time > 0) && !c.Equal.Has(bitAt(bit)) && has && after.Before(sent.Stamp):
				t.Fatalf("bit %d is below what came: %v, %v", bit, after, sent)
			}
		}
		if out.Changed && slices.Equal(out.Row.Groups, merge.Normalise(local.Groups)) && out.Row.Alive {
			t.Fatal("changed, but is what it was")
		}
		if !out.Changed && out.Action != merge.Keep {
			t.Fatal("not changed, but written")
		}
	})
}

// A row settled once more, after it was applied, changes nothing and reports nothing.
func TestSettleIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		im, policies := genImport(t), genPolicies.Draw(t, "policies")
		im.Valid = true
		local := genRow(t, "local")
		in := incoming(genRow(t, "incoming"), 3)
		stays := rapid.Bool().Draw(t, "stays")
		equal := genMask(t, "equal")
		greater := func(bit int) bool { return bit%2 == 0 }
		first := im.Settle(local, in, policies, merge.Compare{Equal: equal, Greater: greater}, stays)
		im.Applied, im.Epoch = 100, 10
		if in.Alive && first.Row.Alive && (local.Alive || first.Action == merge.Insert) {
			equal = equal.Or(first.Write)
		}
		if first.Action == merge.Insert {
			equal = merge.Everything()
		}
		second := im.Settle(first.Row, in, policies, merge.Compare{Equal: equal, Greater: greater}, stays)
		if second.Changed || second.Action != merge.Keep || len(second.Conflicts) > 0 {
			t.Fatalf("again: %+v after %+v", second, first)
		}
	})
}

func genRow(t *rapid.T, name string) merge.Row {
	switch rapid.IntRange(0, 3).Draw(t, name+" kind") {
	case 0:
		return merge.Row{Known: true, Dead: merge.Version{Stamp: stamp(rapid.Int64Range(1, 4).Draw(t, name), "h"), Epoch: 2}}
	}
	return live(genGroups(t, name)...)
}

func incoming(r merge.Row, ack uint64) merge.Incoming {
	in := merge.Incoming{Alive: r.Alive, Ack: ack, Groups: sendGroups(r.Groups)}
	if !r.Alive {
		in.Dead = merge.Sent{Stamp: r.Dead.Stamp, Epoch: r.Dead.Epoch}
	}
	return in
}

// Two nodes that take each other's version of a row, in either order, end with the same row under newest.
func TestTwoNodesEndEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type node struct {
			merge.Row
			val [wide + 1]int
		}
		gen := func(name string) *node {
			n := &node{Row: genRow(t, name)}
			for _, g := range n.Groups {
				for bit := 1; bit <= wide; bit++ {
					if g.Has(bitAt(bit)) {
						n.val[bit] = rapid.IntRange(0, 2).Draw(t, name+" value")
					}
				}
			}
			for i := range n.Groups { // a time that is not from before init
				n.Groups[i].Time++
				n.Groups[i].From = 0
			}
			return n
		}
		take := func(to, from *node, self string) {
			r := *from // what is sent is what was there before
			im := merge.Import{Self: self, Peer: 1, Epoch: 20, Valid: true, FromParent: self == "b"}
			groups, dead := r.Outgoing(1)
			c := merge.Compare{Greater: func(bit int) bool { return r.val[placeOf(bit)] > to.val[placeOf(bit)] }}
			for bit := range r.val {
				if r.val[bit] == to.val[bit] {
					c.Equal = c.Equal.Or(merge.Bit(bitAt(bit)))
				}
			}
			out := im.Settle(to.Row, merge.Incoming{Alive: r.Alive, Groups: groups, Dead: dead}, merge.Policies{}, c, false)
			to.Row = out.Row
			switch out.Action {
			case merge.Delete, merge.Insert:
				to.val = [wide + 1]int{}
			}
			for bit := range to.val {
				if out.Write.Has(bitAt(bit)) {
					to.val[bit] = r.val[bit]
				}
			}
		}
		a, b := gen("a"), gen("b")
		if a.Alive && b.Alive && rapid.Bool().Draw(t, "at once") {
			before := *a
			take(a, b, "a")
			take(b, &before, "b")
		}
		for range 2 { // a column that one side has no version of needs the way back
			take(b, a, "b")
			take(a, b, "a")
		}
		if a.Alive != b.Alive || a.val != b.val || !a.Alive && a.Dead.Stamp != b.Dead.Stamp {
			t.Fatalf("different:\n%+v\n%+v", a, b)
		}
		for bit := 0; bit <= wide; bit++ {
			x, _ := versionOf(a.Row, bit)
			y, _ := versionOf(b.Row, bit)
			if x.Stamp != y.Stamp {
				t.Fatalf("bit %d: %v and %v", bit, x, y)
			}
		}
	})
}

// Who stamps the existence of a row anew does not become the one who added it.
func TestExistenceKeepsWhoAddedIt(t *testing.T) {
	a := merge.Bit(1)
	for _, c := range []struct {
		what       string
		local      merge.Version
		in         int64
		fromParent bool
		want       merge.Version // of the existence
	}{
		{"made here", version(5, "h", 2, 0), 8, false, by(version(8, "p", 9, 1), 0)},
		{"from another", version(5, "q", 2, 2), 8, false, by(version(8, "p", 9, 1), 2)},
		{"from itself", version(5, "p", 2, 1), 8, false, version(8, "p", 9, 1)},
		{"an earlier one", version(5, "h", 2, 0), 4, false, version(5, "h", 2, 0)},
		{"made here, and stamped by the parent", version(5, "h", 2, 0), 8, true, by(version(8, "p", 9, 1), 0)},
		{"from before both were nodes", version(0, "h", 2, 0), 0, false, version(0, "h", 2, 0)},
	} {
		im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 4, Valid: true, FromParent: c.fromParent}
		in := merge.Incoming{Alive: true, Groups: []merge.SentGroup{{Mask: set(existence, a), Sent: sentVersion(c.in, "p", 7)}}}
		out := im.Settle(live(merge.Group{Mask: set(existence, a), Version: c.local}), in, merge.Policies{}, merge.Compare{Equal: a}, false)
		if got, _ := versionOf(out.Row, 0); got != c.want || len(out.Conflicts) > 0 || !out.Write.IsEmpty() {
			t.Errorf("%s: %+v in %+v", c.what, got, out)
		}
	}
}

// The cases that random schedules meet too rarely.
func TestSettleCases(t *testing.T) {
	a, b := merge.Bit(1), merge.Bit(2)
	im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 4, Valid: true}
	with := func(f func(*merge.Import)) merge.Import { x := im; f(&x); return x }
	row := func(v merge.Version) merge.Row { return live(merge.Group{Mask: set(existence, a), Version: v}) }
	in := func(s merge.Sent, ack uint64) merge.Incoming {
		return merge.Incoming{Alive: true, Groups: []merge.SentGroup{{Mask: set(existence, a), Sent: s}}, Ack: ack}
	}
	is := func(want uint64) func(uint64) bool { return func(e uint64) bool { return e == want } }
	tests := []struct {
		name    string
		im      merge.Import
		local   merge.Row
		in      merge.Incoming
		policy  merge.Policy
		equal   merge.Mask
		greater bool
		version merge.Version // of column a
		write   merge.Mask
		lost    int
	}{
		{name: "later in", im: im, local: row(version(10, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 3), version: version(11, "a", 9, 1), write: a},
		{name: "earlier in", im: im, local: row(version(12, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 3), version: version(12, "h", 3, 0)},
		{name: "one time: the author decides", im: im, local: row(version(11, "a", 3, 0)), in: in(sentVersion(11, "b", 5), 3), version: version(11, "b", 9, 1), write: a},
		{name: "one stamp: the greater value comes in", im: im, local: row(version(11, "a", 3, 0)), in: in(sentVersion(11, "a", 5), 2), greater: true, version: version(11, "a", 9, 1), write: a, lost: 1},
		{name: "one stamp: the lesser value stays out", im: im, local: row(version(11, "a", 3, 0)), in: in(sentVersion(11, "a", 5), 2), version: version(11, "a", 3, 0), lost: 1},
		{name: "conflict, newest", im: im, local: row(version(12, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 2), version: version(12, "h", 3, 0), lost: 1},
		{name: "equal values are no conflict", im: im, local: row(version(10, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 2), equal: a, version: version(11, "a", 9, 1)},
		{name: "no news is no conflict", im: im, local: row(version(12, "h", 3, 0)), in: in(sentVersion(11, "a", 4), 2), policy: merge.Child, version: version(12, "h", 3, 0)},
		{name: "what came from the sender is seen by it", im: im, local: row(version(12, "a", 3, 1)), in: in(sentVersion(11, "a", 5), 2), policy: merge.Child, version: version(12, "a", 3, 1)},
		{name: "child wins with the lower stamp", im: im, local: row(version(12, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 2), policy: merge.Child, version: version(13, "h", 9, 0), write: a, lost: 1},
		{name: "held against a child with the lower stamp", im: im, local: row(version(10, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 2), policy: merge.Parent, version: version(12, "h", 9, 0), lost: 1},
		{name: "parent's wins with the lower stamp", im: with(func(i *merge.Import) { i.FromParent = true }), local: row(version(12, "h", 3, 0)), in: in(sentVersion(11, "r", 5), 2), policy: merge.Parent, version: version(13, "h", 9, 0), write: a, lost: 1},
		{name: "first meeting: newest", im: with(func(i *merge.Import) { i.FirstMeeting = true }), local: row(version(12, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 2), policy: merge.Child, version: version(12, "h", 3, 0), lost: 1},
		{name: "sender does not know of a restore: newest, and nothing is seen", im: with(func(i *merge.Import) { i.Valid = false }), local: row(version(12, "a", 3, 1)), in: in(sentVersion(11, "a", 0), 8), policy: merge.Child, version: version(12, "a", 3, 1), lost: 1},
		{name: "sent again there: newest", im: with(func(i *merge.Import) { i.PeerResent = is(5) }), local: row(version(12, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 2), policy: merge.Child, version: version(12, "h", 3, 0), lost: 1},
		{name: "sent again here: newest", im: with(func(i *merge.Import) { i.OwnResent = is(3) }), local: row(version(12, "h", 3, 0)), in: in(sentVersion(11, "a", 5), 2), policy: merge.Child, version: version(12, "h", 3, 0), lost: 1},
		{name: "both from before: the parent's, even at the first meeting", im: with(func(i *merge.Import) { i.FirstMeeting, i.FromParent = true, true }), local: row(version(0, "z", 1, 0)), in: in(sentVersion(0, "r", 5), 0), version: version(1, "h", 9, 0), write: a, lost: 1},
		{name: "both from before, held against a child", im: with(func(i *merge.Import) { i.FirstMeeting = true }), local: row(version(0, "h", 1, 0)), in: in(sentVersion(0, "z", 5), 0), version: version(1, "h", 9, 0), lost: 1},
		{name: "both from before and equal: nothing", im: with(func(i *merge.Import) { i.FirstMeeting = true }), local: row(version(0, "a", 1, 0)), in: in(sentVersion(0, "h", 5), 0), equal: a, version: version(0, "a", 1, 0)},
		{name: "no version here: any comes in", im: im, local: live(merge.Group{Mask: existence, Version: version(50, "h", 3, 0)}), in: in(sentVersion(11, "a", 5), 0), policy: merge.Parent, version: version(11, "a", 9, 1), write: a},
		{name: "no version there: it stays", im: im, local: row(version(10, "h", 3, 0)), in: merge.Incoming{Alive: true, Groups: []merge.SentGroup{{Mask: set(existence, b), Sent: sentVersion(11, "a", 5)}}}, version: version(10, "h", 3, 0), write: b},
		{name: "a whole row", im: im, in: in(sentVersion(11, "a", 5), 0), version: version(11, "a", 9, 1), write: a},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := tt.im.Settle(tt.local, tt.in, merge.All(tt.policy), merge.Compare{Equal: tt.equal, Greater: func(int) bool { return tt.greater }}, false)
			if v, _ := versionOf(out.Row, 1); v != tt.version {
				t.Errorf("version %v, want %v", v, tt.version)
			}
			if out.Write != tt.write {
				t.Errorf("writes %v, want %v", out.Write, tt.write)
			}
			if len(out.Conflicts) != tt.lost {
				t.Errorf("lost %+v, want %d", out.Conflicts, tt.lost)
			}
		})
	}
}

func TestSettleDeletions(t *testing.T) {
	a, b, all := merge.Bit(1), merge.Bit(200), set(existence, merge.Bit(1), merge.Bit(200))
	im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 4, Valid: true}
	gone := func(time int64) merge.Incoming { return merge.Incoming{Dead: sentVersion(time, "a", 5), Ack: 2} }
	dead := func(time int64) merge.Row { return merge.Row{Known: true, Dead: version(time, "h", 3, 0)} }
	two := live(merge.Group{Mask: set(existence, a), Version: version(10, "h", 2, 0)}, merge.Group{Mask: b, Version: version(20, "h", 3, 0)})
	one := live(merge.Group{Mask: all, Version: version(10, "h", 2, 0)})
	sent := merge.Incoming{Alive: true, Ack: 2, Groups: []merge.SentGroup{{Mask: set(existence, a), Sent: sentVersion(10, "a", 3)}, {Mask: b, Sent: sentVersion(20, "a", 5)}}}
	tests := []struct {
		name   string
		local  merge.Row
		in     merge.Incoming
		stays  bool
		action merge.Action
		want   merge.Row
		lost   []merge.Conflict
	}{
		{"seen and below: deleted", one, gone(15), false, merge.Delete, merge.Row{Known: true, Dead: version(15, "a", 9, 1)}, nil},
		{"a column unseen: deleted, the column recorded", two, gone(25), false, merge.Delete, merge.Row{Known: true, Dead: version(25, "a", 9, 1)},
			[]merge.Conflict{{Mask: b, Loser: stamp(20, "h"), Winner: stamp(25, "a")}}},
		{"a column above: stays, the rest above the deletion", two, gone(15), false, merge.Keep,
			live(merge.Group{Mask: set(existence, a), Version: version(16, "h", 9, 0)}, merge.Group{Mask: b, Version: version(20, "h", 3, 0)}),
			[]merge.Conflict{{Mask: existence, Incoming: true, Deletion: true, Loser: stamp(15, "a"), Winner: stamp(20, "h")}}},
		{"needed by others: stays above it", one, gone(15), true, merge.Keep, live(merge.Group{Mask: all, Version: version(16, "h", 9, 0)}),
			[]merge.Conflict{{Mask: existence, Incoming: true, Deletion: true, Loser: stamp(15, "a"), Winner: stamp(10, "h")}}},
		{"one stamp: deleted", one, merge.Incoming{Dead: sentVersion(10, "h", 5), Ack: 2}, false, merge.Delete, merge.Row{Known: true, Dead: version(10, "h", 9, 1)}, nil},
		{"never seen: kept as a tombstone", merge.Row{}, gone(15), false, merge.Keep, merge.Row{Known: true, Dead: version(15, "a", 9, 1)}, nil},
		{"two deletions: the later", dead(10), gone(15), false, merge.Keep, merge.Row{Known: true, Dead: version(15, "a", 9, 1)}, nil},
		{"two deletions: the earlier changes nothing", dead(16), gone(15), false, merge.Keep, dead(16), nil},
		{"alive there, all below: stays deleted", dead(30), sent, false, merge.Keep, dead(30),
			[]merge.Conflict{{Mask: b, Incoming: true, Loser: stamp(20, "a"), Winner: stamp(30, "h")}}},
		{"alive there, one column above: comes back whole", dead(15), sent, false, merge.Insert,
			live(merge.Group{Mask: set(existence, a), Version: by(version(16, "h", 9, 0), 1)}, merge.Group{Mask: b, Version: version(20, "a", 9, 1)}),
			[]merge.Conflict{{Mask: existence, Deletion: true, Loser: stamp(15, "h"), Winner: stamp(20, "a")}}},
		{"a new row there, deleted here: all of it recorded", dead(30), merge.Incoming{Alive: true, Groups: []merge.SentGroup{{Mask: existence, Sent: sentVersion(10, "a", 5)}, {Mask: a, Sent: sentVersion(11, "a", 0)}}}, false, merge.Keep, dead(30),
			[]merge.Conflict{{Mask: existence, Incoming: true, Loser: stamp(10, "a"), Winner: stamp(30, "h")}, {Mask: a, Incoming: true, Loser: stamp(11, "a"), Winner: stamp(30, "h")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := im.Settle(tt.local, tt.in, merge.Policies{}, merge.Compare{}, tt.stays)
			if !sameRow(out.Row, tt.want) {
				t.Errorf("row %+v, want %+v", out.Row, tt.want)
			}
			if out.Action != tt.action || out.Changed == sameRow(tt.want, tt.local) {
				t.Errorf("action %d, changed %v", out.Action, out.Changed)
			}
			if !slices.Equal(out.Conflicts, tt.lost) {
				t.Errorf("lost %+v, want %+v", out.Conflicts, tt.lost)
			}
		})
	}
}

func TestRefuseDeletions(t *testing.T) {
	tests := []struct {
		n    int
		refs [][2]int
		want []bool
	}{
		{0, nil, []bool{}},
		{3, [][2]int{{1, 0}, {2, 0}}, []bool{false, false, false}},
		{3, [][2]int{{-1, 0}}, []bool{true, false, false}},
		{4, [][2]int{{1, 0}, {2, 1}, {-1, 0}}, []bool{true, true, true, false}}, // what refers to it stays too
		{4, [][2]int{{-1, 2}, {2, 1}, {1, 0}}, []bool{true, true, true, false}}, // and what it refers to
		{4, [][2]int{{2, 1}, {-1, 2}, {3, 1}, {3, 3}}, []bool{false, true, true, true}},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if got := merge.RefuseDeletions(tt.n, tt.refs); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// What never goes to the parent was not seen by it, and is decided its way; a row that is the parent's alone goes with its
// deletion, unless its existence itself is later.
func TestSettleNeverSent(t *testing.T) {
	a, b := merge.Bit(1), merge.Bit(2)
	im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 4, Valid: true, FromParent: true}
	local := live(merge.Group{Mask: existence, Version: version(10, "r", 2, 1)}, merge.Group{Mask: set(a, b), Version: version(20, "h", 3, 0)})
	in := merge.Incoming{Alive: true, Ack: 3, NeverSent: a, Groups: []merge.SentGroup{{Mask: existence, Sent: sentVersion(10, "r", 2)}, {Mask: set(a, b), Sent: sentVersion(15, "r", 5)}}}
	out := im.Settle(local, in, merge.Policies{}, merge.Compare{}, false)
	if out.Write != a || len(out.Conflicts) != 1 || out.Conflicts[0].Mask != a || out.Conflicts[0].Incoming {
		t.Errorf("an edit here that the parent never saw: %+v", out)
	}
	for _, c := range []struct {
		name   string
		local  merge.Row
		held   merge.Mask
		stays  bool
		action merge.Action
		lost   merge.Mask
	}{
		{"an edit keeps a row", local, merge.Mask{}, false, merge.Keep, existence},
		{"an edit of what never goes up keeps a row", local, a, false, merge.Keep, existence},
		{"an edit does not keep the parent's row", local, merge.Everything(), false, merge.Delete, set(a, b)},
		{"what refers to it does", local, merge.Everything(), true, merge.Keep, existence},
		{"so does a later existence", live(merge.Group{Mask: set(existence, a), Version: version(16, "h", 3, 0)}), merge.Everything(), false, merge.Keep, existence},
		{"an acknowledged edit of what never goes up is lost", live(merge.Group{Mask: set(existence, a, b), Version: version(12, "h", 3, 0)}), a, false, merge.Delete, a},
		{"what was there before is no loss", live(merge.Group{Mask: set(existence, a), Version: version(0, "h", 1, 0)}), merge.Everything(), false, merge.Delete, merge.Mask{}},
	} {
		out := im.Settle(c.local, merge.Incoming{Dead: sentVersion(15, "r", 5), Ack: 3, NeverSent: c.held}, merge.Policies{}, merge.Compare{}, c.stays)
		var lost merge.Mask
		for _, l := range out.Conflicts {
			lost = lost.Or(l.Mask)
		}
		if out.Action != c.action || lost != c.lost {
			t.Errorf("%s: action %d, lost %v, want %d, %v", c.name, out.Action, lost, c.action, c.lost)
		}
	}
	gone := merge.Row{Known: true, Dead: version(12, "h", 3, 0)}
	for held, lost := range map[merge.Mask]int{{}: 0, merge.Everything(): 1} {
		if out := im.Settle(gone, merge.Incoming{Alive: true, Ack: 3, NeverSent: held, Groups: in.Groups}, merge.Policies{}, merge.Compare{}, false); out.Action != merge.Insert || len(out.Conflicts) != lost {
			t.Errorf("a deletion here of what is held (%v): %+v", held, out)
		}
	}
}

// Where the parent never sends a column to a child, the child's value wins there, whatever the child acknowledged: stamped anew if it is the
// earlier one.
func TestSettleNeverSentToAChild(t *testing.T) {
	im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 4, Valid: true}
	local := live(merge.Group{Mask: existence, Version: version(10, "r", 2, 1)}, merge.Group{Mask: merge.Bit(1), Version: version(20, "h", 3, 0)})
	in := merge.Incoming{Alive: true, Ack: 3, NeverSent: merge.Bit(1), Groups: []merge.SentGroup{{Mask: existence, Sent: sentVersion(10, "r", 2)}, {Mask: merge.Bit(1), Sent: sentVersion(15, "r", 5)}}}
	out := im.Settle(local, in, merge.Policies{}, merge.Compare{}, false)
	if out.Write != merge.Bit(1) || len(out.Conflicts) != 1 || out.Conflicts[0].Incoming {
		t.Errorf("an edit here that the child never saw: %+v", out)
	}
}
