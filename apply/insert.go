package apply

import (
	"context"
	"slices"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// insert writes new rows and finds out their integers: first those that have theirs, so that the server gives the others higher ones.
func (w *writer) insert(ctx context.Context, q *writes) error {
	var without []*row
	with := q.insert
	if q.l.serverNumbers() {
		with = nil
		for _, r := range q.insert {
			if r.integer != 0 {
				with = append(with, r)
			} else {
				without = append(without, r)
			}
		}
	}
	for _, rows := range [][]*row{with, without} {
		for round := 1; len(rows) > 0; round++ {
			first, rest := rows, []*row(nil)
			if round < maxRounds {
				first, rest = referredFirst(rows)
			}
			if err := w.insertAlike(ctx, q, first); err != nil {
				return err
			}
			if rest == nil {
				break
			}
			if err := w.s.finish(ctx); err != nil { // then the integers of the first are known
				return err
			}
			for _, r := range rest {
				w.fillBefore(r)
			}
			rows = rest
		}
	}
	return nil
}

// maxRounds is by how many statements, one after the other, the rows of a block are written that refer to each other.
const maxRounds = 4

// referredFirst divides new rows into those that can go now and those that refer to some of these, which go next: what they refer to
// is written with them then, and need not be filled in later. All go now if these would be few, as where each refers to the next one or they
// refer to each other in a circle: a statement more costs more than to fill in what they refer to.
func referredFirst(rows []*row) (first, rest []*row) {
	if !slices.ContainsFunc(rows, func(r *row) bool { return len(r.pending) > 0 }) {
		return rows, nil
	}
	here := make(map[uint32]bool, len(rows))
	for _, r := range rows {
		here[r.entry] = true
	}
	for _, r := range rows {
		if slices.ContainsFunc(r.pending, func(p patch) bool { return p.inItsTable() && here[p.index] }) {
			rest = append(rest, r)
		} else {
			first = append(first, r)
		}
	}
	if len(first) < len(rows)/16 || len(first) == 0 {
		return rows, nil
	}
	return first, rest
}

// inItsTable reports whether the reference is to a row of the table that has it, by its integer.
func (p patch) inItsTable() bool {
	return p.index != 0 && p.column.Ref.When == nil && p.column.Ref.To == p.l.Table && p.l.Root == p.l.Table && !p.column.Ref.ByName()
}

// fillBefore fills in what a row that is not written yet refers to in its own table and that is here by now.
func (w *writer) fillBefore(r *row) {
	r.pending = slices.DeleteFunc(r.pending, func(p patch) bool {
		if !p.inItsTable() {
			return false
		}
		value, ok := w.resolver.value(p.column.Ref, p.index)
		if ok {
			r.values[p.l.place[p.column]] = value
		}
		return ok
	})
}

// serverNumbers reports whether the server gives integers to new rows that bring none.
func (l *localTable) serverNumbers() bool {
	return l.Integer != nil && l.Integer.AutoIncrement && l.Integer.Local
}

// insertAlike writes new rows that all have integers, or none.
func (w *writer) insertAlike(ctx context.Context, q *writes, rows []*row) error {
	l := q.l
	var places []int
	head := []byte("INSERT INTO " + schema.Quote(l.Name) + " (")
	for at, c := range l.written {
		if c.AutoIncrement && c.Local && !(c == l.Integer && rows[0].integer != 0) {
			continue
		}
		if len(places) > 0 {
			head = append(head, ", "...)
		}
		head = append(head, schema.Quote(c.Name)...)
		places = append(places, at)
	}
	head = append(head, ") VALUES "...)
	literal := func(b []byte, r *row) []byte {
		b = append(b, '(')
		for i, at := range places {
			if i > 0 {
				b = append(b, ',')
			}
			if c := l.written[at]; r.unset[at] {
				b = append(b, unset(c)...)
			} else {
				b = c.AppendLiteral(b, r.values[at])
			}
		}
		return append(b, ')')
	}
	inserted := func(part []*row, first int64) error {
		for i, r := range part {
			if err := w.inserted(ctx, q, r, first+int64(i)*w.s.increment); err != nil {
				return err
			}
		}
		return nil
	}
	return w.writeBulk(ctx, &bulk{writes: q, head: head, literal: literal, inserted: inserted}, rows)
}

// unset is what a column gets for which nothing came: its default, or what MySQL gives where there is none.
func unset(c *schema.Column) string {
	if c.Default != nil || c.DefaultExpr || c.Nullable {
		return "DEFAULT"
	}
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year":
		return "0"
	case "date":
		return "'0000-00-00'"
	case "datetime", "timestamp":
		return "'0000-00-00 00:00:00'"
	case "time":
		return "'00:00:00'"
	case "json":
		return "'null'"
	case "enum", "set":
		return "1"
	}
	return "''"
}

// inserted notes the identity of a row that was just inserted, and what must follow from it. id is what the server gave it, where
// it gives integers.
func (w *writer) inserted(ctx context.Context, q *writes, r *row, id int64) error {
	l := q.l
	l.filled = true
	switch {
	case l.Integer == nil:
		if c := l.AutoIncrement; c != nil && c.Local { // the server gave a part of what the row is known by
			r.values[l.place[c]] = strconv.AppendInt(nil, id, 10)
		}
		r.at = l.localRow(r)
	case l.serverNumbers() && r.integer == 0:
		r.at = journal.Row{Int: id}
	default:
		r.at = journal.Row{Int: sqldb.Int(r.values[l.place[l.Integer]])}
	}
	l.noteHighest(r.at.Int)
	if r.entry != 0 && w.resolver.keys.at(r.entry).root == l {
		if err := w.resolver.identify(l, r.entry, r.at, r.values); err != nil {
			return err
		}
	}
	if l.Root != l.Table {
		ancestor := inherited{integer: r.at.Int}
		if l.Root.Integer == nil {
			ancestor = inherited{name: string(r.values[l.place[l.KeyColumns[0]]])}
		}
		w.resolver.exists(l, ancestor)
	}
	if err := w.patchLater(r); err != nil {
		return err
	}
	if r.wasDead {
		if err := journal.DropTombstones(ctx, w.s.conn, l.journal.ID, []string{journal.Canonical(l.Table, r.key)}); err != nil {
			return err
		}
	}
	w.noteArrived(l, r.key)
	if l.emptyAtStart && len(r.groups) == 1 {
		if l.bulkVersion == nil {
			l.bulkVersion = &r.groups[0]
			if err := w.addAuthors(ctx, []string{l.bulkVersion.Author}); err != nil {
				return err
			}
		}
		if r.groups[0] == *l.bulkVersion {
			return nil
		}
	}
	q.entries = append(q.entries, journal.Entry{Row: r.at, Groups: r.groups})
	return nil
}

// localRow is how a row of a table without an integer is known here, by its values.
func (l *localTable) localRow(r *row) journal.Row {
	values := make([][]byte, len(l.LocalColumns))
	for i, c := range l.LocalColumns {
		values[i] = r.values[l.place[c]]
	}
	return journal.Row{Key: schema.LocalKey(l.Table, values)}
}

// nextInteger gives the next integer of a table for which the server gives none.
func (w *writer) nextInteger(ctx context.Context, l *localTable) (int64, error) {
	if l.nextInteger == 0 {
		n, err := w.highestInteger(ctx, l)
		if err != nil {
			return 0, err
		}
		l.nextInteger = n
	}
	l.nextInteger++
	return l.nextInteger, nil
}
