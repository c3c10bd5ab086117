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

func TestMayPair(t *testing.T) {
	im := merge.Import{Peer: 1, Valid: true, Sent: 5}
	first := merge.Import{Peer: 1, Valid: true}
	one := merge.Likeness{Local: alive(6, 0)}
	change := func(f func(x *merge.Likeness)) merge.Likeness { x := one; f(&x); return x }
	for _, c := range []struct {
		name string
		im   merge.Import
		x    merge.Likeness
		want bool
	}{
		{"never in a file", im, one, true},
		{"in a file", im, change(func(x *merge.Likeness) { x.Local = alive(5, 0) }), false},
		{"it came back", im, change(func(x *merge.Likeness) { x.Returned = true }), false},
		{"the key is known", im, change(func(x *merge.Likeness) { x.KeyKnown = true }), false},
		{"it is another row of the peer's", im, change(func(x *merge.Likeness) { x.Paired = true }), false},
		{"it stays, and is absent there", im, change(func(x *merge.Likeness) { x.Local, x.Stays, x.Absent = alive(2, 0), true, true }), true},
		{"it stays, and nobody knows whether it is there", im, change(func(x *merge.Likeness) { x.Local, x.Stays = alive(2, 0), true }), false},
		{"it is absent there, but was in a file", im, change(func(x *merge.Likeness) { x.Local, x.Absent = alive(2, 0), true }), false},
		{"it stays, and came from there", im, change(func(x *merge.Likeness) { x.Local, x.Stays, x.Absent = alive(2, 1), true, true }), false},
		{"nothing was sent, and it came back", first, change(func(x *merge.Likeness) { x.Returned = true }), true},
		{"nothing was sent, and it came from there", first, change(func(x *merge.Likeness) { x.Local = alive(6, 1) }), false},
		{"nothing was sent, and the key is known", first, change(func(x *merge.Likeness) { x.KeyKnown = true }), false},
		{"nothing was sent, and it is deleted", first, change(func(x *merge.Likeness) { x.Local = merge.Row{Known: true} }), false},
	} {
		if got := c.im.MayPair(c.x); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if !im.Had(alive(5, 0), false) || im.Had(alive(6, 0), false) || im.Had(alive(2, 0), true) {
		t.Error("what was in a file the peer had, and nothing else")
	}
	l := merge.Link{Acked: merge.Position{Epoch: 4}}
	if d := l.Deciding(3); d.Peer != 3 || !d.Valid || d.Sent != 4 || !l.HasSent() || (&merge.Link{}).HasSent() {
		t.Errorf("%+v", d)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		k    merge.KeyOf
		want merge.Naming
	}{
		{merge.KeyOf{}, merge.SameKey},
		{merge.KeyOf{Carries: true}, merge.SameKey},
		{merge.KeyOf{Own: true, Carries: true}, merge.SameKey},
		{merge.KeyOf{Own: true, OwnPaired: true, Carries: true}, merge.AnotherKey},
		{merge.KeyOf{Others: true, Carries: true}, merge.CarriedKey},
		{merge.KeyOf{Others: true}, merge.AnotherKey},
		{merge.KeyOf{Others: true, OthersPaired: true, Carries: true}, merge.AnotherKey},
		{merge.KeyOf{Others: true, Own: true, Carries: true}, merge.SameKey},
	} {
		if got := merge.Names(c.k); got != c.want {
			t.Errorf("%+v: %d, want %d", c.k, got, c.want)
		}
	}
}
