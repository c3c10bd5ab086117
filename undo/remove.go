package undo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo/rules"
)

// remove deletes the rows that the peer added, but for those that rows which stay refer to.
func (u *undoing) remove(ctx context.Context) error {
	names, err := u.nameRows(ctx)
	if err != nil {
		return err
	}
	refs, n, err := u.referrers(ctx)
	if err != nil {
		return err
	}
	stay, i := rules.Stay(n, refs), 0
	for _, t := range u.tables {
		for _, r := range t.shared {
			t.note(&t.report.Kept, names[t][r], "stays: others have changed it since")
		}
		goes := t.added[:0]
		for _, r := range t.added {
			if stay[i] {
				t.note(&t.report.Kept, names[t][r.Row], "stays: other rows refer to it")
			} else {
				t.note(&t.report.Deleted, names[t][r.Row], "is deleted")
				goes = append(goes, r)
			}
			i++
		}
		t.added = goes
	}
	for _, t := range slices.Backward(u.tables) {
		for part := range slices.Chunk(t.added, atOnce) {
			if err := u.delete(ctx, t, rowkey.Where(t.Table, identities(part))); err != nil {
				return err
			}
		}
	}
	// Since the rows are locked nobody can come to refer to them any more; somebody may have done so before.
	if refs, _, err = u.referrers(ctx); err != nil {
		return err
	}
	if len(refs) > 0 {
		return errChanged
	}
	return nil
}

// delete deletes rows. What they hold is written first as triggers write it, so that the seal keeps it: where the triggers of the table do
// so themselves it is not written twice.
func (u *undoing) delete(ctx context.Context, t *table, where string) error {
	if !t.journal.Whole {
		if err := sqldb.Exec(ctx, u.q, "SET timestamp = UNIX_TIMESTAMP(NOW(6))"); err != nil {
			u.j.Warn("what is deleted of %s is not kept: the server does not let the session's clock stand still (error %d)", t.Name, sqldb.ErrorNumber(err))
		} else if err := journal.KeepRemoved(ctx, u.q, t.Table, t.journal.ID, where); err != nil {
			return err
		}
	}
	if err := sqldb.Exec(ctx, u.q, "DELETE FROM "+schema.Quote(t.Name)+" WHERE "+where); err != nil {
		return fmt.Errorf("delete from %s: %w", t.Name, withoutText(err))
	}
	return sqldb.Exec(ctx, u.q, "SET timestamp = DEFAULT")
}

// nameRows returns the keys of the rows that were added.
func (u *undoing) nameRows(ctx context.Context) (map[*table]map[journal.Row]string, error) {
	names := map[*table]map[journal.Row]string{}
	for _, t := range u.tables {
		rows := slices.Concat(identities(t.added), t.shared)
		if len(rows) == 0 {
			continue
		}
		var err error
		if names[t], err = rowkey.Of(ctx, u.q, t.Table, rows); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// referrers finds what refers to the rows that were added, as rules.Stay wants it, and returns how many rows these are.
func (u *undoing) referrers(ctx context.Context) (refs [][2]int, n int, err error) {
	place := map[*schema.Table]map[journal.Row]int{}
	for _, t := range u.tables {
		place[t.Table] = map[journal.Row]int{}
		for _, r := range t.added {
			place[t.Table][r.Row] = n
			n++
		}
	}
	for _, t := range u.tables {
		for _, ref := range t.Children {
			byValue := map[string]int{}
			for _, r := range t.added {
				if v := r.referredBy(t, ref); v != nil {
					byValue[string(v)] = place[t.Table][r.Row]
				}
			}
			from := place[ref.From.Table]
			for part := range slices.Chunk(slices.Sorted(maps.Keys(byValue)), atOnce) {
				values := make([][]byte, len(part))
				for i, v := range part {
					values[i] = []byte(v)
				}
				err := journal.Referrers(ctx, u.q, ref, t.Table, values, func(r journal.Row, value string) {
					by, goes := from[r]
					if !goes {
						by = -1
					}
					if i, ok := byValue[value]; ok {
						refs = append(refs, [2]int{by, i})
						return
					}
					for _, v := range part { // the server compares as the column does: it may mean any of them
						refs = append(refs, [2]int{by, byValue[v]})
					}
				})
				if err != nil {
					return nil, 0, err
				}
			}
		}
	}
	return refs, n, nil
}

// referredBy is the value by which a reference points to the row; nil: none does.
func (r *row) referredBy(t *table, ref *schema.Ref) []byte {
	if ref.When != nil || ref.ToColumn == t.Integer {
		return strconv.AppendInt(nil, r.Int, 10)
	}
	return r.values[ref.ToColumn]
}
