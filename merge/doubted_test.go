package merge_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/merge"
)

// After a thief's word was taken for a peer's, and the peer has new keys, the two ends find each other again, whatever the thief said.
func TestDoubtedAcknowledgement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hub, clinic := newSide(1, 10), newSide(2, 20)
		exchange := func(a *side) {
			for range rapid.IntRange(0, 3).Draw(t, "rounds") {
				if rapid.Bool().Draw(t, "hub changes") {
					hub.change()
				}
				if rapid.Bool().Draw(t, "clinic changes") {
					a.change()
				}
				hub.receive(a.export(merge.ExportRequest{}))
				if rapid.Bool().Draw(t, "arrives") {
					a.receive(hub.export(merge.ExportRequest{}))
				}
			}
		}
		exchange(clinic)
		thief := clinic.copy()
		if rapid.Bool().Draw(t, "both go on") {
			exchange(clinic)
		}
		exchange(thief)
		if rapid.Bool().Draw(t, "it lies") { // that it has all of the hub's
			hub.change()
			h := thief.export(merge.ExportRequest{})
			h.AckHistory, h.Ack = hub.history.ID, hub.position()
			hub.receive(h)
		}
		hub.link.Doubted = true
		hub.change()
		clinic.change()
		var last merge.Header
		for range 6 {
			hub.receive(clinic.export(merge.ExportRequest{}))
			last = hub.export(merge.ExportRequest{})
			clinic.receive(last)
		}
		if clinic.link.Applied != last.Upto {
			t.Fatalf("of the hub's %v the clinic has applied %v", last.Upto, clinic.link.Applied)
		}
		last = clinic.export(merge.ExportRequest{})
		hub.receive(last)
		if hub.link.Applied != last.Upto || hub.link.Acked != clinic.link.Applied || hub.link.Doubted {
			t.Fatalf("of the clinic's %v the hub has applied %v, and heard that it has %v of the hub's, not %v", last.Upto, hub.link.Applied, hub.link.Acked, clinic.link.Applied)
		}
	})
}

// A peer whose keys were lost and are no thief's goes on where it was.
func TestDoubtedPeerGoesOn(t *testing.T) {
	hub, clinic := newSide(1, 10), newSide(2, 20)
	for range 3 {
		hub.change()
		hub.receive(clinic.export(merge.ExportRequest{}))
		clinic.receive(hub.export(merge.ExportRequest{}))
	}
	hub.receive(clinic.export(merge.ExportRequest{}))
	acked, history := hub.link.Acked, clinic.history.ID
	hub.link.Doubted = true
	hub.receive(clinic.export(merge.ExportRequest{}))
	hub.change()
	h, full := merge.PlanExport(&hub.history, &hub.link, merge.ExportRequest{})
	if full || h.Base != acked || h.Base.Epoch == 0 || clinic.history.ID != history {
		t.Errorf("the next file builds on %v, and %v was acknowledged", h.Base, acked)
	}
}

// What was acknowledged in a thief's name counts no more once the peer says what it has.
func TestAcknowledgementOfAThief(t *testing.T) {
	hub, clinic := newSide(1, 10), newSide(2, 20)
	hub.change()
	clinic.receive(hub.export(merge.ExportRequest{}))
	hub.receive(clinic.export(merge.ExportRequest{}))
	has := clinic.link.Applied
	hub.change()
	lie := clinic.copy().export(merge.ExportRequest{})
	lie.Ack = hub.position()
	hub.receive(lie)
	if hub.link.Acked != hub.position() {
		t.Fatalf("acknowledged: %v", hub.link.Acked)
	}
	hub.receive(clinic.export(merge.ExportRequest{}))
	if hub.link.Acked != hub.position() {
		t.Fatalf("a header that was late: %v", hub.link.Acked)
	}
	hub.link.Doubted = true
	hub.receive(clinic.export(merge.ExportRequest{}))
	if hub.link.Acked != has || hub.link.Doubted {
		t.Errorf("acknowledged: %v, and the clinic has %v", hub.link.Acked, has)
	}
}
