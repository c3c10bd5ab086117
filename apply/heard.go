package apply

import (
	"context"
	"reflect"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// noteReport notes what a header shows and says of its sender beside what the link needs: its clock, and which rows of this node wait there.
// One that was late says nothing.
func (l *peerLink) noteReport(ctx context.Context, v merge.Verdict) error {
	h, now := l.header, l.j.Now().UnixMicro()
	if v != merge.Apply && (v != merge.Covered || h.Upto.Epoch < l.peer.Link.Applied.Epoch) {
		return nil
	}
	before, err := journal.ReportOf(ctx, l.s.conn, l.peer.ID)
	if err != nil {
		return err
	}
	acked := int64(0)
	if merge.Position(h.Ack) == l.peer.Link.Acked && h.Ack.Epoch > 0 {
		if acked, err = journal.EpochMadeAt(ctx, l.s.conn, h.Ack.Epoch); err != nil {
			return err
		}
	}
	after := journal.Report{Peer: l.peer.ID, Clock: before.Clock.See(h.Time, acked, now), ReadAt: now}
	for _, w := range h.Waits() {
		after.Waits = append(after.Waits, journal.ReasonCount{Reason: journal.ReasonCode(w.Reason), Rows: int64(w.Rows)})
	}
	if before.ReadAt == 0 && after.Clock == (merge.Skew{}) && after.Waits == nil || reflect.DeepEqual(before, after) {
		return nil
	}
	return journal.SaveReport(ctx, l.s.conn, after)
}
