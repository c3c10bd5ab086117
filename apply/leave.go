package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// A row that the table does not take, of which nothing else has come by then, waits at once: the import goes on, and need not begin again.
// For other rows it does (see writer.setAside), and for those that refer to this one.

// waitingRow is what is kept of a row of a block that waits, but for the reason and when.
func (im *importer) waitingRow(w *block, i int) journal.WaitingRow {
	return journal.WaitingRow{Peer: im.peer.ID, Table: w.l.journal.ID, Key: w.keys[i], Waiting: im.rules.Waiting(im.incomingAlone(w, i)), Content: im.resolver.content(w, i)}
}

// mayWait returns what is to be kept of a row that is being written, if it may wait at once; nil if something has come of it already, or of
// what waited of it.
func (im *importer) mayWait(w *block, i int) *journal.WaitingRow {
	d := w.decided[i]
	q, waited := w.waited(i)
	if waited && !w.retried || len(d.Conflicts) > 0 || len(w.changes[i]) > 0 || d.Action == merge.Update && len(w.pending[i]) > 0 || w.l.Key == schema.KeyAll {
		return nil
	}
	if w.retried {
		return &q
	}
	row := im.waitingRow(w, i)
	return &row
}

// refuseRow is refuse for a row that may wait at once.
func (w *writer) refuseRow(ctx context.Context, q *writes, r *row, err error) error {
	if !aboutRows(err) {
		return fmt.Errorf("write %s: %w", q.l.Name, err)
	}
	waits := r.waits
	if waits == nil && q.mayWait != nil {
		waits = q.mayWait(r)
	}
	why := notTaken(q.l, err)
	if waits == nil {
		return w.setAside(q.l, r.key, why)
	}
	now := w.j.Now().UnixMicro()
	reason := why.reason(q.l, r.key)
	w.aside.known[asideKey{q.l.Name, journal.Canonical(q.l.Table, r.key)}] = why
	if slices.Contains(q.update, r) {
		q.l.count.Updated--
	} else {
		q.l.count.Inserted--
	}
	r.left = true
	q.leftAt = append(q.leftAt, r.place)
	q.left++
	if waits.ID != 0 { // it was tried again
		w.settledWaiting = slices.DeleteFunc(w.settledWaiting, func(id uint64) bool { return id == waits.ID })
		q.l.count.Retried--
		return w.triedInVain(ctx, waits, reason, now)
	}
	waits.Reason, waits.Since, waits.Tried = reason, now, now
	w.noteWaiting(q.l, reason.Text)
	return w.keepWaiting(ctx, *waits)
}

// dropLeft forgets what was to be written of rows that wait.
func (q *writes) dropLeft() {
	if q.left == 0 {
		return
	}
	gone := map[journal.Row]bool{} // rows that are here and stay as they are
	for _, r := range q.update {
		if r.left {
			gone[r.at] = true
		}
	}
	left := func(r *row) bool { return r.left }
	q.insert, q.update = slices.DeleteFunc(q.insert, left), slices.DeleteFunc(q.update, left)
	q.entries = slices.DeleteFunc(q.entries, func(e journal.Entry) bool { return gone[e.Row] })
	q.old = slices.DeleteFunc(q.old, func(r journal.Row) bool { return gone[r] })
}
