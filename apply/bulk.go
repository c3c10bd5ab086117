package apply

import (
	"context"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
)

// bulk is statements that write many rows each.
type bulk struct {
	*writes
	head     []byte
	literal  func(b []byte, r *row) []byte
	tail     []byte
	inserted func(rows []*row, firstID int64) error // nil of an update
}

// maxBulkRows is how many rows one statement writes.
const maxBulkRows = 1000

// writeBulk writes rows in statements of bounded size. A row whose unique values others still hold is deferred to the end;
// one that the table does not take is set aside.
func (w *writer) writeBulk(ctx context.Context, k *bulk, rows []*row) error {
	for len(rows) > 0 {
		b := slices.Clone(k.head)
		n := 0
		for n < len(rows) && n < maxBulkRows && (n == 0 || len(b) < w.s.maxStatement) {
			if n > 0 {
				b = append(b, ',')
			}
			b = k.literal(b, rows[n])
			n++
		}
		if err := w.writeStatement(ctx, k, rows[:n], append(b, k.tail...)); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// writeStatement runs a statement that writes rows. If the server refuses it, it halves the rows until it has found which.
func (w *writer) writeStatement(ctx context.Context, k *bulk, rows []*row, statement []byte) error {
	result, err := w.s.exec(ctx, statement)
	if err == nil {
		if k.inserted == nil {
			return nil
		}
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		return k.inserted(rows, id)
	}
	if len(rows) == 1 && k.inserted != nil && sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry {
		if again, err := w.renumber(ctx, k.l, rows[0]); err != nil {
			return err
		} else if again {
			return w.insertAlike(ctx, k.writes, rows)
		}
	}
	switch {
	case len(rows) > 1 && aboutRows(err):
		half := len(rows) / 2
		if err := w.writeBulk(ctx, k, rows[:half]); err != nil {
			return err
		}
		return w.writeBulk(ctx, k, rows[half:])
	case sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry && k.phase == reading:
		return w.deferRow(ctx, deferredRow{k.l, rows[0], k.inserted == nil})
	}
	return w.refuse(k.l, rows[0].key, err)
}
