package merge_test

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
)

// A side is one end of a link, with just enough of a node around it.
type side struct {
	history merge.History
	link    merge.Link
	tokens  []uint64
	ids     *uint64
	now     int64
	size    int64 // of its files
}

func newSide(history, number uint64) *side {
	ids := history << 32
	s := &side{ids: &ids, link: merge.Link{Number: number}, tokens: []uint64{0}, now: merge.Day}
	s.history = merge.History{ID: history, Has: s.has}
	return s
}

func (s *side) has(m merge.Position) bool {
	return m.Epoch < uint64(len(s.tokens)) && s.tokens[m.Epoch] == m.Token
}

// id draws a number that was never drawn before, by a copy neither.
func (s *side) id() uint64 {
	*s.ids++
	return *s.ids
}

func (s *side) position() merge.Position {
	last := len(s.tokens) - 1
	return merge.Position{Epoch: uint64(last), Token: s.tokens[last]}
}

// change gives the side one more epoch.
func (s *side) change() merge.Position {
	s.tokens = append(s.tokens, s.id())
	return s.position()
}

func (s *side) copy() *side {
	c := *s
	c.tokens = slices.Clone(s.tokens)
	c.history.Has = c.has
	return &c
}

func (s *side) export(ask merge.ExportRequest) merge.Header {
	h, _ := merge.PlanExport(&s.history, &s.link, ask)
	h.Upto, h.At = s.position(), s.now
	merge.RecordExport(&s.history, &s.link, h, s.size, s.now)
	return h
}

// parts makes a full load in n parts; made says how many get their final names.
func (s *side) parts(ask merge.ExportRequest, load uint64, n, made int) []merge.Header {
	h, _ := merge.PlanExport(&s.history, &s.link, ask)
	h.Upto, h.Load = s.position(), load
	var out []merge.Header
	for i := range made {
		h.Part, h.Last = uint32(i+1), i == n-1
		merge.RecordExport(&s.history, &s.link, h, s.size, s.now)
		out = append(out, h)
	}
	return out
}

// receive reads a header, and applies its batch as one that writes something.
func (s *side) receive(h merge.Header) merge.Decision {
	d := merge.Receive(&s.history, &s.link, h)
	if d.NewHistory {
		s.history.ID = s.id()
	}
	if d.Verdict == merge.Apply {
		merge.RecordImport(&s.link, h, s.change().Epoch, true)
	}
	return d
}

func (s *side) want(t *testing.T, h merge.Header, verdict merge.Verdict) merge.Decision {
	t.Helper()
	d := s.receive(h)
	if d.Verdict != verdict {
		t.Errorf("verdict %d, want %d, of %+v", d.Verdict, verdict, h)
	}
	return d
}

func pair() (a, b *side) {
	a, b = newSide(1, 10), newSide(2, 20)
	a.change()
	b.change()
	return a, b
}

// meet exchanges first loads and acknowledgements.
func meet(t *testing.T, a, b *side) {
	t.Helper()
	b.want(t, a.export(merge.ExportRequest{}), merge.Apply)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	b.want(t, a.export(merge.ExportRequest{}), merge.Apply)
}

func TestAcknowledgement(t *testing.T) {
	a, b := pair()
	first := a.export(merge.ExportRequest{})
	b.want(t, first, merge.Apply)
	early := b.export(merge.ExportRequest{})
	a.change()
	second := a.export(merge.ExportRequest{SinceSent: true})
	if !second.Ahead || second.Base != first.Upto {
		t.Errorf("since sent: %+v", second)
	}
	b.want(t, second, merge.Apply)
	late := b.export(merge.ExportRequest{})
	a.want(t, late, merge.Gap) // its acknowledgement counts all the same
	if a.link.Acked != second.Upto {
		t.Errorf("acked %v", a.link.Acked)
	}
	a.want(t, early, merge.Apply)
	a.want(t, late, merge.Apply)
	a.want(t, early, merge.Covered)
	if a.link.Acked != second.Upto {
		t.Errorf("acked fell to %v", a.link.Acked)
	}
	if h := a.export(merge.ExportRequest{}); h.Base != second.Upto || h.Ahead || len(h.Chain) > 0 {
		t.Errorf("after the acknowledgement: %+v", h)
	}
}

