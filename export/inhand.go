package export

import (
	"context"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// takeInHand notes that rows with an integer are about to be written, and their keys, which refer to each other perhaps.
func (d *dictionary) takeInHand(t *schema.Table, p *portion, keys []string) {
	if d.handOf = nil; t != nil && t.Integer != nil && t.Root == t {
		d.handOf = t
	}
	d.inHand, d.handKeys = p, keys
}

// keysOf reads the keys of rows, but for those that are in hand.
func (d *dictionary) keysOf(ctx context.Context, t *schema.Table, rows []journal.Row) (map[journal.Row]string, error) {
	if t != d.handOf || len(rows) == 0 {
		return rowkey.Of(ctx, d.plan.snap, t, rows)
	}
	inHand := make(map[journal.Row]string, len(d.handKeys))
	for i, key := range d.handKeys {
		if key != "" {
			inHand[d.inHand.rows[i]] = key
		}
	}
	far := slices.DeleteFunc(slices.Clone(rows), func(r journal.Row) bool { return inHand[r] != "" })
	found, err := rowkey.Of(ctx, d.plan.snap, t, far)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if key := inHand[r]; key != "" {
			found[r] = key
		}
	}
	return found, nil
}
