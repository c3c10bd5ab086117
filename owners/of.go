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

// rowsAtOnce is how many rows one statement names.
const rowsAtOnce = 1000

// Ends is where the paths of a row lead: numbers in ascending order, each of them once.
type Ends struct {
	Owners []int64 // local ids of owners
	Others []int64 // numbers that are no owner's: of a person who is no patient, or of nothing that is there
	// Refs is what the row itself refers to on the paths that lead to an owner; where none does, on all that are not NULL. By these the row
	// belongs to whom it belongs: what else it refers to does not count.
	Refs []Ref
}

// Ref is a column of a row and the value that it has.
type Ref struct {
	Column *schema.Column
	Value  string
}

// leading is what a row's paths were found to be, before those that count are known.
type leading struct {
	Ends
	idle []Ref // of paths that lead to no owner
}

// Of returns for those of the rows that exist where their paths lead. A row of a table whose rows have no owners leads nowhere.
func Of(ctx context.Context, q sqldb.DB, o *schema.Owners, t *schema.Table, rows []journal.Row) (map[journal.Row]Ends, error) {
	found := make(map[journal.Row]leading, len(rows))
	var joins string
	var ends []end
	if o.Of(t).Kind == schema.Owned {
		joins, ends = up(o, t, "t")
	}
	for some := range slices.Chunk(rows, rowsAtOnce) {
		b := []byte("SELECT " + identity(t))
		for _, e := range ends {
			first := "NULL"
			if e.first != nil {
				first = e.first.Select("t.")
			}
			b = fmt.Appendf(b, ", %s, %s, %s", e.found, e.value, first)
		}
		b, where := picked(b, t, some)
		b = append(b, joins...)
		if where != "" {
			b = append(append(b, " WHERE "...), where...)
		}
		err := sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
			l := found[row]
			for i, e := range ends {
				owner, value, first := r[2+3*i], r[3+3*i], r[4+3*i]
				switch {
				case owner != nil:
					l.Owners = add(l.Owners, sqldb.Int(owner))
					l.Refs = refer(l.Refs, e.first, first)
				case first != nil && !slices.Contains(o.Bases, t): // whose row would be an owner's, and there is none
					l.idle = refer(l.idle, e.first, first)
				}
				if owner == nil && value != nil {
					l.Others = add(l.Others, sqldb.Int(value))
				}
			}
			found[row] = l
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("find the owners of rows of %s: %w", t.Name, err)
		}
	}
	out := make(map[journal.Row]Ends, len(found))
	for row, l := range found {
		if len(l.Owners) == 0 {
			l.Refs = l.idle
		}
		out[row] = l.Ends
	}
	return out, nil
}

// refer adds a reference to a list that has each once.
func refer(list []Ref, c *schema.Column, value []byte) []Ref {
	if r := (Ref{c, string(value)}); c != nil && !slices.Contains(list, r) {
		return append(list, r)
	}
	return list
}

// add puts a number into a sorted list that has each once.
func add(list []int64, n int64) []int64 {
	i, has := slices.BinarySearch(list, n)
	if has {
		return list
	}
	return slices.Insert(list, i, n)
}
