package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// update writes changed rows.
func (w *writer) update(ctx context.Context, q *writes) error {
	l, rows := q.l, q.update
	if l.Integer == nil {
		for _, r := range rows {
			if err := w.updateOne(ctx, q, r); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range rows {
		if err := w.patchLater(r); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(rows, func(r *row) bool { return slices.Contains(r.changed, true) }) {
		return nil
	}
	head := []byte("INSERT INTO " + schema.Quote(l.Name) + " (")
	tail := []byte(" ON DUPLICATE KEY UPDATE ")
	none := len(tail)
	for at, c := range l.written {
		if at > 0 {
			head = append(head, ", "...)
		}
		head = append(head, schema.Quote(c.Name)...)
		if c.AutoUpdate || slices.ContainsFunc(rows, func(r *row) bool { return r.changed[at] }) {
			if len(tail) > none {
				tail = append(tail, ", "...)
			}
			tail = fmt.Appendf(tail, "%s = VALUES(%[1]s)", schema.Quote(c.Name))
		}
	}
	head = append(head, ") VALUES "...)
	literal := func(b []byte, r *row) []byte {
		b = append(b, '(')
		for at, c := range l.written {
			if at > 0 {
				b = append(b, ',')
			}
			b = c.AppendLiteral(b, r.values[at])
		}
		return append(b, ')')
	}
	return w.writeBulk(ctx, &bulk{writes: q, head: head, literal: literal, tail: tail}, rows)
}

// updateOne writes a row of a table without an integer primary key.
func (w *writer) updateOne(ctx context.Context, q *writes, r *row) error {
	l := q.l
	b := []byte("UPDATE " + schema.Quote(l.Name) + " SET ")
	none := len(b)
	for at, c := range l.written {
		if !r.changed[at] {
			continue
		}
		if len(b) > none {
			b = append(b, ", "...)
		}
		b = append(b, schema.Quote(c.Name)+" = "...)
		b = c.AppendLiteral(b, r.values[at])
	}
	if len(b) == none {
		return w.patchLater(r)
	}
	for at, c := range l.written {
		if c.AutoUpdate && !r.changed[at] {
			b = append(append(b, ", "+schema.Quote(c.Name)...), " = "+schema.Quote(c.Name)...)
		}
	}
	b = l.whereRow(append(b, " WHERE "...), r.at)
	if _, err := w.s.exec(ctx, b); err != nil {
		if sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry && q.phase == reading {
			return w.deferRow(ctx, deferredRow{l, r, true})
		}
		return w.refuse(l, r.key, err)
	}
	if now := l.localRow(r); now != r.at { // it is known by another local key
		if q.phase == finishing { // its versions are kept by the one before, since it was deferred
			q.old, q.entries = append(q.old, r.at), append(q.entries, journal.Entry{Row: now, Groups: r.groups})
		}
		for i := range q.entries {
			if q.entries[i].Row == r.at {
				q.entries[i].Row = now
			}
		}
		r.at = now
	}
	return w.patchLater(r)
}

// unmoved keeps columns as they are that the server would set to the present time with every UPDATE.
func (l *localTable) unmoved(prefix string) string {
	s := ""
	for _, c := range l.Columns {
		if c.AutoUpdate {
			s += ", " + prefix + schema.Quote(c.Name) + " = " + prefix + schema.Quote(c.Name)
		}
	}
	return s
}
