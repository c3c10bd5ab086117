package undo

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// findReturned finds, of rows that the peer deleted and that are here, those that it sent anew: they are none that it added. kept has the
// ids of what is kept of them, by their keys.
func (u *undoing) findReturned(ctx context.Context, t *table, kept map[string]uint64) error {
	if len(kept) == 0 || len(t.added) == 0 {
		return nil
	}
	keys, err := rowkey.Of(ctx, u.q, t.Table, identities(t.added))
	if err != nil {
		return err
	}
	t.added = slices.DeleteFunc(t.added, func(r *row) bool {
		key := journal.Canonical(t.Table, keys[r.Row])
		id, ok := kept[key]
		if ok {
			t.returned = append(t.returned, &revived{t: t, key: key, id: id, at: r.Row})
		}
		return ok
	})
	return nil
}

// putBackReturned gives the rows that the peer deleted and sent anew what they held when it deleted them.
func (u *undoing) putBackReturned(ctx context.Context) error {
	for _, t := range u.tables {
		if err := u.eachContent(ctx, t.returned, func(r *revived, c journal.Content) error { return u.putBackWhole(ctx, r, c) }); err != nil {
			return err
		}
	}
	return nil
}

func (u *undoing) putBackWhole(ctx context.Context, r *revived, content journal.Content) error {
	t, set := r.t, ""
	for _, column := range slices.Sorted(maps.Keys(content)) {
		c, v := t.Column(column), content[column]
		if c == nil || c.Generated || c == t.Integer || slices.Contains(t.KeyColumns, c) {
			continue
		}
		if to := u.j.Catalogue.Table(v.Table); c.Ref != nil && to != nil && v.Text != nil {
			if _, here, err := u.find.row(ctx, to, *v.Text); err != nil {
				return err
			} else if !here {
				t.note(&t.report.Unknown, r.key, fmt.Sprintf("keeps what came: its %s referred to a row of %s that is not here (%s)", column, to.Name, journal.PrintableKey(to, *v.Text)))
				return nil
			}
		}
		value, err := u.local(ctx, c, v, nil)
		if err != nil {
			return err
		}
		if set != "" {
			set += ", "
		}
		set += schema.Quote(c.Name) + " = " + string(c.AppendLiteral(nil, value))
	}
	if set != "" {
		_, err := u.q.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s%s WHERE %s", schema.Quote(t.Name), set, untouched(t.Table, set), rowkey.Where(t.Table, []journal.Row{r.at})))
		if reason := u.notTaken(err); reason != "" {
			t.note(&t.report.Unknown, r.key, "keeps what came: "+reason)
			return nil
		} else if err != nil {
			return fmt.Errorf("update %s: %w", t.Name, withoutText(err))
		}
	}
	t.note(&t.report.PutBack, r.key, "is as it was when it was deleted")
	return nil
}
