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
		if err := w.insertRounds(ctx, q, w.inRounds(rows)); err != nil {
			return err
		}
	}
	return nil
}

// insertRounds writes new rows one round after the other: those of each may refer to those of the rounds before.
func (w *writer) insertRounds(ctx context.Context, q *writes, rounds [][]*row) error {
	known := func(p patch) ([]byte, bool) { return w.resolver.value(p.column.Ref, p.index) }
	for i, rows := range rounds {
		if i > 0 || slices.ContainsFunc(rows, w.awaitsServer) {
			if err := w.s.finish(ctx); err != nil {
				return err
			}
		}
		fillAll(rows, known)
		if i == 0 && w.insertOf(q, rows).mayRunOn() {
			return w.startRounds(ctx, q, rounds, known)
		}
		if err := w.writeBulk(ctx, w.insertOf(q, rows), rows); err != nil {
			return err
		}
	}
	return nil
}

// startRounds has the server write round after round while the next rows of the table are prepared: the integers that it gives to the rows
// of one are filled into those of the next at once.
func (w *writer) startRounds(ctx context.Context, q *writes, rounds [][]*row, known func(patch) ([]byte, bool)) error {
	type part struct {
		*bulk
		round int
		rows  []*row
		outcome
	}
	bulks := make([]*bulk, len(rounds))
	for i, rows := range rounds {
		bulks[i] = w.insertOf(q, rows)
	}
	first, n := bulks[0].statement(rounds[0], w.s.maxStatement)
	if err := w.s.finish(ctx); err != nil {
		return err
	}
	for _, rows := range rounds[1:] {
		fillAll(rows, known) // with what the server was at work on
	}
	var ran []part
	run := func() { // it has the rows to itself until it is done
		integers := map[uint32][]byte{}
		for i, rows := range rounds {
			if i > 0 {
				fillAll(rows, func(p patch) ([]byte, bool) { n, ok := integers[p.index]; return n, ok })
			}
			for len(rows) > 0 {
				text := first
				if first = nil; text == nil {
					text, n = bulks[i].statement(rows, w.s.maxStatement)
				}
				done := part{bulks[i], i, rows[:n], w.s.outcomeOf(ctx, text)}
				if ran = append(ran, done); done.err != nil {
					return
				}
				if i < len(rounds)-1 {
					for k, r := range done.rows {
						integers[r.entry] = strconv.AppendInt(nil, q.l.integerOf(r, w.s.idOf(done.outcome, k)), 10)
					}
				}
				rows = rows[n:]
			}
		}
	}
	w.start(q.l, slices.Concat(rounds...), run, func(ctx context.Context) error {
		for _, p := range ran {
			if err := w.wrote(ctx, p.bulk, p.rows, p.outcome); err != nil {
				return err
			}
			rounds[p.round] = rounds[p.round][len(p.rows):]
		}
		return w.insertRounds(ctx, q, slices.DeleteFunc(rounds, func(rows []*row) bool { return len(rows) == 0 }))
	})
	return nil
}

// maxRounds is by how many statements, one after the other, the rows of a block are written that refer to each other.
const maxRounds = 4

// inRounds divides new rows by which refer to which of them, or to rows that the server is at work on.
func (w *writer) inRounds(rows []*row) (rounds [][]*row) {
	for len(rows) > 0 {
		first, rest := rows, []*row(nil)
		if len(rounds) < maxRounds-1 {
			first, rest = referredFirst(rows, func(r *row) bool { return rounds == nil && w.awaitsServer(r) })
		}
		rounds, rows = append(rounds, first), rest
	}
	return rounds
}

// referredFirst divides new rows into those that can go now and those that await something or refer to some of these, which go next: what they refer to
// is written with them then, and need not be filled in later. All go now if these would be few, as where each refers to the next one or they
// refer to each other in a circle: a statement more costs more than to fill in what they refer to.
func referredFirst(rows []*row, awaits func(*row) bool) (first, rest []*row) {
	if !slices.ContainsFunc(rows, func(r *row) bool { return len(r.pending) > 0 }) {
		return rows, nil
	}
	here := make(map[uint32]bool, len(rows))
	for _, r := range rows {
		here[r.entry] = true
	}
	for _, r := range rows {
		if awaits(r) || slices.ContainsFunc(r.pending, func(p patch) bool { return p.inItsTable() && here[p.index] }) {
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

// awaitsServer reports whether a row refers to one that the server is at work on.
func (w *writer) awaitsServer(r *row) bool {
	return slices.ContainsFunc(r.pending, func(p patch) bool { return p.inItsTable() && w.resolver.keys.at(p.index).state == written })
}

// inItsTable reports whether the reference is to a row of the table that has it, by its integer.
func (p patch) inItsTable() bool {
	return p.index != 0 && p.l.refersToItself(p.column)
}

// refersToItself reports whether a column refers to rows of its own table by their integers.
func (l *localTable) refersToItself(c *schema.Column) bool {
	return c.Ref.When == nil && c.Ref.To == l.Table && l.Root == l.Table && !c.Ref.ByName()
}

// fillAll fills in what rows that are not written yet refer to in their own table and whose integers are known by now.
func fillAll(rows []*row, integer func(patch) ([]byte, bool)) {
	for _, r := range rows {
		r.pending = slices.DeleteFunc(r.pending, func(p patch) bool {
			if !p.inItsTable() {
				return false
			}
			value, ok := integer(p)
			if ok {
				r.values[p.l.place[p.column]] = value
			}
			return ok
		})
	}
}

// serverNumbers reports whether the server gives integers to new rows that bring none.
func (l *localTable) serverNumbers() bool {
	return l.Integer != nil && l.Integer.AutoIncrement && l.Integer.Local
}

// integerOf returns the integer of a new row. id is what the server gave it, where it gives integers.
func (l *localTable) integerOf(r *row, id int64) int64 {
	if l.serverNumbers() && r.integer == 0 {
		return id
	}
	return sqldb.Int(r.values[l.place[l.Integer]])
}

// insertOf is the statements that write new rows which all have integers, or none.
func (w *writer) insertOf(q *writes, rows []*row) *bulk {
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
	inserted := func(ctx context.Context, part []*row, o outcome) error {
		for i, r := range part {
			if err := w.inserted(ctx, q, r, w.s.idOf(o, i)); err != nil {
				return err
			}
		}
		return nil
	}
	return &bulk{writes: q, head: head, literal: literal, inserted: inserted}
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
	default:
		r.at = journal.Row{Int: l.integerOf(r, id)}
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