func TestHeaderIsDue(t *testing.T) {
	a, b := pair()
	due := func(s *side) bool { return merge.HeaderIsDue(&s.history, &s.link, s.now) }
	if !due(a) {
		t.Error("a first header is not due")
	}
	h := a.export(merge.ExportRequest{})
	if due(a) {
		t.Error("due again at once")
	}
	a.now += merge.Day - 1
	if due(a) {
		t.Error("due within a day")
	}
	a.now++
	if !due(a) {
		t.Error("not due after a day")
	}
	a.now -= 10 * merge.Day
	if !due(a) {
		t.Error("not due though the clock was set back")
	}
	b.export(merge.ExportRequest{})
	b.want(t, h, merge.Apply)
	if !due(b) {
		t.Error("not due though something was applied")
	}
	b.export(merge.ExportRequest{})
	b.want(t, h, merge.Covered)
	if !due(b) {
		t.Error("not due though the sender does not know what is applied")
	}
	b.export(merge.ExportRequest{})
	merge.Receive(&b.history, &b.link, merge.Header{History: 7, Link: 10, Upto: merge.Position{Epoch: 9, Token: 9}})
	if due(b) {
		t.Error("a stranger's file makes a header due")
	}
}

func TestParts(t *testing.T) {
	a, b := pair()
	p := a.parts(merge.ExportRequest{}, 77, 3, 3)
	b.want(t, p[1], merge.PartGap)
	b.want(t, p[0], merge.Apply)
	b.want(t, p[0], merge.Covered)
	b.want(t, p[2], merge.PartGap)
	if b.link.Applied != (merge.Position{}) {
		t.Error("a part moved applied")
	}
	row := live(merge.Group{Mask: merge.Bits(3), Version: version(5, "a", b.position().Epoch, 1)}, merge.Group{Mask: merge.Bits(4), Version: version(6, "b", 9, 0)})
	older := live(merge.Group{Mask: merge.Bits(3), Version: version(5, "a", b.position().Epoch-1, 1)})
	if got := b.link.RowAck(row, 1); got != p[0].Upto.Epoch {
		t.Errorf("a row of the load acknowledges %d", got)
	}
	if got := b.link.RowAck(older, 1); got != 0 {
		t.Errorf("a row from before acknowledges %d", got)
	}
	if got := b.link.RowAck(row, 2); got != 0 {
		t.Errorf("another peer's row acknowledges %d", got)
	}
	said := b.export(merge.ExportRequest{})
	if said.LoadHave != 77 || said.PartHave != 1 || said.LoadUpto != p[0].Upto || said.Missing != p[0].Upto {
		t.Errorf("header says %+v", said)
	}
	b.want(t, p[1], merge.Apply)
	b.want(t, p[2], merge.Apply)
	if b.link.Applied != p[0].Upto || b.link.Receiving != (merge.Receiving{}) || b.link.Missing != (merge.Position{}) {
		t.Errorf("after the load: %+v", b.link)
	}
	a.want(t, b.export(merge.ExportRequest{}), merge.Gap)
	a.want(t, said, merge.Apply)
	if h := a.export(merge.ExportRequest{}); h.Base != p[0].Upto || h.Ahead {
		t.Errorf("what was missing no longer is: %+v", h)
	}
}

// A row waits at b, its sender deletes it, and a load begins to come that has the deletion in its last part. What b's edit of the row
// acknowledges meanwhile, once the row is settled, must not hide at a that a deletion lost which b had not seen.
func TestRowThatWaitedFromBeforeALoad(t *testing.T) {
	a, b := pair()
	b.want(t, a.export(merge.ExportRequest{}), merge.Apply) // the row waits
	deleted := merge.Row{Known: true, Dead: version(100, "a", a.change().Epoch, 0)}
	b.want(t, a.parts(merge.ExportRequest{Full: true}, 77, 2, 1)[0], merge.Apply)
	settled := b.change().Epoch
	b.link.RecordRetry(settled)

	row := live(merge.Group{Mask: merge.Bits(3), Version: version(0, "a", settled, 1)})
	row = merge.Stamper{Self: "b", Epoch: b.change().Epoch}.Edit(row, merge.Bits(2), 300)
	in := merge.Incoming{Alive: true, Ack: b.link.RowAck(row, 1)}
	in.Groups, _ = row.Outgoing(1)
	h := b.export(merge.ExportRequest{})
	d := merge.Receive(&a.history, &a.link, h)
	im := a.link.Import(&a.history, h, d)
	im.Self, im.Peer, im.Epoch = "a", 1, 9
	in.Ack = im.RowAck(in.Ack)
	out := im.Settle(deleted, in, merge.Policies{}, merge.Compare{}, false)
	if out.Action != merge.Insert || len(out.Conflicts) != 1 || !out.Conflicts[0].Deletion {
		t.Errorf("the deletion that loses is not recorded: %+v", out)
	}
	came := live(merge.Group{Mask: merge.Bits(3), Version: version(0, "a", b.change().Epoch, 1)})
	if got := b.link.RowAck(came, 1); got != h.LoadUpto.Epoch {
		t.Errorf("a row that comes in a later part acknowledges %d", got)
	}
}

