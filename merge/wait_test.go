package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// waited is a row of peer 7 with two groups: an edit of epoch 12 and what was told before, in epoch 5.
func waited() merge.Incoming {
	return merge.Incoming{Alive: true, Ack: 20, Groups: []merge.SentGroup{
		{Mask: merge.Bits(3), Sent: merge.Sent{Stamp: merge.Stamp{Time: 100, Author: "a"}, Epoch: 5}},
		{Mask: merge.Bits(4), Sent: merge.Sent{Stamp: merge.Stamp{Time: 200, Author: "a"}, Epoch: 12}},
	}}
}

func importFrom7() merge.Import {
	return merge.Import{Self: "h", Peer: 7, Epoch: 30, Applied: 10, Valid: true, Acked: 22, Horizon: 1000}
}

// known is the same row here, with edits made here in an epoch.
func known(epoch uint64, time int64) merge.Row {
	v := merge.Version{Stamp: merge.Stamp{Time: time, Author: "h"}, Epoch: epoch}
	return merge.Row{Known: true, Alive: true, Groups: []merge.Group{{Mask: merge.Bits(7), Version: v}}}
}

// conflicts settles the row as one that waited, and returns the columns that are in conflict.
func conflicts(im merge.Import, w merge.Waiting, local merge.Row) (m merge.Mask) {
	rules := im.Of(w)
	for _, c := range rules.Settle(local, w.Incoming, merge.Policies{}, merge.Compare{}, false).Conflicts {
		m = m.Or(c.Mask)
	}
	return m
}

// What was news when a row came is news later; what was told before is not.
func TestWaitingKeepsWhatWasNews(t *testing.T) {
	im := importFrom7()
	w := im.Waiting(waited())
	im.Applied = 50 // much was applied since
	if got := conflicts(im, w, known(25, 150)); got != merge.Bits(4) {
		t.Errorf("in conflict: %v", got)
	}
	if got := w.Since(); got != 11 {
		t.Errorf("applied of it up to %d", got)
	}
	deletion := im.Waiting(merge.Incoming{Dead: merge.Sent{Stamp: merge.Stamp{Time: 3, Author: "a"}, Epoch: 60}})
	if got := deletion.Since(); got != 59 {
		t.Errorf("of a deletion applied up to %d", got)
	}
	im.Applied = 100
	if got := im.Waiting(waited()).Since(); got != 0 {
		t.Errorf("of what was no news applied up to %d", got)
	}
}

// What the sender took while its row waited, it has seen: an edit made here above it is no conflict. One that it did not take, or that is below, is.
func TestWaitingWhileTheSenderGoesOn(t *testing.T) {
	w := func() (merge.Import, merge.Waiting) {
		im := importFrom7()
		return im, im.Waiting(waited())
	}
	for _, c := range []struct {
		name        string
		acked       uint64
		epoch       uint64
		time        int64
		inConflict4 bool
	}{
		{"taken since, and later", 26, 25, 300, false},
		{"not taken", 24, 25, 300, true},
		{"taken since, and earlier", 26, 25, 150, true},
		{"acknowledged when the row came, which the row was made without", 26, 22, 300, true},
		{"acknowledged by the row itself", 26, 20, 300, false},
	} {
		im, q := w()
		im.Acked = c.acked
		if got := conflicts(im, q, known(c.epoch, c.time)).Has(2); got != c.inConflict4 {
			t.Errorf("%s: in conflict: %t", c.name, got)
		}
	}
}

// The sender's next version of a row takes the place of one that waits: what was news stays so where it is the same version, and what
// the sender had not seen then it had not seen.
func TestWaitingAfterAnother(t *testing.T) {
	im := importFrom7()
	first := im.Waiting(waited())
	next := waited()
	next.Ack = 24
	next.Groups[0] = merge.SentGroup{Mask: merge.Bits(2), Sent: merge.Sent{Stamp: merge.Stamp{Time: 400, Author: "a"}, Epoch: 45}}
	next.Groups = append(next.Groups, merge.SentGroup{Mask: existence, Sent: merge.Sent{Stamp: merge.Stamp{Time: 100, Author: "a"}, Epoch: 5}})
	im.Applied, im.Valid = 40, true
	w := im.Waiting(next)
	if got := conflicts(im, w, known(25, 150)); got != merge.Bits(2) {
		t.Errorf("alone: in conflict: %v", got)
	}
	w = w.After(first)
	if got := conflicts(im, w, known(25, 150)); got != merge.Bits(2|4) {
		t.Errorf("after the other: in conflict: %v", got)
	}
	if w.Ack != 20 || w.Since() != 11 {
		t.Errorf("acknowledges %d, applied up to %d", w.Ack, w.Since())
	}
	gone := im.Waiting(merge.Incoming{Dead: merge.Sent{Stamp: merge.Stamp{Time: 500, Author: "a"}, Epoch: 46}})
	if got := gone.After(first); got.Alive || len(got.Groups) > 0 || got.Since() != 45 {
		t.Errorf("a deletion after it: %+v", got)
	}
	first.Blind, first.Unseen = true, merge.Bits(4)
	next.Unseen = merge.Bits(2)
	if w := im.Waiting(next).After(first); !w.Blind || w.Unseen != merge.Bits(2|4) {
		t.Errorf("a row that came blind, from who lacked a column: %+v", w)
	}
}

