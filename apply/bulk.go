package apply

import (
	"context"
	"errors"
	"regexp"
	"slices"

	"github.com/go-sql-driver/mysql"

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

// writeStatement runs a statement that writes rows. If the server refuses it, it divides the rows until it has found which.
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
	if len(rows) > 1 && aboutRows(err) {
		for _, part := range parts(k.l, rows, err) {
			if err := w.writeBulk(ctx, k, part); err != nil {
				return err
			}
		}
		return nil
	}
	r := rows[0]
	if sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry && k.phase == reading {
		if k.inserted != nil && k.mayWait != nil {
			r.waits = k.mayWait(r)
		}
		return w.deferRow(ctx, deferredRow{k.l, r, k.inserted == nil})
	}
	return w.refuseRow(ctx, k.writes, r, err)
}

// atRow is how servers say which row of a statement they refused, the first being 1.
var atRow = regexp.MustCompile(` at row ([0-9]{1,9})$`)

// parts divides rows of which the server refused one: where it is known which, into those before, that one, and those behind; otherwise into
// halves.
func parts(l *localTable, rows []*row, err error) [][]*row {
	at := -1
	if sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry {
		at = duplicate(l, rows, err)
	} else if m := atRow.FindStringSubmatch(serverText(err)); m != nil {
		at = int(sqldb.Int([]byte(m[1]))) - 1
	}
	if at < 0 || at >= len(rows) {
		at = len(rows) / 2
		return [][]*row{rows[:at], rows[at:]}
	}
	return [][]*row{rows[:at], rows[at : at+1], rows[at+1:]}
}

// entryOf is how servers say which value another row has.
var entryOf = regexp.MustCompile(`(?s)^Duplicate entry '(.*)' for key '`)

// duplicate returns which row has the value that another has too, in a unique index of one column; -1 if that cannot be told.
func duplicate(l *localTable, rows []*row, err error) int {
	m := entryOf.FindStringSubmatch(serverText(err))
	if m == nil {
		return -1
	}
	for _, index := range l.Unique {
		at, is := l.place[index[0]]
		if len(index) > 1 || !is {
			continue
		}
		if i := slices.IndexFunc(rows, func(r *row) bool { return string(r.values[at]) == m[1] }); i >= 0 {
			return i
		}
	}
	return -1
}

// serverText is what the server said.
func serverText(err error) string {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Message
}
