package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

const (
	year    = int64(8766 * 3600 * 1e6)
	ceiling = 221845392000000000 // the beginning of the year 9000
	leeway  = int64(1e6)
	today   = birth + year/2
)

func TestHorizon(t *testing.T) {
	for _, c := range []struct {
		name      string
		now, span int64
		parent    bool
		want      int64
	}{
		{"a child", today, 10 * year, false, today + 10*year},
		{"a parent", today, 10 * year, true, ceiling},
		{"a clock with an empty battery", 86400e6, 10 * year, false, birth + 10*year},
		{"a clock at the floor", birth, 10 * year, false, birth + 10*year},
		{"a clock near the ceiling", ceiling - year, 10 * year, false, ceiling},
		{"a clock beyond it", ceiling + year, 10 * year, false, ceiling},
		{"as far as can be", today, 1<<63 - 1, false, ceiling},
	} {
		if got := merge.Horizon(c.now, c.span, c.parent); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestTakes(t *testing.T) {
	const limit = today + 10*year
	alive := func(time int64) merge.Row {
		return live(merge.Group{Mask: merge.Bits(3), Version: version(time, "a", 1, 0)})
	}
	dead := merge.Row{Known: true, Dead: version(limit+year, "a", 1, 0)}
	for _, c := range []struct {
		name  string
		known merge.Row
		time  int64
		want  bool
	}{
		{"at the limit", merge.Row{}, limit, true},
		{"above the limit", merge.Row{}, limit + 1, false},
		{"from before its author was a node", merge.Row{}, 0, true},
		{"above the limit, of a row that is known to be older", alive(today), limit + 1, false},
		{"of a row that is known with that stamp", alive(limit + year), limit + year, true},
		{"made on what is known", alive(limit + year), limit + year + 1, true},
		{"made on it a million times", alive(limit + year), limit + year + leeway, true},
		{"once more", alive(limit + year), limit + year + leeway + 1, false},
		{"made on a deletion that is known", dead, limit + year + 1, true},
		{"above the limit, of a row that is known to be just below it", alive(limit), limit + leeway, true},
		{"at the end, of a row that had its stamp there before", alive(endOfTime), endOfTime, true},
	} {
		im := &merge.Import{Horizon: limit}
		if got := im.Takes(c.known, stamp(c.time, "z")); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// There is room above whatever is taken and whatever a clock says.
func TestThereIsRoomAbove(t *testing.T) {
	m := merge.Stamper{Self: "h", Epoch: 2}
	highest := merge.Horizon(endOfTime, endOfTime, true)
	row := m.Insert(merge.Row{}, merge.Bits(2), endOfTime) // a clock that is quite wrong
	if got := latest(row).Time; got != highest {
		t.Errorf("a clock at the end gives %d, want %d", got, highest)
	}
	for i := int64(1); i <= 1000; i++ {
		row = m.Edit(row, merge.Bits(2), endOfTime)
		if got := latest(row).Time; got != highest+i {
			t.Fatalf("edit %d: %d", i, got)
		}
	}
	if dead := m.Delete(row, 5).Dead.Time; dead != highest+1001 {
		t.Errorf("a deletion: %d", dead)
	}
	if room := endOfTime - highest; room < 900*year {
		t.Errorf("room of %d years", room/year)
	}
	old := live(merge.Group{Mask: merge.Bits(3), Version: version(endOfTime, "z", 1, 1)}) // of a database from before that was so
	if got := latest(m.Edit(old, merge.Bits(2), 5)).Time; got != endOfTime {
		t.Errorf("beyond what a batch can hold: %d", got)
	}
}

// A row's own acknowledgement counts as far as the header vouches for it: otherwise a row that says "I have seen all" would win over
// what its author has never seen, and nobody would hear of that.
func TestRowAckIsTheHeaders(t *testing.T) {
	own := &merge.History{ID: 7, Has: func(merge.Position) bool { return true }}
	link := &merge.Link{Number: 5}
	h := merge.Header{History: 8, Link: 6, PeerLink: 5, AckHistory: 7, Ack: merge.Position{Epoch: 3, Token: 1}, Upto: merge.Position{Epoch: 4, Token: 2}}
	for _, c := range []struct{ load, said, want uint64 }{
		{0, 0, 0}, {0, 2, 2}, {0, 3, 3}, {0, 4, 3}, {0, 1 << 62, 3},
		{9, 9, 9}, {9, 10, 9}, {2, 3, 3},
	} {
		x, l := h, *link
		x.LoadUpto.Epoch = c.load
		d := merge.Receive(own, &l, x)
		im := l.Import(&merge.History{}, x, d)
		if got := im.RowAck(c.said); got != c.want {
			t.Errorf("header 3, load %d, row %d: %d, want %d", c.load, c.said, got, c.want)
		}
	}
	im := link.Import(&merge.History{}, h, merge.Decision{Valid: true})
	im.Self, im.Peer, im.Epoch, im.Applied, im.FirstMeeting = "h", 1, 6, 1, false
	local := live(merge.Group{Mask: merge.Bits(3), Version: version(10, "h", 5, 0)}) // of epoch 5, which the sender has not acknowledged
	in := merge.Incoming{Alive: true, Groups: []merge.SentGroup{{Mask: merge.Bits(3), Sent: sentVersion(20, "z", 4)}}, Ack: im.RowAck(1 << 62)}
	if out := im.Settle(local, in, merge.Policies{}, merge.Compare{}, false); len(out.Conflicts) != 1 {
		t.Errorf("conflicts: %+v", out.Conflicts)
	}
}
