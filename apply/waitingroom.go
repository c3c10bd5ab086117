package apply

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
)

// Bounds of what waits from one peer. What a file needs beyond has it refused whole: no peer fills this node's disk, nor its time.
const (
	MaxWaitingRows  = 100_000
	MaxWaitingBytes = 64 << 20
	waitingPortion  = 1 << 20 // bytes held before they are stored
)

// keepWaiting stores a row that waits, soon.
func (w *writer) keepWaiting(ctx context.Context, row journal.WaitingRow) error {
	names := []string{row.Dead.Author}
	for _, g := range row.Groups {
		names = append(names, g.Author)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
	if err := w.addAuthors(ctx, names); err != nil { // what is wrong with them is so now, and must not come up when the row is tried again
		return err
	}
	n := row.Content.Size()
	if n > journal.MaxContent {
		return &rowError{fmt.Errorf("%s; a row of more than %d MiB cannot wait here until then", row.Reason.Text, journal.MaxContent>>20)}
	}
	w.waiting = append(w.waiting, row)
	w.waitingBytes += n
	if w.waitingBytes < waitingPortion {
		return nil
	}
	return w.saveWaiting(ctx)
}

// saveWaiting stores the rows that wait. A peer of which too many wait is stopped: its file is refused whole.
func (w *writer) saveWaiting(ctx context.Context) error {
	if len(w.waiting) == 0 {
		return nil
	}
	if w.room == nil {
		rows, bytes, err := journal.WaitingSize(ctx, w.s.conn, w.resolver.peer.ID)
		if err != nil {
			return err
		}
		w.room = &waitingRoom{rows, bytes}
	}
	size, err := journal.PutWaiting(ctx, w.s.conn, w.waiting)
	if tooLarge(err) || sqldb.ErrorNumber(err) == sqldb.ErrTooBigRow {
		return tooLongToWait(w.waiting, err)
	}
	if err != nil {
		return err
	}
	w.room.rows += int64(len(w.waiting))
	w.room.bytes += size
	w.waiting, w.waitingBytes = nil, 0
	return w.room.check(w.resolver.peer.Name)
}

// tooLongToWait refuses the file because of the longest of these rows, which the server does not store.
func tooLongToWait(rows []journal.WaitingRow, err error) error {
	longest := slices.MaxFunc(rows, func(a, b journal.WaitingRow) int { return cmp.Compare(a.Content.Size(), b.Content.Size()) })
	return &rowError{fmt.Errorf("%s; it is too long to wait here until then (%w): raise max_allowed_packet on this server, or on MySQL 5.6 innodb_log_file_size, and import again",
		longest.Reason.Text, withoutValues(err))}
}

// waitingRoom counts what waits from a peer: rows that take the place of others twice, which is found out when it matters.
type waitingRoom struct{ rows, bytes int64 }

func (r *waitingRoom) check(peer string) error {
	if r.rows > MaxWaitingRows || r.bytes > MaxWaitingBytes {
		return &rowError{fmt.Errorf("more than %d rows, or %d MiB, of %s wait then: look at omsync quarantine list, and mend what they wait for or drop them", MaxWaitingRows, MaxWaitingBytes>>20, peer)}
	}
	return nil
}
