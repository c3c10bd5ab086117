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

// rekeyed finds rows whose key changed under their integer, and adds what that did to the rows that refer to them: no trigger
// saw those, for they hold what they held, but elsewhere it means another row now. A reference was edited; a key that is made
// of the other's key went, and another came. changes are by number of the table.
func (w *sealer) rekeyed(ctx context.Context, t *schema.Table, changes map[uint16][]journal.Change) error {
	if t.Integer == nil || len(t.Children) == 0 {
		return nil
	}
	when := map[int64]int64{}
	var rows []journal.Row
	var died []*journal.Folded
	for _, f := range journal.Fold(changes[w.j.Tables[t.Name].ID]) {
		if f.Born && len(f.Deaths) > 0 && f.Deaths[0].First {
			rows, died = append(rows, f.Row), append(died, f)
		}
	}
	here, err := rowkey.Of(ctx, w.q, t, rows)
	if err != nil {
		return err
	}
	var moved []int64
	for _, f := range died {
		key, exists := here[f.Row]
		was := f.Deaths[0].UUID
		if !exists || t.Key == schema.KeyUUID && was != nil && journal.Canonical(t, *was) == journal.Canonical(t, key) {
			continue
		}
		moved = append(moved, f.Int)
		when[f.Int] = f.Deaths[len(f.Deaths)-1].At
	}
	for _, ref := range t.Children {
		for part := range slices.Chunk(moved, 500) {
			if err := w.carried(ctx, t, ref, part, when, changes); err != nil {
				return err
			}
		}
	}
	return nil
}

// carried adds the changes of one table that refers to rows whose keys changed.
func (w *sealer) carried(ctx context.Context, t *schema.Table, ref *schema.Ref, moved []int64, when map[int64]int64, changes map[uint16][]journal.Change) error {
	from, c := ref.From.Table, ref.From
	jt := w.j.Tables[from.Name]
	if jt == nil || !from.Replicated || ref.When == nil && rowkey.IsName(ref) {
		return nil
	}
	born := map[journal.Row]bool{} // those that the log has from their beginning are read as they are now anyway
	known := map[journal.Row]bool{}
	for _, ch := range changes[jt.ID] {
		if !known[ch.Row] {
			known[ch.Row], born[ch.Row] = true, ch.Op == journal.OpInsert
		}
	}
	query := "SELECT " + journal.Identity(from, "") + ", " + schema.Quote(c.Name)
	formats := func(string) string { return "" }
	if ref.When != nil {
		via := ref.When.Via
		if via == nil {
			via = ref.When.LookupColumn
		}
		query += ", " + schema.Quote(via.Name)
		var err error
		if formats, err = journal.Discriminator(ctx, w.q, ref.When); err != nil {
			return err
		}
	}
	b := []byte(query + " FROM " + schema.Quote(from.Name) + " WHERE " + schema.Quote(c.Name) + " IN (")
	for i, n := range moved {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.AppendLiteral(b, strconv.AppendInt(nil, n, 10))
	}
	var more []journal.Change
	err := sqldb.Each(ctx, w.q, string(append(b, ')')), func(r []sql.RawBytes) error {
		row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
		at, ok := when[sqldb.Int(r[2])]
		if !ok || born[row] || ref.When != nil && ref.When.Target(formats(string(r[3]))) != t {
			return nil
		}
		change := journal.Change{Table: jt.ID, Op: journal.OpUpdate, Row: row, Mask: jt.Bit(c.Name) &^ merge.Existence, At: at}
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
	changes[jt.ID] = append(more, changes[jt.ID]...)
	return nil
}
