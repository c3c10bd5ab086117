package capture

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// removedPage is how many rows that the application deleted are looked at together; removedRows and removedBytes bound how many of them are
// read together.
const removedPage, removedRows, removedBytes = 10000, 500, 1 << 20

// removedRow is a row whose deletion a seal made known.
type removedRow struct {
	journal.Deleted
	row   journal.Row
	death journal.Death
}

// removal is what a trigger names a deletion by.
type removal struct {
	table uint16
	row   journal.Row
	at    int64
}

// keepRemoved keeps whole what the application deleted, as far as the triggers wrote it and the deletion was made known, and drops what
// they wrote of the changes that are sealed.
func (s *sealer) keepRemoved(ctx context.Context, gate sqldb.DB, changes []journal.Change, sealed map[*schema.Table]*SealedTable) error {
	if any, err := journal.AnyRemoved(ctx, s.snap); err != nil || !any {
		return err
	}
	taken := map[removal]bool{}
	for _, c := range changes {
		if c.Op == journal.OpDelete {
			taken[removal{c.Table, c.Row, c.At}] = true
		}
	}
	wanted := map[removal][]removedRow{}
	for t, x := range sealed {
		for _, d := range x.removed {
			at := removal{s.j.Tables[t.Name].ID, d.row, d.death.At}
			wanted[at] = append(wanted[at], d)
		}
	}
	var drop []uint64
	for after := uint64(0); ; {
		page, err := journal.RemovedRows(ctx, s.snap, after, removedPage)
		if err != nil {
			return err
		}
		byTable := map[uint16][]journal.Removed{}
		for _, r := range page {
			after = r.ID
			at := removal{r.Table, r.Row, r.At}
			if _, ok := wanted[at]; ok {
				byTable[r.Table] = append(byTable[r.Table], r)
			}
			if taken[at] || !s.more { // else its change is for the next portion
				drop = append(drop, r.ID)
			}
		}
		for _, t := range s.j.Replicated() {
			if err := s.keepTable(ctx, gate, t, byTable[s.j.Tables[t.Name].ID], wanted); err != nil {
				return err
			}
		}
		if len(page) < removedPage {
			return journal.DropRemoved(ctx, gate, drop)
		}
	}
}

// keepTable keeps rows of one table, in portions.
func (s *sealer) keepTable(ctx context.Context, gate sqldb.DB, t *schema.Table, rows []journal.Removed, wanted map[removal][]removedRow) error {
	lost := 0
	for len(rows) > 0 {
		n, bytes := 0, int64(0)
		for n < len(rows) && n < removedRows && (n == 0 || bytes+rows[n].Size <= removedBytes) {
			bytes += rows[n].Size
			n++
		}
		c := contents{s: s, table: t}
		if err := c.read(ctx, rows[:n], wanted); err != nil {
			return err
		}
		if err := c.resolve(ctx); err != nil {
			return err
		}
		tooLong, err := journal.KeepDeleted(ctx, gate, s.j.Tables[t.Name].ID, c.kept(), s.j.Authors)
		if err != nil {
			return err
		}
		lost += tooLong + c.unread
		rows = rows[n:]
	}
	if lost > 0 {
		s.j.Warn("%s: %d rows that were deleted are not kept: they are too long, or the table has changed since", t.Name, lost)
	}
	return nil
}

// contents is what some rows of a table held that were deleted.
type contents struct {
	s      *sealer
	table  *schema.Table
	rows   []removedRow
	values []map[*schema.Column][]byte
	unread int
}

func (c *contents) read(ctx context.Context, rows []journal.Removed, wanted map[removal][]removedRow) error {
	ids, byID := make([]uint64, len(rows)), make(map[uint64][]removedRow, len(rows))
	for i, r := range rows {
		ids[i], byID[r.ID] = r.ID, wanted[removal{r.Table, r.Row, r.At}]
	}
	return journal.RemovedContents(ctx, c.s.snap, ids, func(id uint64, content []byte) error {
		values, err := schema.ParseContent(c.table, content)
		if err != nil {
			c.unread++
			return nil
		}
		row, ok := pick(c.table, byID[id], values)
		if !ok {
			return nil // of a row that nobody knew, and that had this local id in the same moment
		}
		row.Content = make(journal.Content, len(values))
		for column, v := range values {
			row.Content[column.Name] = plain(v)
		}
		c.rows, c.values = append(c.rows, row), append(c.values, values)
		return nil
	})
}

