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
	slices.Sort(integers)
	for _, ref := range t.Children {
		atOnce := 500
		if ref.From.Table.ForceIndex([]*schema.Column{ref.From}) == "" {
			atOnce = 5000 // each statement reads the whole table
		}
		for part := range slices.Chunk(integers, atOnce) {
			if err := s.addReferring(ctx, t, ref, part, changedAt, changes); err != nil {
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

// addReferring adds changes of the rows that refer by one column to rows whose keys changed, those with these integers.
func (s *sealer) addReferring(ctx context.Context, t *schema.Table, ref *schema.Ref, integers []int64, changedAt map[int64]int64,
	changes map[uint16][]journal.Change) error {
	from, c := ref.From.Table, ref.From
	meta := s.j.Tables[from.Name]
	if meta == nil || !from.Replicated || ref.When == nil && ref.ByName() {
		return nil
	}
	discriminator, refersTo, err := s.discriminate(ctx, t, ref)
	if err != nil {
		return err
	}
	b := fmt.Appendf(nil, "SELECT %s, %[2]s, %s FROM %s WHERE %[2]s IN (",
		journal.Identity(from, ""), schema.Quote(c.Name), discriminator, schema.Quote(from.Name))
	for i, n := range integers {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.AppendLiteral(b, strconv.AppendInt(nil, n, 10))
	}
	bit := meta.Bit(c.Name)
	born := bornInLog(changes[meta.ID], bit)
	var more []journal.Change
	err = sqldb.Each(ctx, s.snap, string(append(b, ')')), func(r []sql.RawBytes) error {
		row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
		at, ok := changedAt[sqldb.Int(r[2])]
		if !ok || born[row] || !refersTo(string(r[3])) {
			return nil
		}
		change := journal.Change{Table: meta.ID, Op: journal.OpUpdate, Row: row, At: at}
		if bit != 0 {
			change.Mask = merge.Bit(bit)
		}
		if c.Key {
			change.Op = journal.OpDelete
			more = append(more, change)
			change.Op = journal.OpInsert
		}
		more = append(more, change)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for what refers to %s: %w", t.Name, err)
	}
	changes[meta.ID] = append(more, changes[meta.ID]...)
	return nil
}

// discriminate returns what to select beside a reference to tell whether it refers to a table, and the function that tells.
func (s *sealer) discriminate(ctx context.Context, t *schema.Table, ref *schema.Ref) (column string, refersTo func(value string) bool, err error) {
	if ref.When == nil {
		return "NULL", func(string) bool { return true }, nil
	}
	formats, err := journal.Discriminator(ctx, s.snap, ref.When)
	return schema.Quote(ref.When.Decides().Name), func(value string) bool { return ref.When.Target(formats(value)) == t }, err
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
