package apply

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// writes is what is to be written of one block.
type writes struct {
	l       *local
	insert  []*row
	update  []*row
	entries []journal.Entry
	old     []journal.Row // rows whose entries are replaced
	used    []uint64      // changes that are sealed by this
}

// row is a row to be written.
type row struct {
	at      journal.Row // of one that is here
	entry   uint32      // its key in the dictionary, until that is reset
	key     string
	values  [][]byte // by place in local.written
	unset   []bool   // of a new row: takes the column's default
	changed []bool   // of one that is here: to be written
	pending []patch  // references to be filled in later; their row is told by follow
	told    bool     // follow has done so
	groups  []merge.Group
	wasDead bool
	had     bool // it has an entry in the journal
}

// newRow puts together a row to be inserted.
func (x *run) newRow(w *rows, i int, out merge.Outcome) (*row, error) {
	r := &row{entry: w.Keys[i], key: x.entry(w.Keys[i]).key, groups: out.Row.Groups,
		values: make([][]byte, len(w.l.written)), unset: make([]bool, len(w.l.written))}
	for _, p := range w.pending[i] {
		if out.Write&w.l.jt.Bit(p.column.Name) != 0 {
			r.pending = append(r.pending, x.later(w.l, r.key, p))
		}
	}
	key, ok := x.keyValues(w.l, r.entry)
	if !ok {
		c := w.l.KeyColumns[0]
		for p, to := range x.entry(r.entry).refs() {
			if to != 0 && x.entry(to).state != here {
				c = w.l.KeyColumns[p]
			}
		}
		return nil, x.missing(w.l, r.key, c, x.entry(r.entry).root, r.key)
	}
	for at, c := range w.l.written {
		switch {
		case c.Key:
			r.values[at] = key[slices.Index(w.l.KeyColumns, c)]
		case c.AutoIncrement && c.Local:
			r.unset[at] = true
		case c == w.l.Integer && c.Local:
			n, err := x.number(w.l)
			if err != nil {
				return nil, err
			}
			r.values[at] = strconv.AppendInt(nil, n, 10)
		case w.values[at] == nil || out.Write&w.l.jt.Bit(c.Name) == 0:
			r.unset[at] = true
		default:
			r.values[at] = w.values[at][i]
		}
	}
	for _, p := range r.pending {
		at := w.l.at[p.column]
		r.unset[at] = false
		if r.values[at] = nil; !p.column.Nullable {
			r.values[at] = []byte("0")
		}
	}
	return r, nil
}

// number gives the next integer of a table for which the server gives none.
func (x *run) number(l *local) (int64, error) {
	if l.next == 0 {
		n, err := x.one(fmt.Sprintf("SELECT IFNULL(MAX(%s), 0) FROM %s", schema.Quote(l.Integer.Name), schema.Quote(l.Name)))
		if err != nil {
			return 0, err
		}
		l.next = max(n, 0)
	}
	l.next++
	return l.next, nil
}

// changed puts together a row to be updated: as it is here, with the values that come in.
func (x *run) changed(w *rows, i int, f found, out merge.Outcome) *row {
	r := &row{at: f.row, entry: w.Keys[i], key: x.entry(w.Keys[i]).key, values: slices.Clone(f.values), changed: make([]bool, len(w.l.written)), groups: out.Row.Groups, had: w.had[i]}
	for at, c := range w.l.written {
		if w.values[at] != nil && !c.Key && out.Write&w.l.jt.Bit(c.Name) != 0 {
			r.values[at], r.changed[at] = w.values[at][i], true
		}
	}
	for _, p := range w.pending[i] {
		at := w.l.at[p.column]
		if !r.changed[at] {
			continue
		}
		r.pending = append(r.pending, x.later(w.l, r.key, p))
		r.values[at], r.changed[at] = f.values[at], false // as it is, until its row comes
	}
	return r
}

// write carries out what was decided: rows first, so that their integers are known, then their versions. Updates go before
// inserts: a new row may take what they give up of values that only one may have.
func (x *run) write(q *writes) error {
	if err := x.update(q.l, q.update, q); err != nil {
		return err
	}
	if err := x.insert(q.l, q.insert, q); err != nil {
		return err
	}
	if err := x.firstOf(q); err != nil {
		return err
	}
	var authors []string
	for _, e := range q.entries {
		for _, g := range e.Groups {
			if !slices.Contains(authors, g.Author) {
				authors = append(authors, g.Author)
			}
		}
	}
	if err := x.authors(authors); err != nil {
		return err
	}
	if len(q.entries)+len(q.insert) > 0 {
		x.wrote = true
	}
	if err := journal.DropChanges(x.ctx, x.c, q.used); err != nil {
		return err
	}
	return journal.PutVersions(x.ctx, x.c, q.l.jt.ID, q.old, q.entries, x.j.Authors)
}

