package merge_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/omsync/omsync/merge"
)

// Who does what about a row that differs: one of the two ends, whatever the rule, but for a row that somebody must have.
func TestMends(t *testing.T) {
	mine := live(merge.Group{Mask: merge.Bits(3), Version: version(9, "h", 3, 0)})
	theirs := live(merge.Group{Mask: merge.Bits(3), Version: version(9, "h", 3, 1)})
	edited := live(merge.Group{Mask: merge.Bits(1), Version: version(9, "h", 3, 1)}, merge.Group{Mask: merge.Bits(2), Version: version(12, "c", 4, 0)})
	for _, c := range []struct {
		name        string
		here, there bool
		known       merge.Row
		who         merge.Authority
		keep        bool
		want        merge.Mending
	}{
		{"it is there alone", false, true, merge.Row{}, merge.DecidedHere, true, merge.Leave},
		{"it differs, and is this node's", true, true, theirs, merge.DecidedHere, true, merge.Claim},
		{"it differs, and is the peer's", true, true, mine, merge.DecidedThere, true, merge.Leave},
		{"it differs, and was made here", true, true, mine, merge.DecidedByHolder, true, merge.Claim},
		{"it differs, and came from the peer", true, true, theirs, merge.DecidedByHolder, true, merge.Leave},
		{"it differs, and was edited here last", true, true, edited, merge.DecidedByHolder, true, merge.Claim},
		{"it differs, and nothing is known of it", true, true, merge.Row{}, merge.DecidedByHolder, true, merge.Claim},
		{"it is here alone, and is the peer's", true, false, mine, merge.DecidedThere, true, merge.Remove},
		{"it is here alone, and is this node's", true, false, mine, merge.DecidedHere, true, merge.Claim},
		{"it is here alone, and came from the peer", true, false, theirs, merge.DecidedByHolder, true, merge.Claim},
		{"it is here alone, is this node's, and others are to go", true, false, mine, merge.DecidedHere, false, merge.Claim},
		{"it is here alone, and is to go", true, false, theirs, merge.DecidedByHolder, false, merge.Remove},
		{"it is here alone, and nobody knew", true, false, merge.Row{}, merge.DecidedByHolder, false, merge.Claim},
	} {
		if got := (merge.Drift{Here: c.here, There: c.there, Known: c.known, Peer: 1, Authority: c.who}).Mends(c.keep); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// A row to which others refer that stay is sent to who does not decide otherwise.
func TestStays(t *testing.T) {
	for who, want := range map[merge.Authority]merge.Mending{merge.DecidedByHolder: merge.Claim, merge.DecidedHere: merge.Claim, merge.DecidedThere: merge.Leave} {
		if got := (merge.Drift{Here: true, Authority: who}).Stays(); got != want {
			t.Errorf("%d: %d, want %d", who, got, want)
		}
	}
}

// A claim is above what it was, and of a row that came back unseen above its deletion.
func TestClaim(t *testing.T) {
	m := merge.Stamper{Self: "h", Epoch: 7}
	was := live(merge.Group{Mask: merge.Bits(1), Version: version(50, "c", 3, 1)}, merge.Group{Mask: merge.Bits(6), Version: version(60, "c", 4, 1)})
	all := merge.Bits(7)
	for _, c := range []struct {
		name       string
		prev, dead merge.Row
		want       [2]int64 // times of bits 0 and 1
	}{
		{"known", was, merge.Row{}, [2]int64{51, 61}},
		{"known, and deleted since", was, merge.Row{Known: true, Dead: version(80, "c", 5, 1)}, [2]int64{81, 81}},
		{"not known", merge.Row{}, merge.Row{}, [2]int64{1000, 1000}},
	} {
		got := m.Claim(c.prev, c.dead, all, 1000)
		a, _ := versionOf(got, 0)
		b, _ := versionOf(got, 1)
		if (a.Time != c.want[0] || b.Time != c.want[1]) || a.Author != "h" || a.From != 0 || a.Epoch != 7 {
			t.Errorf("%s: %+v, %+v", c.name, a, b)
		}
	}
}

// drifting is one end of a link whose rows change without anybody noticing.
type drifting struct {
	name   string
	parent bool // it is the parent
	epoch  uint64
	rows   map[int]merge.Row
	values map[int]string
	lost   map[string]bool // values that were recorded as lost, or deleted by a repair
}

// claims stamps a row anew, in an epoch of its own.
func (d *drifting) claims(id int) {
	d.epoch++
	d.rows[id] = merge.Stamper{Self: d.name, Epoch: d.epoch}.Claim(d.rows[id], merge.Row{}, merge.Bits(3), int64(d.epoch))
}

// takes has everything of the other end come in that this one has not seen; mending says which epochs of the other mend.
func (d *drifting) takes(from *drifting, applied, acked uint64, mending func(uint64) bool, flows merge.Authority) {
	d.epoch++
	im := merge.Import{Self: d.name, Peer: 1, Epoch: d.epoch, Applied: applied, Valid: true, FromParent: from.parent, PeerMends: mending, Acked: acked, MaxAck: acked}
	for id, row := range from.rows {
		if !row.Alive || !row.NewerThan(applied, 1) {
			continue
		}
		if _, is := from.values[id]; !is {
			continue // its entry has no row
		}
		groups, _ := row.Outgoing(1)
		in := merge.Incoming{Alive: true, Groups: groups, Ack: acked}
		if flows == merge.DecidedHere { // of what only flows from the parent
			in.NeverSent = merge.Everything()
		}
		local := d.rows[id]
		if _, is := d.values[id]; !is {
			local = merge.Row{} // an entry without a row is not found by the row's key
		} else if !local.Known {
			local = merge.Row{Known: true, Alive: true} // a row without an entry is
		}
		compare := merge.Compare{}
		if d.values[id] == from.values[id] {
			compare.Equal = merge.Bits(2)
		}
		out := im.Settle(local, in, merge.Policies{}, compare, false)
		for _, c := range out.Conflicts {
			if c.Incoming {
				d.lost[from.values[id]] = true
			} else {
				d.lost[d.values[id]] = true
			}
		}
		if out.Action == merge.Insert || out.Action == merge.Update && out.Write.Has(1) {
			d.values[id] = from.values[id]
		}
		d.rows[id] = out.Row
	}
}

// TestDriftSchedules changes rows behind the back of one end of a link and the other, has both repair what differs, in either order, and
// exchange: then both hold the same, and every value that is gone was recorded.
func TestDriftSchedules(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 77))
		flows := []merge.Authority{merge.DecidedByHolder, merge.DecidedHere}[r.IntN(2)] // of the parent
		ends := []*drifting{{name: "h", parent: true}, {name: "c"}}
		for _, d := range ends {
			d.rows, d.values, d.lost, d.epoch = map[int]merge.Row{}, map[int]string{}, map[string]bool{}, 10
		}
		for id := range 6 { // in step
			maker := r.IntN(2)
			if flows == merge.DecidedHere {
				maker = 0
			}
			for i, d := range ends {
				v := merge.Version{Stamp: merge.Stamp{Time: int64(5 + id), Author: ends[maker].name}, Epoch: 5}
				if i != maker {
					v.From = 1
				}
				d.rows[id], d.values[id] = live(merge.Group{Mask: merge.Bits(3), Version: v}), fmt.Sprint("first", id)
			}
		}
		all := map[string]bool{}
		for n := range r.IntN(6) {
			d, id := ends[r.IntN(2)], r.IntN(8)
			value := fmt.Sprintf("%d-%s", n, d.name)
			switch r.IntN(4) {
			case 0:
				delete(d.values, id)
			case 1: // a value from a backup, with an entry that another row has left behind
				row, known := d.rows[id]
				if _, is := d.values[id]; !is || !known {
					continue
				}
				v := row.Groups[0].Version
				v.Time = 1
				d.rows[id], d.values[id], all[value] = live(merge.Group{Mask: merge.Bits(3), Version: v}), value, true
			default:
				if _, is := d.values[id]; !is {
					if id >= 6 { // a new row; others that are deleted stay so
						d.values[id], all[value] = value, true
						delete(d.rows, id)
					}
					continue
				}
				d.values[id], all[value] = value, true
			}
		}
		keep := r.IntN(2) == 0
		before := [2]map[int]string{}
		mending := [2]map[uint64]bool{{}, {}}
		for i, d := range ends {
			before[i] = map[int]string{}
			for id, v := range d.values {
				before[i][id] = v
			}
		}
		order := []int{0, 1}
		if r.IntN(2) == 0 {
			order = []int{1, 0}
		}
		for _, i := range order {
			d := ends[i]
			for id := range 8 {
				mine, here := before[i][id]
				other, there := before[1-i][id]
				if here == there && mine == other {
					continue
				}
				who := flows
				if flows == merge.DecidedHere && !d.parent {
					who = merge.DecidedThere
				}
				switch (merge.Drift{Here: here, There: there, Known: d.rows[id], Peer: 1, Authority: who}).Mends(keep) {
				case merge.Claim:
					d.claims(id)
					mending[i][d.epoch] = true
				case merge.Remove:
					d.lost[mine] = true
					delete(d.values, id)
					delete(d.rows, id)
				}
			}
		}
		for range 2 {
			for _, i := range order {
				ends[1-i].takes(ends[i], 10, 10, func(e uint64) bool { return mending[i][e] }, flows)
			}
		}
		for id := range 8 {
			a, here := ends[0].values[id]
			b, there := ends[1].values[id]
			if here != there || a != b {
				t.Fatalf("seed %d, keep %v: row %d is %q (%v) and %q (%v)", seed, keep, id, a, here, b, there)
			}
		}
		for value := range all {
			kept := ends[0].lost[value] || ends[1].lost[value]
			for id := range 8 {
				kept = kept || ends[0].values[id] == value
			}
			written := false // it was not overwritten by another change behind the back of both
			for id := range 8 {
				written = written || before[0][id] == value || before[1][id] == value
			}
			if written && !kept {
				t.Fatalf("seed %d, keep %v: %q is lost without a record", seed, keep, value)
			}
		}
	}
}