func TestLoadIsMadeOnce(t *testing.T) {
	a, b := pair()
	b.export(merge.ExportRequest{})
	p := a.parts(merge.ExportRequest{}, 77, 2, 2)
	a.change()
	next := a.export(merge.ExportRequest{})
	if !next.Ahead || next.Base != p[0].Upto {
		t.Errorf("does not build on the load: %+v", next)
	}
	b.want(t, p[0], merge.Apply)
	if d := b.want(t, next, merge.Gap); d.NewHistory {
		t.Error("a batch ahead of the acknowledgement counts as a restore")
	}
	a.want(t, b.export(merge.ExportRequest{}), merge.Gap)
	if !merge.HeaderIsDue(&a.history, &a.link, a.now) {
		t.Error("a missing load makes nothing due")
	}
	again, full := merge.PlanExport(&a.history, &a.link, merge.ExportRequest{SinceSent: true})
	if !full || again.Base != (merge.Position{}) || again.Ahead {
		t.Errorf("the load is not made anew: %+v", again)
	}
	q := a.parts(merge.ExportRequest{}, 78, 2, 2)
	if d := b.want(t, q[0], merge.Apply); d.Rejoin != nil {
		t.Error("a load whose end the sender lists counts as lost")
	}
	b.want(t, p[1], merge.PartGap)
	b.want(t, q[1], merge.Apply)
}

// A load that was broken off and made anew costs nothing, one that a restored peer does not know of is sent back.
func TestAbandonedLoad(t *testing.T) {
	for _, restored := range []bool{false, true} {
		a, b := pair()
		backup := a.copy()
		a.change()
		p := a.parts(merge.ExportRequest{}, 77, 3, 2)
		if restored {
			a = backup
			a.change()
		}
		b.want(t, p[0], merge.Apply)
		start := b.position().Epoch
		b.want(t, p[1], merge.Apply)
		a.change()
		d := b.want(t, a.parts(merge.ExportRequest{}, 78, 2, 2)[0], merge.Apply)
		switch {
		case !restored && d.Rejoin != nil:
			t.Error("not restored, but sent back")
		case restored && (d.Rejoin == nil || d.Rejoin.OwnEpoch != start-1):
			t.Errorf("restored: %+v", d.Rejoin)
		case !restored && b.link.Receiving.Start != start:
			t.Errorf("start %d, want that of the first load, %d", b.link.Receiving.Start, start)
		}
	}
}

// A peer that was restored learns it from what is here of a load that it does not know.
func TestUnknownLoadMeansRestore(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	backup := a.copy()
	a.change()
	p := a.parts(merge.ExportRequest{Full: true}, 77, 2, 2)
	b.want(t, p[0], merge.Apply)
	a = backup
	if d := a.want(t, b.export(merge.ExportRequest{}), merge.Apply); !d.NewHistory || d.Valid {
		t.Errorf("%+v", d)
	}
	d := b.receive(a.export(merge.ExportRequest{}))
	if d.Rejoin == nil || d.Rejoin.OwnEpoch >= b.position().Epoch || b.link.Receiving.ID != 0 {
		t.Errorf("%+v", d)
	}
}

func TestGapAndBehind(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	a.change()
	lost := a.export(merge.ExportRequest{})
	a.change()
	d := b.want(t, a.export(merge.ExportRequest{SinceSent: true}), merge.Gap)
	if d.NewHistory || b.link.Missing != lost.Upto {
		t.Errorf("%+v, missing %v", d, b.link.Missing)
	}
	a.receive(b.export(merge.ExportRequest{}))
	h := a.export(merge.ExportRequest{SinceSent: true})
	if h.Ahead || h.Base != a.link.Acked {
		t.Errorf("builds again on what is missing: %+v", h)
	}
	b.want(t, h, merge.Apply)
	if b.link.Missing != (merge.Position{}) {
		t.Error("still missing")
	}
}