// pick returns that of some rows with one local id which held these values when it was deleted.
func pick(t *schema.Table, rows []removedRow, values map[*schema.Column][]byte) (removedRow, bool) {
	for _, r := range rows {
		if r.death.DeletedKey == nil || len(t.KeyColumns) != 1 || *r.death.DeletedKey == string(values[t.KeyColumns[0]]) {
			return r, true
		}
	}
	return removedRow{}, false
}

func plain(v []byte) journal.Value {
	if v == nil {
		return journal.Value{}
	}
	text := string(v)
	return journal.Value{Text: &text}
}

func (c *contents) kept() []journal.Deleted {
	out := make([]journal.Deleted, len(c.rows))
	for i, r := range c.rows {
		out[i] = r.Deleted
	}
	return out
}

// resolve puts the keys of rows in the place of the values that refer to them. What refers to no row is 0.
func (c *contents) resolve(ctx context.Context) error {
	for _, column := range c.table.Columns {
		if column.Ref == nil || column.Generated || column.Local {
			continue
		}
		targets, err := c.targets(ctx, column)
		if err != nil {
			return err
		}
		wanted := map[*schema.Table][]int{}
		for i, to := range targets {
			if v := c.rows[i].Content[column.Name]; to != nil && v.Text != nil {
				wanted[to] = append(wanted[to], i)
			}
		}
		for to, places := range wanted {
			ref := column.Ref
			if ref.When != nil {
				ref = &schema.Ref{From: column, To: to, ToColumn: to.Integer}
			}
			if err := c.resolveTo(ctx, ref, places); err != nil {
				return err
			}
		}
	}
	return nil
}

// targets returns which table each row's value of a column refers to; nil for a plain value.
func (c *contents) targets(ctx context.Context, column *schema.Column) ([]*schema.Table, error) {
	out := make([]*schema.Table, len(c.rows))
	when := column.Ref.When
	if when == nil {
		for i := range out {
			out[i] = column.Ref.To
		}
		return out, nil
	}
	says, err := journal.Discriminator(ctx, c.s.snap, when)
	if err != nil {
		return nil, err
	}
	for i, v := range c.values {
		if decides := v[when.Decides()]; decides != nil && journal.IsNumber(v[column]) {
			out[i] = when.Target(says(string(decides)))
		}
	}
	return out, nil
}

// resolveTo does it for those of the rows whose values refer to one table. A row that was deleted too had the key that it had then.
func (c *contents) resolveTo(ctx context.Context, ref *schema.Ref, places []int) error {
	var look []string
	keys := map[int]*string{}
	for _, i := range places {
		text := *c.rows[i].Content[ref.From.Name].Text
		if ref.ByName() || len(c.s.foldedAt(ref.To, journal.Row{Int: sqldb.Int([]byte(text))})) == 0 {
			look = append(look, text)
			continue
		}
		key, err := c.s.deadReference(ctx, ref, text, c.rows[i].death)
		if err != nil {
			return err
		}
		keys[i] = key
	}
	found, err := rowkey.Referred(ctx, c.s.snap, ref, look)
	if err != nil {
		return fmt.Errorf("look for what deleted rows of %s referred to: %w", c.table.Name, err)
	}
	for _, i := range places {
		text := *c.rows[i].Content[ref.From.Name].Text
		key, dead := keys[i]
		if !dead {
			key = found[text]
		}
		v := plain([]byte("0"))
		if key != nil && *key != "" {
			k := journal.Canonical(ref.To, *key)
			v = journal.Value{Text: &k, Table: ref.To.Name}
		}
		c.rows[i].Content[ref.From.Name] = v
	}
	return nil
}

// foldedAt returns the deaths of the rows that had a local id in this log.
func (s *sealer) foldedAt(t *schema.Table, r journal.Row) []journal.Death {
	if s.deaths == nil {
		s.deaths = map[*schema.Table]map[journal.Row][]journal.Death{}
	}
	if s.deaths[t] == nil {
		s.deaths[t] = make(map[journal.Row][]journal.Death, len(s.folded[t]))
		for _, f := range s.folded[t] {
			if len(f.Deaths) > 0 {
				s.deaths[t][f.Row] = f.Deaths
			}
		}
	}
	return s.deaths[t][r]
}
