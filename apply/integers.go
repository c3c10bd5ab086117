package apply

import (
	"context"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// isInteger reports whether a column has the sender's integers of the rows.
func (t *sentTable) isInteger(i int) bool {
	c := t.Columns[i]
	return c.Name == batch.IntegerColumn && c.Slot == 0 && !c.Ref
}

// keepsIntegers reports whether new rows of the table may keep the sender's integers.
func (l *localTable) keepsIntegers() bool {
	return l.Integer != nil && l.Integer.Local && l.rules.TakesIntegers()
}

// mostOf is the highest integer that a column takes; of a BIGINT the highest that a program takes; 0: it is none of integers.
func mostOf(c *schema.Column) int64 {
	switch c.Type {
	case "bigint":
		return highest(c.Type)
	case "tinyint", "smallint", "mediumint", "int":
		if c.Unsigned {
			return highest(c.Type)
		}
		return highest(c.Type) / 2
	}
	return 0
}

// giveIntegers settles which integers the new rows of a block get, where the sender's are kept. It writes nothing: somebody else may
// still take them (see renumber).
func (im *importer) giveIntegers(ctx context.Context, w *block) error {
	l := w.l
	if !l.keepsIntegers() || w.values[l.place[l.Integer]] == nil {
		return nil
	}
	var at []int
	var sent []int64
	for i, d := range w.decided {
		if d.taken && d.Action == merge.Insert {
			n, err := strconv.ParseInt(string(w.values[l.place[l.Integer]][i]), 10, 64)
			if err != nil {
				n = 0
			}
			at, sent = append(at, i), append(sent, n)
		}
	}
	taken, err := im.resolver.takenIntegers(ctx, l, sent)
	if err != nil {
		return err
	}
	kept := access.KeepIntegers(sent, mostOf(l.Integer), func(n int64) bool { return taken[n] })
	if err := im.writer.numberApart(ctx, l, sent, kept); err != nil {
		return err
	}
	w.integers = make([]int64, w.n)
	for k, i := range at {
		w.integers[i] = kept[k]
	}
	return im.writer.passIntegers(ctx, l, kept)
}

// takenIntegers returns which integers are taken: by a row, or by one that is no more and of which something is still known by its
// integer. It locks nothing: who inserts a row beside this import is told from it by the server.
func (v *resolver) takenIntegers(ctx context.Context, l *localTable, integers []int64) (map[int64]bool, error) {
	taken := map[int64]bool{}
	if err := v.s.finishOf(ctx, l); err != nil {
		return nil, err
	}
	if err := v.findHighest(ctx, l); err != nil {
		return nil, err
	}
	var rows []journal.Row
	for _, n := range integers {
		if n > 0 && (n <= l.highest || l.apartFrom != 0 && n >= l.apartFrom) {
			rows = append(rows, journal.Row{Int: n})
		}
	}
	if len(rows) == 0 {
		return taken, nil
	}
	err := v.readRows(ctx, l, rows, lockNone, nil, func(f found) { taken[f.row.Int] = true })
	if err != nil || l.emptyAtStart {
		return taken, err
	}
	versions, err := journal.Versions(ctx, v.s.conn, l.journal.ID, rows, v.j.Authors)
	if err != nil {
		return nil, err
	}
	u, err := v.unsealed(ctx, l)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if versions[r] != nil || u.rows[r] != nil {
			taken[r.Int] = true
		}
	}
	return taken, nil
}

// findHighest finds out, once for each table, above which integer nothing of it is known.
func (v *resolver) findHighest(ctx context.Context, l *localTable) error {
	if l.highestKnown {
		return nil
	}
	l.highestKnown = true
	if l.emptyAtStart { // what this import has put in is counted
		return nil
	}
	here, err := v.s.number(ctx, highestSQL(l))
	if err != nil {
		return err
	}
	versions, err := journal.HighestVersions(ctx, v.s.conn, l.journal.ID)
	if err != nil {
		return err
	}
	u, err := v.unsealed(ctx, l)
	if err != nil {
		return err
	}
	l.highest = max(l.highest, here, versions)
	for r := range u.rows {
		l.highest = max(l.highest, r.Int)
	}
	return nil
}

// noteHighest counts the integer of a row that this import has put in.
func (l *localTable) noteHighest(n int64) {
	if l.apartFrom == 0 || n < l.apartFrom {
		l.highest = max(l.highest, n)
	}
}

// noteApart notes that rows get integers apart from the others, from one on: what is between them is free.
func (l *localTable) noteApart(first int64) {
	if first != 0 && (l.apartFrom == 0 || first < l.apartFrom) {
		l.apartFrom = first
	}
}

// numberApart gives integers far from the sender's to rows that cannot keep theirs (0 in kept).
func (w *writer) numberApart(ctx context.Context, l *localTable, sent, kept []int64) error {
	var without int
	var highestSent int64
	for i, n := range sent {
		if kept[i] == 0 {
			without++
		}
		if n <= mostOf(l.Integer)/2 {
			highestSent = max(highestSent, n)
		}
	}
	if without == 0 {
		return nil
	}
	here, err := w.highestInteger(ctx, l)
	if err != nil {
		return err
	}
	next := access.IntegersApart(without, highestSent, here, mostOf(l.Integer))
	l.noteApart(next)
	for i := range kept {
		if next != 0 && kept[i] == 0 {
			kept[i] = next
			next++
		}
	}
	return nil
}

// passIntegers makes the next integer of a table for which the server gives none higher than these.
func (w *writer) passIntegers(ctx context.Context, l *localTable, integers []int64) error {
	if l.Integer.AutoIncrement {
		return nil
	}
	if l.nextInteger == 0 {
		n, err := w.highestInteger(ctx, l)
		if err != nil {
			return err
		}
		l.nextInteger = n
	}
	for _, n := range integers {
		l.nextInteger = max(l.nextInteger, n)
	}
	return nil
}

// highestInteger reads the highest integer of a table, 0 if there is none above.
func (w *writer) highestInteger(ctx context.Context, l *localTable) (int64, error) {
	n, err := w.s.number(ctx, highestSQL(l))
	return max(n, 0), err
}

func highestSQL(l *localTable) string {
	return fmt.Sprintf("SELECT IFNULL(MAX(%s), 0) FROM %s", schema.Quote(l.Integer.Name), schema.Quote(l.Name))
}

// renumber gives another integer to a new row if a row beside it has taken its own. It reports whether it did.
func (w *writer) renumber(ctx context.Context, l *localTable, r *row) (bool, error) {
	if l.Integer == nil || !l.Integer.Local || r.integer == 0 {
		return false, nil
	}
	taken := false
	err := w.resolver.readRows(ctx, l, []journal.Row{{Int: r.integer}}, lockNone, nil, func(found) { taken = true })
	if err != nil || !taken {
		return false, err
	}
	highest, err := w.highestInteger(ctx, l)
	if err != nil {
		return false, err
	}
	r.integer = access.IntegersApart(1, r.integer, highest, mostOf(l.Integer))
	l.noteApart(r.integer)
	if r.integer == 0 && !l.Integer.AutoIncrement {
		r.integer, err = w.nextInteger(ctx, l)
	}
	r.values[l.place[l.Integer]] = strconv.AppendInt(nil, r.integer, 10)
	return true, err
}