func TestIWasRestored(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	t.Run("a base I never acknowledged", func(t *testing.T) {
		a, b := a.copy(), b.copy()
		backup := b.copy()
		a.change()
		b.want(t, a.export(merge.ExportRequest{}), merge.Apply)
		a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
		a.change()
		b = backup
		old := b.history.ID
		if d := b.want(t, a.export(merge.ExportRequest{}), merge.Gap); !d.NewHistory || !b.history.Earlier[old] || b.history.ID == old {
			t.Errorf("%+v %+v", d, b.history)
		}
	})
	t.Run("a token that I never made", func(t *testing.T) {
		a, b := a.copy(), b.copy()
		backup := b.copy()
		b.change()
		a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
		b = backup
		b.change() // the same epoch with another token
		d := b.want(t, a.export(merge.ExportRequest{}), merge.Apply)
		if !d.NewHistory || d.Valid {
			t.Errorf("%+v", d)
		}
		im := b.link.Import(&b.history, a.export(merge.ExportRequest{}), d)
		if im.Valid || im.FirstMeeting || im.Applied != b.link.Applied.Epoch {
			t.Errorf("%+v", im)
		}
		if d := b.receive(a.export(merge.ExportRequest{})); d.NewHistory || d.Valid {
			t.Errorf("a second header of one who does not know: %+v", d)
		}
		d = a.receive(b.export(merge.ExportRequest{}))
		if d.Rejoin == nil {
			t.Error("the peer does not go back")
		}
		if d := b.receive(a.export(merge.ExportRequest{})); !d.Valid {
			t.Errorf("the peer knows, but %+v", d)
		}
	})
	t.Run("files of the old history", func(t *testing.T) {
		a, b := a.copy(), b.copy()
		b.change()
		old := b.export(merge.ExportRequest{})
		b.history.Earlier, b.history.ID = map[uint64]bool{2: true}, 5
		a.receive(b.export(merge.ExportRequest{}))
		a.want(t, old, merge.Retired)
	})
	t.Run("another node with my name", func(t *testing.T) {
		a := a.copy()
		before := a.link
		d := a.want(t, newSide(99, 20).export(merge.ExportRequest{}), merge.Stranger)
		if d.NewHistory || d.Rejoin != nil || a.link.History != before.History || a.link.HeaderDue != before.HeaderDue {
			t.Errorf("%+v", d)
		}
	})
}

func TestRejoinGoesBackToTheLastSharedPlace(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	var backup *side
	var shared uint64
	for i := range 4 {
		a.change()
		b.want(t, a.export(merge.ExportRequest{}), merge.Apply)
		if i == 1 {
			backup, shared = a.copy(), b.position().Epoch
		}
	}
	a = backup
	a.change()
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	d := b.receive(a.export(merge.ExportRequest{}))
	if d.Rejoin == nil || d.Rejoin.OwnEpoch != shared {
		t.Fatalf("%+v, want epoch %d", d, shared)
	}
	if d.Verdict != merge.Apply {
		t.Errorf("%+v", d)
	}
}

func TestPeerAddedAgain(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	b.change()
	old := b.export(merge.ExportRequest{})
	toOld := a.export(merge.ExportRequest{Full: true})
	b.link = merge.Link{Number: 21}

	d := b.want(t, toOld, merge.Apply)
	if d.Valid || d.NewHistory || b.link.Acked != (merge.Position{}) {
		t.Errorf("an acknowledgement on the link before counts: %+v %+v", d, b.link)
	}
	b.link = merge.Link{Number: 21}
	d = a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	if !d.Reset || d.Rejoin == nil || d.Rejoin.OwnEpoch != 0 || d.NewHistory || a.link.Acked != (merge.Position{}) || a.link.PeerNumber != 21 {
		t.Errorf("%+v %+v", d, a.link)
	}
	if d := a.want(t, old, merge.Retired); d.NewHistory || a.link.PeerNumber != 21 {
		t.Errorf("%+v", d)
	}
	if h := a.export(merge.ExportRequest{}); h.Base != (merge.Position{}) || h.PeerLink != 21 {
		t.Errorf("does not begin anew: %+v", h)
	}
}