// An old file that comes between the parts of a load takes the place of no row of the load's that waits.
func TestWaitingOutlivesOlderBatch(t *testing.T) {
	im := importFrom7()
	w := im.Waiting(waited())
	gone := im.Waiting(merge.Incoming{Dead: merge.Sent{Stamp: merge.Stamp{Time: 500, Author: "a"}, Epoch: 46}})
	last := uint64(0)
	for _, g := range w.Groups {
		last = max(last, g.Epoch)
	}
	for _, c := range []struct {
		w     merge.Waiting
		upto  uint64
		older bool
	}{{w, last - 1, true}, {w, last, false}, {gone, 45, true}, {gone, 46, false}} {
		if im.Upto = c.upto; im.OlderThan(c.w) != c.older {
			t.Errorf("up to %d, a row that waits up to %d: older: %t", c.upto, c.w.Since(), !c.older)
		}
	}
	link := merge.Link{}
	if im := link.Import(&merge.History{}, merge.Header{Upto: merge.Position{Epoch: 9}}, merge.Decision{}); im.Upto != 9 {
		t.Errorf("a batch up to 9 is taken as up to %d", im.Upto)
	}
}

// A row that its sender has lost counts as made here, and its sender has seen nothing; but what was told before is no news by it.
func TestWaitingThatIsLost(t *testing.T) {
	im := importFrom7()
	w := im.Waiting(waited())
	w.Lost = true
	rules := im.Of(w)
	o := rules.Settle(merge.Row{}, w.Incoming, merge.Policies{}, merge.Compare{}, false)
	for _, g := range o.Row.Groups {
		if g.From != 0 || g.Epoch != 30 {
			t.Errorf("it comes from %d in %d", g.From, g.Epoch)
		}
	}
	if o.Row.AddedBy() != 7 {
		t.Errorf("added by %d", o.Row.AddedBy())
	}
	local := known(15, 150)
	local.Groups[0].From = 7
	if got := conflicts(im, w, local); got != merge.Bits(4) {
		t.Errorf("in conflict: %v", got)
	}
	w.Lost = false
	if got := conflicts(im, w, local); got != merge.Bits(0) {
		t.Errorf("of one that is not lost: %v", got)
	}
}

// A row of a sender that does not know of a restore here, and one that was only sent again, are settled as they would have been.
func TestWaitingIsSettledAsItCame(t *testing.T) {
	local := known(15, 300)
	for _, c := range []struct {
		name   string
		change func(*merge.Import)
		ack    uint64
		want   merge.Mask // in conflict
		taken  bool       // of the parent's, though earlier
	}{
		{"as it is", func(*merge.Import) {}, 0, merge.Bits(4), true},
		{"blind", func(im *merge.Import) { im.Valid = false }, 20, merge.Bits(2 | 4), false},
		{"at a first meeting", func(im *merge.Import) { im.FirstMeeting = true }, 0, merge.Bits(4), false},
		{"only sent again", func(im *merge.Import) { im.PeerResent = func(e uint64) bool { return e == 12 } }, 0, merge.Bits(4), false},
	} {
		im := importFrom7()
		im.FromParent = true
		c.change(&im)
		in := waited()
		in.Ack = c.ack
		w := im.Waiting(in)
		later := importFrom7()
		later.FromParent, later.Applied = true, 50
		rules := later.Of(w)
		o := rules.Settle(local, w.Incoming, merge.All(merge.Parent), merge.Compare{}, false)
		var m merge.Mask
		for _, x := range o.Conflicts {
			m = m.Or(x.Mask)
		}
		if m != c.want || (o.Write.Has(2)) != c.taken {
			t.Errorf("%s: in conflict %v, written %v", c.name, m, o.Write)
		}
	}
}

// What came before is no news when it comes again; one later version is, and so is all from a sender that does not know of a restore.
func TestNews(t *testing.T) {
	im := importFrom7()
	row, deletion := waited(), merge.Incoming{Dead: merge.Sent{Stamp: merge.Stamp{Time: 3, Author: "a"}, Epoch: 60}}
	last := uint64(0)
	for _, g := range row.Groups {
		last = max(last, g.Epoch)
	}
	for _, c := range []struct {
		applied  uint64
		valid    bool
		row, del bool
	}{
		{last - 1, true, true, 60 > last-1},
		{last, true, false, 60 > last},
		{59, true, last > 59, true},
		{60, true, last > 60, false},
		{100, false, true, true},
	} {
		im.Applied, im.Valid = c.applied, c.valid
		if im.News(row) != c.row || im.News(deletion) != c.del {
			t.Errorf("applied up to %d, valid %t: the row is news: %t, the deletion: %t", c.applied, c.valid, im.News(row), im.News(deletion))
		}
	}
}
