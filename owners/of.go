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

// Ends is where the paths of a row lead, each number once, in ascending order.
type Ends struct {
	Owners []int64 // local ids of owners
	Others []int64 // numbers that are no owner's: of a person who is no patient, or of nothing that is there
}

// Of returns for those of the rows that exist where their paths lead. A row of a table whose rows have no owners leads nowhere.
func Of(ctx context.Context, q sqldb.DB, o *schema.Owners, t *schema.Table, rows []journal.Row) (map[journal.Row]Ends, error) {
	out := make(map[journal.Row]Ends, len(rows))
	var joins string
	var ends []end
	if o.Of(t).Kind == schema.Owned {
		joins, ends = up(o, t, "t")
	}
	for some := range slices.Chunk(rows, rowsAtOnce) {
		b := []byte("SELECT " + identity(t))
		for _, e := range ends {
			b = fmt.Appendf(b, ", %s, %s", e.found, e.value)
		}
		b, where := picked(b, t, some)
		b = append(b, joins...)
		if where != "" {
			b = append(append(b, " WHERE "...), where...)
		}
		err := sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
			e := out[row]
			for i := range ends {
				switch found, value := r[2+2*i], r[3+2*i]; {
				case found != nil:
					e.Owners = add(e.Owners, sqldb.Int(found))
				case value != nil:
					e.Others = add(e.Others, sqldb.Int(value))
				}
			}
			out[row] = e
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("find the owners of rows of %s: %w", t.Name, err)
		}
	}
	return out, nil
}

// add puts a number into a sorted list that has each once.
func add(list []int64, n int64) []int64 {
	i, has := slices.BinarySearch(list, n)
	if has {
		return list
	}
	return slices.Insert(list, i, n)
}