// A node restored to before it added its peer again finds out by the number that the peer knows.
func TestUnknownLinkNumberMeansRestore(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	backup := b.copy()
	b.link = merge.Link{Number: 21}
	a.receive(b.export(merge.ExportRequest{}))
	b = backup
	a.want(t, b.export(merge.ExportRequest{}), merge.Retired)
	if d := b.receive(a.export(merge.ExportRequest{})); !d.NewHistory {
		t.Errorf("%+v", d)
	}
	if d := a.receive(b.export(merge.ExportRequest{})); d.Verdict == merge.Retired || a.link.PeerNumber != 20 {
		t.Errorf("%+v %+v", d, a.link)
	}
}

func TestChainIsThinned(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	var last merge.Header
	for range 1000 {
		a.change()
		last = a.export(merge.ExportRequest{})
		if len(last.Chain) > 65 {
			t.Fatalf("a chain of %d", len(last.Chain))
		}
		if !slices.IsSortedFunc(last.Chain, func(x, y merge.Position) int { return int(x.Epoch) - int(y.Epoch) }) {
			t.Fatal("the chain is not in order")
		}
	}
	if len(last.Chain) < 32 {
		t.Errorf("a chain of %d", len(last.Chain))
	}
	if end := a.link.ExportEnds[len(a.link.ExportEnds)-1]; end != last.Upto {
		t.Error("the last end was thinned out")
	}
	b.want(t, last, merge.Apply)
}

// A batch that came between two parts of a load does not vouch for the part before it.
func TestNoPlaceIsSharedBetweenParts(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	a.change()
	between := a.export(merge.ExportRequest{})
	backup := a.copy()
	a.change()
	p := a.parts(merge.ExportRequest{Full: true}, 77, 2, 2)
	b.want(t, p[0], merge.Apply)
	start := b.position().Epoch
	b.want(t, between, merge.Apply)
	a = backup
	a.change()
	if d := a.receive(b.export(merge.ExportRequest{})); !d.NewHistory {
		t.Errorf("%+v", d)
	}
	if d := b.receive(a.export(merge.ExportRequest{})); d.Rejoin == nil || d.Rejoin.OwnEpoch >= start {
		t.Errorf("%+v, and the load began in epoch %d", d.Rejoin, start)
	}
}

// After a load, too, no place of the log is one that came between its parts.
func TestNoPlaceIsSharedBetweenPartsLater(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.change()
	between := a.export(merge.ExportRequest{})
	a.change()
	p := a.parts(merge.ExportRequest{Full: true}, 77, 2, 2)
	b.want(t, p[0], merge.Apply)
	start := b.position().Epoch
	b.want(t, between, merge.Apply)
	b.want(t, p[1], merge.Apply)
	for _, i := range b.link.Imports[:len(b.link.Imports)-1] {
		if i.OwnEpoch >= start {
			t.Errorf("%v, and the load began in epoch %d", i, start)
		}
	}
}

// A peer that was restored gets no load again and again that its acknowledgements do not fit: it gets what proves the restore.
func TestPeerBehindItsWord(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	backup := b.copy()
	a.change()
	h := a.export(merge.ExportRequest{})
	merge.Receive(&b.history, &b.link, h)
	merge.RecordImport(&b.link, h, b.position().Epoch, false) // no epoch, so no token that would prove it
	a.receive(b.export(merge.ExportRequest{}))
	b = backup
	a.change()
	b.want(t, a.export(merge.ExportRequest{Full: true}), merge.NotShown)
	a.receive(b.export(merge.ExportRequest{}))
	h = a.export(merge.ExportRequest{})
	if h.Ahead || h.Base == (merge.Position{}) || h.Base != a.link.Acked {
		t.Errorf("sends %+v", h)
	}
	if d := b.want(t, h, merge.Gap); !d.NewHistory {
		t.Errorf("%+v", d)
	}
}