// firstOf is errUnsealed if a row just inserted got the identity of one whose deletion is not sealed: a server may give an
// integer out again, and a key without integers has no other.
func (x *run) firstOf(q *writes) error {
	if q.l.virgin || len(q.insert) == 0 {
		return nil
	}
	u, err := x.unsealed(q.l)
	if err != nil || !u.died {
		return err
	}
	for _, r := range q.insert {
		if f := u.rows[r.at]; f != nil && len(f.Deaths) > 0 {
			return fmt.Errorf("%s: %w", q.l.Name, errUnsealed)
		}
	}
	return nil
}

// newAuthors and newFromParent are how many authors one import may bring that nobody here has heard of. Their names stay
// when it fails, and there are numbers for 65,534 in all. A parent may bring those of a large network at once.
const newAuthors, newFromParent = 256, 4096

// authors gives new authors their numbers. A dry run must not leave them behind: it numbers them in its transaction.
func (x *run) authors(names []string) error {
	names = slices.DeleteFunc(names, func(n string) bool { return x.j.Authors.ID(n) != 0 })
	if len(names) == 0 {
		return nil
	}
	for _, n := range names {
		if !journal.IsName(n) {
			return fmt.Errorf("%w: %.40q is no name of a node", batch.ErrCorrupt, n)
		}
	}
	limit := newAuthors
	if x.im.FromParent {
		limit = newFromParent
	}
	if x.authored += len(names); x.authored > limit {
		return fmt.Errorf("the batch is by more than %d authors that are unknown here: ask the sender where they come from", limit)
	}
	if x.o.DryRun {
		return x.j.Authors.AddWithin(x.ctx, x.c, names)
	}
	return x.j.Authors.Add(x.ctx, x.j.DB, names)
}

