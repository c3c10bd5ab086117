package apply

import (
	"context"

	"github.com/omsync/omsync/journal"
)

// What is refused converges: the sender is sent each row that it may not change, or delete, as it is here. Nobody else is. See
// access.Rules.Answers and merge.Row.Refused.

// answerRefused notes that the sender is to be sent a row that is here and of which its version, or its deletion, is refused.
func (w *writer) answerRefused(l *localTable, r journal.Row) {
	if !l.rules.Answers() || len(w.refusedRows) >= journal.MaxRefused {
		return
	}
	if w.refused == nil {
		w.refused, w.refusedRows = map[*localTable][]journal.Row{}, map[refusedRow]bool{}
	}
	if at := (refusedRow{l, r}); !w.refusedRows[at] {
		w.refusedRows[at] = true
		w.refused[l] = append(w.refused[l], r)
	}
}

type refusedRow struct {
	l *localTable
	journal.Row
}

// saveRefused writes what was noted, as far as there is room.
func (w *writer) saveRefused(ctx context.Context) error {
	if len(w.refusedRows) == 0 {
		return nil
	}
	peer := w.resolver.peer
	room, err := journal.RoomForRefused(ctx, w.s.conn, peer.ID, peer.Link.Acked.Epoch, len(w.refusedRows))
	if err != nil {
		return err
	}
	left := 0
	for _, l := range w.resolver.exchanged {
		rows := w.refused[l]
		n := min(len(rows), room)
		if err := journal.AddRefused(ctx, w.s.conn, peer.ID, l.journal.ID, rows[:n], w.epoch.Epoch); err != nil {
			return err
		}
		room, left = room-n, left+len(rows)-n
	}
	if left > 0 {
		w.resolver.notes.add("%d rows that %s may not change stay different there: more than %d of it were refused", left, peer.Name, journal.MaxRefused)
	}
	w.epoch.used = true
	return nil
}
