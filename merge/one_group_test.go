package merge_test

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/omsync/omsync/merge"
)

// What comes with one version comes to the same as if it came in two parts that both have it: a row that is here as it comes is settled at once.
func TestOneGroupIsSettledAsTwo(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	bits := func(some int) merge.Mask {
		m := merge.Mask{}
		for bit := range 4 {
			if r.IntN(some) > 0 {
				m = m.Or(merge.Bit(bit))
			}
		}
		return m
	}
	stamp := func() merge.Stamp {
		return merge.Stamp{Time: int64(r.IntN(3)), Author: []string{"hub", "kisumu"}[r.IntN(2)]}
	}
	kept := 0
	for range 200_000 {
		v := merge.Version{Stamp: stamp(), Epoch: uint64(r.IntN(4)), From: merge.Peer(r.IntN(3))}
		if r.IntN(3) == 0 {
			v.Added = merge.Adder{Stored: true, Peer: merge.Peer(r.IntN(3))}
		}
		local := merge.Row{Known: true, Alive: true, Groups: merge.Normalise([]merge.Group{{Mask: bits(6), Version: v}})}
		sent := merge.Sent{Stamp: stamp(), Epoch: uint64(r.IntN(4))}
		mask := bits(6)
		in := merge.Incoming{Alive: true, Ack: uint64(r.IntN(4)), Whose: merge.Whose(r.IntN(3)), Groups: []merge.SentGroup{{Mask: mask, Sent: sent}}}
		if r.IntN(3) == 0 {
			in.NeverSent, in.Unseen, in.Missed = bits(2), bits(2), bits(2)
		}
		im := merge.Import{Self: "kisumu", Peer: 1, Epoch: 5, Applied: uint64(r.IntN(4)), Valid: r.IntN(4) > 0, FirstMeeting: r.IntN(4) == 0, FromParent: r.IntN(2) == 0,
			PeerMends: func(e uint64) bool { return e == 3 }, PeerResent: func(e uint64) bool { return e == 2 }, OwnMends: func(e uint64) bool { return e == 1 }}
		policies := merge.All(merge.Policy(r.IntN(3)))
		equal := bits(8)
		compare := merge.Compare{Equal: equal, Greater: func(bit int) bool { return bit == 2 }}
		one := im.Settle(local, in, policies, compare, false)
		in.Groups = []merge.SentGroup{{Mask: mask.And(merge.Bit(merge.Existence)), Sent: sent}, {Mask: mask.Columns(), Sent: sent}}
		two := im.Settle(local, in, policies, compare, false)
		one.Conflicts, two.Conflicts = joined(one.Conflicts), joined(two.Conflicts)
		if !reflect.DeepEqual(one, two) {
			t.Fatalf("%+v\nand %+v with %+v equal:\none group %+v\ntwo groups %+v", local, in, equal, one, two)
		}
		if !one.Changed {
			kept++
		}
	}
	if kept < 1000 {
		t.Errorf("%d rows stay as they are", kept)
	}
}

// joined puts conflicts together that differ in their columns alone.
func joined(list []merge.Conflict) (out []merge.Conflict) {
next:
	for _, c := range list {
		for i, o := range out {
			if o.Incoming == c.Incoming && o.Deletion == c.Deletion && o.Loser == c.Loser && o.Winner == c.Winner {
				out[i].Mask = o.Mask.Or(c.Mask)
				continue next
			}
		}
		out = append(out, c)
	}
	return out
}
