package undo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo/rules"
)

// putBack gives columns the values that they had, as far as conflict records have them.
func (u *undoing) putBack(ctx context.Context) error {
	keys, lost, err := u.lostValues(ctx)
	if err != nil {
		return err
	}
	for _, t := range u.tables {
		for _, r := range t.changed {
			if err := u.putBackRow(ctx, t, r, keys[t][r.Row], lost); err != nil {
				return err
			}
		}
	}
	return nil
}

// lostColumn is a column of a row by its table and canonical key.
type lostColumn struct {
	name
	column string
}

// lostValues reads which values of the changed rows lost, and returns the rows' canonical keys, too.
func (u *undoing) lostValues(ctx context.Context) (keys map[*table]map[journal.Row]string, lost map[lostColumn][]journal.LostValue, err error) {
	keys, lost = map[*table]map[journal.Row]string{}, map[lostColumn][]journal.LostValue{}
	wanted := map[name]bool{}
	for _, t := range u.tables {
		if len(t.changed) == 0 {
			continue
		}
		if keys[t], err = rowkey.Of(ctx, u.q, t.Table, identities(t.changed)); err != nil {
			return nil, nil, err
		}
		for r, key := range keys[t] {
			keys[t][r] = journal.Canonical(t.Table, key)
			wanted[name{t.Name, keys[t][r]}] = true
		}
	}
	if len(wanted) == 0 {
		return keys, lost, nil
	}
	return keys, lost, journal.LostSince(ctx, u.q, u.since.First, func(l journal.LostValue) {
		if row := (name{l.Table, l.Key}); wanted[row] {
			at := lostColumn{row, l.Column}
			lost[at] = append(lost[at], l)
		}
	})
}

// putBackRow gives one row what it had.
func (u *undoing) putBackRow(ctx context.Context, t *table, r *row, key string, lost map[lostColumn][]journal.LostValue) error {
	var set, known, unknown []string
	for _, c := range u.j.Columns(t.Table) {
		bit := t.journal.Bit(c.Name)
		if bit == 0 || !r.mask.Has(bit) {
			continue
		}
		value, ok, err := u.before(ctx, c, stampOf(r.groups, bit), lost[lostColumn{name{t.Name, key}, c.Name}])
		if err != nil {
			return err
		}
		if !ok {
			unknown = append(unknown, c.Name)
			continue
		}
		known = append(known, c.Name)
		set = append(set, schema.Quote(c.Name)+" = "+string(c.AppendLiteral(nil, value)))
	}
	if len(set) > 0 {
		clause := strings.Join(set, ", ")
		_, err := u.q.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s%s WHERE %s", schema.Quote(t.Name), clause, untouched(t.Table, clause), rowkey.Where(t.Table, []journal.Row{r.Row})))
		if reason := u.notTaken(err); reason != "" {
			t.note(&t.report.Unknown, key, "keeps "+strings.Join(known, ", ")+": "+reason)
		} else if err != nil {
			return fmt.Errorf("update %s: %w", t.Name, withoutText(err))
		} else {
			t.note(&t.report.PutBack, key, "is as before in "+strings.Join(known, ", "))
		}
	}
	if len(unknown) > 0 {
		t.note(&t.report.Unknown, key, "keeps what came, for what was before is not known: "+strings.Join(unknown, ", "))
	}
	return nil
}

// before returns the value that a column had before the one with this stamp; false: it is not known, or refers to a row that is not here.
func (u *undoing) before(ctx context.Context, c *schema.Column, now merge.Stamp, lost []journal.LostValue) ([]byte, bool, error) {
	records := make([]rules.Lost, len(lost))
	for i, l := range lost {
		records[i] = rules.Lost{Winner: l.Winner, Loser: l.Loser, Here: l.From == 0}
	}
	i := u.since.Before(now, records)
	if i < 0 {
		return nil, false, nil
	}
	value, err := journal.ConflictValue(ctx, u.q, lost[i].ID)
	if err != nil {
		return nil, false, err
	}
	return u.fromRecord(ctx, c, value)
}

// fromRecord returns a value of a conflict record as it is here; false: it refers to a row that is not here.
func (u *undoing) fromRecord(ctx context.Context, c *schema.Column, value *string) ([]byte, bool, error) {
	if value == nil {
		return nil, true, nil
	}
	if c.Ref == nil || c.Ref.When != nil || c.Ref.ByName() {
		return []byte(*value), true, nil
	}
	// As package apply records it: the key of a row whose key is one value, of others the number here.
	if root := c.Ref.To.Root; root.Integer == nil || len(root.KeyColumns) != 1 || root.KeyColumns[0].Ref != nil {
		return []byte(*value), true, nil
	}
	return u.find.value(ctx, c.Ref, c.Ref.To, *value)
}

// stampOf returns the stamp of a column.
func stampOf(groups []merge.Group, bit int) merge.Stamp {
	if i := slices.IndexFunc(groups, func(g merge.Group) bool { return g.Has(bit) }); i >= 0 {
		return groups[i].Stamp
	}
	return merge.Stamp{}
}

// untouched keeps columns as they are that the server would set to the time by itself, unless the clause sets them.
func untouched(t *schema.Table, clause string) string {
	out := ""
	for _, c := range t.Columns {
		if q := schema.Quote(c.Name); c.AutoUpdate && !strings.Contains(clause, q+" = ") {
			out += ", " + q + " = " + q
		}
	}
	return out
}
