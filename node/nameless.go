package node

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// Nameless says of each exchanged table which of its rows nothing names elsewhere: they stay here, with the rows that refer to them.
func Nameless(ctx context.Context, q sqldb.DB, cat *schema.Catalogue) ([]string, error) {
	var out []string
	for _, t := range cat.Order() {
		n, err := rowkey.FindNameless(ctx, q, t)
		if err != nil {
			return nil, err
		}
		if len(n.Empty) > 0 {
			out = append(out, fmt.Sprintf("%s: %s with a NULL in what names them", t.Name, rowkey.Named(t, n.Empty)))
		}
		if len(n.Repeated) > 0 {
			out = append(out, fmt.Sprintf("%s: %s with the key of a row before", t.Name, rowkey.Named(t, n.Repeated)))
		}
	}
	return out, nil
}
