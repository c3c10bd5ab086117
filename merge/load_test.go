package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

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