// insert writes new rows and learns their integers.
func (x *run) insert(l *local, rows []*row, q *writes) error {
	var columns []*schema.Column
	head := []byte("INSERT INTO " + schema.Quote(l.Name) + " (")
	for _, c := range l.written {
		if c.AutoIncrement && c.Local {
			continue
		}
		if len(columns) > 0 {
			head = append(head, ", "...)
		}
		head = append(head, schema.Quote(c.Name)...)
		columns = append(columns, c)
	}
	head = append(head, ") VALUES "...)
	literal := func(b []byte, r *row) []byte {
		b = append(b, '(')
		for i, c := range columns {
			if i > 0 {
				b = append(b, ',')
			}
			at := l.at[c]
			if r.unset[at] {
				b = append(b, unset(c)...)
			} else {
				b = c.AppendLiteral(b, r.values[at])
			}
		}
		return append(b, ')')
	}
	return x.batches(l, rows, head, literal, nil, func(part []*row, first int64) error {
		for i, r := range part {
			if err := x.inserted(l, r, first+int64(i)*x.increment, q); err != nil {
				return err
			}
		}
		return nil
	})
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

// inserted notes the identity of a row that was just inserted, and what must follow from it.
func (x *run) inserted(l *local, r *row, id int64, q *writes) error {
	l.filled = true
	switch {
	case l.Integer == nil:
		values := make([][]byte, len(l.LocalColumns))
		for i, c := range l.LocalColumns {
			values[i] = r.values[l.at[c]]
		}
		r.at = journal.Row{Key: schema.LocalKey(l.Table, values)}
	case l.Integer.AutoIncrement && l.Integer.Local:
		r.at = journal.Row{Int: id}
	default:
		r.at = journal.Row{Int: sqldb.Int(r.values[l.at[l.Integer]])}
	}
	if r.entry != 0 {
		if e := x.entry(r.entry); e.root == l {
			var name [][]byte
			if len(l.KeyColumns) == 1 {
				name = [][]byte{r.values[l.at[l.KeyColumns[0]]]}
			}
			e.settle(r.at, name)
		}
	}
	if l.Root != l.Table {
		row := shared{num: r.at.Int}
		if l.Root.Integer == nil {
			row = shared{name: string(r.values[l.at[l.KeyColumns[0]]])}
		}
		x.exists(l, row)
	}
	x.follow(r)
	if r.wasDead {
		if err := journal.DropTombstones(x.ctx, x.c, l.jt.ID, []string{journal.Canonical(l.Table, r.key)}); err != nil {
			return err
		}
	}
	if l.virgin && len(r.groups) == 1 {
		if l.standard == nil {
			l.standard = &r.groups[0]
			if err := x.authors([]string{l.standard.Author}); err != nil {
				return err
			}
		}
		if r.groups[0] == *l.standard {
			return nil
		}
	}
	q.entries = append(q.entries, journal.Entry{Row: r.at, Groups: r.groups})
	return nil
}

// later is a reference to be filled in once its row is here. It holds the key, not its place in the dictionary, which the
// batch may empty in between.
func (x *run) later(l *local, key string, p reference) patch {
	return patch{l: l, key: key, column: p.column, to: x.target(p.to)}
}

// follow remembers the references that are still to be filled in, once the row has its identity.
func (x *run) follow(r *row) {
	if r.told {
		return
	}
	r.told = true
	for _, p := range r.pending {
		p.at = r.at
		x.patches = append(x.patches, p)
	}
}

// update writes changed rows.
func (x *run) update(l *local, rows []*row, q *writes) error {
	if l.Integer == nil {
		for _, r := range rows {
			if err := x.updateOne(l, r, q); err != nil {
				return err
			}
		}
		return nil
	}
	head := []byte("INSERT INTO " + schema.Quote(l.Name) + " (")
	var tail []byte
	for at, c := range l.written {
		if at > 0 {
			head = append(head, ", "...)
		}
		head = append(head, schema.Quote(c.Name)...)
		if c.AutoUpdate || slices.ContainsFunc(rows, func(r *row) bool { return r.changed[at] }) {
			if tail != nil {
				tail = append(tail, ", "...)
			} else {
				tail = append(tail, " ON DUPLICATE KEY UPDATE "...)
			}
			tail = fmt.Appendf(tail, "%s = VALUES(%[1]s)", schema.Quote(c.Name))
		}
	}
	head = append(head, ") VALUES "...)
	for _, r := range rows {
		x.follow(r)
	}
	if !slices.ContainsFunc(rows, func(r *row) bool { return slices.Contains(r.changed, true) }) {
		return nil
	}
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
	return x.batches(l, rows, head, literal, tail, nil)
}

// batches writes rows in statements of bounded size. A row whose unique values others still hold is put off to the end;
// one that the table does not take is an error that names it.
func (x *run) batches(l *local, rows []*row, head []byte, literal func([]byte, *row) []byte, tail []byte, done func([]*row, int64) error) error {
	for len(rows) > 0 {
		b := slices.Clone(head)
		n := 0
		for n < len(rows) && n < 1000 && (n == 0 || len(b) < x.packet) {
			if n > 0 {
				b = append(b, ',')
			}
			b = literal(b, rows[n])
			n++
		}
		b = append(b, tail...)
		if err := x.statement(l, rows[:n], b, head, literal, tail, done); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (x *run) statement(l *local, rows []*row, b, head []byte, literal func([]byte, *row) []byte, tail []byte, done func([]*row, int64) error) error {
	result, err := x.c.ExecContext(x.ctx, string(b))
	if err == nil {
		if done == nil {
			return nil
		}
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		return done(rows, id)
	}
	n := sqldb.ErrorNumber(err)
	switch {
	case len(rows) == 1 && tooLarge(err):
		return x.refused(l, rows[0], err)
	case n == 0 && !tooLarge(err) || sqldb.IsLockConflict(err) || n == sqldb.ErrServerGone || n == sqldb.ErrServerLost:
		return fmt.Errorf("write %s: %w", l.Name, err)
	case len(rows) > 1:
		half := len(rows) / 2
		if err := x.batches(l, rows[:half], head, literal, tail, done); err != nil {
			return err
		}
		return x.batches(l, rows[half:], head, literal, tail, done)
	case n == sqldb.ErrDuplicateEntry && !x.last:
		return x.putOff(lateRow{l, rows[0], done == nil})
	}
	return x.refused(l, rows[0], err)
}

// updateOne writes a row of a table without an integer primary key.
func (x *run) updateOne(l *local, r *row, q *writes) error {
	x.follow(r)
	b := []byte("UPDATE " + schema.Quote(l.Name) + " SET ")
	n := len(b)
	for at, c := range l.written {
		if !r.changed[at] {
			continue
		}
		if len(b) > n {
			b = append(b, ", "...)
		}
		b = append(b, schema.Quote(c.Name)+" = "...)
		b = c.AppendLiteral(b, r.values[at])
	}
	if len(b) == n {
		return nil
	}
	for at, c := range l.written {
		if c.AutoUpdate && !r.changed[at] {
			b = append(append(b, ", "+schema.Quote(c.Name)...), " = "+schema.Quote(c.Name)...)
		}
	}
	b, err := l.whereRow(append(b, " WHERE "...), r.at)
	if err != nil {
		return err
	}
	if _, err := x.c.ExecContext(x.ctx, string(b)); err != nil {
		if sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry && !x.last {
			return x.putOff(lateRow{l, r, true})
		}
		return x.refused(l, r, err)
	}
	values := make([][]byte, len(l.LocalColumns))
	for i, c := range l.LocalColumns {
		values[i] = r.values[l.at[c]]
	}
	now := journal.Row{Key: schema.LocalKey(l.Table, values)}
	if now == r.at {
		return nil
	}
	for i := range q.entries { // it is known by another local key now
		if q.entries[i].Row == r.at {
			q.entries[i].Row = now
		}
	}
	return nil
}

// whereRow appends the condition that picks a row by its local identity.
func (l *local) whereRow(b []byte, r journal.Row) ([]byte, error) {
	values, err := l.localValues(r)
	if err != nil {
		return nil, err
	}
	on := l.LocalColumns
	if l.Integer != nil {
		on = []*schema.Column{l.Integer}
	}
	for i, c := range on {
		if i > 0 {
			b = append(b, " AND "...)
		}
		b = append(b, schema.Quote(c.Name)+" <=> "...)
		b = c.AppendLiteral(b, values[i])
	}
	return append(b, " LIMIT 1"...), nil
}
