package owners

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// bounds are how much is asked for and held at once.
type bounds struct {
	ids  int // that one statement names
	held int // identities of rows
	page int // rows of a page
}

func usual() bounds { return bounds{500, 50000, 2000} }

// Rows hands on the rows of a table that belong to one of these owners, in pages of 2,000 at most: those of which [Of] names one of them.
// Each row comes once. f may use q. It stops at the first error of f.
func Rows(ctx context.Context, q sqldb.DB, o *schema.Owners, t *schema.Table, owners []int64, f func([]journal.Row) error) error {
	return usual().rows(ctx, q, o, t, owners, f)
}

func (n bounds) rows(ctx context.Context, q sqldb.DB, o *schema.Owners, t *schema.Table, owners []int64, f func([]journal.Row) error) error {
	return n.each(ctx, q, t, start(o, t, o.Table), owners, f, func(before []int64, page []journal.Row) ([]journal.Row, error) {
		if len(before) == 0 || len(o.Of(t).Paths) < 2 {
			return page, nil
		}
		ends, err := Of(ctx, q, o, t, page)
		return slices.DeleteFunc(slices.Clone(page), func(r journal.Row) bool {
			return slices.ContainsFunc(ends[r].Owners, func(n int64) bool {
				_, has := slices.BinarySearch(before, n)
				return has
			})
		}), err
	})
}

// Through hands on, in pages of 2,000 at most, the rows of a table whose paths lead to some rows of another table, by their integers: to
// encounters those of encounter_provider, and to persons, patients or not, those of person_name. Of a table with several paths a row may
// come more than once if there are more than 500 numbers. f may use q. It stops at the first error of f.
func Through(ctx context.Context, q sqldb.DB, o *schema.Owners, t, via *schema.Table, ids []int64, f func([]journal.Row) error) error {
	return usual().each(ctx, q, t, start(o, t, via), ids, f, func(_ []int64, page []journal.Row) ([]journal.Row, error) { return page, nil })
}

// start returns the beginnings of the table's paths that lead to rows of another table by their integers; an owner's own row leads to itself
// without a step. What shares an owner's key stands for it.
func start(o *schema.Owners, t, to *schema.Table) (paths []schema.Path) {
	if to.Integer == nil {
		return nil
	}
	base := slices.Contains(o.Bases, to)
	for _, p := range o.Of(t).Paths {
		for i := 0; i <= len(p); i++ {
			switch last := i == len(p); {
			case last && base && i > 0 && t != to:
				whole := slices.Clone(p)
				whole[i-1].To = to.Integer
				paths = append(paths, whole)
			case last && to == o.Table, !last && i > 0 && p[i-1].To.Table == to:
				paths = append(paths, p[:i])
			default:
				continue
			}
			break
		}
	}
	return paths
}

// each hands on the rows of a table that lead to the ids by the paths, without those that unseen takes out because they came with ids before.
func (n bounds) each(ctx context.Context, q sqldb.DB, t *schema.Table, paths []schema.Path, ids []int64, f func([]journal.Row) error,
	unseen func(before []int64, page []journal.Row) ([]journal.Row, error)) error {
	if len(paths) == 0 {
		return nil
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for start := 0; start < len(ids); start += n.ids {
		some := ids[start:min(start+n.ids, len(ids))]
		for after, more := (*journal.Row)(nil), true; more; {
			rows, err := read(ctx, q, t, paths, some, after, n.held)
			if err != nil {
				return fmt.Errorf("find the rows of owners in %s: %w", t.Name, err)
			}
			if more = len(rows) == n.held; more {
				last := rows[len(rows)-1]
				after = &last
			}
			for page := range slices.Chunk(slices.Compact(rows), n.page) {
				if page, err = unseen(ids[:start], page); err != nil {
					return err
				}
				if len(page) == 0 {
					continue
				}
				if err := f(page); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// read returns the identities of rows that lead to some ids, in their order, those after one.
func read(ctx context.Context, q sqldb.DB, t *schema.Table, paths []schema.Path, ids []int64, after *journal.Row, limit int) ([]journal.Row, error) {
	var b []byte
	for i, p := range paths {
		if i > 0 {
			b = append(b, " UNION "...)
		}
		b = numbers(append(b, "SELECT "+identity(t)+" FROM "...), ids)
		at, to := "t", t
		if len(p) > 0 {
			at, to = "w", p[len(p)-1].To.Table
		}
		b = fmt.Appendf(b, " STRAIGHT_JOIN %s %s%s ON %[2]s.%[4]s = d.id%[5]s", schema.Quote(to.Name), at, by(to.Integer), column(to.Integer), down(p))
		switch {
		case after != nil && t.Integer != nil:
			b = fmt.Appendf(b, " WHERE t.%s > %d", column(t.Integer), after.Int)
		case after != nil:
			b = fmt.Appendf(b, " WHERE CAST(%s AS BINARY) > %s", schema.LocalKeySQL(t, "t."), sqldb.Binary(nil, after.Key))
		}
	}
	order := "1"
	if t.Integer == nil {
		order = "2"
	}
	b = fmt.Appendf(b, " ORDER BY %s LIMIT %d", order, limit)
	var rows []journal.Row
	err := sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
		rows = append(rows, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		return nil
	})
	return rows, err
}
