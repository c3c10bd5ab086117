package owners

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

const (
	ownersAtOnce = 500   // owners that one statement names
	rowsHeld     = 50000 // identities that are held at once
	pageRows     = 2000  // rows of a page
)

// Whose says of which ends [Rows] finds the rows.
type Whose uint8

const (
	Owners Whose = iota // ids are owners: rows of which [Of] names one of them among the owners
	Others              // ids are no owners: rows of which [Of] names one of them among the others
)

// Rows hands on the rows of a table whose paths lead to the ids, in pages of 2,000 at most. Each row comes once, whatever it leads to
// besides; ids that are not what whose says have none. f may use q. It stops at the first error of f.
func Rows(ctx context.Context, q sqldb.DB, o *schema.Owners, t *schema.Table, whose Whose, ids []int64, f func([]journal.Row) error) error {
	if o.Of(t).Kind != schema.Owned {
		return nil
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for start := 0; start < len(ids); start += ownersAtOnce {
		some := ids[start:min(start+ownersAtOnce, len(ids))]
		for after := (*journal.Row)(nil); ; {
			rows, err := read(ctx, q, o, t, whose, some, after)
			if err != nil || len(rows) == 0 {
				return wrapped(t, err)
			}
			last := rows[len(rows)-1]
			more := len(rows) == rowsHeld
			for page := range slices.Chunk(slices.Compact(rows), pageRows) {
				if page, err = unseen(ctx, q, o, t, whose, ids[:start], page); err != nil {
					return err
				}
				if len(page) > 0 {
					if err := f(page); err != nil {
						return err
					}
				}
			}
			if !more {
				break
			}
			after = &last
		}
	}
	return nil
}

func wrapped(t *schema.Table, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("find the rows of owners in %s: %w", t.Name, err)
}

// read returns the identities of rows that lead to some ids, in their order, those after one.
func read(ctx context.Context, q sqldb.DB, o *schema.Owners, t *schema.Table, whose Whose, ids []int64, after *journal.Row) ([]journal.Row, error) {
	var b []byte
	for i, p := range o.Of(t).Paths {
		if i > 0 {
			b = append(b, " UNION "...)
		}
		b = append(b, "SELECT "+identity(t)+" FROM "...)
		b = numbers(b, ids)
		var where []string
		owner := column(o.Table.Integer)
		switch {
		case len(p) == 0: // the owner's own row
			b = fmt.Appendf(b, " STRAIGHT_JOIN %s t%s ON t.%s = d.id", schema.Quote(t.Name), by(t.Integer), owner)
			if whose == Others {
				where = append(where, "FALSE")
			}
		case whose == Owners:
			b = fmt.Appendf(b, " STRAIGHT_JOIN %s w%s ON w.%s = d.id", schema.Quote(o.Table.Name), by(o.Table.Integer), owner)
		default:
			b = fmt.Appendf(b, " LEFT JOIN %s w%s ON w.%s = d.id", schema.Quote(o.Table.Name), by(o.Table.Integer), owner)
			where = append(where, "w."+owner+" IS NULL")
		}
		b = append(b, down(p)...)
		switch {
		case after != nil && t.Integer != nil:
			where = append(where, fmt.Sprintf("t.%s > %d", column(t.Integer), after.Int))
		case after != nil:
			where = append(where, "CAST("+schema.LocalKeySQL(t, "t.")+" AS BINARY) > "+string(sqldb.Binary(nil, after.Key)))
		}
		if len(where) > 0 {
			b = append(b, " WHERE "+strings.Join(where, " AND ")...)
		}
	}
	order := "1"
	if t.Integer == nil {
		order = "2"
	}
	b = fmt.Appendf(b, " ORDER BY %s LIMIT %d", order, rowsHeld)
	var rows []journal.Row
	err := sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
		rows = append(rows, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		return nil
	})
	return rows, err
}

// unseen takes out of a page the rows that came with ids before.
func unseen(ctx context.Context, q sqldb.DB, o *schema.Owners, t *schema.Table, whose Whose, before []int64, page []journal.Row) ([]journal.Row, error) {
	if len(before) == 0 || len(o.Of(t).Paths) < 2 {
		return page, nil
	}
	ends, err := Of(ctx, q, o, t, page)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(page), func(r journal.Row) bool {
		list := ends[r].Owners
		if whose == Others {
			list = ends[r].Others
		}
		return slices.ContainsFunc(list, func(n int64) bool {
			_, has := slices.BinarySearch(before, n)
			return has
		})
	}), nil
}

// Beside returns whom rows of these owners lead to besides that is no owner, such as a relative who is no patient, each once, in ascending
// order: it looks at tables whose rows belong by several paths.
func Beside(ctx context.Context, q sqldb.DB, o *schema.Owners, tables []*schema.Table, ids []int64) ([]int64, error) {
	found := map[int64]bool{}
	for _, t := range tables {
		if len(o.Of(t).Paths) < 2 {
			continue
		}
		err := Rows(ctx, q, o, t, Owners, ids, func(page []journal.Row) error {
			ends, err := Of(ctx, q, o, t, page)
			for _, e := range ends {
				for _, n := range e.Others {
					found[n] = true
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	out := make([]int64, 0, len(found))
	for n := range found {
		out = append(out, n)
	}
	slices.Sort(out)
	return out, nil
}
