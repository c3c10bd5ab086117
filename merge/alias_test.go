package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// alive is a row with a version of its existence, and other columns from the peer.
func alive(epoch uint64, from merge.Peer) merge.Row {
	return merge.Row{Known: true, Alive: true, Groups: []merge.Group{
		{Mask: merge.Bit(merge.Existence), Version: merge.Version{Epoch: epoch, From: from}},
		{Mask: merge.Bit(1), Version: merge.Version{Stamp: merge.Stamp{Time: 1}, Epoch: 9, From: 1}}}}
}

func TestRecognises(t *testing.T) {
	is := func(epochs ...uint64) func(uint64) bool {
		return func(e uint64) bool {
			for _, x := range epochs {
				if x == e {
					return true
				}
			}
			return false
		}
	}
	im := merge.Import{Peer: 1, Valid: true, Sent: 5, Met: 3, OwnResent: is(7), Reclaimed: is(8)}
	one := merge.Likeness{Here: 1, There: 1, Local: alive(6, 0)}
	change := func(f func(x *merge.Likeness)) merge.Likeness { x := one; f(&x); return x }
	for _, c := range []struct {
		name string
		x    merge.Likeness
		want bool
	}{
		{"one here and one there", one, true},
		{"of another peer's", change(func(x *merge.Likeness) { x.Local = alive(6, 2) }), true},
		{"two here", change(func(x *merge.Likeness) { x.Here = 2 }), false},
		{"none here", change(func(x *merge.Likeness) { x.Here = 0 }), false},
		{"two there", change(func(x *merge.Likeness) { x.There = 2 }), false},
		{"its key is that of another, or of a deletion", change(func(x *merge.Likeness) { x.KeyKnown = true }), false},
		{"it is another row of the sender's", change(func(x *merge.Likeness) { x.Paired = true }), false},
		{"it came back", change(func(x *merge.Likeness) { x.Returned = true }), false},
		{"a person keeps them apart", change(func(x *merge.Likeness) { x.Apart = true }), false},
		{"it was in a file", change(func(x *merge.Likeness) { x.Local = alive(5, 0) }), false},
		{"it came from the sender", change(func(x *merge.Likeness) { x.Local = alive(6, 1) }), false},
		{"it was only sent again", change(func(x *merge.Likeness) { x.Local = alive(7, 0) }), false},
		{"the sender may have lost it", change(func(x *merge.Likeness) { x.Local = alive(8, 0) }), false},
		{"it was in a file, or could have been", change(func(x *merge.Likeness) { x.Local = alive(4, 0) }), false},
		{"it was made after they had met, and never goes there", change(func(x *merge.Likeness) { x.Local, x.Stays = alive(4, 0), true }), true},
		{"it never goes there, but may be there from before", change(func(x *merge.Likeness) { x.Local, x.Stays = alive(3, 0), true }), false},
		{"it never goes there, and came from there", change(func(x *merge.Likeness) { x.Local, x.Stays = alive(4, 1), true }), false},
		{"it is deleted", change(func(x *merge.Likeness) { x.Local = merge.Row{Known: true, Dead: merge.Version{Epoch: 6}} }), false},
		{"nothing is known of it", change(func(x *merge.Likeness) { x.Local = merge.Row{} }), false},
	} {
		if got := im.Recognises(c.x); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if im.Carries() || !(&merge.Import{Valid: true}).Carries() || (&merge.Import{}).Carries() {
		t.Error("another peer's key is carried as long as nothing was sent")
	}
	im.Valid = false
	if im.Recognises(one) {
		t.Error("who does not know of a restore here is believed")
	}
}

// What a file that was made holds may be there, also where nothing says so.
func TestWhatWasSentIsNotUnsent(t *testing.T) {
	own := merge.History{ID: 4, Has: func(merge.Position) bool { return true }}
	sent := func(l merge.Link, ackHistory uint64) uint64 {
		return l.Import(&own, merge.Header{AckHistory: ackHistory}, merge.Decision{Valid: true}).Sent
	}
	at := func(epoch uint64) merge.Position { return merge.Position{Epoch: epoch, Token: 1} }
	for _, c := range []struct {
		name string
		link merge.Link
		want uint64
	}{
		{"nothing", merge.Link{}, 0},
		{"what is acknowledged", merge.Link{Acked: at(3)}, 3},
		{"a load under way", merge.Link{Acked: at(3), Sending: merge.Sending{Upto: at(4)}}, 4},
		{"files under way", merge.Link{Acked: at(3), ExportEnds: []merge.Position{at(5), at(6)}}, 6},
	} {
		if got := sent(c.link, 4); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		if got := c.link.ListensFirst(); got != (c.want == 0) {
			t.Errorf("%s: listens first: %v", c.name, got)
		}
	}
	if sent(merge.Link{}, 0) != 0 || sent(merge.Link{}, 3) < 1<<63 {
		t.Error("of who speaks to a history before a restore, anything may have been sent to it")
	}
	if (&merge.Link{Applied: at(2)}).ListensFirst() {
		t.Error("who has applied a load goes on listening")
	}
}
