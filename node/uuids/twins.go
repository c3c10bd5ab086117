package uuids

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Twins are rows of a table that have one uuid. The first stands for it elsewhere.
type Twins struct {
	First, Other string // as this database knows them
	Statement    string // gives the other a uuid of its own
}

// FindTwins returns, of a table whose key is a uuid, some rows that have the uuid of a row before them; others are those rows, as
// [rowkey.FindNameless] finds them.
func FindTwins(ctx context.Context, q sqldb.DB, t *schema.Table, others []journal.Row) (out []Twins, err error) {
	if t.Key != schema.KeyUUID || len(t.PrimaryKey) == 0 {
		return nil, nil
	}
	keys, err := rowkey.Of(ctx, q, t, others)
	if err != nil {
		return nil, err
	}
	for _, r := range others {
		first := r
		rows, err := rowkey.ByUUID(ctx, q, t, []string{keys[r]})
		if err != nil {
			return nil, err
		}
		for _, x := range rows {
			if rowkey.Compare(x, first) < 0 {
				first = x
			}
		}
		x := item{Table: t.Name, Int: r.Int, Key: []byte(r.Key), UUID: newUUID()}
		out = append(out, Twins{rowkey.Named(t, []journal.Row{first}), rowkey.Named(t, []journal.Row{r}), update(t, x) + ";"})
	}
	return out, nil
}

// CountEmpty returns how many rows of a table have an empty text for a uuid: to other nodes all of them are one row.
func CountEmpty(ctx context.Context, q sqldb.DB, t *schema.Table) (n int64, err error) {
	if t.Key != schema.KeyUUID || !strings.Contains(none(t), " OR ") {
		return 0, nil
	}
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s = ''", schema.Quote(t.Name), schema.Quote(t.KeyColumns[0].Name)), func(r []sql.RawBytes) error {
		n = sqldb.Int(r[0])
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look for empty uuids in %s: %w", t.Name, err)
	}
	return n, nil
}