// A file that is refused proves a restore all the same: of two ends that refuse each other, neither would learn of its own.
func TestRefusedFileProvesRestore(t *testing.T) {
	a, b := pair()
	meet(t, a, b)
	a.want(t, b.export(merge.ExportRequest{}), merge.Apply)
	backup := b.copy()
	b.link = merge.Link{Number: 21}
	a.receive(b.export(merge.ExportRequest{}))
	b = backup
	b.link.PeerNumber = 11 // a file of a link that a gave up by its own restore came here
	if d := b.want(t, a.export(merge.ExportRequest{}), merge.Retired); !d.NewHistory {
		t.Errorf("%+v", d)
	}
}

// A load that was made for a peer is made again if a header shows that it never came: a small one at once, then after an hour, then
// once a day. A large one may be a day on its way.
func TestLostLoad(t *testing.T) {
	const small, hour = 1000, merge.Day / 24
	for _, c := range []struct {
		name  string
		size  int64
		again uint8
		later int64 // how much later than the load the peer's header was made
		want  bool
	}{
		{"small", small, 0, 1, true},
		{"at the bound", 16 << 20, 0, 1, true},
		{"made before the load", small, 0, 0, false},
		{"again, within the hour", small, 1, hour - 1, false},
		{"again, after an hour", small, 1, hour, true},
		{"a third time, within the day", small, 2, merge.Day - 1, false},
		{"a third time, after a day", small, 2, merge.Day, true},
		{"large, within the day", 16<<20 + 1, 0, merge.Day - 1, false},
		{"large, after a day", 16<<20 + 1, 0, merge.Day, true},
		{"of unknown size", 0, 0, merge.Day - 1, false},
	} {
		hub, clinic := newSide(1, 10), newSide(2, 20)
		hub.change()
		hub.size = c.size
		hub.receive(clinic.export(merge.ExportRequest{})) // they know each other
		hub.export(merge.ExportRequest{})
		hub.link.Sending.Again = c.again
		clinic.now = hub.now + c.later
		hub.receive(clinic.export(merge.ExportRequest{}))
		h, full := merge.PlanExport(&hub.history, &hub.link, merge.ExportRequest{})
		if full != c.want {
			t.Errorf("%s: made again: %t, base %d", c.name, full, h.Base.Epoch)
		}
		if hub.export(merge.ExportRequest{}); c.want && hub.link.Sending.Again != c.again+1 {
			t.Errorf("%s: made again %d times", c.name, hub.link.Sending.Again)
		}
	}
}

// What shows that the load came, or is coming, does not have it made again.
func TestLoadUnderWayIsNotLost(t *testing.T) {
	for _, parts := range []int{1, 2} {
		hub, clinic := newSide(1, 10), newSide(2, 20)
		hub.change()
		hub.size = 1
		load := hub.parts(merge.ExportRequest{}, 99, 2, 2)
		for _, h := range load[:parts] {
			clinic.receive(h)
		}
		clinic.now = hub.now + 10*merge.Day
		hub.receive(clinic.export(merge.ExportRequest{}))
		if _, full := merge.PlanExport(&hub.history, &hub.link, merge.ExportRequest{}); full {
			t.Errorf("%d of 2 parts came, and the load is made again", parts)
		}
	}
}

// A peer says again and again that it lacks the load. The load is made again at once, then an hour after that, then once a day; and a header
// that says so once more is not answered, or both ends would go on for ever.
func TestMissingLoadGoesAgainInItsTime(t *testing.T) {
	hub, clinic := newSide(1, 10), newSide(2, 20)
	hub.change()
	hub.receive(clinic.export(merge.ExportRequest{}))
	hub.export(merge.ExportRequest{})
	for i, wait := range []int64{0, merge.Day / 24, merge.Day, merge.Day} {
		lacks := clinic.export(merge.ExportRequest{})
		lacks.At, lacks.Missing = 0, hub.link.Sending.Upto
		hub.receive(lacks)
		hub.link.HeaderDue = false
		hub.receive(lacks)
		if hub.link.HeaderDue {
			t.Errorf("load %d: what was known is answered", i)
		}
		if wait > 0 {
			hub.now += wait - 1
			if _, full := merge.PlanExport(&hub.history, &hub.link, merge.ExportRequest{Now: hub.now}); full {
				t.Errorf("load %d: made again before its time", i)
			}
			hub.now++
		}
		if _, full := merge.PlanExport(&hub.history, &hub.link, merge.ExportRequest{Now: hub.now}); !full {
			t.Errorf("load %d: not made again", i)
		}
		hub.export(merge.ExportRequest{})
	}
}
