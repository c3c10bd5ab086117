package capture

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// addKeyChanges finds rows of a table whose key changed under their integer, and adds what that did to the rows that refer to them: no
// trigger saw those, for they hold what they held, but elsewhere it means another row now, or a row at last where they referred to
// nothing. A reference was edited; a key that is made of the other's key went, and another came. changes are by number of the table.
func (s *sealer) addKeyChanges(ctx context.Context, t *schema.Table, changes map[uint16][]journal.Change) error {
	if t.Integer == nil || len(t.Children) == 0 {
		return nil
	}
	changedAt, err := s.keyChanges(ctx, t, changes[s.j.Tables[t.Name].ID])
	if err != nil {
		return err
	}
	var integers []int64
	for n := range changedAt {
		integers = append(integers, n)
	}
	if len(integers) == 0 {
		return nil
	}
	slices.Sort(integers)
	var together []*schema.Ref // those that one statement asks for
	for _, ref := range t.Children {
		if from := ref.From.Table; s.j.Tables[from.Name] == nil || !from.Replicated || ref.When == nil && ref.ByName() {
			continue
		}
		found := ref.From.Table.ForceIndex([]*schema.Column{ref.From}) != ""
		if found && ref.When == nil && ref.From.Table.Integer != nil {
			together = append(together, ref)
			continue
		}
		atOnce := 500
		if !found {
			atOnce = 5000 // each statement reads the whole table
		}
		says, any, err := s.discriminate(ctx, t, ref)
		if err != nil {
			return err
		}
		if !any {
			continue
		}
		for part := range slices.Chunk(integers, atOnce) {
			if err := s.addReferring(ctx, t, []*schema.Ref{ref}, says, part, changedAt, changes); err != nil {
				return err
			}
		}
	}
	atOnce := 500
	if isDense(integers) {
		atOnce = len(integers)
	}
	for refs := range slices.Chunk(together, 20) {
		for part := range slices.Chunk(integers, atOnce) {
			if err := s.addReferring(ctx, t, refs, nil, part, changedAt, changes); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyChanges returns the integers of rows whose key changed under them, and when, in µs since 1970 UTC. That is so too where a row came
// under an integer that others may have held before (foreign keys were off), and where one went that nothing had named: what refers to
// it was kept back.
func (s *sealer) keyChanges(ctx context.Context, t *schema.Table, changes []journal.Change) (map[int64]int64, error) {
	var rows []journal.Row
	var folded []*journal.Folded
	for _, f := range journal.Fold(changes) {
		before := len(f.Deaths) > 0 && f.Deaths[0].First
		if before {
			rows = append(rows, f.Row)
		}
		if before || f.Born {
			folded = append(folded, f)
		}
	}
	keys, err := rowkey.Of(ctx, s.snap, t, rows)
	if err != nil {
		return nil, err
	}
	changedAt := map[int64]int64{}
	for _, f := range folded {
		if key, exists := keys[f.Row]; changedKey(t, f, key, exists) {
			changedAt[f.Int] = f.BornAt
			if n := len(f.Deaths); n > 0 {
				changedAt[f.Int] = f.Deaths[n-1].At
			}
		}
	}
	return changedAt, nil
}

// changedKey reports whether what an integer stands for elsewhere is another row than when the log began. key is that of its row now,
// where it had one before.
func changedKey(t *schema.Table, f *journal.Folded, key string, exists bool) bool {
	before := len(f.Deaths) > 0 && f.Deaths[0].First
	var was *string
	if before {
		was = f.Deaths[0].DeletedKey
	}
	switch {
	case !before:
		return f.Born
	case !exists:
		return t.Key == schema.KeyUUID && was == nil
	}
	return t.Key != schema.KeyUUID || was == nil || journal.Canonical(t, *was) != journal.Canonical(t, key)
}

// referring is a row that refers to one whose key changed.
type referring struct {
	row journal.Row
	at  int64
}

// addReferring adds changes of the rows that refer by some columns to rows whose keys changed, those with these integers. says, if it is not
// nil, tells whether a value of the one column refers to the table t, by what decides beside it.
func (s *sealer) addReferring(ctx context.Context, t *schema.Table, refs []*schema.Ref, says func(decides string) bool, integers []int64,
	changedAt map[int64]int64, changes map[uint16][]journal.Change) error {
	var b []byte
	for n, ref := range refs {
		if n > 0 {
			b = append(b, " UNION ALL "...)
		}
		b = appendReferring(b, n, ref, says != nil, integers)
	}
	found := make([][]referring, len(refs))
	err := sqldb.Each(ctx, s.snap, string(b), func(r []sql.RawBytes) error {
		at, ok := changedAt[sqldb.Int(r[3])]
		if ok && (says == nil || says(string(r[4]))) {
			n := sqldb.Int(r[0])
			found[n] = append(found[n], referring{journal.Row{Int: sqldb.Int(r[1]), Key: string(r[2])}, at})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for what refers to %s: %w", t.Name, err)
	}
	for n, ref := range refs {
		if len(found[n]) > 0 {
			s.addReferences(ref, found[n], changes)
		}
	}
	return nil
}

// isDense reports whether half of the numbers from the first to the last are there, which stand in their order: rows that came one after the
// other have such.
func isDense(integers []int64) bool {
	span := integers[len(integers)-1] - integers[0]
	return span >= 0 && span < 2*int64(len(integers))
}

// appendReferring appends the statement for one column: the rows are looked up by an index where there is one. For hundreds of values in a
// list a server would read all of it, since most rows of some columns hold one value, NULL. A conditional reference may be a text, with an
// order and a collation of its own: it is compared with a list all the same.
func appendReferring(b []byte, n int, ref *schema.Ref, decides bool, integers []int64) []byte {
	from, c, decided := ref.From.Table, ref.From, "NULL"
	if decides {
		decided = "t." + schema.Quote(ref.When.Decides().Name)
	}
	value := func(b []byte, row, _ int) []byte {
		return c.AppendLiteral(b, strconv.AppendInt(nil, integers[row], 10))
	}
	b = fmt.Appendf(b, "SELECT %d, %s, t.%s, %s FROM ", n, journal.Identity(from, "t."), schema.Quote(c.Name), decided)
	index := from.ForceIndex([]*schema.Column{c})
	switch {
	case index != "" && !decides && isDense(integers): // what refers to others between them is passed over
		b = fmt.Appendf(b, "%s t%s WHERE t.%s BETWEEN ", schema.Quote(from.Name), index, schema.Quote(c.Name))
		return value(append(value(b, 0, 0), " AND "...), len(integers)-1, 0)
	case index != "" && !decides:
		b, _ = sqldb.AppendDerived(b, []string{"id"}, len(integers), 0, value)
		return fmt.Appendf(b, " STRAIGHT_JOIN %s t%s ON t.%s = d.id", schema.Quote(from.Name), index, schema.Quote(c.Name))
	}
	b = fmt.Appendf(b, "%s t WHERE t.%s IN (", schema.Quote(from.Name), schema.Quote(c.Name))
	for i := range integers {
		if i > 0 {
			b = append(b, ',')
		}
		b = value(b, i, 0)
	}
	return append(b, ')')
}

// addReferences adds changes of rows by one column, unless the log has them anyway.
func (s *sealer) addReferences(ref *schema.Ref, rows []referring, changes map[uint16][]journal.Change) {
	meta := s.j.Tables[ref.From.Table.Name]
	bit := meta.Bit(ref.From.Name)
	born := bornInLog(changes[meta.ID], bit)
	var more []journal.Change
	for _, r := range rows {
		if born[r.row] {
			continue
		}
		change := journal.Change{Table: meta.ID, Op: journal.OpUpdate, Row: r.row, At: r.at}
		if bit != 0 {
			change.Mask = merge.Bit(bit)
		}
		if ref.From.Key {
			change.Op = journal.OpDelete
			more = append(more, change)
			change.Op = journal.OpInsert
		}
		more = append(more, change)
	}
	changes[meta.ID] = append(more, changes[meta.ID]...)
}

// discriminate returns what tells of a conditional reference whether it refers to a table, by the value that decides; nil: it does without. any
// is false if no value does: then no row need be looked at.
func (s *sealer) discriminate(ctx context.Context, t *schema.Table, ref *schema.Ref) (says func(decides string) bool, any bool, err error) {
	w := ref.When
	if w == nil {
		return nil, true, nil
	}
	formats, read := s.formats[w]
	if !read {
		if formats, err = journal.Formats(ctx, s.snap, w); err != nil {
			return nil, false, err
		}
		if s.formats == nil {
			s.formats = map[*schema.Condition]map[string]string{}
		}
		s.formats[w] = formats
	}
	if formats == nil {
		return func(v string) bool { return w.Target(v) == t }, true, nil
	}
	for _, f := range formats {
		any = any || w.Target(f) == t
	}
	return func(v string) bool { return w.Target(formats[v]) == t }, any, nil
}

// bornInLog returns the rows that the log has from their beginning, or from an edit of the column: they are read as they are now anyway.
func bornInLog(changes []journal.Change, column int) map[journal.Row]bool {
	born := map[journal.Row]bool{}
	seen := map[journal.Row]bool{}
	for _, c := range changes {
		if c.Op == journal.OpUpdate && column != 0 && c.Mask.Has(column) {
			born[c.Row], seen[c.Row] = true, true
		}
		if !seen[c.Row] {
			seen[c.Row], born[c.Row] = true, c.Op == journal.OpInsert
		}
	}
	return born
}
