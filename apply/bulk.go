package apply

import (
	"context"
	"errors"
	"regexp"
	"slices"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// bulk is statements that write many rows each.
type bulk struct {
	*writes
	head     []byte
	literal  func(b []byte, r *row) []byte
	tail     []byte
	inserted func(ctx context.Context, rows []*row, o outcome) error // nil of an update
	alone    bool                                                    // each statement is waited for
}

// mayRunOn reports whether the server may work on the INSERT while the next rows are prepared: into a table that was empty, where nothing is
// looked up.
func (k *bulk) mayRunOn() bool {
	return k.inserted != nil && k.phase == reading && k.l.emptyAtStart && !k.l.collides && !k.alone
}

// maxBulkRows is how many rows one statement writes.
const maxBulkRows = 2000

// writeBulk writes rows in statements of bounded size. A row whose unique values others still hold is deferred to the end;
// one that the table does not take is set aside.
func (w *writer) writeBulk(ctx context.Context, k *bulk, rows []*row) (err error) {
	if k.l.collides && k.inserted != nil && k.phase == reading && len(rows) > 1 {
		if rows, err = w.deferTaken(ctx, k, rows); err != nil {
			return err
		}
	}
	for len(rows) > 0 {
		b, n := k.statement(rows, w.s.maxStatement)
		if err := w.writeStatement(ctx, k, rows[:n], b); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// statement returns one that writes the first n of rows: as many as fit into limit bytes, about.
func (k *bulk) statement(rows []*row, limit int) (b []byte, n int) {
	b = append(make([]byte, 0, min(len(k.head)+len(k.tail)+literalsOf(rows[:min(len(rows), maxBulkRows)]), limit+limit/16)), k.head...)
	for n < len(rows) && n < maxBulkRows && (n == 0 || len(b) < limit) {
		if n > 0 {
			b = append(b, ',')
		}
		b = k.literal(b, rows[n])
		n++
	}
	return append(b, k.tail...), n
}

// literalsOf is about how many bytes rows take in a statement, where few values are escaped.
func literalsOf(rows []*row) (n int) {
	for _, r := range rows {
		n += len("(),")
		for _, v := range r.values {
			n += len(v) + len("'',")
		}
	}
	return n
}

// writeStatement runs a statement that writes rows. If the server refuses it, it divides the rows until it has found which.
func (w *writer) writeStatement(ctx context.Context, k *bulk, rows []*row, statement []byte) error {
	if err := w.s.finish(ctx); err != nil { // an error of what ran before is none of these rows
		return err
	}
	w.s.written++
	return w.wrote(ctx, k, rows, w.s.outcomeOf(ctx, statement))
}

// start has the server begin with an INSERT of rows. Until it is done, their keys say so.
func (w *writer) start(l *localTable, rows []*row, run func(), then func(context.Context) error) {
	mark := func(from, to entryState) {
		for _, r := range rows {
			if r.entry != 0 && w.resolver.keys.at(r.entry).state == from {
				w.resolver.keys.at(r.entry).state = to
			}
		}
	}
	mark(coming, written)
	w.s.start(l, run, func(ctx context.Context) error {
		mark(written, nowhere)
		return then(ctx)
	})
}

// wrote notes what a statement wrote, or divides its rows.
func (w *writer) wrote(ctx context.Context, k *bulk, rows []*row, o outcome) error {
	err := o.err
	if err == nil {
		if k.inserted == nil {
			return nil
		}
		return k.inserted(ctx, rows, o)
	}
	k.alone = true
	if len(rows) == 1 && k.inserted != nil && sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry {
		if again, err := w.renumber(ctx, k.l, rows[0]); err != nil {
			return err
		} else if again {
			return w.writeBulk(ctx, w.insertOf(k.writes, rows), rows)
		}
	}
	reads := k.inserted != nil && k.phase == reading
	if len(rows) > 1 && aboutRows(err) {
		if reads && !k.l.collides && sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry {
			k.l.collides = true
			return w.writeBulk(ctx, k, rows)
		}
		for _, part := range parts(rows, err) {
			if err := w.writeBulk(ctx, k, part); err != nil {
				return err
			}
		}
		return nil
	}
	r := rows[0]
	if sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry && k.phase == reading {
		if reads {
			return w.deferNew(ctx, k, r)
		}
		return w.deferRow(ctx, deferredRow{k.l, r, true})
	}
	return w.refuseRow(ctx, k.writes, r, err)
}

// atRow is how servers say which row of a statement they refused, the first being 1.
var atRow = regexp.MustCompile(` at row ([0-9]{1,9})$`)

// parts divides rows of which the server refused one: where it is known which, into those before, that one, and those behind; otherwise into
// halves.
func parts(rows []*row, err error) [][]*row {
	at := -1
	if m := atRow.FindStringSubmatch(serverText(err)); m != nil {
		at = int(sqldb.Int([]byte(m[1]))) - 1
	}
	if at < 0 || at >= len(rows) {
		at = len(rows) / 2
		return [][]*row{rows[:at], rows[at:]}
	}
	return [][]*row{rows[:at], rows[at : at+1], rows[at+1:]}
}

// deferTaken defers new rows of which another row here has a value that only one may have, and returns the others.
func (w *writer) deferTaken(ctx context.Context, k *bulk, rows []*row) (free []*row, err error) {
	taken := map[*row]bool{}
	for _, index := range k.l.Unique {
		if slices.Equal(index, k.l.KeyColumns) {
			continue // the rows are new: nobody has their keys
		}
		var values [][][]byte
		var of []*row
		for _, r := range rows {
			if v := r.valuesOf(k.l, index); v != nil {
				values, of = append(values, v), append(of, r)
			}
		}
		if err := w.resolver.lookUp(ctx, k.l, index, values, lockNone, nil, func(n int, _ found) { taken[of[n]] = true }); err != nil {
			return nil, err
		}
	}
	for _, r := range rows {
		if !taken[r] {
			free = append(free, r)
		} else if err := w.deferNew(ctx, k, r); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// valuesOf returns the values of a row in the columns of an index; nil if one has none, or none that is known yet.
func (r *row) valuesOf(l *localTable, index []*schema.Column) [][]byte {
	out := make([][]byte, len(index))
	for i, c := range index {
		at, is := l.place[c]
		if !is || r.unset[at] || r.values[at] == nil {
			return nil
		}
		out[i] = r.values[at]
	}
	return out
}

// deferNew defers a new row, with what is to be kept of it should it not be taken in the end.
func (w *writer) deferNew(ctx context.Context, k *bulk, r *row) error {
	if k.mayWait != nil {
		r.waits = k.mayWait(r)
	}
	return w.deferRow(ctx, deferredRow{k.l, r, false})
}

// serverText is what the server said.
func serverText(err error) string {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Message
}
