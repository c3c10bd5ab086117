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

// A row waits at b, its sender deletes it, and a load begins to come that has the deletion in its last part. What b's edit of the row
// acknowledges meanwhile, once the row is settled, must not hide at a that a deletion lost which b had not seen.
// A load that was broken off and made anew costs nothing, one that a restored peer does not know of is sent back.
// A peer that was restored learns it from what is here of a load that it does not know.
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
// After a load, too, no place of the log is one that came between its parts.
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
// What shows that the load came, or is coming, does not have it made again.
// A peer says again and again that it lacks the load. The load is made again at once, then an hour after that, then once a day; and a header
// that says so once more is not answered, or both ends would go on for ever.
