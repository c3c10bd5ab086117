package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// What it costs to settle a row of a batch, in the cases that a load and an ordinary file are made of.
func BenchmarkSettle(b *testing.B) {
	columns := merge.Bits(1<<10 - 2)
	all := columns.Or(existence)
	im := merge.Import{Self: "hub", Peer: 3, Epoch: 9, Applied: 4, Valid: true, Upto: 8, Horizon: 1 << 60, MaxAck: 8, Acked: 8, Sent: 8}
	here := live(merge.Group{Mask: all, Version: version(20, "hub", 5, 0)})
	sent := func(time int64, epoch, ack uint64) merge.Incoming {
		return merge.Incoming{Alive: true, Columns: columns, Ack: ack, Groups: []merge.SentGroup{{Mask: all, Sent: sentVersion(time, "kisumu", epoch)}}}
	}
	edited := merge.Incoming{Alive: true, Columns: columns, Ack: 8, Groups: []merge.SentGroup{
		{Mask: existence, Sent: sentVersion(10, "kisumu", 2)}, {Mask: columns, Sent: sentVersion(30, "kisumu", 6)}}}
	for _, c := range []struct {
		name   string
		local  merge.Row
		in     merge.Incoming
		equal  merge.Mask
		action merge.Action
		lost   bool // a value loses that its winner had not seen
	}{
		{"new", merge.Row{}, sent(30, 6, 8), merge.Mask{}, merge.Insert, false},
		{"equal", here, sent(30, 6, 4), all, merge.Keep, false},
		{"edited", here, edited, merge.Mask{}, merge.Update, false},
		{"conflict", here, sent(30, 6, 4), merge.Mask{}, merge.Update, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var out merge.Outcome
			for b.Loop() {
				out = im.Settle(c.local, c.in, merge.Policies{}, merge.Compare{Equal: c.equal}, false)
			}
			if out.Action != c.action || len(out.Conflicts) > 0 != c.lost {
				b.Fatalf("%v, conflicts %v", out.Action, out.Conflicts)
			}
		})
	}
}
